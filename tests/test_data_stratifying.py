"""Splitting texts with several labels: shares, sizes, groups, seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbutils.data.loading import load_labelled_texts
from nbutils.data.split_files import save_splits
from nbutils.data.splitting import sample_examples, split_examples
from nbutils.errors import ParameterError
from nbutils.label_sets import flatten_labels, set_column, to_sets
from nbutils.params.data_prep import DataPrepParams

PARAMS = DataPrepParams.of({"task": "multi_label"})


def make_frame(n: int, seed: int, n_labels: int = 8) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    shares = random.uniform(0.02, 0.5, n_labels)
    indicators = random.random((n, n_labels)) < shares
    indicators[: 3 * n_labels] |= np.tile(np.eye(n_labels, dtype=bool), (3, 1))
    return pd.DataFrame(
        {
            "example_id": np.arange(n),
            "text": [f"text {i}" for i in range(n)],
            "label": set_column(to_sets(indicators)),
            "split": "",
        }
    )


def counts_of(frame: pd.DataFrame, split: str, n_labels: int = 8) -> np.ndarray:
    ids = flatten_labels(frame.loc[frame["split"] == split, "label"])[1]
    return np.bincount(ids, minlength=n_labels)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n", [60, 501, 2000])
def test_every_split_has_its_share_of_every_label(n: int, seed: int) -> None:
    frame = make_frame(n, seed)
    found = split_examples(frame, PARAMS, np.arange(n))
    assert found["split"].value_counts().to_dict() == {
        "train": n - round(0.2 * n) - round(0.1 * n),
        "test": round(0.2 * n),
        "validation": round(0.1 * n),
    }
    totals = sum(counts_of(found, split) for split in ("train", "validation", "test"))
    for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        own = counts_of(found, split)
        assert (np.abs(own - share * totals) <= 2 + 0.05 * totals).all()
        assert own.min() >= 1


def test_frequent_label_among_many_rare_ones_keeps_its_share() -> None:
    labels = [(0,)] * 300 + [(label,) for label in range(1, 150)] * 8 + [()] * 100
    frame = pd.DataFrame({"label": set_column(labels), "split": ""})
    found = split_examples(frame, PARAMS, np.arange(len(frame)))
    for split, share in (("validation", 0.1), ("test", 0.2)):
        own = counts_of(found, split, n_labels=150)
        assert own[0] == pytest.approx(share * 300, abs=2)
        assert set(own[1:]) <= {1, 2}
        unlabelled = found.loc[found["split"] == split, "label"].map(len) == 0
        assert unlabelled.sum() == pytest.approx(share * 100, abs=2)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_rare_labels_beside_a_frequent_one_are_in_every_split(share: float) -> None:
    labels = [(0,)] * 10 + [(0, label) for label in range(1, 131)] * 3
    frame = pd.DataFrame({"label": set_column(labels), "split": ""})
    params = PARAMS.model_copy(update={"validation_size": share})
    found = split_examples(frame, params, np.arange(len(frame)))
    for split in ("train", "validation", "test"):
        assert counts_of(found, split, n_labels=131).min() == 1
    assert found["split"].value_counts().max() <= 140


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_copies_stay_together(seed: int) -> None:
    frame = make_frame(400, seed)
    groups = np.random.default_rng(seed).integers(0, 250, 400)
    found = split_examples(frame, PARAMS, groups)
    assert (found.groupby(groups)["split"].nunique() == 1).all()
    assert (found["split"] == "test").sum() == pytest.approx(80, abs=4)


def test_split_is_that_of_the_seed() -> None:
    frame, groups = make_frame(300, 0), np.arange(300)
    first, again = (split_examples(frame, PARAMS, groups)["split"] for _ in range(2))
    other = PARAMS.model_copy(update={"split_seed": 1})
    assert first.equals(again)
    assert not first.equals(split_examples(frame, other, groups)["split"])


def test_label_with_one_open_example_is_learnt() -> None:
    frame = make_frame(200, 1)
    frame.loc[:19, "split"] = "test"
    frame.loc[20:, "label"] = set_column(
        [tuple(set(ids) - {7}) for ids in frame["label"][20:]]
    ).to_numpy()
    frame.at[100, "label"] = (7,)
    found = split_examples(frame, PARAMS, np.arange(200))
    assert found.loc[100, "split"] == "train"
    assert (found["split"][:20] == "test").all()


@pytest.mark.parametrize("most", [60, 137])
def test_sample_keeps_the_share_of_every_label(most: int) -> None:
    frame = make_frame(1000, 3)
    sample = sample_examples(frame, PARAMS.model_copy(update={"max_examples": most}))
    assert len(sample) == most
    before, after = counts_of(frame, ""), counts_of(sample, "")
    assert after.min() >= 3
    assert (np.abs(after - before * most / 1000) <= 3).all()
    assert sample["example_id"].is_monotonic_increasing


def test_sample_too_small_for_every_label_is_refused() -> None:
    frame = make_frame(200, 0, n_labels=30)
    with pytest.raises(ParameterError, match=r"max_examples: expected enough for 3 .*found 12"):
        sample_examples(frame, PARAMS.model_copy(update={"max_examples": 12}))


def test_splits_are_saved_with_lists_of_named_labels(tmp_path: Path, topics: pd.DataFrame) -> None:
    from datasets import load_from_disk

    topics.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    params = DataPrepParams.of({"dataset": str(tmp_path / "t.jsonl")})
    texts = load_labelled_texts(params)
    texts = texts.with_frame(split_examples(texts.frame, params, np.arange(len(topics))))
    save_splits(texts, tmp_path / "dataset")
    saved = load_from_disk(str(tmp_path / "dataset"))
    assert saved["train"].features["label"].feature.names == list(texts.label_names)
    expected = texts.frame.set_index("example_id")["label"]
    found = pd.concat(part.to_pandas() for part in saved.values()).set_index("example_id")
    assert found["label"].map(tuple).sort_index().equals(expected)
