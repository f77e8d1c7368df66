"""Messages name a setting as Python does, and the command line as one types it."""

import re
from pathlib import Path

import pytest

import interfuse
from interfuse.cli.flags import spell_flags
from interfuse.cli.main import run


@pytest.mark.parametrize(
    ("sentence", "spelled"),
    [
        ("clip=1, a longer warmup", "--clip 1, a longer warmup"),
        ("got learning_rate=0.01.", "got --learning-rate 0.01."),
        ("Fix: residual=True.", "Fix: --residual."),
        ("With strict=False the row is left out.", "With --no-strict the row is left out."),
        ("Give image=… and text=…. Columns: a", "Give --image and --text. Columns: a"),
        ("finetune_batch=4, accumulate=2 (as", "--finetune-batch 4, --accumulate 2 (as"),
        ("Is image_folder=… right?", "Is --image-folder right?"),
        ("cannot be exported to ONNX. Give format=torch.", "cannot be exported to ONNX. Give --to torch."),
        ("unfreeze=last-9: it has 2 blocks", "--unfreeze last-9: it has 2 blocks"),
        ("Export it with whole=True.", "Export it with --whole."),
        ("split=COL or (test=FILE)", "--split COL or (--test FILE)"),
        ("image_folder=/a/b.c is no folder.", "--image-folder /a/b.c is no folder."),
        ("design 'concat:dim=64:epochs=3'", "design 'concat:dim=64:epochs=3'"),
        ("'dim=64' and runs/a+dim=64/0", "'dim=64' and runs/a+dim=64/0"),
        ("hidden=512 is the mechanism's own", "hidden=512 is the mechanism's own"),
        ("ogm_alpha=0.5 has no option in compare", "ogm_alpha=0.5 has no option in compare"),
    ],
)
def test_a_setting_in_a_sentence_is_spelled_as_one_types_it(sentence, spelled):
    assert spell_flags(sentence) == spelled


def test_an_error_names_the_option(capsys, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as stop:
        run(["inspect", str(tmp_path / "rows.csv")])
    assert stop.value.code == 1
    assert "Give --image and --text. Columns: a, b." in capsys.readouterr().err


def test_no_sentence_below_the_command_line_names_an_option():
    root = Path(interfuse.__file__).parent
    named = [
        f"{path.relative_to(root)}: {word}"
        for path in root.rglob("*.py")
        if "cli" not in path.relative_to(root).parts
        for word in re.findall(r"(?<![\w(-])--[a-z][a-z-]+", path.read_text(encoding="utf-8"))
    ]
    commands = {"fusion/catalogue.py: --out", "workflows/compare/config.py: --config"}
    assert set(named) <= commands | {"reports/styles.py: --series-"}
