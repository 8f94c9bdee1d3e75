from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, load_from_disk

from nbutils.data import split_files, splitting
from nbutils.data.columns import Columns
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.split_files import save_splits
from nbutils.data.splitting import sample_examples, split_examples
from nbutils.errors import DataError, ParameterError
from nbutils.params.data_prep import DataPrepParams


def frame_of(sizes: list[int], splits: list[str] | None = None) -> pd.DataFrame:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return pd.DataFrame(
        {
            "example_id": np.arange(len(labels)),
            "text": [f"text {i}" for i in range(len(labels))],
            "label": labels,
            "split": splits or [""] * len(labels),
        }
    )


def split(
    frame: pd.DataFrame, groups: np.ndarray[Any, Any] | None = None, **given: Any
) -> pd.DataFrame:
    groups = np.arange(len(frame)) if groups is None else groups
    return split_examples(frame, DataPrepParams.of(given), groups)


def test_sizes_are_right_and_every_class_is_everywhere() -> None:
    counts = pd.crosstab(*[split(frame_of([500, 301, 33, 5, 3]))[c] for c in ("label", "split")])
    assert abs(counts["test"].sum() - 0.2 * 842) <= 3
    assert abs(counts["validation"].sum() - 0.1 * 842) <= 3
    assert (counts > 0).all().all()
    assert counts.loc[0].tolist() == pytest.approx([100, 350, 50], abs=1)


def test_large_class_among_many_rare_ones_keeps_its_share() -> None:
    counts = pd.crosstab(*[split(frame_of([308] + [8] * 149))[c] for c in ("label", "split")])
    assert counts.loc[0].tolist() == pytest.approx([62, 216, 31], abs=1)
    assert counts.loc[1:, "validation"].tolist() == [1] * 149
    assert counts.loc[1:, "test"].isin([1, 2]).all()


def test_split_follows_its_seed_alone() -> None:
    frame = frame_of([60, 40])
    first = split(frame)
    pd.testing.assert_frame_equal(first, split(frame, max_length=64, max_examples=50))
    assert not first["split"].equals(split(frame, split_seed=1)["split"])


def test_frame_that_is_split_is_left_alone() -> None:
    frame = frame_of([60, 40])
    split(frame)
    assert frame["split"].unique().tolist() == [""]


def test_rows_of_another_class_change_nothing() -> None:
    alone = split(frame_of([100, 100]))
    more = split(frame_of([100, 100, 100]))
    assert (alone["split"] == more["split"][:200]).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles(seed: int) -> None:
    frame = frame_of([300, 200, 50])
    groups = np.random.default_rng(seed).integers(0, 250, size=len(frame))
    filled = split(frame, groups, split_seed=seed)
    assert filled["split"].groupby(groups).nunique().max() == 1
    counts = filled["split"].value_counts()
    assert abs(counts["test"] - 110) <= 6
    assert abs(counts["validation"] - 55) <= 6


def test_groups_are_ignored_when_deduplication_is_off() -> None:
    filled = split(frame_of([50, 50]), np.zeros(100, dtype=np.int64), deduplicate=False)
    assert filled["split"].nunique() == 3


def test_class_of_a_few_large_groups_is_in_every_split_all_the_same() -> None:
    frame = frame_of([100, 60])
    groups = np.concatenate([np.arange(100), np.repeat([200, 201, 202], 20)])
    counts = pd.crosstab(*[split(frame, groups)[c] for c in ("label", "split")])
    assert (counts.loc[1] == 20).all()


def test_only_missing_splits_are_cut() -> None:
    frame = frame_of([60, 60], ["test" if i % 4 == 0 else "" for i in range(120)])
    filled = split(frame)
    assert (filled["split"] == "test").tolist() == (frame["split"] == "test").tolist()
    assert filled["split"].value_counts()["validation"] == pytest.approx(9, abs=1)
    given = frame.assign(split=["test", "validation", "train", "train"] * 30)
    pd.testing.assert_frame_equal(split(given), given)


def test_two_rows_of_a_class_go_to_training_and_test() -> None:
    filled = split(frame_of([50, 2]))
    assert sorted(filled.loc[filled["label"] == 1, "split"]) == ["test", "train"]


def test_one_group_of_everything_is_refused() -> None:
    with pytest.raises(DataError, match="the validation split is left without examples"):
        split(frame_of([20, 20]), np.zeros(40, dtype=np.int64))


