"""`nbutils.fine_tune`: what it learns, what it returns, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

import nbutils
from nbutils.analysis.asked_model import AskedModel
from nbutils.batching import pass_tokens
from nbutils.errors import CheckpointError, DataError, ParameterError, TrainingDivergedError
from nbutils.training.history import History
from nbutils.training.machine import choose_device
from nbutils.training.watcher import Watcher

SENTENCES = ["I love this movie", "This film is terrible", "Amazing experience", "Worst movie ever"]


def quick(model: Path, **changes: object) -> dict[str, object]:
    recipe = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-4, "max_length": 16}
    return {"model": str(model), **recipe, **changes}


def weights_of(classifier: nbutils.FineTuned) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in classifier.model.state_dict().items()}


def test_four_sentences_are_learnt_by_the_bundled_model(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    classifier = nbutils.fine_tune(
        SENTENCES, [1, 0, 1, 0], batch_size=2, epochs=8, learning_rate=1e-4
    )
    losses = classifier.history.losses
    assert len(losses) == 16
    assert losses[0] == pytest.approx(math.log(2), abs=0.2)
    assert losses[-1] < losses[0]
    assert list(classifier.predict(SENTENCES)) == [1, 0, 1, 0]
    classifier.save(tmp_path / "model")
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
def test_two_classes_are_learnt_from_validation_too(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    classifier = nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]),
        **quick(tiny_bert, epochs=25, learning_rate=3e-3, warmup_fraction=0.1),
    )
    predicted = classifier.predict(texts[60:])
    assert np.mean([a == b for a, b in zip(predicted, labels[60:], strict=True)]) >= 0.9
    assert predicted.label_names == ("neg", "pos")
    assert predicted.pred_probs.sum(axis=1) == pytest.approx(np.ones(20))
    history = classifier.history
    best = history.validation["accuracy"].max()
    kept = history.validation.set_index("step").loc[history.best_step, "accuracy"]
    assert kept == best


def test_dataset_and_dataset_dict_are_taken_as_they_are(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    data = Dataset.from_pandas(reviews, preserve_index=False).cast(features)
    classifier = nbutils.fine_tune(data, **quick(tiny_bert, epochs=1))
    assert classifier.model.config.id2label == {0: "neg", 1: "pos"}
    assert set(classifier.predict(["good"])) <= {0, 1}
    splits = DatasetDict(train=data, validation=data.select(range(10)))
    assert len(nbutils.fine_tune(splits, **quick(tiny_bert, epochs=2)).history.validations) == 2


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (SENTENCES, None, "labels: expected one for each of the 4 texts, found none; .*no loss"),
        (SENTENCES, [1, 0, 1], "labels: expected 4, one per text, found 3"),
        (SENTENCES, [1, 1, 1, 1], "expected at least two classes, found only class 0"),
        (SENTENCES, [1, 0, "a", 0], "expected all strings or all whole numbers, found both"),
        (SENTENCES, [1, 0, None, 0], "expected strings or whole numbers, found None"),
        (SENTENCES, [1, 0, 0.5, 0], r"whole numbers, found 0\.5; .*astype"),
        (pd.DataFrame({"text": ["a"]}), None, "found a data frame: pass df"),
        (SENTENCES, [1, 0, float("nan"), 0], "expected strings or whole numbers, found nan"),
        ("I love it", [1], "expected a list of strings, found one string"),
        ([1, 2], [0, 1], "text 0: expected a string, found int"),
        ([], [], "expected at least two, found none"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    tiny_bert: Path, texts: list[str], labels: list[int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        nbutils.fine_tune(texts, labels, **quick(tiny_bert))


def test_validation_with_its_own_numbering_is_read_by_name(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    def numbered(names: list[str]) -> Dataset:
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
        return Dataset.from_pandas(reviews, preserve_index=False).cast(features)

    one, other = numbered(["neg", "pos"]), numbered(["pos", "neg"])
    recipe = quick(tiny_bert, epochs=2)
    same = nbutils.fine_tune(one, validation=one, **recipe).history
    turned = nbutils.fine_tune(one, validation=other, **recipe).history
    assert turned.validations == same.validations
    with pytest.raises(DataError, match="class 'odd' does not occur in training"):
        nbutils.fine_tune(one, validation=numbered(["neg", "pos", "odd"]).map(
            lambda row: {"label": 2}), **recipe)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [({"learning_rate": 5e-4}, "learning_rate 0.0005 is above"), ({"epochs": 9}, "epochs 9 is")],
)
def test_usual_mistake_is_said_aloud(
    tiny_bert: Path, change: dict[str, float], message: str
) -> None:
    with pytest.warns(UserWarning, match=message):
        nbutils.fine_tune(SENTENCES, [1, 0, 1, 0], **quick(tiny_bert, **change))


def test_label_unseen_in_training_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(DataError, match=r"row 0 has 2, which does not occur in training; known: 0"):
        nbutils.fine_tune(SENTENCES, [1, 0, 1, 0], validation=(["x"], [2]), **quick(tiny_bert))


def test_dataset_without_the_columns_says_how_to_rename(tiny_bert: Path) -> None:
    data = Dataset.from_dict({"sentence": ["a"], "label": [0]})
    with pytest.raises(DataError, match=r"expected columns 'text' and 'label'.*rename_column"):
        nbutils.fine_tune(data, **quick(tiny_bert))


def test_attention_dropout_takes_the_architectures_own_name(tmp_path: Path) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    from nbutils.checkpoints.loading import load_head

    config = DistilBertConfig(vocab_size=30, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    DistilBertModel(config).save_pretrained(tmp_path)
    model = load_head(str(tmp_path), label_names=["a", "b"], attention_dropout=0.0).model
    assert model.config.attention_dropout == 0.0


def test_unknown_parameter_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ParameterError, match="did you mean 'epochs'"):
        nbutils.fine_tune(SENTENCES, [1, 0, 1, 0], model=str(tiny_bert), epoch=3)


def test_length_beyond_the_positions_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(CheckpointError, match="max_length: expected at most 64"):
        nbutils.fine_tune(SENTENCES, [1, 0, 1, 0], **quick(tiny_bert, max_length=65))


def test_same_seed_gives_the_same_weights_and_another_seed_others(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    data = Dataset.from_pandas(reviews, preserve_index=False)
    first, again, other = (
        nbutils.fine_tune(data, **quick(tiny_bert, epochs=2, seed=seed)) for seed in (1, 1, 2)
    )
    assert first.history.losses == again.history.losses
    same, different = weights_of(first), weights_of(other)
    assert all(torch.equal(tensor, same[name]) for name, tensor in weights_of(again).items())
    assert not torch.equal(same["classifier.weight"], different["classifier.weight"])


@pytest.mark.parametrize(
    "way", [{"batch_size": 4, "gradient_accumulation": 4}, {"batch_size": 16, "batch_tokens": 60}]
)
@pytest.mark.parametrize(
    ("class_weights", "truncation"), [("none", "head"), ("balanced", "head"), ("none", "chunks")]
)
def test_more_passes_change_memory_and_not_the_result(
    tiny_bert: Path,
    tmp_path: Path,
    reviews: pd.DataFrame,
    class_weights: str,
    truncation: str,
    way: dict[str, int],
) -> None:
    # 77 rows: the last batch is smaller, and so is its last part
    data = Dataset.from_pandas(reviews.iloc[:77], preserve_index=False)
    checkpoint = without_dropout(tiny_bert, tmp_path)
    runs = [
        nbutils.fine_tune(
            data,
            **quick(
                checkpoint,
                **split,
                class_weights=class_weights,
                max_length=16 if truncation == "head" else 8,
                truncation=truncation,
                precision="fp32",
            ),
        )
        for split in ({"batch_size": 16}, way)
    ]
    usual = pass_tokens(choose_device())
    assert runs[0].history.batch_tokens == usual
    assert runs[1].history.batch_tokens == way.get("batch_tokens", usual)
    whole, parts = (run.history.train for run in runs)
    assert parts["loss"].tolist() == pytest.approx(whole["loss"].tolist(), rel=1e-4)
    assert parts["gradient_norm"].tolist() == pytest.approx(
        whole["gradient_norm"].tolist(), rel=1e-3
    )
    first, second = map(weights_of, runs)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], atol=1e-4, rtol=1e-3)


def without_dropout(checkpoint: Path, folder: Path) -> Path:
    """Return a copy of a checkpoint that drops nothing: masks differ with the shape of a batch."""
    import json
    import shutil

    copy = Path(shutil.copytree(checkpoint, folder / "no-dropout"))
    config = json.loads((copy / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


def test_first_step_is_that_of_plain_torch(tiny_bert: Path, tmp_path: Path) -> None:
    checkpoint = without_dropout(tiny_bert, tmp_path)
    classifier = nbutils.fine_tune(
        ["good film", "bad plot"],
        [1, 0],
        **quick(checkpoint, epochs=1, batch_size=2, precision="fp32", warmup_fraction=0, seed=5),
    )
    torch.manual_seed(5)
    from nbutils.checkpoints.loading import load_classifier, load_tokenizer

    model = load_classifier(str(checkpoint), label_names=["0", "1"])
    inputs = load_tokenizer(str(checkpoint))(["good film", "bad plot"], return_tensors="pt")
    loss = model(**inputs, labels=torch.tensor([1, 0])).loss
    assert classifier.history.losses == [pytest.approx(loss.item(), rel=1e-5)]
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
    assert classifier.history.steps[0].gradient_norm == pytest.approx(norm, rel=1e-4)
    decayed = [w for w in model.parameters() if w.dim() > 1]
    plain = [w for w in model.parameters() if w.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    torch.optim.AdamW(groups, lr=1e-4).step()
    for name, tensor in weights_of(classifier).items():
        torch.testing.assert_close(tensor, model.state_dict()[name], atol=1e-6, rtol=1e-4)


def test_first_step_on_chunks_is_that_of_plain_torch(tiny_bert: Path, tmp_path: Path) -> None:
    from nbutils.batching import encode_texts
    from nbutils.checkpoints.loading import load_classifier, load_tokenizer

    checkpoint = without_dropout(tiny_bert, tmp_path)
    texts, recipe = ["good film", "bad plot " * 10], {"truncation": "chunks", "max_length": 12}
    classifier = nbutils.fine_tune(
        texts,
        [1, 0],
        **quick(checkpoint, epochs=1, batch_size=2, precision="fp32", seed=5, **recipe),
    )
    torch.manual_seed(5)
    model = load_classifier(str(checkpoint), label_names=["0", "1"])
    tokenizer = load_tokenizer(str(checkpoint))
    encoded = encode_texts(texts, tokenizer, cutting=classifier.params.cutting)
    assert [len(ids) for ids in encoded.input_ids] == [4, 10, 9, 9]
    rows = [model(torch.from_numpy(ids)[None]).logits[0] for ids in encoded.input_ids]
    logits = torch.stack([rows[0], (rows[1] + rows[2] + rows[3]) / 3])
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([1, 0]))
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
    (step,) = classifier.history.steps
    assert step.loss == pytest.approx(loss.item(), rel=1e-5)
    assert step.gradient_norm == pytest.approx(norm, rel=1e-4)
    assert step.tokens == 32


def test_texts_that_fit_train_alike_whatever_is_done_to_long_ones(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    data = Dataset.from_pandas(reviews, preserve_index=False)
    head, *others = (
        nbutils.fine_tune(data, **quick(tiny_bert, epochs=1, truncation=truncation))
        for truncation in ("head", "head_tail", "chunks")
    )
    expected = weights_of(head)
    for other in others:
        assert other.history.losses == head.history.losses
        assert all(torch.equal(t, expected[name]) for name, t in weights_of(other).items())


def test_what_stands_at_the_end_of_a_text_is_learnt_from_chunks_and_not_from_heads(
    tiny_bert: Path,
) -> None:
    texts = [f"{'the story was ' * 8}{tone}" for tone in ("good", "bad") * 20]
    labels = ["pos", "neg"] * 20
    right = {}
    for truncation in ("head", "head_tail", "chunks"):
        recipe = quick(tiny_bert, epochs=25, learning_rate=3e-3, truncation=truncation)
        with pytest.warns(UserWarning, match="learning_rate|epochs"):
            classifier = nbutils.fine_tune(texts, labels, **recipe)
        answers = classifier.predict(texts)
        right[truncation] = np.mean([a == b for a, b in zip(answers, labels, strict=True)])
    assert right == {"head": 0.5, "head_tail": 1.0, "chunks": 1.0}


def test_predictions_of_chunks_keep_their_example_ids(tiny_bert: Path, tmp_path: Path) -> None:
    from nbutils.training.results import predict_splits

    texts = ["good film " * (k % 7 + 1) + "bad " * (k % 3) for k in range(30)]
    rows = {"example_id": list(range(100, 130)), "text": texts, "label": [0, 1] * 15}
    features = Features(
        {"example_id": Value("int64"), "text": Value("string"), "label": ClassLabel(2)}
    )
    data = DatasetDict(train=Dataset.from_dict(rows, features=features))
    recipe = quick(tiny_bert, epochs=1, truncation="chunks", max_length=8, precision="fp32")
    classifier = nbutils.fine_tune(data, **recipe)
    table = predict_splits(classifier, data, splits=["train"])
    assert table["example_id"].tolist() == rows["example_id"]
    alone = [classifier.predict([text]).pred_probs[0, 1] for text in texts]
    assert table["prob_1"].tolist() == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("truncation", ["head", "head_tail", "chunks"])
def test_saved_model_says_how_it_reads_and_plain_transformers_agrees_where_texts_fit(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, truncation: str
) -> None:
    from transformers import pipeline

    from nbutils.batching import encode_texts
    from nbutils.checkpoints.loading import load_classifier, load_tokenizer
    from nbutils.prediction import predict_logits, softmax
    from nbutils.training.saved import load_cutting

    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    long = [" ".join(texts[k : k + 4]) for k in range(10)]
    recipe = quick(tiny_bert, precision="fp32", truncation=truncation, max_chunks=3)
    classifier = nbutils.fine_tune([*texts, *long], [*labels, *labels[:10]], **recipe)
    folder = classifier.save(tmp_path / "model")
    answers = pipeline("text-classification", str(folder))(texts)
    assert [answer["label"] for answer in answers] == list(classifier.predict(texts))
    assert load_cutting(folder) == classifier.params.cutting
    encoded = encode_texts(long, load_tokenizer(str(folder)), cutting=load_cutting(folder))
    model = load_classifier(str(folder), label_names=classifier.classes.names)
    expected = classifier.predict(long).pred_probs
    assert softmax(predict_logits(model, encoded)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "nbutils.json: expected a JSON object"),
        ('{"max_length": 16}', "expected max_length, truncation, max_chunks, found no 'trunc"),
        ('{"max_length": 16, "truncation": "tail", "max_chunks": 8}', "truncation: should be 'hea"),
    ],
)
def test_saved_model_that_does_not_say_how_it_reads_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    from nbutils.training.saved import load_cutting

    if content is not None:
        (tmp_path / "nbutils.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        load_cutting(tmp_path)


def test_saved_model_is_read_by_plain_transformers_with_the_same_labels(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    classifier = nbutils.fine_tune(texts, labels, **quick(tiny_bert, precision="fp32"))
    folder = classifier.save(tmp_path / "a model")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == 16
    plain = pipeline("text-classification", model=model, tokenizer=tokenizer, truncation=True)
    expected = [answer["label"] for answer in plain(texts)]
    assert list(classifier.predict(texts)) == expected


def test_model_can_be_saved_over_the_checkpoint_that_it_came_from(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "mine"))
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    classifier = nbutils.fine_tune(texts, labels, **quick(folder))
    before = weights_of(classifier)
    expected = classifier.predict(texts).pred_probs
    classifier.save(folder)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights_of(classifier).items())
    assert np.array_equal(classifier.predict(texts).pred_probs, expected)
    assert not list(folder.glob(".saving-*"))
    again = nbutils.fine_tune(texts, labels, **quick(folder, epochs=1))
    assert len(again.history.losses) == 10


@pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
def test_early_stopping_keeps_the_best_state(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    classifier = nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]),
        **quick(tiny_bert, epochs=40, learning_rate=1e-2, early_stopping_patience=2),
    )
    history = classifier.history
    assert len(history.validations) < 40
    assert history.stopped == "early, after 2 validations without a better score"
    kept = next(v for v in history.validations if v.step == history.best_step)
    again = classifier.predict(texts[60:])
    accuracy = np.mean([a == b for a, b in zip(again, labels[60:], strict=True)])
    assert accuracy == pytest.approx(kept.accuracy)


def test_pairs_are_asked_for_where_pairs_were_learnt(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    pairs = Dataset.from_dict({"text": texts, "text_pair": texts[::-1], "label": labels})
    with pytest.raises(DataError, match=r"training texts have a second text.*validation texts"):
        nbutils.fine_tune(pairs, validation=(texts, labels), **quick(tiny_bert, epochs=1))
    with pytest.raises(DataError, match=r"validation texts have a second text.*training texts"):
        nbutils.fine_tune(texts, labels, validation=pairs, **quick(tiny_bert, epochs=1))
    classifier = nbutils.fine_tune(pairs, validation=([], []), **quick(tiny_bert, epochs=1))
    classifier.save(tmp_path / "model")
    assert AskedModel(tmp_path / "model").reads_pairs
    for model in (classifier, nbutils.load_fine_tuned(tmp_path / "model")):
        assert len(model.predict(texts[:3], texts[3:6])) == 3
        with pytest.raises(DataError, match="trained on pairs; give a second text"):
            model.predict(texts[:3])
        assert len(model.predict([])) == 0
    alone = nbutils.fine_tune(texts, labels, **quick(tiny_bert, epochs=1))
    with pytest.raises(DataError, match="trained on single texts; leave them out"):
        alone.predict(texts[:3], texts[3:6])


@pytest.mark.filterwarnings("ignore:epochs")
def test_a_lower_loss_of_the_same_score_is_nothing_to_go_on_for(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    recipe = quick(tiny_bert, epochs=20, learning_rate=1e-6, selection_metric="mcc")
    one_class = (texts[1::2], labels[1::2])  # of which Matthews' correlation is always 0
    history = nbutils.fine_tune(
        texts, labels, validation=one_class, **{**recipe, "early_stopping_patience": 2}
    ).history
    assert [v.mcc for v in history.validations] == [0.0] * 3
    assert history.stopped == "early, after 2 validations without a better score"
    assert history.best_step == min(history.validations, key=lambda v: v.loss).step


def test_validation_every_n_steps(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    history = nbutils.fine_tune(
        texts, labels, validation=(texts, labels), **quick(tiny_bert, epochs=1, eval_steps=4)
    ).history
    assert [record.step for record in history.validations] == [4, 8, 10]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_loss_that_is_no_number_stops_the_training(
    tiny_bert: Path, tmp_path: Path, precision: str
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(tiny_bert, tmp_path / "nan"))
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = float("nan")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        TrainingDivergedError, match=r"step 1: the loss is nan.*it is not the learning rate"
    ):
        nbutils.fine_tune(SENTENCES, [1, 0, 1, 0], **quick(copy, precision=precision))


def test_labels_that_are_noise_do_not_look_like_a_divergence(tiny_bert: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 80).tolist()
    texts = [f"good {k}" for k in range(80)]
    history = nbutils.fine_tune(texts, labels, **quick(tiny_bert, epochs=5)).history
    assert len(history.losses) == 50


class Onlooker(Watcher):
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.validations: list[int] = []

    def on_step(self, history: History) -> None:
        self.steps.append(history.steps[-1].step)

    def on_validation(self, history: History) -> None:
        self.validations.append(history.validations[-1].step)


def test_watcher_is_told_of_every_step(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    onlooker = Onlooker()
    nbutils.fine_tune(
        texts, labels, validation=(texts, labels), watcher=onlooker, **quick(tiny_bert, epochs=2)
    )
    assert onlooker.steps == list(range(1, 21))
    assert onlooker.validations == [10, 20]


def test_schedule_rises_then_falls_to_zero(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    rates = nbutils.fine_tune(texts, labels, **quick(tiny_bert)).history.train["learning_rate"]
    assert rates.idxmax() == 3  # 10 % of 40 steps
    assert rates.max() == pytest.approx(1e-4)
    assert rates.iloc[4:].is_monotonic_decreasing
    assert rates.iloc[-1] == pytest.approx(1e-4 / 36)


def test_training_that_begins_with_the_checkpoints_own_outputs_says_so(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    first = nbutils.fine_tune(texts, labels, **quick(tiny_bert, epochs=1))
    assert not any("knew these classes" in note for note in first.history.notes)
    saved = first.save(tmp_path / "model")
    again = nbutils.fine_tune(texts, labels, **quick(saved, epochs=1))
    (note,) = (note for note in again.history.notes if "knew these classes" in note)
    assert "scores are too good" in note
    others = ["ham" if label == labels[0] else "spam" for label in labels]
    other = nbutils.fine_tune(texts, others, **quick(saved, epochs=1))
    assert not any("knew these classes" in note for note in other.history.notes)
