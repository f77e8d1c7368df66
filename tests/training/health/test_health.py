"""Training health: networks whose ailment is known get its name, and healthy ones none."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch import nn

from interfuse.core.design import make_design
from interfuse.core.modalities import Modalities
from interfuse.core.records import HISTORY, read_table
from interfuse.core.tokens import MemoryTable
from interfuse.data import make_known
from interfuse.fusion import FUSIONS
from interfuse.nn import Attention
from interfuse.training import Checkpoint, measure, save_run, train
from interfuse.training.health.baseline import measure_baseline
from interfuse.training.health.findings import describe, judge, word_of
from interfuse.training.health.monitor import HealthMonitor, list_parts
from interfuse.training.health.probes import Probes, gate_saturation, head_entropy, modality_use
from tests.training.networks import build

BASE = {"dim": 32, "num_heads": 4, "epochs": 3, "batch_size": 64, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def features():
    return make_known("known:xor", rows=(256, 64, 64))


def run(features, fusion: str, precision="float32", on_step=None, **given):
    rows = features.splits["train"]
    specs = (
        measure(features.image, features.image_items[rows]),
        measure(features.text, features.text_items[rows]),
    )
    return train(make_design(fusion, given, BASE), 0, features, specs, precision, on_step)


def words(trained) -> set[str]:
    return {finding["word"] for finding in trained.history[-1]["findings"]}


class Residual(nn.Module):
    """`x + σ(W LN x)`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(dim), nn.Linear(dim, dim)

    def forward(self, x):
        return x + torch.sigmoid(self.linear(self.norm(x)))


def train_stack(layers: list[nn.Module], steps: int = 40) -> list[dict]:
    """Train a stack and a head on a linear rule; give its history."""
    torch.manual_seed(0)
    blocks = {"stack": nn.Sequential(*layers), "head": nn.Linear(16, 2)}
    monitor = HealthMonitor(blocks, steps, every=2)
    network = nn.Sequential(*blocks.values())
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    x = torch.randn(steps, 32, 16)
    history = []
    for step in range(steps):
        monitor.begin()
        loss = nn.functional.cross_entropy(network(x[step]), (x[step, :, 0] > 0).long())
        loss.backward()
        monitor.after_backward()
        optimiser.step()
        monitor.after_step()
        optimiser.zero_grad()
        if step % 10 == 9:
            history.append({"epoch": len(history) + 1, "train_loss": float(loss.detach()), **monitor.row()})
            history[-1] |= describe(history)
    return history


def test_twelve_sigmoid_layers_vanish_and_with_residuals_and_norms_they_are_healthy():
    torch.manual_seed(0)
    plain = train_stack([nn.Sequential(nn.Linear(16, 16), nn.Sigmoid()) for _ in range(12)])
    assert plain[-1]["health"] == "vanishing"
    finding = next(f for f in plain[-1]["findings"] if f["where"] == "stack")
    assert "stack.0" in finding["evidence"]
    assert "residuals and norms" in finding["fix"]
    fixed = train_stack([Residual(16) for _ in range(12)])
    assert [row["health"] for row in fixed] == ["healthy"] * 4


@pytest.mark.filterwarnings("ignore::interfuse.fusion.OneKeyAttentionWarning")
def test_attention_over_pooled_vectors_has_a_dead_query_and_key(features):
    trained = run(features, "cross_attention", pool="mean")
    assert trained.history[-1]["health"] == "dead query/key"
    where = {f["where"] for f in trained.history[-1]["findings"] if f["word"] == "dead query/key"}
    assert where == {f"fusion.streams.layers.0.{side}.attention" for side in ("image", "text")}
    assert "pool=none" in trained.history[-1]["findings"][0]["fix"]
    one = trained.history[-1]["attention"][0]
    assert (one["entropy"], one["keys"]) == (None, 1)
    assert one["query_key"] < 1e-5


def test_attention_over_tokens_is_healthy(features):
    trained = run(features, "cross_attention")
    assert trained.history[-1]["health"] == "healthy"
    for one in trained.history[-1]["attention"]:
        assert 0 < one["entropy"] <= 1
        assert one["query_key"] > 1e-5
        assert (one["keys"], one["heads"], one["dead_heads"]) == (2, 4, 0)


