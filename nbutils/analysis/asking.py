"""One text, asked of one model: what it says, how it reads the text, and which words decide.

Answers may be asked for from several threads at once: each model answers one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.questions import (
    MOST_WORDS,
    Question,
    Texts,
    attribute_words,
    describe_output,
    explaining,
    top_words,
)
from nbutils.described import Described
from nbutils.errors import NbutilsError, ParameterError
from nbutils.escaping import writable_text
from nbutils.label_sets import BoolArray

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from nbutils.analysis.tokens_read import Piece, Unread
    from nbutils.training.classifier import Classifier

FloatArray = NDArray[np.float64]


class SupersededError(NbutilsError):
    """An explanation was given up, since nobody waits for it any more."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of one text.

    Attributes
    ----------
    texts
        The text, or both of a pair, as they were read: half a surrogate pair is a U+FFFD.
    label_names
        K names.
    pred_probs
        Shape (K,); they sum to 1 where a text has one label.
    given
        Whether the text is given each label, shape (K,).
    thresholds
        From which probability on each label is given, shape (K,); none: the most probable is.
    pieces
        The tokens that are read: one piece, unless a long text is read in chunks.
    unread
        The stretches of the texts that are not read.
    cut
        How many tokens that are.
    unknown
        How many of those read the tokenizer has no token for.
    """

    texts: Texts
    label_names: tuple[str, ...]
    pred_probs: FloatArray
    given: BoolArray
    thresholds: FloatArray | None
    pieces: tuple[Piece, ...]
    unread: tuple[Unread, ...]
    cut: int
    unknown: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels that the text is given, the most probable first."""
        order = np.argsort(-self.pred_probs, kind="stable")
        return tuple(self.label_names[k] for k in order if self.given[k])

    @property
    def probabilities(self) -> dict[str, float]:
        """The probabilities by label name."""
        return dict(zip(self.label_names, self.pred_probs.tolist(), strict=True))

    @property
    def read(self) -> int:
        """How many tokens are read, special ones included."""
        return sum(len(piece.input_ids) for piece in self.pieces)

    @property
    def reach(self) -> int:
        """How many characters of the first text are read, before the first that are not."""
        starts = [own.start for own in self.unread if own.part == 0]
        return min(starts, default=len(self.texts[0]))

    def reads_as(self, other: Answer) -> bool:
        """Return whether the model reads the very same tokens of another text."""
        own, others = ([piece.input_ids.tolist() for piece in a.pieces] for a in (self, other))
        return own == others

    def contrast(self) -> FloatArray:
        """Return the weights of the logits that say why this answer and no other, shape (K,).

        The most probable class minus the second; where texts have several labels, the most
        probable one.
        """
        order = np.argsort(-self.pred_probs, kind="stable")
        weights = np.zeros(len(order))
        if self.thresholds is None:
            weights[order[1:2]] = -1.0
        weights[order[0]] = 1.0
        return weights


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Described):
    """What the words of one text add to an output of the model.

    Attributes
    ----------
    texts
        The text, or both of a pair.
    words
        A row per word that was read: `part` (0: the text, 1: the second of a pair), `start, end`
        (its characters), `word`, `score`: what it adds to the output; below 0 it speaks against it.
    output
        What is explained, in words.
    weights
        The same as weights of the logits, shape (K,).
    value, baseline
        The output for the text, and for padding in its place.
    error
        Of the sum of all words, as a share of the difference of the two.
    steps
        Gradients that were computed.
    """

    texts: Texts
    words: pd.DataFrame
    output: str
    weights: FloatArray
    value: float
    baseline: float
    error: float
    steps: int

    def top_words(self, *, most: int = MOST_WORDS) -> tuple[Any, Any]:
        """Return the words that say most for the output, and against it, with their scores."""
        return top_words(self.words, most=most)


def ask_text(classifier: Classifier, text: str, text_pair: str | None = None) -> Answer:
    """Return what a model says of a text, exactly as its `predict` does, and how it reads it.

    Parameters
    ----------
    classifier
        Any, also one that other threads use.
    text
        Any text, an empty one too.
    text_pair
        The second text, if the model was trained on pairs.

    Raises
    ------
    DataError
        A pair is asked of a model that reads texts in chunks.
    """
    from nbutils.analysis.tokens_read import find_unread, read_pieces, read_whole

    texts = _cleaned(text, text_pair)
    predicted = classifier.predict(*([own] for own in texts))
    tokenizer = classifier.tokenizer
    pieces = read_pieces(texts, tokenizer, cutting=classifier.cutting)
    whole = read_whole(texts, tokenizer)
    specials = int((whole.owners < 0).sum())
    return Answer(
        texts,
        classifier.classes.names,
        predicted.pred_probs[0],
        _decide(classifier, predicted.pred_probs),
        None if classifier.thresholds is None else classifier.thresholds.values,
        tuple(pieces),
        find_unread(pieces, whole),
        max(len(whole.owners) - classifier.cutting.limit(specials), 0),
        sum(int((piece.input_ids == tokenizer.unk_token_id).sum()) for piece in pieces),
    )


def explain_text(
    classifier: Classifier,
    text: str,
    text_pair: str | None = None,
    *,
    weights: Sequence[float] | FloatArray | None = None,
    wanted: Callable[[], bool] | None = None,
) -> Explanation:
    """Return which words of a text decide, by integrated gradients.

    Method and error: see `nbutils.analysis.integrated_gradients`.

    Parameters
    ----------
    classifier
        Any, also one that other threads use.
    text, text_pair
        As for `ask_text`.
    weights
        Of the logits, shape (K,), whose weighted sum is explained; None: `contrast` of the answer.
    wanted
        Called now and then; once it returns False, the work is given up.

    Raises
    ------
    SupersededError
        `wanted` returned False.
    NotApplicableError
        The model takes token ids alone, no embeddings.
    ParameterError
        There is not one weight for each label.
    """
    texts, names = _cleaned(text, text_pair), classifier.classes.names
    if weights is None:
        weights = ask_text(classifier, *texts).contrast()
    own = np.asarray(weights, np.float64)
    if own.shape != (len(names),) or not np.isfinite(own).all():
        raise ParameterError(
            f"weights: expected {len(names)} finite numbers, one per label, found {weights!r}"
        )
    question = Question(texts, own, describe_output(own, names))
    with explaining(classifier), _while_wanted(classifier.model, wanted):
        measures, words = attribute_words(question, classifier=classifier)
    return Explanation(texts, words, question.output, own, **measures)


def _cleaned(text: str, text_pair: str | None) -> Texts:
    texts = (text,) if text_pair is None else (text, text_pair)
    return tuple(map(writable_text, texts))


def _decide(classifier: Classifier, pred_probs: FloatArray) -> BoolArray:
    """Return which labels are given, (K,): of one label alone exactly one, also among equals."""
    if classifier.thresholds is not None:
        return np.asarray(classifier.decide(pred_probs)[0])
    return np.asarray(np.arange(pred_probs.shape[1]) == pred_probs[0].argmax())


@contextmanager
def _while_wanted(model: PreTrainedModel, wanted: Callable[[], bool] | None) -> Iterator[None]:
    """Give up at the model's next pass when the work is no longer wanted."""

    def check(*_: object) -> None:
        if wanted is not None and not wanted():
            raise SupersededError("the explanation was given up: a newer text came")

    handle = model.register_forward_pre_hook(check)
    try:
        yield
    finally:
        handle.remove()
