"""Memory that is used again: never while somebody holds it."""

import pytest
import torch

from interfuse.store import TokenStore
from interfuse.store.buffers import Buffers

WIDE = 1 << 19
"""Float32 numbers that are past the size below which torch's own memory is taken."""


def test_memory_is_used_again_when_its_last_tensor_is_gone_and_never_before():
    buffers = Buffers()
    first = buffers.empty(2, WIDE)
    place, view = first.data_ptr(), first[1, 5:]
    del first
    other = buffers.empty(2, WIDE)
    assert other.data_ptr() != place, "a view still holds it"
    del view
    again = buffers.empty(2, WIDE)
    assert again.data_ptr() == place
    assert other.data_ptr() != place


def test_a_held_batch_keeps_its_values_however_many_follow():
    buffers = Buffers()
    held = [buffers.empty(WIDE + 1000 * n).fill_(n) for n in range(6)]
    for _ in range(10):
        buffers.empty(WIDE + 500).fill_(-1)
    assert [float(t.min()) for t in held] == [float(t.max()) for t in held] == [0, 1, 2, 3, 4, 5]


def test_free_memory_beyond_the_limit_goes_back():
    buffers = Buffers(kept_bytes=4 * WIDE * 4)
    for factor in (1, 3, 9, 27):
        buffers.empty(factor * WIDE)
    assert len(buffers._all) == 1


def test_a_buffer_is_not_lent_for_less_than_half_of_it():
    buffers = Buffers()
    large = buffers.empty(8 * WIDE).data_ptr()
    assert buffers.empty(WIDE).data_ptr() != large
    assert buffers.empty(6 * WIDE).data_ptr() == large


@pytest.mark.parametrize("coding", ["bfloat16", "int8", "float32"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_in_used_memory_has_its_own_values_and_zeros_behind_them(tmp_path, coding, threads):
    store = TokenStore(tmp_path, {"name": coding}, 2048, coding=coding)
    lengths = [40 + 7 * n % 60 for n in range(16)]
    with store.writer() as writer:
        for number, length in enumerate(lengths):
            writer.add(f"{number:032x}", torch.full((length, 2048), 1.0 + number))
    table = store.table([f"{number:032x}" for number in range(16)])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(3):
            found, mask = table.gather(torch.tensor([*range(16), -1]))
            for slot, length in enumerate([*lengths, 0]):
                assert bool((found[slot, length:] == 0).all())
                assert torch.allclose(found[slot, :length], torch.tensor(1.0 + slot))
                assert int(mask[slot].sum()) == length
            found.fill_(float("nan"))
            del found, mask
    finally:
        torch.set_num_threads(before)
