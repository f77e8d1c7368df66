"""Many shards, many items: a mapped index, items checked when they are first read, a disk that is full."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from interfuse.core.errors import StoreError
from interfuse.store import TokenStore
from interfuse.store import store as store_module
from interfuse.store import writer as writer_module
from interfuse.store.coding import from_rows, to_rows
from interfuse.store.index import SNAPSHOT
from tests.patience import PATIENCE_S

SIGNATURE, DIM = {"name": "toy"}, 4


def key(number: int) -> str:
    return f"{number * 7919 % 10_007:02x}".rjust(30, "a") + "00"  # numpy drops zeros at the end of bytes


def tokens(number: int) -> torch.Tensor:
    return torch.arange(4.0 * (1 + number % 3)).view(-1, 4) + number


def fill(root, count: int, monkeypatch) -> TokenStore:
    monkeypatch.setattr(writer_module, "SHARD_BYTES", 1)
    store = TokenStore(root, SIGNATURE, DIM)
    with store.writer() as writer:
        for number in range(count):
            writer.add(key(number), tokens(number))
    return store


def serves_all(store: TokenStore, count: int) -> bool:
    found = store.table([key(n) for n in range(count)]).gather(torch.arange(count))
    return all(found.tokens[n][found.mask[n]].equal(tokens(n).bfloat16().float()) for n in range(count))


def test_many_shards_are_opened_by_one_snapshot_and_later_ones_beside_it(tmp_path, monkeypatch):
    store = fill(tmp_path, 40, monkeypatch)
    assert serves_all(store, 40)
    assert (store.folder / SNAPSHOT).is_file()
    read: list[str] = []
    plain = store_module.read_items
    monkeypatch.setattr(store_module, "read_items", lambda path, *a: read.append(path.name) or plain(path, *a))
    assert serves_all(TokenStore(tmp_path, SIGNATURE, DIM), 40)
    assert len(read) <= 16
    with store.writer() as writer:
        writer.add(key(40), tokens(40))
    assert serves_all(TokenStore(tmp_path, SIGNATURE, DIM), 41)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "stale"])
def test_a_snapshot_that_is_broken_or_stale_is_passed_over(tmp_path, monkeypatch, harm):
    store = fill(tmp_path, 20, monkeypatch)
    path = store.folder / SNAPSHOT
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[-5] ^= 4
        path.unlink()
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(content[:-9])
    elif harm == "remove":
        path.unlink()
    else:  # a shard in it is gone
        shard = next(store.folder.glob("*.tokens.safetensors"))
        shard.unlink()
    again = TokenStore(tmp_path, SIGNATURE, DIM)
    missing = again.missing([key(n) for n in range(20)])
    assert len(missing) == (1 if harm == "stale" else 0)
    if not missing:
        assert serves_all(again, 20)


def test_whichever_byte_of_a_snapshot_is_flipped_no_wrong_token_is_served(tmp_path, monkeypatch):
    store = fill(tmp_path, 16, monkeypatch)
    path = store.folder / SNAPSHOT
    good = path.read_bytes()
    for place in range(0, len(good), 41):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.unlink()
        path.write_bytes(bad)
        assert serves_all(TokenStore(tmp_path, SIGNATURE, DIM), 16), place


def damage(store: TokenStore) -> None:
    for path in store.folder.glob("*.tokens.safetensors"):
        content = bytearray(path.read_bytes())
        content[-16 - 1] ^= 1  # the key stands last, its tokens before it
        path.unlink()
        path.write_bytes(content)
        return


def test_a_damaged_item_past_the_limit_is_found_when_first_read_and_missing_from_then_on(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "VERIFY_BYTES", 0)
    damage(fill(tmp_path, 5, monkeypatch))
    store, keys = TokenStore(tmp_path, SIGNATURE, DIM), [key(n) for n in range(5)]
    assert store.missing(keys) == []
    table = store.table(keys)
    bad = []
    for item in range(5):
        try:
            table.gather(torch.tensor([item]))
        except StoreError:
            bad.append(item)
    assert len(bad) == 1
    with pytest.raises(StoreError, match="an item is damaged on disk .*the same command again encodes it anew"):
        table.gather(torch.tensor(bad))
    again = TokenStore(tmp_path, SIGNATURE, DIM)
    assert again.missing(keys) == [keys[bad[0]]]
    with again.writer() as writer:
        writer.add(keys[bad[0]], tokens(bad[0]))
    assert serves_all(TokenStore(tmp_path, SIGNATURE, DIM), 5)


def test_verification_reads_no_more_than_its_limit(tmp_path, monkeypatch):
    fill(tmp_path, 30, monkeypatch)
    checked: list[str] = []
    plain = store_module.checksum
    monkeypatch.setattr(store_module, "checksum", lambda key, rows: checked.append(key) or plain(key, rows))
    monkeypatch.setattr(store_module, "VERIFY_BYTES", 10 * 3 * DIM * 2)
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    assert store.missing([key(n) for n in range(30)]) == []
    assert 10 <= len(checked) < 30


def test_a_store_that_may_only_be_read_serves_what_it_holds(tmp_path, monkeypatch):
    fill(tmp_path, 20, monkeypatch)
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    monkeypatch.setattr("interfuse.store.damage.os.open", lambda *_: (_ for _ in ()).throw(PermissionError()))
    damage(store)
    again = TokenStore(tmp_path, SIGNATURE, DIM)
    assert len(again.missing([key(n) for n in range(20)])) == 1


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from interfuse.core.errors import StoreError
from interfuse.store import TokenStore
store = TokenStore(Path(sys.argv[1]), {"name": "toy"}, 4)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with store.writer() as writer:
        writer.add("b" * 32, torch.zeros(20_000, 4))
except StoreError as error:
    print(error)
print(len(list(store.folder.glob(".*.tmp"))))
"""