@pytest.mark.parametrize("rows", [32, 256])
def test_a_gate_that_starts_at_zero_is_not_dead(features, rows):
    """One step, so that all that is seen is the moment when nothing behind the gate has a gradient; and several."""
    few = dataclasses.replace(features, splits={**features.splits, "train": features.splits["train"][:rows]})
    trained = run(few, "gated_cross_attention", epochs=1)
    assert trained.history[0]["health"] == "healthy"
    first = trained.history[0]["attention"][0]
    if rows == 32:
        assert first["query_key"] is None
        assert {p["zeros"] for p in trained.history[0]["parts"] if p["part"] == "fusion"} == {None}
        assert FUSIONS.create("gated_cross_attention", image_dim=4, text_dim=4, fused_dim=8).closed_gates()
    else:
        assert first["query_key"] > 0


@pytest.mark.parametrize("name", FUSIONS.names())
def test_no_mechanism_is_called_ill_on_a_task_that_it_can_learn_or_not(features, name):
    trained = run(features, name, epochs=2)
    assert words(trained) <= {"not learning"}, trained.history[-1]["findings"]


@pytest.mark.parametrize("side", ["image", "text"])
@pytest.mark.parametrize("kind", ["one item", "zeros", "missing"])
def test_a_modality_that_is_the_same_in_every_row_is_a_constant_column(side, kind):
    """No setting of the training can mend it: the column is to be looked at."""
    rows = make_known("known:redundant", rows=(512, 64, 64))
    items, table = getattr(rows, f"{side}_items"), getattr(rows, side)
    if kind == "zeros":
        tokens, mask = table.gather(torch.arange(len(table)))
        changes = {side: MemoryTable(torch.zeros_like(tokens), torch.ones_like(mask), table.grid)}
    else:
        changes = {f"{side}_items": torch.full_like(items, 0 if kind == "one item" else -1)}
    trained = run(dataclasses.replace(rows, **changes), "product", epochs=4)
    assert trained.history[-1]["health"] == f"constant {side}"
    assert trained.history[-1][f"{side}_use"] < 1e-6
    fix = trained.history[-1]["findings"][0]["fix"]
    assert f"check the {side} column" in fix
    assert "modality_dropout" not in fix
    assert words(trained) == {f"constant {side}"}


def test_a_constant_modality_of_a_control_that_ignores_it_is_no_finding():
    rows = make_known("known:unique_text", rows=(256, 64, 64))
    assert words(run(dataclasses.replace(rows, image_items=torch.zeros_like(rows.image_items)), "text_only")) == set()


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_labels_that_are_all_the_same_are_named_and_no_learning_rate_is_blamed(features, task):
    labels = torch.zeros_like(features.labels) if task == "multiclass" else torch.full((len(features.labels),), 2.5)
    names = features.label_names if task == "multiclass" else ("y",)
    same = dataclasses.replace(features, labels=labels, task=task, label_names=names)
    last = run(same, "product", epochs=5).history[-1]
    assert [finding["word"] for finding in last["findings"]] == ["constant labels"]
    assert "learning_rate" not in last["findings"][0]["fix"]


def test_additive_designs_stay_at_chance_on_exclusive_or_and_a_product_does_not():
    rows = make_known("known:xor", rows=(1000, 400, 64))
    assert words(run(rows, "concat", epochs=8)) == {"at chance"}
    assert words(run(rows, "product", epochs=8)) == set()


@pytest.mark.parametrize(("score", "word"), [(0.37, "at chance"), (0.39, "at chance"), (0.41, "healthy")])
def test_chance_is_the_constant_answer_s_score_and_its_standard_error(score, word):
    row = {"gradient_norm": [1.0], "train_loss": 1.0, "validation_score": score, "step": 40}
    history = [{**row, "chance_score": 0.373, "chance_error": 0.02}, *[row] * 4]
    assert word_of(judge(history)) == word
    assert word_of(judge(history[:4])) == "healthy"  # too early to tell
    assert word_of(judge([{**one, "step": 100} for one in history[:1]])) == word
    if word == "at chance":
        assert "columns tell anything" in judge(history)[0].fix


def test_the_constant_answer_is_that_of_the_train_rows(features):
    train_rows, rows = features.splits["train"], features.splits["validation"]
    most = features.labels[train_rows].bincount().argmax()
    row = measure_baseline(features, frozenset({"image", "text"}))
    share = float((features.labels[rows] == most).float().mean())
    assert row["chance_score"] == pytest.approx(share)
    assert row["chance_error"] == pytest.approx((share * (1 - share) / len(rows)) ** 0.5)
    assert row["constant"] == []


