"""A plan: from a pilot's own spreads, from typical ones, and what it refuses."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import interfuse
from interfuse.cli.app import app
from interfuse.core.errors import ConfigError
from interfuse.evaluation import Precision
from interfuse.workflows import Source, plan
from interfuse.workflows.source import make_source


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan") / "pilot"
    terms = {"dim": 16, "epochs": 1, "batch_size": 128, "train_rows": 256}
    fusions = ["concat", "product", "text_only", "image_only"]
    return interfuse.compare("known:xor", fusions=fusions, baseline="concat", seeds=3, out=folder, **terms)


def test_a_pilot_s_plan_has_what_the_pilot_could_see_and_what_more_would(pilot):
    forecast = plan(pilot.folder, contrast="product vs concat", difference=0.02)
    assert (forecast.seeds, forecast.difference) == (3, 0.02)
    by, _, scores = pilot.score()
    rules = pilot.judge(by, scores).rules
    contrast = rules.contrast(scores["product"], scores["concat"])
    own = Precision.of(contrast.components, forecast.rows).detectable(3, forecast.rows)
    (cell,) = [cell for cell in forecast.cells if (cell.seeds, cell.rows) == (3, forecast.rows)]
    assert cell.detectable == pytest.approx(own)
    assert cell.best <= cell.detectable < cell.worst
    assert cell.hours > 0
    by_seeds = [cell.detectable for cell in forecast.cells if cell.rows == forecast.rows]
    assert by_seeds == sorted(by_seeds, reverse=True)


def test_without_a_word_it_is_the_contrast_of_the_verdict(pilot):
    choice = pilot.judge("accuracy", pilot.score()[2]).choice
    assert plan(pilot.folder).subject == f"{choice.fusion} vs {choice.control}"
    assert plan(pilot.folder).difference == 0.01


@pytest.mark.parametrize("words", ["product", "product vs nobody", "concat vs concat"])
def test_a_contrast_of_other_designs_is_refused(pilot, words):
    with pytest.raises(ConfigError, match="A contrast is `DESIGN vs DESIGN`, two of majority, "):
        plan(pilot.folder, contrast=words)


def test_a_study_of_folds_is_refused(pilot, tmp_path):
    folded = replace(pilot, record={**pilot.record, "folds": 5})
    (tmp_path / "study.json").write_text(json.dumps(dict(folded.record)), encoding="utf-8")
    with pytest.raises(ConfigError, match="Give a study of one split"):
        plan(tmp_path)


def test_rows_alone_are_planned_with_typical_spreads_and_it_says_so():
    source = make_source("known:xor", {}, {})
    assert isinstance(source, Source)
    forecast = plan(source)
    assert forecast.rows > 100
    assert "Without a pilot, spreads are assumed" in forecast.notes[0]
    assert forecast.cells[0].hours is None


def test_on_the_command_line(pilot):
    text = CliRunner().invoke(app, ["plan", str(pilot.folder), "--difference", "0.05"])
    assert text.exit_code == 0, text.output
    assert "5 points on these" in text.output
    found = json.loads(CliRunner().invoke(app, ["plan", "known:xor", "--format", "json"]).output)
    assert found["subject"] == "two designs like most"


@pytest.mark.parametrize("difference", [0.0, -0.1, 5.0])
def test_a_difference_that_is_no_fraction_is_refused(pilot, difference):
    with pytest.raises(ConfigError, match="a fraction between 0 and 1"):
        plan(pilot.folder, difference=difference)


def test_designs_of_rows_that_were_never_trained_are_refused():
    with pytest.raises(ConfigError, match="names designs of a pilot"):
        plan(make_source("known:xor", {}, {}), contrast="product vs concat")
