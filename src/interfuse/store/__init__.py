"""Tokens on disk, content-addressed and memory-mapped."""

from interfuse.store.store import SHARD_BYTES, StoredTable, TokenStore, Writer

__all__ = ["SHARD_BYTES", "StoredTable", "TokenStore", "Writer"]
