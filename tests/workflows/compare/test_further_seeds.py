"""Seeds beyond the first: fresh ones for the designs of the verdict, or more until a contrast is sure."""

import pytest

import interfuse
from interfuse.core.errors import ConfigError
from interfuse.workflows import Study
from interfuse.workflows.study import add_seeds, confirm

TERMS = {"dim": 16, "epochs": 1, "batch_size": 64, "train_rows": 256, "baseline": "concat", "linear_floors": False}
FUSIONS = ["concat", "product", "text_only", "image_only"]


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory):
    out = tmp_path_factory.mktemp("confirm") / "study"
    return interfuse.compare("known:unique_text", fusions=FUSIONS, seeds=2, confirm=True, out=out, **TERMS)


def test_the_two_designs_of_the_verdict_are_trained_again_and_no_other(confirmed):
    chosen = confirmed.record["confirmation"]
    assert chosen["control"] == "text_only"
    assert chosen["seeds"] == [2, 3]
    fresh = [(trial.design.name, trial.seed) for trial in confirmed.trials() if trial.seed > 1]
    assert sorted(fresh) == sorted((name, seed) for name in (chosen["fusion"], "text_only") for seed in (2, 3))
    assert all((trial.folder / "run.json").is_file() for trial in confirmed.trials())


def test_the_verdict_is_about_the_fresh_trainings_and_the_table_about_the_first(confirmed):
    summary = confirmed.summary()
    assert any(detail.startswith("Confirmed: ") for detail in summary.details)
    assert {row.seeds for row in summary.rows} == {2}
    by, _, scores = confirmed.score()
    comparison = confirmed.judge(by, scores)
    fresh = confirmed.run("text_only", seed=2)
    fusion = confirmed.run(confirmed.record["confirmation"]["fusion"], seed=2)
    first = fusion.info["metrics"]["test"]["accuracy"] - fresh.info["metrics"]["test"]["accuracy"]
    assert comparison.contrast.components.seeds == 2
    second = [
        confirmed.run(name, seed=3).info["metrics"]["test"]["accuracy"]
        for name in (confirmed.record["confirmation"]["fusion"], "text_only")
    ]
    assert comparison.contrast.mean == pytest.approx((first + second[0] - second[1]) / 2)


def test_the_same_command_again_confirms_nothing_anew(confirmed):
    before = (confirmed.folder / "study.json").read_text(encoding="utf-8")
    interfuse.compare("known:unique_text", fusions=FUSIONS, seeds=2, confirm=True, out=confirmed.folder, **TERMS)
    assert (confirmed.folder / "study.json").read_text(encoding="utf-8") == before


def test_without_a_control_there_is_nothing_to_confirm(tmp_path):
    one = {**TERMS, "train_rows": 64}
    study = interfuse.compare("known:xor", fusions=["concat", "product"], seeds=1, out=tmp_path, **one)
    alone = Study(study.folder, {**study.record, "designs": study.record["designs"][:1]})
    with pytest.raises(ConfigError, match="There is nothing to confirm"):
        confirm(alone)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    out = tmp_path_factory.mktemp("sure") / "study"
    return interfuse.compare("known:unique_text", fusions=FUSIONS, seeds=2, until_sure=5, out=out, **TERMS)


def test_seeds_are_added_where_a_contrast_is_open_and_nowhere_else(grown):
    counts = {design.name: len(grown.seeds_of(design.name)) for design in grown.designs()}
    assert max(counts.values()) <= 5
    assert min(counts.values()) < max(counts.values())  # what is decided trains no more
    assert grown.looks().seeds == (2, 3, 5)
    assert add_seeds(grown) is None
    summary = grown.summary()
    assert any(detail.startswith("Seeds were added while a contrast was open") for detail in summary.details)
    assert summary.alpha == grown.looks().alpha < 0.05
    assert any(f"p is sure below {summary.alpha:g}, not 0.05." in detail for detail in summary.details)
    assert {row.design: row.seeds for row in summary.rows if row.design in counts} == counts
    for row in summary.rows:
        if row.verdict == "no evidence" and counts.get(row.design, 5) < 5:
            assert row.delta_ci_high - row.delta_ci_low > 0.02  # hopeless: not even equality could be shown


def test_a_study_that_grew_is_the_same_study_when_it_is_asked_for_again(grown):
    before = (grown.folder / "study.json").read_text(encoding="utf-8")
    interfuse.compare("known:unique_text", fusions=FUSIONS, seeds=2, until_sure=5, out=grown.folder, **TERMS)
    assert (grown.folder / "study.json").read_text(encoding="utf-8") == before
    with pytest.raises(ConfigError, match="its until_sure is 5, now given: 8"):
        interfuse.compare("known:unique_text", fusions=FUSIONS, seeds=2, until_sure=8, out=grown.folder, **TERMS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seeds": 5, "until_sure": 5}, r"above seeds=5 and 2 or more: got 5\. Try until_sure=20"),
        ({"seeds": 1, "until_sure": 5}, "begin with seeds=2 or more"),
        ({"seeds": 2, "until_sure": 5, "confirm": True}, "confirm=… or until_sure=…, not both"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(settings, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        interfuse.compare("known:xor", fusions=FUSIONS, out=tmp_path, **settings)
