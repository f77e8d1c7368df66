"""Batches side by side: in order, each on its share of torch's threads, which the caller keeps."""

import threading
import time

import pytest
import torch

from interfuse.workflows.encode.parallel import MOST, ParallelBatches
from tests.patience import PATIENCE_S


@pytest.fixture
def threads():
    """Set torch's number of threads, and set it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("given", "workers", "share"), [(2, 2, 1), (3, 3, 1), (2 * MOST, MOST, 2)])
def test_the_threads_share_torch_s_and_the_caller_keeps_its_own(threads, given, workers, share):
    threads(given)
    met = threading.Barrier(workers, timeout=PATIENCE_S)

    def look(item):
        met.wait()  # all of them are here at once
        return torch.get_num_threads()

    with ParallelBatches("cpu") as beside:
        assert (beside.workers, torch.get_num_threads()) == (workers, given)
        found = list(beside.map(look, range(2 * workers)))
        assert found == [(item, share) for item in range(2 * workers)]
    assert torch.get_num_threads() == given
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [given]  # a thread that starts later has the caller's number, not the share


def test_answers_come_in_order_and_little_is_taken_ahead(threads):
    threads(2)
    taken: list[int] = []

    def items():
        for item in range(9):
            taken.append(item)
            yield item

    with ParallelBatches("cpu") as beside:
        for number, (item, answer) in enumerate(beside.map(lambda n: time.sleep(0.01 * (n % 3)) or 2 * n, items())):
            assert (item, answer) == (number, 2 * number)
            assert len(taken) <= number + 1 + beside.workers


@pytest.mark.parametrize(("given", "device"), [(1, "cpu"), (2, "cuda")])
def test_with_one_thread_or_on_a_gpu_nothing_runs_beside(threads, given, device):
    threads(given)
    with ParallelBatches(device) as beside:
        found = list(beside.map(lambda item: (item, threading.current_thread()), range(3)))
    assert [answer for _, answer in found] == [(item, threading.current_thread()) for item in range(3)]


def test_an_error_comes_out_and_the_threads_end(threads):
    threads(2)
    before = threading.active_count()

    def fail(item):
        if item == 1:
            raise ValueError("item 1")
        return item

    with pytest.raises(ValueError, match="item 1"), ParallelBatches("cpu") as beside:
        list(beside.map(fail, range(9)))
    assert threading.active_count() == before
