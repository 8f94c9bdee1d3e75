"""Texts to train on and others to predict, none of which is a copy of another."""

from __future__ import annotations

from dataclasses import dataclass

from nbutils.benchmark.real_texts import RealTexts, draw_rows


@dataclass(frozen=True)
class Split:
    """Texts to train on and texts to predict, the same for every seed and both ways."""

    train: RealTexts
    test: RealTexts


def draw_split(
    train: RealTexts, test: RealTexts | None, *, sizes: tuple[int, int], seed: int
) -> Split:
    """Draw texts to train on and texts to predict.

    Parameters
    ----------
    train
        Of them, copies of others and of texts of the test file are left out.
    test
        The texts of a test file; None: texts to predict are taken out of `train`.
    sizes
        How many of each, at most; both get their share where there are too few.
    seed
        Of the draw.
    """
    n_train, n_test = sizes
    known = set() if test is None else set(test.texts)
    first = {text: row for row, text in reversed(list(enumerate(train.texts))) if text not in known}
    own = train.take(sorted(first.values()))
    if test is not None:
        parts = ((own, n_train), (test, n_test))
        drawn = [
            part.take(draw_rows(seed, 0, count=size, total=len(part.texts))) for part, size in parts
        ]
        return Split(drawn[0], drawn[1])
    total = len(own.texts)
    if n_train + n_test > total:
        n_train = total * n_train // (n_train + n_test)
    rows = draw_rows(seed, 0, count=sum(sizes), total=total)
    return Split(own.take(rows[:n_train]), own.take(rows[n_train:]))
