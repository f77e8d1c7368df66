"""`interfuse rank`: a table and a verdict for people, one JSON object for programs, and the page."""

import json

import pytest

from interfuse.cli.main import run
from tests.workflows.rank.made import make_data_set


def test_studies_are_ranked_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        make_data_set(tmp_path / f"s{number}", number, rows=100)
    with pytest.raises(SystemExit) as stop:
        run(["rank", "s0", "s1", "s2"])
    assert stop.value.code == 0
    caught = capsys.readouterr()
    assert "product" in caught.out
    assert "over data sets like these" in " ".join(caught.out.split())
    assert "Ranking: ranking.html" in caught.out
    assert (tmp_path / "ranking.html").stat().st_size > 10_000
    with pytest.raises(SystemExit) as stop:
        run(
            [
                "rank",
                "s0",
                "s1",
                "s2",
                "--baseline",
                "text_only",
                "--margin",
                "0.02",
                "--format",
                "json",
                "--out",
                "r.md",
            ]
        )
    assert stop.value.code == 0
    caught = capsys.readouterr()
    record = json.loads(caught.out)
    assert (record["baseline"], record["margin"]) == ("text_only", 0.02)
    assert "Ranking: r.md" in caught.err


def test_one_study_and_no_study_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_data_set(tmp_path / "s0", 0, rows=50)
    with pytest.raises(SystemExit) as stop:
        run(["rank", "s0"])
    assert stop.value.code == 1
    assert "error: A ranking is over the studies of at least 2 data sets, got 1." in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run(["rank"])
    assert stop.value.code == 2


def test_the_help_tells_what_is_taken_where_nothing_is_said(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        run(["rank", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for default in ("each study's own", "the one that all studies declared", "the largest of the studies'"):
        assert f"[default: {default}]" in text
