"""What goes wrong outside of us is one line: no traceback, and nothing that the line itself could do."""

import errno
import os
import sys

import pytest

from interfuse.cli.main import run
from tests.full_disk import full_disk

XOR = ("known:xor", "--epochs", "1", "--dim", "8", "--threads", "1")


def fail(capsys, *arguments, code=1):
    """Run a command that must fail; return what it says on stderr."""
    with pytest.raises(SystemExit) as stop:
        run(list(arguments))
    assert stop.value.code == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("command", "file"), [(("compare", *XOR, "--seeds", "1"), "study.json"), (("train", *XOR), "safetensors")]
)
def test_a_full_disk_is_one_line(capsys, tmp_path, command, file):
    with full_disk(256):
        said = fail(capsys, *command, "--out", str(tmp_path / "out"))
    assert f"{file} cannot be written: File too large" in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x", "/a/b"), "error: /a/b cannot be used: No space left on device. Free some space"),
        (OSError(errno.EROFS, "x", "/a/b"), "error: /a/b cannot be used: Read-only file system. Give a place"),
        (PermissionError(errno.EACCES, "x", "/a/b"), "error: /a/b cannot be used: Permission denied."),
        (
            OSError(errno.EMFILE, "x"),
            "error: A file cannot be used: Too many open files. Allow more open files: ulimit",
        ),
        (RuntimeError("I/O: no space (os error 28)"), "error: A file cannot be used: No space left on device."),
    ],
)
def test_what_the_system_refuses_is_one_line_wherever_it_comes_from(capsys, monkeypatch, error, words):
    def refuse(_):
        raise error

    monkeypatch.setattr("interfuse.cli.app.check_shared", refuse)
    assert words in fail(capsys, "train")


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch):
    def mistake(_):
        raise ZeroDivisionError

    monkeypatch.setattr("interfuse.cli.app.check_shared", mistake)
    with pytest.raises(ZeroDivisionError):
        run(["train"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "text,label\nx,y\n".encode("utf-16-le"), "is UTF-16: save it as UTF-8"),
        (os.fsdecode(b"caf\xe9.csv"), b"text,label\nx,y\n", "only 'y'"),
        ("\x1b]0;title\x07\x1b[31m.csv", b"", "is empty"),
        ("x" * 300 + ".csv", None, "File name too long"),
    ],
    ids=["wide", "not utf-8", "escapes", "long"],
)
def test_a_file_that_cannot_be_read_is_one_line_without_control_characters(capsys, tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said = fail(capsys, "inspect", str(tmp_path / name), "--text", "text", "--label", "label")
    assert words in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)


def test_a_port_that_is_none_is_wrong_usage(capsys):
    assert "65535" in fail(capsys, "serve", "run", "--port", "99999", code=2)


def test_a_name_that_is_not_utf_8_can_be_printed(monkeypatch, tmp_path):
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with pytest.raises(SystemExit):
            run(["fusions", "--help"])
        print(os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "out").read_text(encoding="utf-8").endswith("caf\\udce9\n")
