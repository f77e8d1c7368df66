"""The loop: it learns, it is deterministic, it keeps the best epoch, it says what goes wrong."""

import dataclasses
import itertools

import pytest
import torch

from interfuse.core.design import Design, make_design
from interfuse.core.errors import ConfigError, DataError
from interfuse.data import make_known
from interfuse.training import count_parameters, load_run, measure, predict_probs, resolve_precision, save_run, train
from interfuse.training.optimiser import make_optimiser, make_schedule

RUN_INFO = {"task": "multiclass", "label_names": ["0", "1"]}
BASE = {"dim": 32, "num_heads": 4, "epochs": 4, "batch_size": 32, "dropout": 0.1}


@pytest.fixture(scope="module")
def features():
    return make_known("known:xor", rows=(256, 64, 64))


def run(features, fusion: str = "product", seed: int = 0, precision="float32", **given):
    rows = features.splits["train"]
    specs = (
        measure(features.image, features.image_items[rows]),
        measure(features.text, features.text_items[rows]),
    )
    return train(make_design(fusion, given, BASE), seed, features, specs, precision)


def test_a_product_learns_xor_and_the_same_seed_gives_the_same_weights(features):
    first, again, other = run(features, seed=1), run(features, seed=1), run(features, seed=2)
    state = first.network.state_dict()
    assert all(state[name].equal(value) for name, value in again.network.state_dict().items())
    assert any(not state[name].equal(value) for name, value in other.network.state_dict().items())
    assert first.history[-1]["validation_score"] == 1.0
    assert first.history[0]["train_loss"] > first.history[-1]["train_loss"]


def test_training_leaves_the_callers_random_numbers_alone(features):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    run(features, epochs=1)
    assert torch.rand(1).equal(expected)


def test_the_best_epoch_by_validation_is_kept(features):
    trained = run(features, epochs=6, learning_rate=0.05)
    scores = [(row["validation_score"], -row["validation_loss"]) for row in trained.history]
    assert trained.best_epoch == 1 + scores.index(max(scores))
    rows = features.splits["validation"]
    hits = predict_probs(trained.network, features, rows).argmax(1) == features.labels[rows]
    assert hits.float().mean() == pytest.approx(max(scores)[0])


def test_history_has_the_gradient_norm_of_every_block(features):
    row = run(features, epochs=1).history[0]
    norms = dict(zip(row["block"], row["gradient_norm"], strict=True))
    assert set(norms) == {"image_adapter", "text_adapter", "fusion", "head"}
    assert all(value > 0 for value in norms.values())
    control = run(features, "text_only", epochs=1).history[0]
    assert dict(zip(control["block"], control["gradient_norm"], strict=True))["image_adapter"] == 0


def test_the_absent_token_is_trained_by_modality_dropout_only(features):
    plain, dropped = run(features, epochs=1), run(features, epochs=1, modality_dropout=0.3)
    start = run(features, epochs=1, learning_rate=1e-12)
    moved = [
        float((trained.network.text_adapter.absent - start.network.text_adapter.absent).detach().abs().max())
        for trained in (plain, dropped)
    ]
    assert moved[0] < 1e-6
    assert moved[1] > 1e-5


def test_bfloat16_steps_learn_too_and_evaluate_in_float32(features):
    trained = run(features, precision="bfloat16")
    probs = predict_probs(trained.network, features, features.splits["test"])
    assert probs.dtype == torch.float32
    assert (probs.argmax(1) == features.labels[features.splits["test"]]).float().mean() > 0.95


def test_probabilities_do_not_depend_on_the_batch(features):
    trained, rows = run(features, "cross_attention", epochs=1, pool="none"), features.splits["test"]
    whole, single = (predict_probs(trained.network, features, rows, size) for size in (64, 5))
    torch.testing.assert_close(whole, single, rtol=1e-5, atol=1e-6)


def test_multilabel_trains_on_sets(features):
    hot = torch.nn.functional.one_hot(features.labels, 2).float()
    trained = run(dataclasses.replace(features, labels=hot, task="multilabel"))
    assert trained.history[-1]["validation_score"] > 0.95