def test_labels_learnt_by_heart_are_overfitting():
    """Labels that are drawn at random, few rows and many epochs."""
    rows = make_known("known:xor", rows=(128, 256, 64))
    labels = torch.randint(0, 2, rows.labels.shape, generator=torch.Generator().manual_seed(0))
    trained = run(dataclasses.replace(rows, labels=labels), "product", epochs=40, dropout=0.0)
    assert "overfitting" in words(trained)
    finding = next(f for f in trained.history[-1]["findings"] if f["word"] == "overfitting")
    assert "training loss fell" in finding["evidence"]
    assert "dropout=0.2" in finding["fix"]


@pytest.mark.parametrize(
    ("validation", "train_loss", "word"),
    [
        ([1.5, 1.31, 1.6, 2.27], [1.4, 1.0, 0.6, 0.2], "overfitting"),
        ([1.5, 1.31, 1.35, 1.5], [1.4, 1.0, 0.6, 0.2], "healthy"),  # a rise of 15 %
        ([1.5, 0.01, 0.02, 0.08], [1.4, 0.2, 0.1, 0.0], "healthy"),  # eight times nearly nothing
        ([1.5, 1.31, 1.6, 2.27], [1.0, 0.9, 1.0, 1.1], "healthy"),  # nothing is learnt by heart
    ],
)
def test_overfitting_is_a_validation_loss_that_rises_while_the_training_loss_falls(validation, train_loss, word):
    row = {"gradient_norm": [1.0], "first_loss": None}
    rows = [{**row, "validation_loss": v, "train_loss": t} for v, t in zip(validation, train_loss, strict=True)]
    rows[0]["first_loss"] = 1.6
    assert word_of(judge(rows)) == word
    if word == "overfitting":
        assert judge(rows)[0].evidence.startswith("the validation loss was 1.31 in epoch 2 and rose to 2.27")
        assert judge(rows)[0].fix.startswith("epochs=2")


@pytest.mark.parametrize("functional", [True, False])
@pytest.mark.parametrize(("dead", "is_found"), [(15, True), (8, False), (16, True)])
def test_dead_relus_are_counted_and_a_higher_learning_rate_is_not_advised(functional, dead, is_found):
    class Relu(nn.Linear):
        def forward(self, x):
            return super().forward(x).relu()

    torch.manual_seed(0)
    layer = Relu(16, 16) if functional else nn.Sequential(nn.Linear(16, 16), nn.ReLU())
    with torch.no_grad():
        (layer if functional else layer[0]).bias[:dead] = -100.0
    last = train_stack([nn.Identity(), layer])[-1]
    assert last["relus"] == [{"name": "stack.relu_0", "dead": dead / 16}]
    found = [f for f in last["findings"] if f["word"] == "dead units"]
    assert bool(found) is is_found
    if found:
        assert found[0]["evidence"].startswith(f"{100 * dead / 16:.0f} % of its ReLUs")
        assert "train anew with a lower learning_rate" in found[0]["fix"]
    assert "higher learning_rate" not in str(last["findings"])


def test_what_learns_nothing_behind_dead_relus_gets_their_fix_alone():
    row = {"gradient_norm": [1.0], "train_loss": 0.7, "first_loss": 0.7, "image_use": 0.0, "text_use": 0.0}
    assert [f.word for f in judge([row] * 5)] == ["not learning"]
    dead = {**row, "relus": [{"name": "fusion.relu_0", "dead": 0.94}]}
    assert [f.word for f in judge([dead] * 5)] == ["dead units"]
    chance = {**dead, "validation_score": 0.2, "step": 10, "chance_score": 0.3, "chance_error": 0.01}
    found = judge([chance] * 5)
    assert [f.word for f in found] == ["dead units", "at chance"]
    assert not any("higher learning_rate" in f.fix for f in found)


def test_listening_to_relus_ends_with_the_step_even_if_a_block_fails():
    class Broken(nn.Linear):
        def forward(self, x):
            raise RuntimeError("out of memory")

    probes = Probes({"a": Broken(2, 2)})
    probes.attach()
    with pytest.raises(RuntimeError, match="out of memory"):
        probes.blocks["a"](torch.ones(1, 2))
    probes.detach()
    torch.relu(torch.ones(1, 2))
    assert probes.relu_rows() == []
    assert len(torch.overrides._get_current_function_mode_stack()) == 0


