"""The store: nothing served wrong, nothing lost but the unfinished shard."""

import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest
import torch

from interfuse.core.errors import StoreError
from interfuse.store import StoredTable, TokenStore
from interfuse.store import shard as shard_module
from interfuse.store import writer as writer_module

SIGNATURE = {"name": "toy", "weights": "abc"}
DIM = 5


def key(number: int) -> str:
    return f"{number:032x}"


def tokens(number: int, length: int = 3) -> torch.Tensor:
    return torch.full((length, DIM), float(number)) + torch.arange(length)[:, None]


def fill(root: Path, numbers: range, lengths: int = 3) -> TokenStore:
    store = TokenStore(root, SIGNATURE, DIM)
    with store.writer() as writer:
        for number in numbers:
            writer.add(key(number), tokens(number, 1 + number % lengths))
    return store


def test_what_was_written_is_served_in_the_order_asked_for_padded_and_masked(tmp_path):
    fill(tmp_path, range(4))
    table = TokenStore(tmp_path, SIGNATURE, DIM).table([key(2), key(0), key(1)])
    found = table.gather(torch.tensor([0, 1, -1, 2]))
    assert found.tokens.dtype == torch.float32
    assert found.mask.sum(1).tolist() == [3, 1, 0, 2]
    assert found.tokens[0].equal(tokens(2, 3))
    assert found.tokens[1, 0].equal(tokens(0, 1)[0])
    assert not found.tokens[~found.mask].any()


def test_a_table_spans_shards_and_survives_a_pickle(tmp_path):
    fill(tmp_path, range(3))
    fill(tmp_path, range(3, 7))
    table = TokenStore(tmp_path, SIGNATURE, DIM).table([key(n) for n in range(7)])
    assert len(table.paths) == 2
    first = table.gather(torch.arange(7))
    again: StoredTable = pickle.loads(pickle.dumps(table))  # noqa: S301  (our own bytes, as a worker gets them)
    second = again.gather(torch.arange(7))
    assert first.tokens.equal(second.tokens)
    for number in range(7):
        assert first.tokens[number][first.mask[number]].equal(tokens(number, 1 + number % 3))


def test_only_what_is_missing_is_listed_once_and_in_order(tmp_path):
    store = fill(tmp_path, range(3))
    assert store.missing([key(9), key(1), key(7), key(9)]) == [key(9), key(7)]
    with pytest.raises(StoreError, match=f"1 items are not in the store .*; the first: {key(9)}"):
        store.table([key(0), key(9)])


def test_a_flipped_byte_is_found_and_the_item_counts_as_missing(tmp_path):
    store = fill(tmp_path, range(4))
    (shard,) = store.folder.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    place = content.find(torch.full((1, DIM), 2.0, dtype=torch.bfloat16).view(torch.uint8).numpy().tobytes())
    content[place] ^= 1
    shard.write_bytes(content)
    again = TokenStore(tmp_path, SIGNATURE, DIM)
    missing = again.missing([key(n) for n in range(4)])
    assert len(missing) == 1
    assert f"the item {missing[0]} is damaged; it is encoded again" in again.warnings[0]
    with again.writer() as writer:
        writer.add(missing[0], tokens(2))
    for _ in range(8):  # whichever of the two shards sorts first
        renamed = next(p for p in store.folder.glob("*.tokens.safetensors"))
        renamed.rename(store.folder / f"{uuid.uuid4().hex}.tokens.safetensors")
        found = TokenStore(tmp_path, SIGNATURE, DIM)
        assert found.missing(missing) == []
        assert found.table(missing).gather(torch.tensor([0])).tokens[0].equal(tokens(2))


@pytest.mark.parametrize("kept", [0, 7, 60, -1])
def test_a_shard_cut_at_any_byte_is_ignored_and_said(tmp_path, kept):
    store = fill(tmp_path, range(4))
    (shard,) = store.folder.glob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:kept])
    again = TokenStore(tmp_path, SIGNATURE, DIM)
    assert again.missing([key(1)]) == [key(1)]
    assert "It is ignored; its items are encoded again" in again.warnings[0]


