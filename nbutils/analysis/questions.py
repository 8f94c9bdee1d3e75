"""Why a model says what it says of a text: a question, answered by scores of the words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.word_scores import score_words

if TYPE_CHECKING:
    from nbutils.training.classifier import Classifier

FloatArray = NDArray[np.float64]
Texts = tuple[str, ...]  # a text, or both of a pair

MOST_WORDS = 5  # of those that say most
MOST_TERMS = 4  # of an output that is said in words


@dataclass(frozen=True)
class Question:
    """What is to be explained.

    Attributes
    ----------
    texts
        A text, or both of a pair.
    weights
        Of the K logits, whose weighted sum is the output that is explained.
    output
        The same in words.
    """

    texts: Texts
    weights: FloatArray
    output: str


def attribute_words(
    question: Question, *, classifier: Classifier
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what each word adds to an output; to be called inside `explaining`.

    Returns
    -------
    measures, words
        `value` (the output for the text), `baseline` (that for padding), `error` (of the sum of all
        words, as a share of the difference of the two) and `steps` (gradients computed); and a row
        per word that was read, as `score_words` returns them.
    """
    from nbutils.analysis.integrated_gradients import attribute_tokens
    from nbutils.analysis.tokens_read import read_pieces

    pieces = read_pieces(question.texts, classifier.tokenizer, cutting=classifier.cutting)
    found = [
        attribute_tokens(
            classifier.model,
            piece,
            weights=question.weights / len(pieces),  # the logits of a text are their mean
            pad_token_id=int(classifier.tokenizer.pad_token_id),
            precision=classifier.precision,
        )
        for piece in pieces
    ]
    value, baseline, total = (
        sum(numbers)
        for numbers in zip(*((a.value, a.baseline, a.tokens.sum()) for a in found), strict=True)
    )
    measures = {
        "value": value,
        "baseline": baseline,
        "error": completeness_error(total, value - baseline),
        "steps": sum(a.steps for a in found),
    }
    return measures, score_words(question.texts, pieces, [a.tokens for a in found])


@contextmanager
def explaining(classifier: Classifier) -> Iterator[None]:
    """Make a classifier ready for `attribute_words`, and leave it as it was found.

    No other thread uses it meanwhile, dropout is off, and its weights ask for no gradient.
    """
    from nbutils.encoder.swap import fast_encoder, refresh_encoder

    model = classifier.model
    with classifier.turn, fast_encoder(model, precision=classifier.precision):
        was_training = model.training
        asking = [weights for weights in model.parameters() if weights.requires_grad]
        try:
            model.eval()
            model.requires_grad_(False)
            refresh_encoder(model)  # before threads share it
            yield
        finally:
            for weights in asking:
                weights.requires_grad_(True)
            model.train(was_training)


def completeness_error(total: float, difference: float) -> float:
    """Return by how much a sum of attributions misses, as a share of what it should be.

    Where it should be 0 and is not, that is 1.
    """
    missed = abs(total - difference)
    return float(missed / (abs(difference) or abs(total))) if missed else 0.0


def top_words(words: pd.DataFrame, *, most: int = MOST_WORDS) -> tuple[Any, Any]:
    """Return the words that say most for an output, and against it, with their scores.

    Parameters
    ----------
    words
        `word, score`, as `attribute_words` returns them; the same word in several places counts
        once, in lower case.
    most
        How many of each side.
    """
    words = words.assign(word=words["word"].str.lower())
    totals = words.groupby("word", sort=False)["score"].sum().sort_values(kind="stable")
    return totals[totals > 0].tail(most)[::-1], totals[totals < 0].head(most)


def describe_output(weights: FloatArray, label_names: Sequence[str]) -> str:
    """Return a weighted sum of K logits in words: ``logit of “a” minus logit of “b”``."""
    order = np.argsort(-weights, kind="stable")
    terms = [(float(weights[k]), label_names[k]) for k in order if weights[k]]
    said = " ".join(_describe_term(*term) for term in terms[:MOST_TERMS]).removeprefix("plus ")
    more = len(terms) - MOST_TERMS
    return (said or "nothing") + (f" and {more} more" if more > 0 else "")


def _describe_term(weight: float, name: str) -> str:
    times = "" if abs(weight) == 1 else f"{abs(weight):.3g} times "
    return f"{'minus' if weight < 0 else 'plus'} {times}logit of \u201c{name}\u201d"
