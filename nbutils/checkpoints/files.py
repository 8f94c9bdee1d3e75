"""What a checkpoint's files say of it, read without torch, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbutils.errors import CheckpointError

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")
GENERATES = ("ForCausalLM", "LMHeadModel")
LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit
AUTO_MAP = "auto_map"  # transformers' name for: class by purpose, in the checkpoint's own code
CLASSIFIER = "AutoModelForSequenceClassification"
SHARED_LAYERS = "num_hidden_groups"  # in config.json: layers share weights, as ALBERT's do
LAYER_COUNTS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")  # in config.json
# architectures that count positions from behind the padding token on (max_position_embeddings 514)
PADDED_POSITIONS = {
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
MENDED_BY = "choose a text encoder such as bert-base-uncased"


def check_files(folder: Path, *, name: str, max_length: int) -> None:
    """Refuse a checkpoint folder whose files are broken, or are those of no text encoder.

    Parameters
    ----------
    folder
        With a `config.json` and `*.safetensors` in it.
    name
        What errors call the model.
    max_length
        Tokens that it shall read at once.

    Raises
    ------
    CheckpointError
        It has no tokenizer, or that of another vocabulary; its configuration is not one of a text
        encoder, or reads fewer tokens at once; its weights are torn.
    """
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise CheckpointError(
            f"model {name!r}: expected its tokenizer beside the weights "
            f"({' or '.join(TOKENIZER_FILES[:2])}), found none; save both into the same folder"
        )
    config = read_object(folder / "config.json", name)
    _refuse_other_kinds(config, name)
    refuse_too_long(config, max_length)
    for path in sorted(folder.glob("*.safetensors")):
        _refuse_torn(path, name)
    vocabulary, rows = _vocabulary_size(folder, name), _embedded(config)
    if vocabulary is not None and rows is not None:
        refuse_other_vocabulary(vocabulary, rows, name=f"model {name!r}")


def position_limit(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens a checkpoint has positions for; None: it has no such limit.

    Parameters
    ----------
    config
        What its `config.json` holds.
    """
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int) or limit <= 0:
        return None
    kind, padding = config.get("model_type"), config.get("pad_token_id")
    if kind not in PADDED_POSITIONS:
        return limit
    # mpnet has it in its code, whatever its configuration says
    return limit - (padding if isinstance(padding, int) and kind != "mpnet" else 1) - 1


def refuse_too_long(config: Mapping[str, Any], max_length: int) -> None:
    """Refuse a `max_length` that a checkpoint has no position embeddings for.

    Raises
    ------
    CheckpointError
        It is larger than `position_limit`.
    """
    limit = position_limit(config)
    if limit is not None and max_length > limit:
        raise CheckpointError(
            f"max_length: expected at most {limit}, the positions that the checkpoint was trained "
            f"with, found {max_length}"
        )


def brings_code(folder: Path) -> bool:
    """Return whether a checkpoint folder's configuration names Python code to be run."""
    files = [folder / "config.json", folder / "tokenizer_config.json"]
    return any(file.is_file() and AUTO_MAP in read_object(file, str(folder)) for file in files)


def refuse_own_code(config_file: Path, *, name: str, trusted: bool) -> None:
    """Refuse a checkpoint of an architecture that only code of its own can build.

    Parameters
    ----------
    config_file
        Its `config.json`.
    name
        What errors call the model.
    trusted
        Whether that code may run.

    Raises
    ------
    CheckpointError
        Its code may not run, or has no classifier in it.
    """
    config = read_object(config_file, name)
    classes = config.get(AUTO_MAP)
    if not classes or _is_known(str(config.get("model_type"))):
        return
    if not trusted:
        raise CheckpointError(needs_trust(name))
    if not isinstance(classes, dict) or CLASSIFIER not in classes:
        raise CheckpointError(
            f"model {name!r}: expected an {CLASSIFIER} in the code that comes with it (auto_map in "
            f"config.json), found none; {MENDED_BY}"
        )


def needs_trust(name: str) -> str:
    """Return the refusal of a checkpoint that needs code of its own."""
    return (
        f"model {name!r}: needs Python code that comes with it, which is not run unasked; read "
        f"that code, then set fine_tune.trust_remote_code: true, or {MENDED_BY}"
    )


def _is_known(model_type: str) -> bool:
    # takes seconds to import: only asked for the few checkpoints that bring code
    from transformers.models.auto import modeling_auto

    return model_type in modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES


