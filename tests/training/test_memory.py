"""What a training needs of the memory, and what is said where it is not there."""

import pytest
import torch

from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError
from interfuse.data import make_known
from interfuse.training import Network, count_parameters, measure, memory
from interfuse.training.costs import measure_memory
from interfuse.training.memory import Need, available_bytes, check_memory, measure_need


def test_a_need_that_fits_is_let_pass_and_one_that_does_not_names_figures_and_fixes():
    need = Need(fixed=2_000_000_000, a_row=100_000_000)
    check_memory(need, 8_400_000_000, 64, 1, False)
    with pytest.raises(ConfigError) as told:
        check_memory(need, 4_000_000_000, 64, 1, False)
    message = str(told.value)
    assert "needs 8.40 GB and 4.00 GB are available" in message
    assert "2.00 GB for gradients, moments and the best weights, 6.40 GB for the activations of a batch" in message
    assert "finetune_batch=16, accumulate=4 (the same rows a step, 3.60 GB)" in message
    assert "gradient_checkpointing=True; fewer blocks, as unfreeze=last-1; a smaller image_size=…" in message


def test_where_not_even_one_row_fits_no_smaller_batch_is_named():
    with pytest.raises(ConfigError) as told:
        check_memory(Need(5_000_000_000, 100_000_000), 4_000_000_000, 64, 1, True)
    assert "finetune_batch" not in str(told.value)
    assert "gradient_checkpointing" not in str(told.value)
    assert "unfreeze=last-1" in str(told.value)


def test_the_need_of_a_batch_is_about_what_such_a_step_takes():
    features = make_known("known:xor", rows=(64, 16, 16))
    rows = features.splits["train"]
    specs = [measure(features.image, features.image_items[rows]), measure(features.text, features.text_items[rows])]
    network = Network(make_design("cross_attention", {}, {"dim": 32, "num_heads": 4}), *specs, classes=2)
    need = measure_need(network, features, rows, 1)
    weights = sum(value.nbytes for value in network.state_dict().values())
    assert need.fixed >= weights + 12 * count_parameters(network)
    taken = measure_memory(network, features, rows, 64)
    assert 0.8 * taken < need.of(64) < 2 * taken
    assert need.of(64) > need.of(32) > need.fixed


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    free = available_bytes("cpu")
    assert free > 0
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    assert available_bytes("cpu") == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes("cpu") == pytest.approx(free, rel=0.5)


def test_measuring_leaves_weights_and_random_numbers_alone():
    features = make_known("known:xor", rows=(16, 8, 8))
    rows = features.splits["train"]
    specs = [measure(features.image, features.image_items[rows]), measure(features.text, features.text_items[rows])]
    network = Network(make_design("concat", {}, {"dim": 8}), *specs, classes=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    measure_need(network, features, rows, 1)
    assert torch.rand(1).equal(expected)
    assert all(before[name].equal(value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
