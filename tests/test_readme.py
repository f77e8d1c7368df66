"""The README's Python runs as it stands."""

import re
import warnings
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)


PRINTS = {
    "create_fusion": (r"torch\.Size\(\[4, 512\]\)", r"(Fusion beats|No evidence that fusion beats)"),
    "assert_sound": (r"0 errors",),
}
"""What a block prints, by the first of these words that it holds."""


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {n}" for n in range(len(BLOCKS))])
def test_a_python_block_runs_as_it_stands(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    word = next(word for word in ("assert_sound", "create_fusion") if word in block)
    assert all(re.search(pattern, out) for pattern in PRINTS[word]), out
    if "study.report" in block:
        assert (tmp_path / "xor-study" / "report.md").is_file()


def test_there_is_a_block_to_run_and_every_command_shown_exists():
    assert BLOCKS
    warnings.simplefilter("error")
    from interfuse.cli.main import app

    shown = set(re.findall(r"interfuse (\w+)", "\n".join(re.findall(r"```bash\n(.*?)```", README.read_text(), re.S))))
    assert shown <= {command.name for command in app.registered_commands}