def test_what_rare_classes_need_is_taken_from_the_others_by_size() -> None:
    frame = frame_of([6000, 4000, *[3] * 50])
    sample = sample_examples(frame, DataPrepParams.of({"max_examples": 250}))
    counts = sample["label"].value_counts().sort_index()
    assert counts.tolist() == [60, 40, *[3] * 50]


def test_sample_keeps_class_shares_and_order() -> None:
    sample = sample_examples(frame_of([800, 150, 50]), DataPrepParams.of({"max_examples": 100}))
    assert sample["label"].value_counts().sort_index().tolist() == [80, 15, 5]
    assert sample["example_id"].is_monotonic_increasing


def test_sample_keeps_rare_classes_and_is_at_most_what_was_asked() -> None:
    frame = frame_of([990, 4, 3, 3])
    sample = sample_examples(frame, DataPrepParams.of({"max_examples": 20}))
    assert sample["label"].value_counts().sort_index().tolist() == [11, 3, 3, 3]
    assert sample_examples(frame, DataPrepParams.of({"max_examples": 5000})) is frame
    with pytest.raises(ParameterError, match=r"max_examples: expected at least 12, .* found 10"):
        sample_examples(frame, DataPrepParams.of({"max_examples": 10}))


def test_sample_draws_from_given_splits_too() -> None:
    frame = frame_of([400, 400], ["test" if i % 4 == 0 else "train" for i in range(800)])
    sample = sample_examples(frame, DataPrepParams.of({"max_examples": 80}))
    assert sample["split"].value_counts().to_dict() == {"train": 60, "test": 20}


def labelled(**extra: Any) -> LabelledTexts:
    frame = split(frame_of([20, 20]))
    frame.loc[0, "text"] = "<script>\x00\u202e🙂"
    frame = frame.assign(**extra)
    return LabelledTexts(frame, ("no", "yes"), "here", Columns("text", "label"))


def read_saved(folder: Path) -> pd.DataFrame:
    splits = load_from_disk(str(folder)).items()
    frame = pd.concat([saved.to_pandas().assign(split=name) for name, saved in splits])
    return frame.sort_values("example_id", ignore_index=True)


def test_saved_splits_come_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    texts = labelled()
    save_splits(texts, tmp_path / "a" / "dataset")
    columns = ["example_id", "text", "label", "split"]
    pd.testing.assert_frame_equal(read_saved(tmp_path / "a" / "dataset"), texts.frame[columns])
    assert capfd.readouterr() == ("", "")


def test_saved_splits_are_a_plain_dataset_dict(tmp_path: Path) -> None:
    save_splits(labelled(text_pair="second"), tmp_path / "dataset")
    saved = load_from_disk(str(tmp_path / "dataset"))
    assert list(saved) == ["train", "validation", "test"]
    assert saved["train"].column_names == ["example_id", "text", "text_pair", "label"]
    assert saved["train"].features["label"] == ClassLabel(names=["no", "yes"])


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    save_splits(labelled(), tmp_path / "dataset")
    (tmp_path / "dataset" / "stray.txt").touch()
    save_splits(labelled(), tmp_path / "dataset")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    assert not (tmp_path / "dataset" / "stray.txt").exists()


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_drawn_as_one_choice_after_another_would(seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(1, 9, size=60)
    wanted = {"test": 50, "validation": 25}
    rng, room = np.random.default_rng(seed), {**wanted, "train": int(sizes.sum()) - 75}
    order = rng.permutation(60)
    expected = {}
    for unit in order[sizes[order] > 1].tolist():
        fitting = [name for name in room if room[name] >= sizes[unit]] or ["train"]
        weights = np.maximum([room[name] for name in fitting], 1)
        expected[unit] = str(rng.choice(fitting, p=weights / weights.sum()))
        room[expected[unit]] -= int(sizes[unit])
    drawn = splitting._draw(sizes, dict(wanted), np.random.default_rng(seed))
    assert {unit: drawn[unit] for unit in expected} == expected


def test_splits_written_in_pieces_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_splits(labelled(), tmp_path / "whole")
    monkeypatch.setattr(split_files, "PIECE", 2)
    save_splits(labelled(), tmp_path / "pieces")
    pd.testing.assert_frame_equal(read_saved(tmp_path / "pieces"), read_saved(tmp_path / "whole"))
