"""Long texts: which of their tokens are read, and what becomes of the logits of their chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import WORDS
from hypothesis import given
from hypothesis import strategies as st

from nbutils import batching
from nbutils.batching import encode_texts, epoch_batches
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.chunks import chunk, head_and_tail, pool_logits
from nbutils.errors import DataError, ParameterError
from nbutils.params.cutting import Cutting
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.study import Study
from nbutils.prediction import evaluation_mode, predict_logits
from nbutils.reading import Reading

TRUNCATIONS = ("head", "head_tail", "chunks")
LONG = " ".join(WORDS * 3)  # 72 words, each a token
TEXTS = ["good", LONG, "bad film " * 5, "music " * 20, "a", "the plot " * 40]


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return load_tokenizer(str(tiny_bert))


@pytest.fixture(scope="module")
def model(tiny_bert: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    return load_classifier(str(tiny_bert), label_names=["a", "b", "c"])


def owners_of(content: int, second: int = 0) -> np.ndarray:
    """Return whose the tokens of [CLS] text [SEP] are, or of [CLS] text [SEP] second [SEP]."""
    pair = [1] * second + [-1] if second else []
    return np.array([-1, *[0] * content, -1, *pair])


# --- both ends -----------------------------------------------------------------------------------


@given(st.integers(8, 600), st.integers(1, 2000))
def test_head_and_tail_are_the_first_quarter_and_the_rest_from_the_end(
    max_length: int, beyond: int
) -> None:
    content = max_length - 2 + beyond
    tokens = list(range(100, 100 + content))
    kept = head_and_tail(owners_of(content), max_length=max_length)
    found = np.array([1, *tokens, 2])[kept].tolist()
    head = min(128, (max_length - 2 + 3) // 4)
    assert found == [1, *tokens[:head], *tokens[-(max_length - 2 - head) :], 2]


def test_of_512_tokens_128_and_382_are_kept_as_in_the_paper() -> None:
    kept = head_and_tail(owners_of(5000), max_length=512)
    gap = int(np.flatnonzero(np.diff(kept) > 1)[0])
    assert (gap, len(kept) - 1 - gap - 1) == (128, 382)


@given(st.integers(8, 80), st.integers(1, 150), st.integers(1, 150))
def test_pair_keeps_as_much_of_each_text_as_where_ends_are_cut(
    max_length: int, first: int, second: int
) -> None:
    owners = owners_of(first, second)
    if len(owners) <= max_length:
        return
    kept = head_and_tail(owners, max_length=max_length)
    assert len(kept) == max_length
    assert np.array_equal(kept[owners[kept] < 0], np.flatnonzero(owners < 0))
    sizes = [int((owners[kept] == text).sum()) for text in (0, 1)]
    room, lengths = max_length - 3, [first, second]
    while sum(lengths) > room:  # one token at a time, of the longer
        lengths[int(np.argmax(lengths))] -= 1
    assert sizes == pytest.approx(lengths, abs=1)
    for text, size in enumerate(sizes):
        own = np.flatnonzero(owners == text)
        found = kept[owners[kept] == text]
        assert found[0] == own[0]
        assert size == 1 or found[-1] == own[-1]


def test_pair_is_cut_in_the_middle_with_its_token_types(tokenizer: Any) -> None:
    first, second = " ".join(WORDS), "bad film"
    cutting = Cutting(13, "head_tail")
    encoded = encode_texts([first], tokenizer, cutting=cutting, text_pairs=[second])
    words = tokenizer.convert_ids_to_tokens(encoded.input_ids[0])
    assert words == ["[CLS]", *WORDS[:2], *WORDS[-6:], "[SEP]", "bad", "film", "[SEP]"]
    assert encoded.batch(np.array([0]))["token_type_ids"].tolist() == [[0] * 10 + [1] * 3]


# --- chunks --------------------------------------------------------------------------------------


@given(st.integers(8, 128), st.integers(1, 3000), st.integers(2, 12))
def test_chunks_cover_the_text_in_order_equally_long_and_overlapping(
    max_length: int, beyond: int, max_chunks: int
) -> None:
    content = max_length - 2 + beyond
    cutting = Cutting(max_length, "chunks", max_chunks)
    chunks = list(chunk(owners_of(content), cutting))
    assert 2 <= len(chunks) <= max_chunks
    assert all((part[0], part[-1]) == (0, content + 1) for part in chunks)
    inner = [part[1:-1].tolist() for part in chunks]
    assert max(map(len, chunks)) <= max_length
    assert max(map(len, inner)) - min(map(len, inner)) <= 1
    overlap = (max_length - 2) // 8
    fresh = inner[0] + [place for part in inner[1:] for place in part[overlap:]]
    read = min(content, cutting.limit(2) - 2)
    assert fresh == list(range(1, read + 1))
    assert (read == content) == (len(owners_of(content)) <= cutting.limit(2))
    assert read > Cutting(max_length, "chunks", len(chunks) - 1).limit(2) - 2  # as few as can be


def test_lengths_are_those_of_all_chunks_and_batches_hold_whole_texts(tokenizer: Any) -> None:
    encoded = encode_texts(TEXTS, tokenizer, cutting=Cutting(16, "chunks", 4))
    assert len(encoded) == len(TEXTS)
    assert encoded.counts is not None
    assert encoded.counts.tolist() == [1, 4, 1, 2, 1, 4]
    assert encoded.lengths.tolist() == [3, 64, 12, 25, 3, 64]
    batch = encoded.batch(np.array([3, 0]))
    assert batch["attention_mask"].sum(1).tolist() == [13, 12, 3]
    rows = np.concatenate(epoch_batches(encoded.lengths, batch_size=2, seed=0, epoch=0))
    assert sorted(rows) == list(range(len(TEXTS)))


def test_logits_of_a_text_are_the_mean_of_its_chunks_read_by_plain_transformers(
    tokenizer: Any, model: Any
) -> None:
    max_length, room, overlap = 16, 14, 1
    expected = []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        count = max(1, -(-(len(ids) - overlap) // (room - overlap)))
        ends = np.cumsum([len(p) for p in np.array_split(range(len(ids) - overlap), count)])
        starts = [0, *ends[:-1]]
        parts = [ids[a : b + overlap] for a, b in zip(starts, ends, strict=True)]
        inputs = [torch.tensor([[2, *part, 3]]) for part in parts]
        with evaluation_mode(model):
            rows = torch.cat([model(input_ids=one).logits for one in inputs])
        expected.append(rows.mean(0).numpy())
    encoded = encode_texts(TEXTS, tokenizer, cutting=Cutting(max_length, "chunks", 16))
    assert predict_logits(model, encoded) == pytest.approx(np.array(expected), abs=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 16, 40, 8192])
def test_chunks_stay_with_their_texts_under_every_batching(
    tokenizer: Any, model: Any, monkeypatch: pytest.MonkeyPatch, batch_tokens: int
) -> None:
    cutting = Cutting(16, "chunks")
    alone = [predict_logits(model, encode_texts([t], tokenizer, cutting=cutting))[0] for t in TEXTS]
    monkeypatch.setattr(batching, "CPU_TOKENS", batch_tokens)
    together = predict_logits(model, encode_texts(TEXTS, tokenizer, cutting=cutting))
    assert together == pytest.approx(np.array(alone), abs=1e-5)


def test_pooling_gives_each_chunk_of_a_text_the_same_share_of_the_gradient() -> None:
    logits = torch.arange(8.0).reshape(4, 2).requires_grad_()
    pooled = pool_logits(logits, np.array([1, 3]))
    assert pooled.tolist() == [[0.0, 1.0], [4.0, 5.0]]
    pooled[1].sum().backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[:, 0], torch.tensor([0, 1 / 3, 1 / 3, 1 / 3]))


# --- all three -----------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=14), min_size=1, max_size=8))
def test_texts_that_fit_are_encoded_alike(tokenizer: Any, rows: list[list[str]]) -> None:
    texts = [" ".join(words) for words in rows]
    head, *others = (
        encode_texts(texts, tokenizer, cutting=Cutting(16, name))  # type: ignore[arg-type]
        for name in TRUNCATIONS
    )
    for other in others:
        assert other.counts is None
        assert all(map(np.array_equal, other.input_ids, head.input_ids))


def test_pairs_that_fit_are_encoded_alike(tokenizer: Any) -> None:
    first, second = (
        encode_texts(
            ["good", "bad film"], tokenizer, cutting=Cutting(16, name), text_pairs=["a", "the plot"]
        )
        for name in ("head", "head_tail")
    )
    assert all(map(np.array_equal, first.input_ids, second.input_ids))
    assert all(map(np.array_equal, first.token_type_ids or [], second.token_type_ids or []))


def test_text_that_spells_special_tokens_keeps_its_frame(tokenizer: Any) -> None:
    text = "[SEP] [CLS] " * 20
    for name in ("head_tail", "chunks"):
        cutting = Cutting(16, name)  # type: ignore[arg-type]
        for ids in encode_texts([text], tokenizer, cutting=cutting).input_ids:
            assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
            assert len(ids) <= 16


def test_chunks_of_pairs_are_refused_in_a_line(tokenizer: Any) -> None:
    message = "truncation: expected head or head_tail for pairs of texts, found chunks"
    with pytest.raises(DataError, match=message):
        encode_texts(["a"], tokenizer, cutting=Cutting(16, "chunks"), text_pairs=["b"])
    with pytest.raises(ParameterError, match=message):
        DataPrepParams.of({"text_pair_column": "b", "truncation": "chunks"})


def test_reading_shows_what_is_encoded_and_counts_what_is_not(tokenizer: Any) -> None:
    for name, read in (("head", 16), ("head_tail", 16), ("chunks", 16 + 13 * 2)):
        cutting = Cutting(16, name, 3)  # type: ignore[arg-type]
        reading = Reading(LONG, tokenizer, cutting)
        encoded = encode_texts([LONG], tokenizer, cutting=cutting).input_ids
        shown = [token for part in reading.parts for token in part]
        assert shown == tokenizer.convert_ids_to_tokens(np.concatenate(encoded))
        assert reading.cut == 74 - read
        assert f"{reading.cut} are cut off" in reading._repr_html_()
    ends = Reading(LONG, tokenizer, Cutting(16, "head_tail")).parts
    assert ends == [["[CLS]", *WORDS[:4]], [*WORDS[-10:], "[SEP]"]]
    assert "are cut off from the middle" in repr(Reading(LONG, tokenizer, Cutting(16, "head_tail")))
    assert "in 3 chunks" in repr(Reading(LONG, tokenizer, Cutting(16, "chunks", 3)))
    short = Reading("good", tokenizer, Cutting(16, "head_tail"))
    assert repr(short) == "[CLS] good [SEP] (3 tokens are read, 0 are cut off, 0 are unknown)"


def test_study_counts_what_its_training_cuts() -> None:
    cutting = {"max_length": 64, "truncation": "chunks", "max_chunks": 3}
    study = Study.of({"name": "s", "fine_tune": cutting, "data_prep": cutting})
    assert study.data_prep.cutting == study.fine_tune.cutting == Cutting(64, "chunks", 3)
    assert "truncation" not in study.to_yaml().split("fine_tune:")[0]
