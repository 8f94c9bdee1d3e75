"""Work on a CPU shared by threads that each compute alone.

Two threads with an example each do more than two threads that share every operation: they never
wait for each other, and each keeps its own numbers in its own cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from typing_extensions import Self

MOST = 4  # workers; more threads than that are shared out among them

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads to share work among, on a CPU; elsewhere the caller works alone.

    Parameters
    ----------
    device
        Of the model.

    Attributes
    ----------
    count
        How many work at once.
    each
        Torch's threads in each of them: as many in one as in another, for products are rounded in
        another order with more of them, and which worker takes an item is chance.
    """

    def __init__(self, device: str) -> None:
        self.threads = torch.get_num_threads()
        self.count = _share_out(self.threads) if device == "cpu" else 1
        self.each = self.threads // self.count
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.count > 1:
            self._pool = ThreadPoolExecutor(self.count, "nbutils", self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
            torch.set_num_threads(self.threads)  # what threads started from here on will use

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the results of all items, in their order; the first error of one is raised."""
        items = list(items)
        if self._pool is None or len(items) == 1:
            return [work(item) for item in items]
        return list(self._pool.map(work, items))

    def _begin(self) -> None:
        torch.get_num_threads()  # first, or torch's own set-up of a thread undoes what follows
        torch.set_num_threads(self.each)  # of this thread


def _share_out(threads: int) -> int:
    """Return how many workers leave the fewest threads idle."""
    if threads <= MOST:
        return threads
    return max((MOST, MOST - 1), key=lambda count: threads // count * count)


class Turn:
    """What a model is used in by one thread at a time; the same thread may enter it again.

    A model that predicts has another encoder put into it and taken out again, which no other thread
    may see half done. A copy, or one that was pickled, has a turn of its own: its model is another.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[Turn], tuple[()]]:
        return Turn, ()
