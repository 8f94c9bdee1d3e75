"""Attributions: whole by their axiom, right where the answer is known, refined where it jumps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from conftest import make_reviews
from torch import Tensor, nn

from nbutils.analysis.integrated_gradients import (
    FIRST_SEGMENTS,
    MOST_STEPS,
    STEPS,
    TOLERANCE,
    Attribution,
    attribute_tokens,
)
from nbutils.analysis.tokens_read import Piece, read_pieces
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.errors import NotApplicableError
from nbutils.params.cutting import Cutting

FIRST = STEPS * FIRST_SEGMENTS


class Toy(nn.Module):
    """Logits that are a function of the sum of all embeddings: (B, L, D) to (B, 2)."""

    device = torch.device("cpu")
    base_model = None

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.embedding, self.function = nn.Embedding(9, 4), function
        with torch.no_grad():
            self.embedding.weight.copy_(torch.arange(36.0).view(9, 4) / 36)
        self.requires_grad_(False)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        total = self.function(inputs_embeds.sum((1, 2)))
        return SimpleNamespace(logits=torch.stack([total, torch.zeros_like(total)], 1))


def piece_of(ids: list[int], *, specials: int = 1) -> Piece:
    owners = np.zeros(len(ids), np.int64)
    owners[:specials] = -1
    places = np.arange(len(ids))
    return Piece(np.array(ids), None, owners, np.stack([places, places + 1], 1), places)


def attribute(model: Any, piece: Piece, *, pad: int = 0) -> Attribution:
    return attribute_tokens(
        model, piece, weights=np.array([1.0, -1.0]), pad_token_id=pad, precision="fp32"
    )


def test_linear_output_is_shared_exactly_and_at_once() -> None:
    model = Toy(lambda total: 3 * total + 2)
    found = attribute(model, piece_of([8, 1, 0, 5]))
    sums = model.embedding.weight.sum(1).numpy()
    expected = 3 * (sums[[8, 1, 0, 5]] - sums[[8, 0, 0, 0]])
    assert found.tokens == pytest.approx(expected, abs=1e-5)
    assert found.value - found.baseline == pytest.approx(expected.sum(), abs=1e-5)
    assert found.steps == FIRST


@pytest.mark.parametrize("jump", [5.1, 6.7, 9.3])
def test_jump_is_searched_until_the_axiom_holds(jump: float) -> None:
    model = Toy(lambda total: torch.sigmoid(60 * (total - jump)))
    piece = piece_of([8, 1, 7, 5])
    found = attribute(model, piece)
    difference = found.value - found.baseline
    assert difference == pytest.approx(1, abs=0.01)
    assert abs(found.tokens.sum() - difference) <= TOLERANCE * difference
    assert FIRST < found.steps <= MOST_STEPS + 2 * STEPS
    start, end = (model.embedding(torch.tensor([ids])) for ids in ([8, 0, 0, 0], [8, 1, 7, 5]))
    plain = IntegratedGradients(lambda e: model(e, None).logits[:, 0]).attribute(
        end.requires_grad_(), start, n_steps=found.steps
    )
    assert abs(float(plain.detach().sum()) - difference) > TOLERANCE * difference


@pytest.mark.parametrize("seed", range(3))
def test_bert_is_explained_as_captum_does_with_many_steps(tiny_bert: Path, seed: int) -> None:
    torch.manual_seed(seed)
    model = load_classifier(str(tiny_bert), label_names=["a", "b"]).eval().requires_grad_(False)
    tokenizer = load_tokenizer(str(tiny_bert))
    text = make_reviews(3, seed=seed)["text"][seed % 3]
    (piece,) = read_pieces((text,), tokenizer, cutting=Cutting(16))
    found = attribute(model, piece, pad=tokenizer.pad_token_id)
    ids = torch.tensor(piece.input_ids)[None]
    padded = torch.where(torch.tensor(piece.owners)[None] < 0, ids, tokenizer.pad_token_id)
    embed = model.get_input_embeddings()

    def output(embedded: Tensor) -> Tensor:
        logits = model(inputs_embeds=embedded).logits
        return logits[:, 0] - logits[:, 1]

    many = IntegratedGradients(output).attribute(
        embed(ids).requires_grad_(), embed(padded), n_steps=256
    )
    expected = many.detach().sum(-1)[0].numpy()
    assert found.tokens == pytest.approx(expected, abs=0.05 * float(np.abs(expected).max()))
    logits = model(ids).logits[0]
    assert found.value == pytest.approx(float(logits[0] - logits[1]), abs=1e-4)
    assert found.tokens[piece.owners < 0] == pytest.approx(0, abs=1e-7)


def test_pair_is_read_with_its_token_types(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b"]).eval().requires_grad_(False)
    tokenizer = load_tokenizer(str(tiny_bert))
    (piece,) = read_pieces(("good film", "dull"), tokenizer, cutting=Cutting(16))
    found = attribute(model, piece, pad=tokenizer.pad_token_id)
    inputs = tokenizer("good film", "dull", return_tensors="pt")
    logits = model(**inputs).logits[0]
    assert found.value == pytest.approx(float(logits[0] - logits[1]), abs=1e-4)


def test_output_that_no_token_changes_is_whole_too() -> None:
    found = attribute(Toy(lambda total: 0 * total + 1), piece_of([8, 1]))
    assert found.tokens.tolist() == [0, 0]
    assert found.steps == FIRST


def test_text_of_special_tokens_alone_gets_nothing() -> None:
    found = attribute(Toy(lambda total: total), piece_of([8, 7], specials=2))
    assert found.tokens.tolist() == [0, 0]


def test_model_that_takes_no_embeddings_is_refused() -> None:
    class Closed(Toy):
        def forward(self, input_ids: Tensor) -> None:  # type: ignore[override]
            raise AssertionError("not called")

    with pytest.raises(NotApplicableError, match="Closed takes no word embeddings"):
        attribute(Closed(None), piece_of([8, 1]))
