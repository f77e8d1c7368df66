"""Several batches in an encoder at once: many small operations fill the cores better side by side than each on all."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

MOST = 4
"""Batches at once, at most: each takes the memory of a forward pass."""
T = TypeVar("T")
R = TypeVar("R")


class ParallelBatches:
    """Threads that share torch's threads among them; ends them when the context ends, also by an interruption.

    What is computed does not change: a batch is computed whole, by one of them. On a GPU, or where torch has one
    thread, nothing runs beside anything.
    """

    def __init__(self, device: str) -> None:
        """Start as many threads as there are torch's, up to `MOST`.

        Args:
            device: where the encoders run.
        """
        all_threads = torch.get_num_threads()
        self.workers = min(MOST, all_threads) if device == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None
        if self.workers == 1:
            return
        share, all_there = all_threads // self.workers, Barrier(self.workers)

        def begin() -> None:
            all_there.wait()  # so that each of the threads begins once
            torch.get_num_threads()  # a thread takes the last count at its first question, also after it was told one
            torch.set_num_threads(share)

        self._pool = ThreadPoolExecutor(self.workers)
        for future in [self._pool.submit(begin) for _ in range(self.workers)]:
            future.result()
        torch.set_num_threads(all_threads)  # for threads that start later, which take the last count

    def __enter__(self) -> "ParallelBatches":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads; what they have not begun is not done."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, call: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Return each item and its answer in the items' order; as many are taken ahead as there are threads."""
        if self._pool is None:
            for item in items:
                yield item, call(item)
            return
        queue: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            queue.append((item, self._pool.submit(call, item)))
            if len(queue) > self.workers:
                done, future = queue.popleft()
                yield done, future.result()
        for done, future in queue:
            yield done, future.result()
