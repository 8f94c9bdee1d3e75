"""Which words of the most confident mistakes speak for what the model said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import Errors
from nbutils.analysis.mistakes import probabilities
from nbutils.analysis.questions import (
    MOST_WORDS,
    Question,
    attribute_words,
    describe_output,
    explaining,
    top_words,
)
from nbutils.analysis.saved_model import SavedModel, texts_of_rows
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import BoolArray, holds_sets, indicate_labels

if TYPE_CHECKING:
    from nbutils.training.classifier import Classifier

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Saliency(Described):
    """What the words of some mistakes add to the output that was wrong.

    Attributes
    ----------
    texts
        A row per mistake, the most confident first: `example_id, text[, text_pair], label,
        predicted, confidence`; the explained `output` in words, its `value` for the text and for a
        text of padding (`baseline`), the `error` of the sum of all words, as a share of the
        difference of the two, and the gradients computed (`steps`).
    words
        A row per word that was read: `example_id`, `part` (0: the text, 1: the second of a pair),
        `start, end` (its characters), `word`, `score`: what it adds to the output; below 0 it
        speaks against it.
    """

    texts: pd.DataFrame
    words: pd.DataFrame

    def findings(self) -> dict[str, Any]:
        """Return for each text the error, and the words that say most for and against."""
        columns = ["example_id", "output", "value", "baseline", "error", "steps"]
        rows = self.texts[columns].to_dict("records")
        return {"texts": [row | self._top_words(row["example_id"]) for row in rows]}

    def advice(self) -> Sequence[Advice]:
        """Return nothing: what the words mean is for a reader to say."""
        return ()

    def top_words(self, example_id: Any, *, most: int = MOST_WORDS) -> tuple[Any, Any]:
        """Return the words that say most for the output, and against it, with their scores."""
        return top_words(self.words[self.words["example_id"] == example_id], most=most)

    def _top_words(self, example_id: Any) -> dict[str, Any]:
        sides = zip(("for", "against"), self.top_words(example_id), strict=True)
        return {name: [[word, float(score)] for word, score in own.items()] for name, own in sides}


def explain_mistakes(model: SavedModel, *, examples: int) -> Saliency:
    """Attribute the most confident mistakes on the test split to their words.

    Where texts have one label, the output is the predicted class's logit minus the true one's;
    where they have several, the logit of the surest wrong answer, with its sign turned if the
    label was missed. Method and error: see `nbutils.analysis.integrated_gradients`.

    Parameters
    ----------
    model
        That made them.
    examples
        How many, at most.

    Raises
    ------
    NotApplicableError
        `examples` is 0, or nothing on the test split is wrong.
    """
    mistakes = worst_mistakes(model.errors, examples)
    questions = _ask(model.errors, mistakes)
    answers = _answer(questions, model.classifier)
    columns = ["example_id", *mistakes.columns.intersection(["text", "text_pair"])]
    texts = mistakes[[*columns, "label", "predicted", "confidence"]]
    measures = pd.DataFrame([measures for measures, _ in answers], index=texts.index)
    words = [
        own.assign(example_id=example_id)
        for example_id, (_, own) in zip(texts["example_id"], answers, strict=True)
    ]
    texts = texts.assign(output=[question.output for question in questions])
    return Saliency(texts.join(measures), pd.concat(words, ignore_index=True))


def worst_mistakes(errors: Errors, examples: int) -> pd.DataFrame:
    """Return the first rows of `errors.mistakes()`; never none.

    Raises
    ------
    NotApplicableError
        `examples` is 0, or nothing on the test split is wrong.
    """
    if not examples:
        raise NotApplicableError("explain_examples is 0.")
    mistakes = errors.mistakes().head(examples)
    if mistakes.empty:
        raise NotApplicableError("Nothing on the test split is wrong.")
    return mistakes


def _ask(errors: Errors, mistakes: pd.DataFrame) -> list[Question]:
    rows = errors.test.set_index("example_id").loc[mistakes["example_id"].tolist()]
    names = errors.label_names
    labels, predicted = (
        indicate_labels(rows[column], n_labels=len(names)) for column in ("label", "predicted")
    )
    ask = _ask_sets if holds_sets(rows["label"]) else _ask_classes
    outputs = ask(labels, predicted, probabilities(rows, names), names)
    return [
        Question(texts, weights, output)
        for texts, (weights, output) in zip(texts_of_rows(mistakes), outputs, strict=True)
    ]


def _ask_classes(
    labels: BoolArray, predicted: BoolArray, _: FloatArray, names: Sequence[str]
) -> Iterator[tuple[FloatArray, str]]:
    for weights in predicted.astype(np.float64) - labels:
        yield weights, describe_output(weights, names)


def _ask_sets(
    labels: BoolArray, predicted: BoolArray, pred_probs: FloatArray, names: Sequence[str]
) -> Iterator[tuple[FloatArray, str]]:
    answers = np.where(predicted, pred_probs, 1 - pred_probs)
    surest = np.where(labels != predicted, answers, -1.0).argmax(axis=1)
    for row, k in enumerate(surest):
        sign, why = (1.0, "given wrongly") if predicted[row, k] else (-1.0, "missed: sign turned")
        yield sign * np.eye(len(names))[k], f"logit of \u201c{names[k]}\u201d ({why})"


def _answer(
    questions: Sequence[Question], classifier: Classifier
) -> list[tuple[dict[str, float], pd.DataFrame]]:
    """Return of each question `value, baseline, error, steps`, and the scores of the words."""
    from nbutils.threads import Workers

    with explaining(classifier), Workers(classifier.model.device.type) as workers:
        return workers.map(partial(attribute_words, classifier=classifier), questions)
