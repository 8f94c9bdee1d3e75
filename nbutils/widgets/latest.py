"""Work on what was asked last: what was asked before is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Question = TypeVar("Question")


class Latest(Generic[Question]):
    """Answers the newest of many questions, one at a time.

    Parameters
    ----------
    answer
        Takes a question, and what says whether its answer is still wanted.
    """

    def __init__(self, answer: Callable[[Question, Callable[[], bool]], None]) -> None:
        self._answer, self._one_at_a_time = answer, threading.Lock()
        self._newest: Question | None = None
        self._done: Question | None = None

    def ask(self, question: Question) -> None:
        """Note a question; from now on no answer to another one is wanted."""
        self._newest = question

    def work(self) -> None:
        """Answer the newest question, in whatever thread this is; nothing if that is done."""
        with self._one_at_a_time:
            question = self._newest
            if question is None or question is self._done:
                return
            self._answer(question, lambda: self._newest is question)
            self._done = question