def test_a_shard_is_written_when_it_is_large_enough_so_that_an_interruption_loses_little(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "SHARD_BYTES", 2 * DIM * 2)
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    with pytest.raises(KeyboardInterrupt), store.writer() as writer:
        writer.add(key(0), tokens(0, 2))
        while not list(store.folder.glob("*.safetensors")):  # it is written beside the next items' collection
            time.sleep(0.01)
        assert TokenStore(tmp_path, SIGNATURE, DIM).missing([key(0)]) == []
        writer.add(key(1), tokens(1, 1))
        raise KeyboardInterrupt
    assert TokenStore(tmp_path, SIGNATURE, DIM).missing([key(0), key(1)]) == []


def test_another_signature_has_a_folder_of_its_own(tmp_path):
    first = fill(tmp_path, range(1))
    other = TokenStore(tmp_path, {**SIGNATURE, "weights": "xyz"}, DIM)
    assert other.folder != first.folder
    assert other.missing([key(0)]) == [key(0)]


def test_nan_and_other_widths_are_refused(tmp_path):
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    with store.writer() as writer:
        with pytest.raises(StoreError, match="the encoder gave NaN or infinity"):
            writer.add(key(0), torch.full((1, DIM), float("nan")))
        with pytest.raises(StoreError, match=r"has shape \(1, 3\); expected \(tokens, dim=5\)"):
            writer.add(key(0), torch.zeros(1, 3))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written: .*Give another folder with store=…"):
        TokenStore(blocked, SIGNATURE, DIM)


def test_a_full_disk_is_a_clear_error_and_the_store_stays_good(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
    try:
        fill(mount, range(4))
        store = TokenStore(mount, SIGNATURE, DIM)
        with pytest.raises(StoreError, match="What it held before is good. Free some space"), store.writer() as writer:
            writer.add(key(9), torch.zeros(20_000, DIM))
        assert TokenStore(mount, SIGNATURE, DIM).missing([key(n) for n in range(4)]) == []
    finally:
        subprocess.run(["umount", str(mount)], check=True)
        shutil.rmtree(mount)


def _write(root: str) -> None:
    fill(Path(root), range(50))


def test_two_processes_may_write_the_same_items_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(str(tmp_path),)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    table = TokenStore(tmp_path, SIGNATURE, DIM).table([key(n) for n in range(50)])
    assert table.gather(torch.tensor([41])).tokens[0].equal(tokens(41, 1 + 41 % 3))


def test_tokens_are_mapped_not_copied_into_memory(tmp_path):
    """Anonymous memory must not grow by the size of a shard when one item of it is read."""
    store = TokenStore(tmp_path, SIGNATURE, 1000)
    with store.writer() as writer:
        for number in range(24):
            writer.add(key(number), torch.ones(1000, 1000))  # 2 MB each
    table = store.table([key(n) for n in range(24)])

    def anonymous() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))

    if not Path("/proc/self/status").is_file():
        pytest.skip("this system has no /proc")
    before = anonymous()
    table.gather(torch.tensor([3]))
    assert anonymous() - before < 24_000  # kB; the shard has 48,000


def test_whichever_byte_of_a_shard_is_flipped_no_wrong_token_is_served(tmp_path):
    store = fill(tmp_path, range(4))
    (shard,) = store.folder.glob("*.safetensors")
    good, keys, draw = shard.read_bytes(), [key(n) for n in range(8)], random.Random(0)
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << draw.randrange(8)
        shard.unlink()  # a new file: the old one may be mapped
        shard.write_bytes(bad)
        again = TokenStore(tmp_path, SIGNATURE, DIM)
        missing = again.missing(keys)
        assert set(missing) >= set(keys[4:]), place
        for number in range(4):
            if key(number) not in missing:
                found = again.table([key(number)]).gather(torch.tensor([0]))
                assert found.tokens[0].equal(tokens(number, 1 + number % 3)), place


def test_gather_agrees_with_a_slow_loop_over_ragged_items_in_many_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "SHARD_BYTES", 300)
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 9, (60,), generator=draw).tolist()
    items = [torch.randn(length, DIM, generator=draw).bfloat16().float() for length in lengths]
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    with store.writer() as writer:
        for number, item in enumerate(items):
            writer.add(key(number), item)
    table = store.table([key(n) for n in range(60)])
    assert len(table.paths) > 5
    for _ in range(10):
        asked = torch.randint(-1, 60, (16,), generator=draw)
        found = table.gather(asked)
        assert found.tokens.shape[1] == max(lengths[n] for n in asked.tolist() if n >= 0)
        for row, number in enumerate(asked.tolist()):
            expected = items[number] if number >= 0 else torch.zeros(0, DIM)
            assert found.mask[row].tolist() == [place < len(expected) for place in range(found.mask.shape[1])]
            assert found.tokens[row][found.mask[row]].equal(expected)


