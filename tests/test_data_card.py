from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import load_from_disk

from nbutils.data import baseline, tokens
from nbutils.data.baseline import fit_baseline
from nbutils.data.card import build_data_card, describe_card
from nbutils.data.card_warnings import find_warnings
from nbutils.data.duplicates import find_duplicates, remove_leakage
from nbutils.data.loading import load_labelled_texts
from nbutils.data.preparing import prepare_data
from nbutils.data.splitting import split_examples
from nbutils.data.tokens import TokenReport
from nbutils.params.cutting import Cutting
from nbutils.params.data_prep import DataPrepParams

TOPICS = {"sport": "ball goal team match", "money": "bank stock market trade"}


@pytest.fixture
def card(tmp_path: Path) -> dict[str, Any]:
    return make_card(tmp_path)


def make_card(folder: Path, *, baseline: bool = True) -> dict[str, Any]:
    params = DataPrepParams.of({"dataset": str(write(folder))})
    texts = load_labelled_texts(params)
    cleaned = remove_leakage(texts.frame, find_duplicates(texts.frame), deduplicate=True)
    frame = split_examples(cleaned.frame, params, cleaned.groups)
    table = frame.assign(length=frame["text"].str.split().str.len() + 2, unknown=0)
    return build_data_card(
        texts.with_frame(frame),
        params=params,
        cleaned=cleaned,
        tokens=TokenReport(table, specials=2, cutting=Cutting(8), sampled=False),
        baseline=fit_baseline(frame, label_names=texts.label_names) if baseline else None,
    )


def write(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [
        (
            " ".join([*rng.choice(words.split(), 3), *(f"w{i}" for i in rng.integers(0, 99, 6))]),
            name,
        )
        for _ in range(60)
        for name, words in TOPICS.items()
    ]
    rows += rows[:7]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(folder / "d.csv", index=False)
    return folder / "d.csv"


def test_card_is_json_and_says_what_was_done(card: dict[str, Any]) -> None:
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["id2label"] == {"0": "money", "1": "sport"}
    assert card["counts"] == {"rows_read": 127, "dropped_empty": 0, "examples": 120}
    assert card["splits"] == {"train": 84, "validation": 12, "test": 24}
    assert card["duplicates"]["exact_copies"] == card["duplicates"]["dropped_exact"] == 7
    assert card["duplicates"]["across_splits"] == 0
    assert card["tokens"]["cut_share"] == 1.0
    assert card["baseline"]["test"]["accuracy"]["n"] == 24
    assert list(card["baseline"]["f1_by_class"]) == ["money", "sport"]


def test_card_is_the_same_twice(tmp_path: Path, card: dict[str, Any]) -> None:
    assert make_card(tmp_path) == card


def test_card_without_baseline(tmp_path: Path) -> None:
    card = make_card(tmp_path, baseline=False)
    assert card["baseline"] is None
    assert "baseline test accuracy" not in describe_card(card)


def test_card_warns_in_sentences(card: dict[str, Any]) -> None:
    warnings = " ".join(card["warnings"])
    for part in (
        "7 of 127 texts are exact copies",
        "100.0% of the texts are longer",
        "24 examples",
    ):
        assert part in warnings


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("classes", "money", "train"), 5000, "Classes are unequal: 'money'"),
        (("classes", "money", "test"), 0, "The test split has no example of 'money'"),
        (("duplicates", "across_splits"), 3, "3 texts have a copy in another split"),
        (("duplicates", "label_conflicts"), 2, "2 groups of copies carry different labels"),
        (("tokens", "unknown_share"), 0.31, "31.0% of the tokens are unknown to all-MiniLM"),
        (("tokens", "cut_share"), 0.9999, "99.9% of the texts are longer"),
    ],
)
def test_each_caution_has_its_sentence(
    card: dict[str, Any], place: tuple[str, ...], value: float, sentence: str
) -> None:
    assert not any(sentence in warning for warning in card["warnings"])
    holder = card
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    assert any(sentence in warning for warning in find_warnings(card))


@pytest.mark.parametrize(
    ("truncation", "sentence"),
    [
        ("head", "longer than max_length 8; .* Raise max_length if the end"),
        ("head_tail", "longer than max_length 8 and lose their middle; .* Raise max_length if the"),
        ("chunks", "longer than 5 chunks of 8 tokens; .* Raise max_chunks if the end"),
    ],
)
def test_what_is_cut_is_said_of_the_chosen_truncation(
    card: dict[str, Any], truncation: str, sentence: str
) -> None:
    card["tokens"] |= {"cut_share": 0.5, "truncation": truncation, "max_chunks": 5}
    (warning,) = [found for found in find_warnings(card) if "of the texts are longer" in found]
    assert re.search(sentence, warning)


