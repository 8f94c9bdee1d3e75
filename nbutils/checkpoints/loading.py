"""A checkpoint's tokenizer, and its weights with a classification head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbutils.checkpoints.files import needs_trust
from nbutils.checkpoints.heads import find_known_classes, fit_head
from nbutils.checkpoints.places import MINILM, locate_checkpoint, refuse_altered
from nbutils.commits import MAIN, find_commit
from nbutils.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from nbutils.label_sets import Task


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
        As for `load_head`.
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


class Loaded(NamedTuple):
    """A model with a classification head, and whether the outputs are the checkpoint's own."""

    model: PreTrainedModel
    keeps_head: bool


def load_classifier(name: str, *, label_names: Sequence[str]) -> PreTrainedModel:
    """Load a checkpoint with a classification head, as `load_head` does without further wishes."""
    return load_head(name, label_names=label_names).model


def load_head(
    name: str,
    *,
    label_names: Sequence[str],
    task: Task = "single_label",
    revision: str | None = None,
    attention_dropout: float | None = None,
    trust_remote_code: bool = False,
) -> Loaded:
    """Load a checkpoint with a classification head of K = len(label_names) outputs.

    The head is freshly drawn from torch's generator, so seed first, unless the checkpoint has one
    of the same classes by name; see `fit_head`.

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
    from transformers import AutoConfig, AutoModelForSequenceClassification

    place = locate_checkpoint(name)
    refuse_altered(place)
    try:
        source = {"revision": _exact(place, revision), "trust_remote_code": trust_remote_code}
        config = AutoConfig.from_pretrained(place, **source)
        settings = source | _dropout_setting(config, attention_dropout)
        with quiet_transformers():
            model, told = AutoModelForSequenceClassification.from_pretrained(
                place,
                num_labels=len(label_names),
                id2label=dict(enumerate(label_names)),
                label2id={label: k for k, label in enumerate(label_names)},
                problem_type=f"{task}_classification",
                ignore_mismatched_sizes=True,
                use_safetensors=True,
                dtype="float32",  # whatever it was saved in: small steps round away in half of it
                output_loading_info=True,
                **settings,
            )
        drawn = {*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])}
        known = find_known_classes(config, task)
        return Loaded(model, fit_head(model, known, label_names, drawn=drawn))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise CheckpointError(_unreachable(name, "weights", error)) from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(f"model {name!r}: its safetensors file is broken: {error}") from None


def _dropout_setting(config: Any, dropout: float | None) -> dict[str, float]:
    """Return the architecture's own name for the dropout of attention weights, with its value."""
    if dropout is None:
        return {}
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if isinstance(getattr(config, name, None), float):
            return {name: dropout}
    raise CheckpointError(
        f"attention_dropout: a {config.model_type} model has no such setting; leave it out"
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