def test_rows_that_are_all_missing_give_one_masked_token(tmp_path):
    found = fill(tmp_path, range(2)).table([key(0)]).gather(torch.tensor([-1, -1]))
    assert found.tokens.shape == (2, 1, DIM)
    assert not found.mask.any()


@pytest.mark.parametrize("bad", ["", "abc", "A" * 32, "g" * 32, "0" * 64])
def test_a_key_that_is_no_content_hash_is_refused(tmp_path, bad):
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    with store.writer() as writer, pytest.raises(StoreError, match=f"'{bad}' is no content hash; expected 32 hex"):
        writer.add(bad, tokens(0))


def test_of_two_copies_the_shard_that_sorts_first_is_served_whenever_it_was_noticed(tmp_path):
    store = fill(tmp_path, range(1))
    (first,) = store.folder.glob("*.safetensors")
    first.rename(store.folder / f"m{first.name[1:]}")
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    assert store.table([key(0)]).gather(torch.tensor([0])).tokens.equal(tokens(0, 1)[None])
    for letter, value in (("z", 7), ("a", 9)):
        other = TokenStore(tmp_path / letter, SIGNATURE, DIM)
        with other.writer() as writer:
            writer.add(key(0), tokens(value, 1))
        (path,) = other.folder.glob("*.safetensors")
        path.rename(store.folder / f"{letter}{path.name[1:]}")
    store.refresh()
    for opened in (store, TokenStore(tmp_path, SIGNATURE, DIM)):
        assert opened.table([key(0)]).gather(torch.tensor([0])).tokens.equal(tokens(9, 1)[None])


def test_a_damaged_copy_is_not_said_again_once_a_sound_one_stands_in(tmp_path):
    store = fill(tmp_path, range(1))
    (shard,) = store.folder.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-16 - 1] ^= 1  # the one key stands last, its tokens before it
    shard.unlink()
    (store.folder / f"0{shard.name[1:]}").write_bytes(content)
    assert TokenStore(tmp_path, SIGNATURE, DIM).missing([key(0)]) == [key(0)]
    fill(tmp_path, range(1))
    again = TokenStore(tmp_path, SIGNATURE, DIM)
    assert (again.missing([key(0)]), again.warnings) == ([], [])


def test_shards_of_another_width_or_an_older_format_are_ignored_and_said(tmp_path, monkeypatch):
    fill(tmp_path, range(2))
    wider = TokenStore(tmp_path, SIGNATURE, DIM + 1)
    assert wider.missing([key(0)]) == [key(0)]
    assert f"tokens of width {DIM}, expected {DIM + 1}" in wider.warnings[0]
    monkeypatch.setattr(shard_module, "FORMAT", "3")
    newer = TokenStore(tmp_path, SIGNATURE, DIM)
    assert newer.missing([key(0)]) == [key(0)]
    assert "has the format 2, expected 3" in newer.warnings[0]


def test_old_temporary_files_are_removed_and_young_ones_kept(tmp_path):
    folder = fill(tmp_path, range(1)).folder
    old, young, gone = (folder / f".{name}.tokens.safetensors.0.tmp" for name in ("old", "young", "gone"))
    for path in (old, young):
        path.write_text("unfinished")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    gone.symlink_to(folder / "renamed by another process meanwhile")
    TokenStore(tmp_path, SIGNATURE, DIM)
    assert (old.exists(), young.exists()) == (False, True)


def test_an_encoder_file_that_cannot_be_read_is_told_with_the_fix(tmp_path):
    path = fill(tmp_path, range(1)).folder / "encoder.json"
    path.write_text("{")
    with pytest.raises(StoreError, match=r"encoder\.json cannot be read: .*Remove this file; it is written anew"):
        TokenStore(tmp_path, SIGNATURE, DIM)
    path.unlink()
    assert TokenStore(tmp_path, SIGNATURE, DIM).missing([key(0)]) == []