def test_a_file_that_cannot_grow_is_a_clear_error_and_the_store_stays_good(tmp_path, monkeypatch):
    fill(tmp_path, 4, monkeypatch)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert "cannot be written" in done.stdout, done.stderr
    assert "What it held before is good. Free some space" in done.stdout
    assert done.stdout.splitlines()[-1] == "0"
    assert serves_all(TokenStore(tmp_path, SIGNATURE, DIM), 4)


def test_a_write_that_fails_beside_the_encoder_is_told_at_the_next_item(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "SHARD_BYTES", 1)
    monkeypatch.setattr(writer_module, "write_shard", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    expected = pytest.raises(StoreError, match=r"cannot be written: .*No space left.*Free some space")
    with expected, store.writer() as writer:
        for number in range(50):
            writer.add(key(number), tokens(number))
            time.sleep(0.01)
    assert number < 49


def test_int8_rows_come_back_within_half_a_step_of_their_own_scale(tmp_path):
    values = torch.randn(6, 3, 8, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 6)[:, None, None]
    values[0, 0] = 0
    store = TokenStore(tmp_path, SIGNATURE, 8, coding="int8")
    with store.writer() as writer:
        writer.add_batch([key(n) for n in range(6)], values)
    found = TokenStore(tmp_path, SIGNATURE, 8, coding="int8").table([key(n) for n in range(6)]).gather(torch.arange(6))
    step = values.abs().amax(-1, keepdim=True) / 127
    assert ((found.tokens - values).abs() <= step * 0.501).all()
    assert not found.tokens[0, 0].any()
    rows = to_rows("int8", values)
    out = torch.zeros_like(values)
    from_rows("int8", rows, out)
    slow = np.frombuffer(rows[..., 8:].contiguous().numpy().tobytes(), np.float32).reshape(6, 3, 1)
    assert np.allclose(out.numpy(), rows[..., :8].numpy() * slow)


def test_a_store_of_bfloat16_does_not_serve_int8_rows(tmp_path):
    with TokenStore(tmp_path, SIGNATURE, 8, coding="int8").writer() as writer:
        writer.add(key(0), torch.ones(1, 8))
    plain = TokenStore(tmp_path, SIGNATURE, 12)
    assert plain.missing([key(0)]) == [key(0)]
    assert "expected 12 of torch.bfloat16" in plain.warnings[0]
