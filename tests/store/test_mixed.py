"""Tokens of a store and tokens in memory in one table: nobody can tell them apart."""

import pytest
import torch

from interfuse.core.errors import StoreError
from interfuse.core.tokens import TokenTable
from interfuse.store import MixedTable, TokenStore

KEYS = [f"{number:032x}" for number in range(6)]


def make(folder, coding, kept):
    """Six items of 1 to 6 tokens, of which the first are in a store."""
    store = TokenStore(folder, {"name": "toy", "coding": coding}, 3, None, coding)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(6, 6, 3, generator=generator)
    mask = torch.arange(6) < torch.arange(1, 7)[:, None]
    with store.writer() as writer:
        writer.add_batch([key if number < kept else None for number, key in enumerate(KEYS)], tokens, mask)
    table = MixedTable(store.table(KEYS[:kept]))
    table.add_batch([None if number < kept else key for number, key in enumerate(KEYS)], tokens, mask)
    return table


@pytest.mark.parametrize("coding", ["bfloat16", "int8"])
@pytest.mark.parametrize("kept", [0, 2, 6])
def test_it_gives_what_a_store_of_all_items_gives(tmp_path, coding, kept):
    table, whole = make(tmp_path / "some", coding, kept), make(tmp_path / "all", coding, 6)
    assert isinstance(table, TokenTable)
    assert (len(table), table.dim, table.grid) == (6, 3, None)
    for items in ([0, 1, 2, 3, 4, 5], [5, -1, 0], [3, 3, 1], [-1], [0]):
        chosen = torch.tensor(items)
        found, expected = table.gather(chosen), whole.gather(chosen)
        assert found.tokens.equal(expected.tokens)
        assert found.mask.equal(expected.mask)
        assert table.lengths(chosen).tolist() == [max(0, item + 1) for item in items]


def test_a_number_that_is_not_finite_is_refused(tmp_path):
    table = make(tmp_path, "bfloat16", 3)
    with pytest.raises(StoreError, match=f"Item {KEYS[0]}: the encoder gave NaN or infinity"):
        table.add_batch([KEYS[0]], torch.full((1, 2, 3), float("nan")))
    table.add_batch([KEYS[0], None], torch.tensor([[[1.0] * 3], [[float("nan")] * 3]]))  # nobody wants the second
    assert len(table) == 7
