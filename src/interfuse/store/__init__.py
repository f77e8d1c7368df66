"""Tokens on disk, content-addressed and memory-mapped."""

from interfuse.store.care import Check, Holding, list_holdings, remove, unused, verify
from interfuse.store.coding import Coding
from interfuse.store.store import VERIFY_BYTES, TokenStore, folder_name
from interfuse.store.table import StoredTable
from interfuse.store.writer import SHARD_BYTES, Writer

__all__ = [
    "SHARD_BYTES",
    "VERIFY_BYTES",
    "Check",
    "Coding",
    "Holding",
    "StoredTable",
    "TokenStore",
    "Writer",
    "folder_name",
    "list_holdings",
    "remove",
    "unused",
    "verify",
]