@pytest.mark.parametrize("fusion", ["late_mean", "late_logit", "late_product", "evidential"])
def test_late_fusion_learns_what_is_additive_and_comes_back_from_disk(fusion, tmp_path):
    rows = make_known("known:redundant", rows=(256, 64, 64))
    trained = run(rows, fusion)
    assert trained.history[-1]["validation_score"] > 0.9
    info = {"task": "multiclass", "label_names": rows.label_names}
    save_run(tmp_path, trained.network, make_design(fusion, {}, BASE), info, trained.history)
    again, test = load_run(tmp_path), rows.splits["test"]
    assert predict_probs(again.network, rows, test).equal(predict_probs(trained.network, rows, test))


def test_the_product_rule_knows_how_often_each_class_occurs(features):
    shares = torch.bincount(features.labels[features.splits["train"]], minlength=2) + 1.0
    trained = run(features, "late_product", epochs=1)
    torch.testing.assert_close(trained.network.fusion.prior, (shares / shares.sum()).log())


def test_weight_decay_acts_on_the_weights_of_linear_maps_alone(features):
    network = run(features, "merged_attention", epochs=1).network
    network.requires_grad_(True)
    groups = make_optimiser(network, Design("merged_attention")).param_groups
    decayed = {id(p) for p in groups[0]["params"]}
    for name, parameter in network.named_parameters():
        expected = name.endswith("weight") and "norm" not in name
        assert (id(parameter) in decayed) == expected, name


def test_the_schedule_climbs_and_then_follows_a_cosine_to_zero():
    weight = torch.nn.Linear(1, 1)
    design = Design("concat", warmup=0.2, learning_rate=1.0)
    optimiser = make_optimiser(weight, design)
    schedule, rates = make_schedule(optimiser, design, 10), []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    assert rates[:2] == [0.5, 1.0]
    assert all(a > b for a, b in itertools.pairwise(rates[1:]))
    assert 0 < rates[-1] < 0.05


def test_answers_that_came_to_nothing_are_told_as_a_diverging_loss_is(features):
    told = r"design '.*': answers to validation rows became NaN or infinite in epoch 1\. Fix: a lower"
    with pytest.raises(ConfigError, match=told):
        run(features, "concat", epochs=1, batch_size=1000, learning_rate=1e30, clip=0, norm="none", hidden=64)


def test_a_diverging_loss_is_told_with_its_fixes(features):
    with pytest.raises(ConfigError, match=r"the training loss became (nan|inf) in epoch 1\. Fix: a lower"):
        run(features, "concat", learning_rate=1e30, clip=0, norm="none", hidden=64)


def test_an_empty_split_is_told(features):
    empty = {**features.splits, "validation": torch.tensor([], dtype=torch.int64)}
    with pytest.raises(ConfigError, match="There is no validation row: 384 rows in all"):
        run(dataclasses.replace(features, splits=empty))


def test_a_run_comes_back_from_disk_with_the_same_numbers(features, tmp_path):
    trained = run(features, "cross_attention", epochs=1, gate="glu", encoder_layers=1)
    design = make_design("cross_attention", {"epochs": 1, "gate": "glu", "encoder_layers": 1}, BASE)
    save_run(tmp_path, trained.network, design, RUN_INFO, trained.history)
    again = load_run(tmp_path)
    rows = features.splits["test"]
    assert predict_probs(again.network, features, rows).equal(predict_probs(trained.network, features, rows))
    assert again.design == design
    assert count_parameters(again.network) == trained.parameters
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".parquet", ".safetensors"}


def test_a_folder_that_holds_no_run_is_told(tmp_path):
    with pytest.raises(DataError, match=r"holds no finished run \(no run\.json\)"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 1}')
    with pytest.raises(DataError, match=r"run\.json does not say 'design'"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json is no JSON that can be read: JSONDecodeError"):
        load_run(tmp_path)


def test_precision_follows_the_word_given():
    assert resolve_precision("float32", 512) == "float32"
    assert resolve_precision("bfloat16", 8) == "bfloat16"
    assert resolve_precision("auto", 8) == "float32"