def test_a_control_is_not_blamed_for_the_modality_it_does_not_take(features):
    rows = make_known("known:unique_text", rows=(256, 64, 64))
    trained = run(rows, "text_only")
    assert words(trained) == set()
    assert (trained.history[-1]["image_use"], trained.history[-1]["text_use"] > 0.2) == (None, True)


def test_exploding_is_told_from_what_the_gradients_did():
    row = {"gradient_norm": [1.0], "train_loss": 0.5, "parts": [], "attention": [], "gates": []}
    grown = [row, {**row, "gradient_norm": [2e3], "train_loss": 5.0}]
    assert word_of(judge(grown)) == "exploding"
    assert "grew 2000 times" in judge(grown)[0].evidence
    assert word_of(judge([row, {**row, "gradient_norm": [0.9e3]}])) == "healthy"
    assert word_of(judge([row, {**row, "gradient_norm": [math.inf]}])) == "exploding"
    parts = [{"part": name, "gradient_norm": norm} for name, norm in (("fusion", 5e4), ("head", 1.0))]
    assert word_of(judge([{**row, "parts": parts}])) == "exploding"


@pytest.mark.parametrize(
    ("losses", "word"),
    [
        ([0.69, 0.3, 0.1], "healthy"),
        ([1.5, 0.3, 0.1], "unstable"),
        ([0.6, 0.02, 0.06], "healthy"),
        ([0.6, 0.02, 0.2], "unstable"),
    ],
)
def test_unstable_means_a_loss_far_above_the_first_step_s_or_above_what_it_had_fallen_to(losses, word):
    rows = [{"gradient_norm": [1.0], "train_loss": loss, "first_loss": None} for loss in losses]
    rows[0]["first_loss"] = 0.69
    assert word_of(judge(rows)) == word


def test_numbers_with_a_long_tail_are_not_called_unstable():
    rows = make_known("known:xor", rows=(512, 64, 64))
    tail = torch.linspace(-3, 3, len(rows.labels)).exp() ** 2
    labels = tail[torch.randperm(len(tail), generator=torch.Generator().manual_seed(2))]
    trained = run(dataclasses.replace(rows, task="regression", labels=labels, label_names=("y",)), "product", epochs=3)
    assert trained.history[0]["first_loss"] >= 1.0
    assert "unstable" not in words(trained)


def test_what_never_moved_the_prediction_is_told_from_what_moves_it_no_more():
    row = {"gradient_norm": [1.0], "train_loss": 0.7, "first_loss": 0.7, "image_use": 0.002, "text_use": 0.004}
    assert [(f.word, "higher learning_rate" in f.fix) for f in judge([row] * 5)] == [("not learning", True)]
    little = judge([{**row, "image_use": 0.04}, *[row] * 5])
    assert [(f.word, "at no time by more than 0.04" in f.evidence) for f in little] == [("not learning", True)]
    gone = judge([{**row, "image_use": 0.036}, *[{**row, "image_use": 0.0, "text_use": 0.0}] * 5])
    assert [(f.word, "at most, down from 0.04" in f.evidence) for f in gone] == [("collapsed", True)]
    fallen = judge([{**row, "image_use": 0.3}, *[row] * 5])
    assert [(f.word, "lower learning_rate" in f.fix) for f in fallen] == [("collapsed", True)]
    assert "0.0040 at most, down from 0.30" in fallen[0].evidence
    fast = {**row, "parts": [{"part": "head", "update_ratio": 0.9}]}
    assert [f.word for f in judge([fast] * 5)] == ["collapsed", "too fast"]
    assert [f.word for f in judge([{**row, "train_loss": 5.0}, *[row] * 4])] == ["unstable", "collapsed"]


@pytest.mark.parametrize(("norm", "word"), [(0.9e-3, "vanishing"), (1.1e-3, "healthy")])
def test_vanishing_means_below_a_thousandth_of_the_last_over_the_final_fifth(norm, word):
    def row(first):
        parts = [("image_adapter", first), ("text_adapter", 1.0), ("fusion", 1.0), ("head", 1.0)]
        return {"gradient_norm": [1.0], "train_loss": 1.0, "parts": [{"part": n, "gradient_norm": v} for n, v in parts]}

    early, late = [row(1.0) for _ in range(8)], [row(norm) for _ in range(2)]
    assert word_of(judge(early + late)) == word
    assert word_of(judge(late * 4 + early[:2])) == "healthy"


