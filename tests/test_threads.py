"""Work shared by threads."""

from __future__ import annotations

import threading

import pytest
import torch

from nbutils.threads import Workers


@pytest.mark.parametrize(
    ("threads", "shares"),
    [(1, [1]), (2, [1] * 2), (3, [1] * 3), (5, [1] * 4), (6, [2] * 3), (8, [2] * 4), (11, [3] * 3)],
)
def test_workers_have_equal_shares_of_the_threads(threads: int, shares: list[int]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with Workers("cpu") as workers:
            together = threading.Barrier(workers.count)

            def work(_: int) -> int:
                together.wait(timeout=30)  # so that each worker takes one
                return torch.get_num_threads()

            found = workers.map(work, range(workers.count)) if threads > 1 else [work(0)]
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert sorted(found) == shares


def test_a_gpu_is_not_shared() -> None:
    with Workers("cuda") as workers:
        assert workers.count == 1
        assert workers.map(lambda item: -item, [1, 2, 3]) == [-1, -2, -3]
