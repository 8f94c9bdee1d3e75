"""Models to be asked, whatever is given of them, and test texts to ask about."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished import Finished, ask_all

from nbutils.analysis.asked_model import MOST_KEPT, AskedModel, AskedModels
from nbutils.analysis.asking import SupersededError
from nbutils.analysis.errors import find_errors
from nbutils.analysis.example_picker import ExamplePicker
from nbutils.artifacts import write_json
from nbutils.errors import CheckpointError, DataError


def test_folder_saved_model_and_classifier_say_the_same(finished_reviews: Finished) -> None:
    saved = finished_reviews.model
    sources = [saved, saved.folder, str(saved.folder), saved.folder / "model", saved.classifier]
    found = [AskedModels([AskedModel(own)]).ask(("a good film",))[0] for own in sources]
    assert {own.labels for own in found} == {("pos",)}
    assert len({tuple(own.pred_probs) for own in found}) == 1


def test_nothing_is_loaded_before_it_is_asked(finished_reviews: Finished, tmp_path: Path) -> None:
    saved = finished_reviews.model
    asked = AskedModel(saved)
    assert not asked.is_loaded
    assert not asked.reads_pairs
    assert "classifier" not in vars(saved)
    assert asked.classifier is saved.classifier
    assert asked.is_loaded
    missing = AskedModel(tmp_path / "gone")
    with pytest.raises(CheckpointError, match="expected a model that nbutils has fine-tuned"):
        _ = missing.classifier


def test_pairs_are_known_from_texts_or_from_the_data_of_the_folder(
    finished_reviews: Finished, tmp_path: Path
) -> None:
    rows = finished_reviews.data["test"].to_pandas().assign(text_pair="a film")
    assert AskedModel(ask_all(rows, finished_reviews.folder)).reads_pairs
    assert not AskedModel(finished_reviews.folder).reads_pairs
    for name, pair in (("alone", None), ("paired", "other")):
        data, folder = tmp_path / f"data-{name}", tmp_path / name
        data.mkdir()
        folder.mkdir()
        write_json(data / "data_card.json", {"columns": {"text": "text", "text_pair": pair}})
        write_json(folder / "history.json", {"data_dir": str(data)})
        assert AskedModel(folder).reads_pairs == (pair is not None)


def test_what_was_said_last_is_kept(finished_reviews: Finished) -> None:
    models = AskedModels([AskedModel(finished_reviews.model)])
    first = models.ask(("good film",))
    assert models.ask(("good film",)) is first
    for number in range(MOST_KEPT):
        models.ask((f"film {number}",))
    assert models.ask(("good film",)) is not first
    long = ("good " * 40,)
    assert models.reach(long) == len(long[0])
    models.ask(long)
    assert models.reach(long) == 14 * len("good ")


def test_second_model_is_not_asked_what_nobody_waits_for(finished_reviews: Finished) -> None:
    models = AskedModels([AskedModel(finished_reviews.model)] * 2)
    wanted = iter([True, False])
    with pytest.raises(SupersededError, match="another text"):
        models.ask(("good film",), wanted=lambda: next(wanted))
    assert len(models.ask(("good film",))) == 2


def test_random_texts_are_all_different_until_all_have_come(finished_reviews: Finished) -> None:
    errors = finished_reviews.errors
    picker, again = ExamplePicker(errors, seed=3), ExamplePicker(errors, seed=3)
    picked = [picker.pick_random() for _ in range(len(errors.test))]
    assert len({example.texts for example in picked}) == len(errors.test)
    assert picked[:5] == [again.pick_random() for _ in range(5)]
    assert picker.pick_random().texts in {example.texts for example in picked}


def test_mistakes_come_by_confidence_and_begin_again(finished_reviews: Finished) -> None:
    errors = finished_reviews.errors
    mistakes, picker = errors.mistakes(), ExamplePicker(errors)
    picked = [picker.next_mistake() for _ in range(len(mistakes) + 1)]
    assert [example.texts[0] for example in picked[:-1]] == mistakes["text"].tolist()
    assert picked[-1].texts == picked[0].texts
    first = mistakes.iloc[0]
    assert picked[0].about == (
        f"Mistake 1 of {len(mistakes)}, test text {first['example_id']}: labelled "
        f"\u201c{first['label']}\u201d, taken for \u201c{first['predicted']}\u201d."
    )


def test_labels_of_sets_are_named(finished_topics: Finished) -> None:
    picker = ExamplePicker(finished_topics.errors)
    abouts = [picker.pick_random().about for _ in range(10)]
    assert any("; " in about for about in abouts)
    assert "taken for" in picker.next_mistake().about


def test_nothing_to_pick_is_said(finished_reviews: Finished) -> None:
    errors = finished_reviews.errors
    right = errors.predictions.assign(label=errors.predictions["predicted"])
    names = errors.label_names
    with pytest.raises(DataError, match="nothing on the test split is wrong"):
        ExamplePicker(find_errors(right, errors.texts, label_names=names)).next_mistake()
    none = find_errors(right.assign(split="validation"), errors.texts, label_names=names)
    with pytest.raises(DataError, match="no test texts are known"):
        ExamplePicker(none).pick_random()
