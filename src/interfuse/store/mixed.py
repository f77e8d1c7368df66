"""A table of tokens that lie in a store and tokens that were encoded just now and are kept in memory only."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.store.coding import from_rows, item_rows
from interfuse.store.table import StoredTable


class MixedTable:
    """A `TokenTable` whose first items are a store's, and whose others are added; all are rounded as the store rounds.

    So a row's tokens are the same whether they were kept or not.
    """

    def __init__(self, stored: StoredTable) -> None:
        """Begin with the items of a store, in their order."""
        self.stored = stored
        self._fresh: list[Tensor] = []

    @property
    def dim(self) -> int:
        """Width of a token."""
        return self.stored.dim

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the picture grid when every item has one."""
        return self.stored.grid

    def __len__(self) -> int:
        """Count the items."""
        return len(self.stored) + len(self._fresh)

    def add_batch(
        self,
        keys: Sequence[str | None],
        tokens: Float[Tensor, "batch tokens dim"],
        mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> None:
        """Add the items of a batch that have a key, one after another; tokens under the mask are left out.

        Raises:
            StoreError: a value is not finite.
        """
        self._fresh.extend(rows for _, rows in item_rows(self.stored.coding, keys, tokens, mask))

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens of these items; item -1 has none."""
        first = len(self.stored)
        lengths = self.stored.lengths(items.where(items < first, -1))
        return torch.tensor(
            [len(self._fresh[item - first]) if item >= first else 0 for item in items.tolist()], dtype=torch.int64
        ).add(lengths)

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Collate the tokens of these items, float32, padded to the longest; item -1 is missing."""
        first, lengths = len(self.stored), self.lengths(items)
        tokens = torch.zeros(len(items), max(1, int(lengths.max()) if len(items) else 1), self.dim)
        slots = torch.nonzero((items >= 0) & (items < first)).flatten()
        if len(slots):
            copies = self.stored.gather(items[slots]).tokens
            tokens[slots, : copies.shape[1]] = copies
        for slot, item in enumerate(items.tolist()):
            if item >= first:
                rows = self._fresh[item - first]
                from_rows(self.stored.coding, rows, tokens[slot, : len(rows)])
        return Tokens(tokens, torch.arange(tokens.shape[1]) < lengths[:, None])