def count_layers(config_file: Path, *, name: str) -> int | None:
    """Return how many encoder layers a `config.json` names; None: it does not say.

    Layers that share their weights, as ALBERT's do, are one.
    """
    config = read_object(config_file, name)
    if SHARED_LAYERS in config:
        return 1
    counts = (config.get(key) for key in LAYER_COUNTS)
    return next((count for count in counts if isinstance(count, int)), None)


def no_layers(reason: str, model_type: str) -> str:
    """Return the refusal of `freeze_layers` or `layerwise_decay` of layers that are one."""
    return (
        f"{reason}: expected a model with a list of encoder layers, such as BERT, RoBERTa, "
        f"DistilBERT or ELECTRA, found {model_type}; leave {reason} out"
    )


def read_model_type(config_file: Path, *, name: str) -> str:
    """Return the architecture that a `config.json` names, in transformers' word for it."""
    return str(read_object(config_file, name).get("model_type", "another one"))


def too_many_frozen(count: int, n_layers: int) -> str:
    """Return the refusal of a `freeze_layers` beyond the layers of a checkpoint."""
    return f"freeze_layers: expected at most {n_layers}, the layers of this model, found {count}"


def refuse_other_vocabulary(vocabulary: int, rows: int, *, name: str) -> None:
    """Refuse a tokenizer whose number of tokens is not that of the checkpoint's embeddings.

    Parameters
    ----------
    vocabulary
        Tokens that the tokenizer knows, the added ones included.
    rows
        Tokens that the model has embeddings for; a tenth more than the tokenizer has is padding.
    name
        How to call the model in the message.

    Raises
    ------
    CheckpointError
        They do not match.
    """
    if vocabulary > rows:
        raise CheckpointError(
            f"tokenizer and checkpoint do not match: the tokenizer knows {vocabulary} tokens, "
            f"{name} has embeddings for {rows}; load both from the same checkpoint"
        )
    if vocabulary < rows * 0.9:
        raise CheckpointError(
            f"tokenizer and checkpoint do not match: the tokenizer knows only {vocabulary} tokens "
            f"of the {rows} that {name} was trained with; load both from the same checkpoint"
        )


def _refuse_other_kinds(config: Mapping[str, Any], name: str) -> None:
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise CheckpointError(
            f"model {name!r}: config.json has no model_type, which says what architecture it is; "
            "save the model again with `model.save_pretrained(folder)`"
        )
    if _embedded(config) is None:
        raise CheckpointError(
            f"model {name!r}: expected a model that reads text, found a {kind} model without a "
            f"vocabulary (no vocab_size in config.json); {MENDED_BY}"
        )
    built = config.get("architectures") or []
    if "bert" not in kind and any(str(one).endswith(GENERATES) for one in built):
        raise CheckpointError(
            f"model {name!r}: expected a text encoder, found {built[0]}, which generates text; "
            f"{MENDED_BY}"
        )


def _embedded(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens the model has embeddings for; None: it reads no text."""
    rows = config.get("vocab_size", config.get("n_words"))  # the latter is XLM's name for it
    return rows if isinstance(rows, int) else None


def _refuse_torn(path: Path, name: str) -> None:
    """Compare a safetensors file's size with what its header says: 8 bytes, header, tensors."""
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > min(LONGEST_HEADER, size):
                raise ValueError(f"{size} bytes are too few for its header")
            header = json.loads(stream.read(length))
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
        if size != expected:
            raise ValueError(f"expected {expected} bytes, found {size}")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise CheckpointError(
            f"model {name!r}: its safetensors file is broken: {path.name}: {error}; download or "
            "copy it again"
        ) from None


def _vocabulary_size(folder: Path, name: str) -> int | None:
    """Return how many tokens `tokenizer.json` knows; None: there is none, or of a kind unknown."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    tokenizer = read_object(path, name)
    model = tokenizer.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(words, (dict, list)):
        return None
    known = set(words) if isinstance(words, dict) else {str(word[0]) for word in words if word}
    return len(known | {str(token["content"]) for token in tokenizer.get("added_tokens") or []})


def read_object(path: Path, name: str) -> dict[str, Any]:
    """Return what a JSON file of a checkpoint holds, and refuse it where that is no object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"model {name!r}: {path.name} is not JSON: {error}; download or copy it again"
        ) from None
    if not isinstance(values, dict):
        raise CheckpointError(
            f"model {name!r}: expected a JSON object in {path.name}, found "
            f"{type(values).__name__}; download or copy it again"
        )
    return values
