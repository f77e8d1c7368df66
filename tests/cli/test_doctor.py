"""`interfuse doctor`: what it names, what it refuses, how it ends."""

import json

import pytest

from interfuse.cli.main import run

BROKEN = """
import torch
from torch import nn

class Fusion(nn.Module):
    def __init__(self, hidden, mode="sum"):
        super().__init__()
        assert mode in ("sum", "mul")
        self.layers = [nn.Linear(7, hidden), nn.Linear(5, hidden)]
        self.head = nn.Linear(hidden, 3)

    def forward(self, image, text):
        return self.head(torch.tanh(self.layers[0](image)) * torch.tanh(self.layers[1](text)))
"""


def ends(arguments):
    with pytest.raises(SystemExit) as stop:
        run(["doctor", *arguments])
    return stop.value.code


def test_a_registered_mechanism_is_examined_by_its_name(capsys):
    assert ends(["concat", "fused_dim=6", "--image-dim", "7", "--text-dim", "5"]) == 0
    said = capsys.readouterr().out
    assert "ConcatFusion" in said
    assert "0 errors, 0 warnings" in said


def test_a_broken_class_of_a_file_exits_1_and_is_named_in_json(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(BROKEN)
    target = f"{tmp_path / 'mine.py'}:Fusion"
    assert ends([target, "hidden=4", "mode=mul", "--image-dim", "7", "--text-dim", "5", "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    worst = report["findings"][0]
    assert (worst["kind"], worst["defect"], worst["severity"]) == ("unregistered-parameters", 1, "error")
    assert "4 tensors of 56 weights" in worst["evidence"]
    assert "layers[0].weight" in worst["where"]
    assert "mine.py:5" in worst["where"]


def test_a_class_of_a_package_is_found(capsys):
    assert ends(["torch.nn:Bilinear", "in1_features=7", "in2_features=5", "out_features=4"]) == 1  # widths 2048 and 768
    assert "No way of calling it worked" in capsys.readouterr().out
    arguments = ["torch.nn:Bilinear", "in1_features=7", "in2_features=5", "out_features=4"]
    assert ends([*arguments, "--image-dim", "7", "--text-dim", "5"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cross_atention"], "Unknown fusion mechanism 'cross_atention'. Did you mean 'cross_attention'?"),
        (["nowhere.py:Fusion"], "There is no file nowhere.py"),
        (["no_such_package.fusion:Fusion"], "Cannot import no_such_package.fusion"),
        (["torch.nn:Bilinera"], "Did you mean 'Bilinear'?"),
        (
            ["torch.nn:Bilinear", "in1_features=7"],
            "torch.nn:Bilinear cannot be made with {'in1_features': 7}: TypeError",
        ),
        (["torch.nn:Parameter"], "torch.nn:Parameter makes a Parameter; expected a torch.nn.Module"),
    ],
)
def test_what_cannot_be_examined_is_one_clear_line(arguments, message, capsys):
    assert ends(arguments) == 1
    assert message in capsys.readouterr().err


def test_a_setting_without_a_value_is_wrong_usage(capsys):
    assert ends(["concat", "fused_dim"]) == 2
    assert "Cannot read 'fused_dim'" in capsys.readouterr().err
