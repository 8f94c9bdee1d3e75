"""Integrated gradients of a classifier's output, for each token that it reads.

Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", 2017, equation 1. The
attributions sum to the difference between the output for the text and that for a baseline, their
axiom of completeness; by how much they miss it is the error of the integral.

A fine-tuned transformer's output hardly changes along most of the path from the baseline to the
text, and jumps in a small part of it. So the path is cut into segments, captum integrates each of
them, and those where the axiom is missed are cut again.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from nbutils.encoder.swap import FastEncoder
from nbutils.errors import NotApplicableError
from nbutils.prediction import autocast

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from nbutils.analysis.tokens_read import Piece

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST_SEGMENTS = 8
STEPS = 2  # of Gauss and Legendre, in each segment
MOST_STEPS = 64
BATCH_TOKENS = 4096
TOLERANCE = 0.05  # of the axiom
TOLERANCE_IN_ALL = 0.1  # of errors that may cancel out


@dataclass(frozen=True)
class Attribution:
    """What each of L tokens adds to the output.

    Attributes
    ----------
    tokens
        Shape (L,); they sum to `value - baseline`, but for the error.
    value, baseline
        The output for the text, and for the baseline.
    steps
        Gradients that were computed.
    """

    tokens: FloatArray
    value: float
    baseline: float
    steps: int


def attribute_tokens(
    model: PreTrainedModel,
    piece: Piece,
    *,
    weights: FloatArray,
    pad_token_id: int,
    precision: str,
) -> Attribution:
    """Return what each token adds to an output, against a text of padding alone.

    Parameters
    ----------
    model
        A sequence classifier in evaluation mode, whose weights ask for no gradient.
    piece
        L tokens. In the baseline all but the special ones are padding, at the same positions.
    weights
        Of the K logits, whose weighted sum is the output that is explained.
    pad_token_id
        The token of the baseline.
    precision
        ``fp32`` or ``bf16``.

    Raises
    ------
    NotApplicableError
        The model takes token ids alone, no embeddings.
    """
    if "inputs_embeds" not in inspect.signature(model.forward).parameters:
        raise NotApplicableError(f"{type(model).__name__} takes no word embeddings as its input.")
    path = _Path(model, piece, weights, pad_token_id, precision)
    segments = path.cut(np.linspace(0.0, 1.0, FIRST_SEGMENTS + 1))
    steps = STEPS * FIRST_SEGMENTS
    while steps < MOST_STEPS and len(missed := segments.missed()):
        missed = missed[: -(-(MOST_STEPS - steps) // (2 * STEPS))]
        segments = segments.without(missed).joined(path.halve(segments, missed))
        steps += 2 * STEPS * len(missed)
    first, last = segments.lows.argmin(), segments.highs.argmax()
    return Attribution(
        segments.tokens.sum(0), float(segments.after[last]), float(segments.before[first]), steps
    )


@dataclass(frozen=True)
class _Segments:
    """Parts of the path, in any order: S of them.

    `lows` and `highs` (S,) are their ends, `before` and `after` (S,) the output there, and `tokens`
    (S, L) what each token adds to it in between.
    """

    lows: FloatArray
    highs: FloatArray
    before: FloatArray
    after: FloatArray
    tokens: FloatArray

    def missed(self) -> IntArray:
        """Return the segments to cut in two, the worst first; none: the axiom holds well enough.

        Errors of segments may cancel out, so their absolute sum is held against that of the
        changes, too.
        """
        changes = self.after - self.before
        errors = self.tokens.sum(1) - changes
        sizes = np.abs(errors)
        most = TOLERANCE * abs(changes.sum())
        most_in_all = TOLERANCE_IN_ALL * np.abs(changes).sum()
        if sizes.sum() > most_in_all:
            allowed = most_in_all / 2
        elif abs(errors.sum()) > most:
            allowed = most / 2
        else:
            return np.array([], np.int64)
        order = np.argsort(-sizes, kind="stable")
        left = sizes.sum() - np.cumsum(sizes[order])  # once this one and those before are mended
        return np.asarray(order[: 1 + int((left > allowed).sum())])

    def without(self, rows: IntArray) -> _Segments:
        kept = np.setdiff1d(np.arange(len(self.lows)), rows)
        return _Segments(*(array[kept] for array in self._arrays()))

    def joined(self, others: _Segments) -> _Segments:
        pairs = zip(self._arrays(), others._arrays(), strict=True)
        return _Segments(*(np.concatenate(pair) for pair in pairs))

    def _arrays(self) -> tuple[FloatArray, ...]:
        return self.lows, self.highs, self.before, self.after, self.tokens


class _Path:
    """The straight line from the baseline's word embeddings to those of a text."""

    def __init__(
        self,
        model: PreTrainedModel,
        piece: Piece,
        weights: FloatArray,
        pad_token_id: int,
        precision: str,
    ) -> None:
        # ours computes in its own precision; logits are the finer for a head in fp32
        fast = isinstance(getattr(model.base_model, "encoder", None), FastEncoder)
        self.model, self.precision = model, "fp32" if fast else precision
        self.weights = torch.tensor(weights, dtype=torch.float32, device=model.device)
        self.types = self._row(piece.token_type_ids)
        padded = np.where(piece.owners < 0, piece.input_ids, pad_token_id)
        embed = model.get_input_embeddings()
        with torch.no_grad():
            self.start, self.end = (
                embed(self._row(ids)).float() for ids in (padded, piece.input_ids)
            )
        self.rows = max(STEPS, BATCH_TOKENS // max(1, len(piece.input_ids)))
        self.captum = IntegratedGradients(self.output)

    def _row(self, ids: IntArray | None) -> Tensor | None:
        return None if ids is None else torch.tensor(ids, device=self.model.device)[None]

    def output(self, embedded: Tensor) -> Tensor:
        """Return the output for embeddings of shape (B, L, D): (B,)."""
        size = embedded.shape[:2]
        inputs = {"attention_mask": torch.ones(size, dtype=torch.long, device=embedded.device)}
        if self.types is not None:
            inputs["token_type_ids"] = self.types.expand(size)
        with autocast(self.model.device.type, self.precision):
            logits = self.model(inputs_embeds=embedded, **inputs).logits
        found: Tensor = logits.float() @ self.weights
        return found

    def _at(self, places: FloatArray) -> Tensor:
        """Return the embeddings at places in [0, 1], shape (B,): (B, L, D)."""
        shares = torch.tensor(places, dtype=torch.float32, device=self.start.device)
        found: Tensor = self.start + shares[:, None, None] * (self.end - self.start)
        return found

    def cut(self, knots: FloatArray) -> _Segments:
        """Return the segments between neighbours of some places in rising order."""
        values, tokens = self._values(knots), self._integrate(knots[:-1], knots[1:])
        return _Segments(knots[:-1], knots[1:], values[:-1], values[1:], tokens)

    def halve(self, segments: _Segments, rows: IntArray) -> _Segments:
        """Return both halves of some segments."""
        lows, highs = segments.lows[rows], segments.highs[rows]
        middles = (lows + highs) / 2
        values = self._values(middles)
        lows, highs = np.concatenate([lows, middles]), np.concatenate([middles, highs])
        return _Segments(
            lows,
            highs,
            np.concatenate([segments.before[rows], values]),
            np.concatenate([values, segments.after[rows]]),
            self._integrate(lows, highs),
        )

    def _values(self, places: FloatArray) -> FloatArray:
        with torch.no_grad():
            found = [self.output(self._at(part)) for part in _batches(places, self.rows)]
        return np.asarray(torch.cat(found).double().cpu().numpy())

    def _integrate(self, lows: FloatArray, highs: FloatArray) -> FloatArray:
        ends = zip(*(_batches(places, self.rows // STEPS) for places in (lows, highs)), strict=True)
        found = [
            self.captum.attribute(self._at(high).requires_grad_(), self._at(low), n_steps=STEPS)
            for low, high in ends
        ]
        return np.asarray(torch.cat(found).detach().sum(-1).double().cpu().numpy())


def _batches(places: FloatArray, size: int) -> Iterator[FloatArray]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