def test_a_learning_rate_far_too_high_or_low_is_told_with_its_setting(features):
    assert {"too fast", "unstable"} <= words(run(features, "concat", learning_rate=1.0, hidden=32))
    slow = run(features, "concat", learning_rate=1e-9)
    assert "too slow" in words(slow)
    assert any("learning_rate" in finding["fix"] for finding in slow.history[-1]["findings"])


def test_a_saturated_gate_is_told(features):
    few = dataclasses.replace(features, splits={**features.splits, "train": features.splits["train"][:64]})
    trained = run(few, "gmu", epochs=1)
    assert trained.history[0]["gates"][0]["name"] == "fusion.gate"
    assert trained.history[0]["gates"][0]["saturation"] < 0.1
    history = [{**trained.history[0], "gates": [{"name": "fusion.gate", "saturation": 0.95}]}]
    assert word_of(judge(history)) == "saturated gate"
    assert gate_saturation(torch.tensor([0.0, 4.59, 4.6, -4.6])) == 0.5


def test_entropy_over_log_keys_is_that_of_the_weights_the_module_gives():
    torch.manual_seed(0)
    module, query, memory = Attention(16, 4), torch.randn(6, 3, 16), torch.randn(6, 5, 16)
    mask = torch.arange(5)[None] < torch.tensor([5, 4, 3, 2, 1, 1])[:, None]
    weights = module.weights(query, memory, mask).detach()
    expected, total = 0.0, 0
    for row in range(4):  # those with more than one key
        for head in range(4):
            for place in range(3):
                probs = [float(p) for p in weights[row, head, place] if p > 0]
                expected += -sum(p * math.log(p) for p in probs) / math.log(int(mask[row].sum()))
                total += 1
    key = module.key_value(memory).chunk(2, -1)[0].detach()
    found, keys = head_entropy(module.query(query).detach(), key, mask, 4)
    assert float(found) == pytest.approx(expected / total, rel=1e-5)
    assert keys == 5
    assert head_entropy(query, query, None, 4)[1] == 3
    assert head_entropy(torch.zeros(2, 3, 16), torch.zeros(2, 7, 16), None, 4)[0] == pytest.approx(1.0)


def test_the_norms_and_ratios_of_a_step_are_those_of_the_definition():
    torch.manual_seed(0)
    blocks = {"a": nn.Linear(3, 2), "b": nn.Linear(2, 2)}
    network = nn.Sequential(*blocks.values())
    optimiser, monitor = torch.optim.SGD(network.parameters(), 0.1), HealthMonitor(blocks, steps=1)
    assert monitor.begin()
    network(torch.randn(4, 3)).square().sum().backward()
    blocks["b"].bias.grad.zero_()
    monitor.after_backward()
    grads = {name: [p.grad.clone() for p in block.parameters()] for name, block in blocks.items()}
    old = {name: [p.detach().clone() for p in block.parameters()] for name, block in blocks.items()}
    optimiser.step()
    monitor.after_step()
    for part in monitor.row()["parts"]:
        grad = torch.cat([g.flatten() for g in grads[part["part"]]])
        size = torch.cat([p.flatten() for p in old[part["part"]]]).norm()
        assert part["gradient_norm"] == pytest.approx(float(grad.norm()))
        assert part["update_ratio"] == pytest.approx(0.1 * float(grad.norm() / size), rel=1e-4)
        assert part["zeros"] == pytest.approx({"a": 0.0, "b": 2 / 6}[part["part"]])


def test_layers_of_a_stack_are_listed_and_experts_are_not():
    stack = FUSIONS.create("cross_attention", image_dim=8, text_dim=8, fused_dim=8, num_layers=3)
    experts = FUSIONS.create("mixture_of_experts", image_dim=8, text_dim=8, fused_dim=8)
    listed = list(list_parts({"fusion": stack}))
    assert listed == ["fusion", *(f"fusion.streams.layers.{n}" for n in range(3))]
    assert list(list_parts({"fusion": experts})) == ["fusion"]


