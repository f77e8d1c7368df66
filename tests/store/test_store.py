"""The store: nothing served wrong, nothing lost but the unfinished shard."""

import multiprocessing
import pickle
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import torch

from interfuse.core.errors import StoreError
from interfuse.store import StoredTable, TokenStore
from interfuse.store import store as store_module

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
    monkeypatch.setattr(store_module, "SHARD_BYTES", 2 * DIM * 2)
    store = TokenStore(tmp_path, SIGNATURE, DIM)
    with pytest.raises(KeyboardInterrupt), store.writer() as writer:
        writer.add(key(0), tokens(0, 2))
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
    with pytest.raises(StoreError, match="cannot be written: .*Give another folder with --store"):
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