def test_few_texts_are_said_in_the_card(card: dict[str, Any]) -> None:
    (sentence,) = [warning for warning in card["warnings"] if "Few training texts" in warning]
    assert sentence.startswith("Few training texts: the median class has 42. Expect a 95 %")
    assert "24 test texts give at the baseline's" in sentence


def test_card_knows_which_splits_were_given(card: dict[str, Any], tmp_path: Path) -> None:
    assert card["given_splits"] == []
    test = tmp_path / "test.csv"
    test.write_text("text,label\nthe ball and the goal,sport\nthe bank and stock,money\n")
    prepare_data(
        DataPrepParams.of({"dataset": str(write(tmp_path)), "test_dataset": str(test)}),
        tmp_path,
    )
    prepared = json.loads((tmp_path / "data_card.json").read_text(encoding="utf-8"))
    assert prepared["given_splits"] == ["test"]
    assert prepared["splits"]["test"] == 2


def test_sound_data_is_not_warned_about(card: dict[str, Any]) -> None:
    card["duplicates"] |= {"exact_copies": 0}
    card["tokens"] |= {"cut_share": 0.01}
    card["splits"]["test"] = 1000
    for by_split in card["classes"].values():
        by_split["train"] = 500
    card["baseline"]["test"]["accuracy"] |= {"low": 0.97, "high": 0.99}
    assert find_warnings(card) == []


def example_frame(texts: list[str]) -> pd.DataFrame:
    n = len(texts)
    splits = ["train"] * (n - 4) + ["validation"] * 2 + ["test"] * 2
    return pd.DataFrame(
        {"example_id": range(n), "text": texts, "label": [i % 2 for i in range(n)], "split": splits}
    )


def test_baseline_learns_and_keeps_its_predictions() -> None:
    frame = example_frame([f"{'good' if i % 2 else 'bad'} film" for i in range(20)])
    baseline = fit_baseline(frame, label_names=("bad", "good"))
    assert baseline.scores["test"]["accuracy"].value == 1
    assert baseline.predictions["example_id"].tolist() == [16, 17, 18, 19]
    assert baseline.predictions["predicted"].dtype == "int64"
    assert baseline.classes["f1"].tolist() == [1, 1]
    assert baseline.table().columns.tolist() == ["name", "value", "low", "high"]


@pytest.mark.parametrize("texts", [["🙂", "🙁"] * 10, ["!", "?"] * 10, ["x", "y"] * 10])
def test_baseline_reads_texts_of_signs_alone(texts: list[str]) -> None:
    baseline = fit_baseline(example_frame(texts), label_names=("a", "b"))
    assert baseline.scores["test"]["accuracy"].value == 1


def test_baseline_uses_both_texts_of_a_pair() -> None:
    frame = example_frame(["same"] * 20)
    frame["text_pair"] = ["yes" if label else "no" for label in frame["label"]]
    assert fit_baseline(frame, label_names=("a", "b")).scores["test"]["accuracy"].value == 1


def test_preparing_in_one_call_leaves_what_the_notebook_leaves(tmp_path: Path) -> None:
    params = DataPrepParams.of({"dataset": str(write(tmp_path)), "baseline": False})
    (tmp_path / "baseline.parquet").touch()
    card = prepare_data(params, tmp_path)
    assert json.loads((tmp_path / "data_card.json").read_text()) == card
    saved = load_from_disk(str(tmp_path / "dataset"))
    assert {name: len(part) for name, part in saved.items()} == card["splits"]
    assert sum(card["splits"].values()) == card["counts"]["examples"]
    assert not (tmp_path / "baseline.parquet").exists()
    prepare_data(DataPrepParams.of({"dataset": params.dataset}), tmp_path)
    assert len(pd.read_parquet(tmp_path / "baseline.parquet")) == 36


def test_samples_of_large_data_are_named_as_such(
    tmp_path: Path, card: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "baseline trained on" not in describe_card(card)
    monkeypatch.setattr(baseline, "MOST_TRAINED", 40)
    monkeypatch.setattr(tokens, "MOST_MEASURED", 30)
    folder = tmp_path / "out"
    folder.mkdir()
    facts = describe_card(
        prepare_data(DataPrepParams.of({"dataset": str(write(tmp_path))}), folder)
    )
    assert facts["baseline trained on"] == "40 texts, a sample"
    assert facts["texts that max_length cuts"] == "0.0% of a sample of 30"