def test_watching_changes_nothing_of_what_training_computes(features, monkeypatch):
    given = {"unimodal_heads": 0.5, "balance": "ogm_ge", "dropout": 0.3}
    watched = run(features, "cross_attention", **given)
    assert watched.history[-1]["ogm_ratio"] > 0
    monkeypatch.setattr(HealthMonitor, "begin", lambda self: False)
    plain = run(features, "cross_attention", **given)
    assert plain.history[-1]["parts"] == []
    state = plain.network.state_dict()
    assert all(state[name].equal(value) for name, value in watched.network.state_dict().items())
    assert all("attend" not in vars(m) for m in watched.network.modules())


def test_the_word_is_live_and_the_record_comes_back_from_disk(features, tmp_path):
    told = []
    trained = run(features, "shared_cross_attention", "bfloat16", on_step=lambda steps, note: told.append(note))
    assert [note for note in told if note][-1].endswith(", healthy")
    info = {"task": "multiclass", "label_names": ["0", "1"]}
    save_run(tmp_path, trained.network, make_design("shared_cross_attention", {}, BASE), info, trained.history)
    assert read_table(tmp_path / "history.parquet").to_pylist() == trained.history
    assert set(trained.history[0]) == set(HISTORY.names)


def test_matching_is_looked_at_as_any_task_with_one_class_a_row(features):
    matching = run(dataclasses.replace(features, task="matching"), "product", unimodal_heads=0.5).history[-1]
    classes = run(features, "product", unimodal_heads=0.5).history[-1]
    for name in ("ogm_ratio", "image_use", "text_use"):
        assert matching[name] == classes[name] > 0, name


@pytest.mark.parametrize("task", ["multiclass", "matching"])
def test_a_sure_answer_that_never_changes_uses_no_modality(task):
    network, draw = build("product"), torch.Generator().manual_seed(0)
    with torch.no_grad():  # the class is always the third, however the logits move
        network.head[-1].weight.mul_(1000)
        network.head[-1].bias.copy_(torch.tensor([0.0, 0.0, 1e6]))
    tokens, mask = torch.randn(2, 8, 3, 16, generator=draw), torch.ones(8, 3, dtype=torch.bool)
    assert modality_use(network, (tokens[0], tokens[1], mask, mask), task) == Modalities(image=0.0, text=0.0)


@pytest.mark.parametrize(
    ("steps", "epoch", "looks"), [(1000, 100, 10), (1000, 8, 10), (250, 250, 2), (12, 4, 2), (1, 1, 1)]
)
def test_one_step_in_a_hundred_is_looked_at_however_short_an_epoch_is(steps, epoch, looks):
    monitor = HealthMonitor({"a": nn.Linear(2, 2)}, steps)
    seen = []
    for step in range(steps):
        if monitor.begin():
            seen.append(step)
            monitor.after_backward()
            monitor.after_step()
        if step % epoch == epoch - 1:
            monitor.row()
    assert len(seen) == looks
    assert seen[-1] >= 0.8 * (steps - 1)
    assert min((b - a for a, b in itertools.pairwise(seen)), default=100) >= min(100, steps // 2)


def test_an_epoch_that_was_not_looked_at_is_judged_by_the_last_that_was():
    parts = [{"part": "image_adapter", "gradient_norm": 1e-9}, {"part": "head", "gradient_norm": 1.0}]
    unseen = {"train_loss": 1.0, "parts": []}
    assert [finding.word for finding in judge([unseen, {**unseen, "parts": parts}, unseen, unseen])] == ["vanishing"]
    assert judge([unseen, unseen]) == []


def test_a_training_that_goes_on_looks_at_the_steps_that_it_would_have_looked_at(features, tmp_path):
    whole = run(features, "concat").history
    place = Checkpoint(tmp_path / "checkpoint.safetensors", {"made": "here"})
    place.due = lambda: True
    rows = features.splits["train"]
    specs = (measure(features.image, features.image_items[rows]), measure(features.text, features.text_items[rows]))

    class CutError(Exception):
        pass

    def cut(steps, note):
        if note.startswith("epoch 2/"):
            raise CutError

    design = make_design("concat", {}, BASE)
    with pytest.raises(CutError):
        train(design, 0, features, specs, "float32", cut, checkpoint=place)
    again = train(design, 0, features, specs, "float32", checkpoint=place).history
    assert [row["parts"] for row in again] == [row["parts"] for row in whole]
    assert whole[-1]["parts"]
