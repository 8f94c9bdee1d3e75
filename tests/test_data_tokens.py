from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from nbutils.data import tokens
from nbutils.data.tokens import measure_tokens
from nbutils.params.cutting import Cutting


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", model_max_length=8
    )


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "example_id": [5, 6, 7, 8],
            "text": ["a b a b", "a", "a zzz", "a " * 16],
            "label": [0, 0, 1, 1],
            "split": ["train", "train", "validation", "test"],
        }
    )


def test_lengths_count_special_tokens(tokenizer: Any, frame: pd.DataFrame) -> None:
    report = measure_tokens(frame, tokenizer, cutting=Cutting(8))
    assert report.lengths.tolist() == [6, 3, 4, 18]
    assert report.cut_share == 0.25
    assert report.lost_share == pytest.approx(10 / 31)
    assert not report.sampled


def test_only_what_lies_beyond_the_last_chunk_is_lost(tokenizer: Any, frame: pd.DataFrame) -> None:
    two, three = (measure_tokens(frame, tokenizer, cutting=Cutting(8, "chunks", n)) for n in (2, 3))
    assert (two.limit, three.limit) == (14, 20)
    assert (two.cut_share, two.lost_share) == (0.25, pytest.approx(4 / 31))
    assert (three.cut_share, three.lost_share) == (0, 0)
    both_ends = measure_tokens(frame, tokenizer, cutting=Cutting(8, "head_tail"))
    assert both_ends.lost_share == pytest.approx(10 / 31)


def test_shares_are_told_by_split(tokenizer: Any, frame: pd.DataFrame) -> None:
    table = measure_tokens(frame, tokenizer, cutting=Cutting(8)).by_split().set_index("split")
    assert table.index.tolist() == ["train", "validation", "test", "all"]
    assert table["cut_share"].tolist() == [0, 0, 1, 0.25]
    assert table["longest"].tolist() == [6, 4, 18, 18]


def test_unknown_tokens_are_told_by_class(tokenizer: Any, frame: pd.DataFrame) -> None:
    report = measure_tokens(frame, tokenizer, cutting=Cutting(8))
    assert report.unknown_share == pytest.approx(1 / 23)
    unknown = report.unknown_by_class(("first", "second", "absent"))
    assert unknown.index[0] == "second"
    assert unknown["second"] == pytest.approx(1 / 18)
    assert unknown["absent"] == 0


def test_pairs_are_measured_together(tokenizer: Any, frame: pd.DataFrame) -> None:
    report = measure_tokens(frame.assign(text_pair="b b"), tokenizer, cutting=Cutting(8))
    assert report.lengths.tolist() == [9, 6, 7, 21]
    assert report.specials == 3


def test_very_large_data_is_sampled_and_says_so(
    tokenizer: Any, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_MEASURED", 3)
    report = measure_tokens(frame, tokenizer, cutting=Cutting(8))
    assert report.sampled
    assert len(report.table) == 3


def test_fewer_texts_are_measured_where_they_are_long(
    tokenizer: Any, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = int(frame["text"].str.len().sum()) // 2
    monkeypatch.setattr(tokens, "MOST_CHARACTERS", half)
    report = measure_tokens(frame, tokenizer, cutting=Cutting(8))
    assert report.sampled
    assert report.table["example_id"].is_monotonic_increasing
    assert len(report.table) in (1, 2)
