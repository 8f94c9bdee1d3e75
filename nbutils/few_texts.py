"""Few training texts per class: what to expect of a score, and how many steps to plan.

The same training on the same few texts gives models that differ widely from seed to seed: Dodge et
al., "Fine-tuning pretrained language models: weight initializations, data orders, and early
stopping" (2020). Mosbach et al., "On the stability of fine-tuning BERT" (2021), and Zhang et al.,
"Revisiting few-sample BERT fine-tuning" (2021), trace much of it to trainings that end too early:
what counts is the number of optimiser steps, and the usual three epochs of few texts are too few.
The two numbers below are rules of thumb of ours, not theirs. Of 16 BBC News texts per class, 15
steps (three epochs) of the bundled model made a test accuracy of 55 and 67 % with two seeds, 200
steps 93 and 92 % (64 tokens, learning rate 5e-5, 250 test texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

FEW = 64  # training texts of the median class, below which there are few
ENOUGH_STEPS = 200  # optimiser steps


def texts_per_class(card: Mapping[str, Any]) -> float:
    """Return the number of training texts of the median class.

    The median, because one rare class among large ones is no few-shot training: steps are plenty
    there, and the class is the business of `class_weights`.

    Parameters
    ----------
    card
        A data card, of which `classes` is read.
    """
    sizes: list[int] = [by_split.get("train", 0) for by_split in card["classes"].values()]
    return median(sizes)


def has_few_texts(card: Mapping[str, Any]) -> bool:
    """Return whether the median class has fewer than `FEW` training texts; no card, no."""
    return bool(card) and texts_per_class(card) < FEW


def describe_expectation(card: Mapping[str, Any]) -> list[str]:
    """Return what to expect of a training on few texts, as one sentence or none.

    Parameters
    ----------
    card
        A data card; the interval's width is that at the baseline's test accuracy, or the widest.
    """
    if not has_few_texts(card):
        return []
    return [
        f"Few training texts: the median class has {texts_per_class(card):g}. {_width(card)}Scores "
        "differ from seed to seed, often by more than two recipes do: compare means over several "
        f"seeds. Plan optimiser steps rather than epochs: at least {ENOUGH_STEPS}."
    ]


def _width(card: Mapping[str, Any]) -> str:
    from nbutils.metrics import wilson_interval

    n = card["splits"].get("test", 0)
    if not n:
        return ""
    score = (card["baseline"] or {}).get("test", {}).get("accuracy")
    low, high = wilson_interval(round((score["value"] if score else 0.5) * n), n)
    place = f"at the baseline's {score['value']:.1%}" if score else "at an accuracy of 50%"
    return (
        f"Expect a 95 % interval about {100 * (high - low):.0f} points wide: that is what {n} test "
        f"texts give {place}. "
    )
