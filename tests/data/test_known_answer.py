"""Known-answer tasks: what their best answer is, by counting."""

import itertools

import pytest
import torch

from interfuse.core.errors import DataError
from interfuse.data import make_known
from interfuse.data.known_answer import CEILING, OBJECTS, SHAPES, TASKS


def test_the_ceiling_of_a_pooled_predictor_on_binding_is_the_mean_share_of_the_commonest_shape():
    """Knowing only the shapes, the best answer is the commonest: all 4^5 draws are counted."""
    draws = itertools.product(range(SHAPES), repeat=OBJECTS)
    shares = [max(draw.count(shape) for shape in range(SHAPES)) / OBJECTS for draw in draws]
    assert sum(shares) / len(shares) == pytest.approx(CEILING, abs=1e-4)


def test_binding_asks_for_a_colour_that_is_there_once_and_answers_its_shape():
    features = make_known("known:binding", seed=3, rows=(50, 10, 10))
    tokens = features.image.gather(torch.arange(70)).tokens
    assert tokens.shape == (70, 16, 32)
    assert features.image.grid == (4, 4)
    assert features.labels.bincount(minlength=4).min() > 5


def test_xor_has_a_quarter_of_the_rows_in_each_cell():
    features = make_known("known:xor", rows=(400, 100, 100))
    image = features.image.gather(torch.arange(400)).tokens[:, 1]
    text = features.text.gather(torch.arange(400)).tokens[:, 1]
    bits = [(x @ x[0] > 0.5 * (x[0] @ x[0])).long() for x in (image, text)]
    same = (bits[0] == bits[1]).long()
    cells = (2 * bits[0] + bits[1]).bincount(minlength=4)
    assert cells.tolist() == [100] * 4
    agrees = (same == features.labels[:400]).float().mean()
    assert agrees in (0.0, 1.0)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_seed_decides_the_rows_and_splits_do_not_overlap(task):
    first, again, other = (make_known(f"known:{task}", seed, (40, 20, 20)) for seed in (1, 1, 2))
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.image.tokens, again.image.tokens)
    assert not torch.equal(first.image.tokens, other.image.tokens)
    rows = torch.cat(list(first.splits.values()))
    assert sorted(rows.tolist()) == list(range(80))


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(DataError, match=r"Unknown known-answer task 'known:bindin'\. Did you mean 'known:binding'"):
        make_known("known:bindin")
