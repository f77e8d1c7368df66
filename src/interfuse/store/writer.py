"""Writing into a store: items are collected, and a shard is written when there is enough, beside the encoder's work."""

import re
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from safetensors import SafetensorError
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.settings import fingerprint
from interfuse.settings import Coding
from interfuse.store.coding import item_rows
from interfuse.store.locks import Claim, locked
from interfuse.store.shard import SUFFIX, write_shard

SHARD_BYTES = 64 << 20
"""A shard is written when its tokens reach this size, in bytes; an interruption loses at most two."""
_KEY = re.compile(r"[0-9a-f]{32}")


@runtime_checkable
class Home(Protocol):
    """What a writer needs of its store."""

    dim: int
    coding: Coding
    folder: Path

    def refresh(self) -> None:
        """Take notice of shards that were written since."""

    def peek(self, keys: Iterable[str]) -> set[str]:
        """Return those of these keys that are there by now."""


class Writer:
    """Collects new items and writes a shard when there is enough; one shard is written while the next is collected."""

    def __init__(self, store: Home) -> None:
        """Begin with nothing collected."""
        self.store = store
        self._items: dict[str, Tensor] = {}
        self._bytes = 0
        self._claims: list[Claim] = []
        self._pool = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def claim(self, keys: Sequence[str]) -> bool:
        """Take a batch of items for this process until they are written; False: another process is at it."""
        claim = Claim(self.store.folder / "claims" / fingerprint(list(keys)))
        if not claim.take():
            return False
        self._claims.append(claim)
        return True

    def add(self, key: str, tokens: Float[Tensor, "tokens dim"]) -> None:
        """Add one item.

        Raises:
            StoreError: the key is no content hash, the width is another, or a value is not finite.
        """
        if len(tokens) == 0:
            raise StoreError(f"Item {key} has shape {tuple(tokens.shape)}; expected (tokens, dim={self.store.dim}).")
        self.add_batch([key], tokens[None])

    def add_batch(
        self,
        keys: Sequence[str | None],
        tokens: Float[Tensor, "batch tokens dim"],
        mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> None:
        """Add the items of a batch; those without a key are left out, and so are tokens under the mask.

        Raises:
            StoreError: a key is no content hash, the width is another, or a value is not finite.
        """
        for key in keys:
            if key is not None and not _KEY.fullmatch(key):
                raise StoreError(f"The key {key!r} is no content hash; expected 32 hex digits in lower case.")
        if tokens.shape[2] != self.store.dim:
            raise StoreError(
                f"Item {keys[0]} has shape {tuple(tokens.shape[1:])}; expected (tokens, dim={self.store.dim})."
            )
        tokens = tokens.detach().to("cpu")
        for key, rows in item_rows(self.store.coding, keys, tokens, mask):
            self._items[key] = rows
            self._bytes += rows.nbytes
        if self._bytes >= SHARD_BYTES:
            self._wait()
            self._writing = self._pool.submit(self._write, *self._collected())

    def flush(self) -> None:
        """Write what was collected, and wait for it.

        Raises:
            StoreError: the disk is full or the folder cannot be written; what was there before stays good.
        """
        try:
            self._wait()
        finally:
            self._write(*self._collected())
        self.store.refresh()

    def close(self) -> None:
        """Write what was collected and end."""
        try:
            self.flush()
        finally:
            self._pool.shutdown()
            for claim in self._claims:
                claim.release()

    def _wait(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()
            self.store.refresh()

    def _collected(self) -> tuple[dict[str, Tensor], list[Claim]]:
        items, self._items, self._bytes = self._items, {}, 0
        claims, self._claims = self._claims, []
        return items, claims

    def _write(self, items: dict[str, Tensor], claims: list[Claim]) -> None:
        """Write the items that no other process has written meanwhile, and let go of the claims on them."""
        folder = self.store.folder
        try:
            if items:
                with locked(folder / ".lock"):
                    present = self.store.peek(items)
                    fresh = {key: value for key, value in items.items() if key not in present}
                    if fresh:
                        write_shard(folder / f"{uuid.uuid4().hex}{SUFFIX}", fresh)
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"The token store {folder} cannot be written: {error}. "
                "What it held before is good. Free some space, or give another folder with store=…."
            ) from error
        finally:
            for claim in claims:
                claim.release()
