"""Tokens on disk, content-addressed and memory-mapped."""

from interfuse.settings import Coding
from interfuse.store.care import Check, Holding, list_holdings, remove, unused, verify
from interfuse.store.coding import as_stored
from interfuse.store.locks import locked
from interfuse.store.mixed import MixedTable
from interfuse.store.projection import (
    SAMPLE_TOKENS,
    Projection,
    fit_projection,
    load_projections,
    save_projections,
)
from interfuse.store.store import VERIFY_BYTES, TokenStore, folder_name
from interfuse.store.table import StoredTable
from interfuse.store.writer import SHARD_BYTES, Writer

__all__ = [
    "SAMPLE_TOKENS",
    "SHARD_BYTES",
    "VERIFY_BYTES",
    "Check",
    "Coding",
    "Holding",
    "MixedTable",
    "Projection",
    "StoredTable",
    "TokenStore",
    "Writer",
    "as_stored",
    "fit_projection",
    "folder_name",
    "list_holdings",
    "load_projections",
    "locked",
    "remove",
    "save_projections",
    "unused",
    "verify",
]
