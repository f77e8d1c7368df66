"""The imitation of another processor's kernels: one step at most, the same twice, nothing that is exact anywhere."""

import subprocess
import sys
import threading
from pathlib import Path

import torch

from tests.patience import PATIENCE_S
from tests.rounding import RoundingSteps

MOVED = """
import threading
import torch
def moves():
    return bool((torch.ones(4, 4) @ torch.ones(4, 4) != 4).any())
def test_here_and_in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(moves()))
    thread.start()
    thread.join()
    assert (moves(), found) == (True, [True])
"""


def test_outputs_move_by_one_step_at_most_and_the_same_way_twice():
    torch.manual_seed(0)
    a, b = torch.randn(64, 8), torch.randn(8, 32)
    plain = a @ b
    with RoundingSteps(0):
        first, second = a @ b, a @ b
        other = (a[:32] @ b)[:16]
    assert torch.equal(first, second)
    assert 0.5 < (first != plain).float().mean() < 0.8  # two of three
    steps = (first.view(torch.int32) - plain.view(torch.int32)).abs()
    assert int(steps.max()) == 1
    assert not torch.equal(other, first[:16])  # another batch gives other last bits


def test_what_arithmetic_makes_exact_stays_exact():
    row, column = torch.randn(9, 1), torch.randn(1, 7)
    with RoundingSteps(0):
        assert torch.equal(row @ column, row * column)  # one product is rounded once, on every processor
        assert not (torch.zeros(5, 8) @ torch.randn(8, 4)).any()
        assert (torch.full((2, 3), torch.inf) @ torch.ones(3, 2)).isinf().all()


def test_a_softmax_over_one_key_has_a_gradient_of_rounding_only():
    """What another processor showed: 1e-8 where the formula says 0."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(4, 2, 1, 8, requires_grad=True) for _ in range(3))
    with RoundingSteps(0):
        torch.nn.functional.scaled_dot_product_attention(query, key, value).square().sum().backward()
    assert query.grad.any()
    assert query.grad.norm() < 1e-6 * value.grad.norm()


def test_a_number_of_threads_may_move_at_once():
    found: list[torch.Tensor] = []
    a = torch.ones(16, 16) / 3

    def multiply():
        with RoundingSteps(0):
            found.append(a @ a)

    threads = [threading.Thread(target=multiply) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_the_option_moves_every_test_and_its_threads(tmp_path):
    (tmp_path / "test_moved.py").write_text(MOVED)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.rounding", "--rounding-seed", "0", str(tmp_path)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert "1 passed" in done.stdout, done.stdout
