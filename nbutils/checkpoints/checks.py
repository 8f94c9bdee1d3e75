"""Checkpoints that cannot be used, refused before anything is loaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from nbutils.checkpoints.files import (
    check_files,
    count_layers,
    no_layers,
    read_model_type,
    read_object,
    refuse_own_code,
    refuse_too_long,
    too_many_frozen,
)
from nbutils.checkpoints.places import locate_checkpoint
from nbutils.commits import fetch_config
from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams


def check_checkpoint(name: str, *, max_length: int, revision: str | None = None) -> None:
    """Refuse, from its files alone, a checkpoint that cannot be used.

    Of a hub id it is seen how many tokens it reads, where its configuration can be had in a moment.

    Parameters
    ----------
    name
        As for `locate_checkpoint`.
    max_length
        Tokens that it shall read at once.
    revision
        Branch, tag or commit of a hub id.

    Raises
    ------
    CheckpointError
        It is missing, broken, no text encoder, without its own tokenizer or safetensors, or reads
        fewer tokens at once.
    """
    place = Path(locate_checkpoint(name))
    if place.is_dir():
        check_files(place, name=name, max_length=max_length)
        return
    config = fetch_config(name, revision=revision)
    if config is not None:
        refuse_too_long(read_object(config, name), max_length)


def check_own_code(params: FineTuneParams) -> None:
    """Refuse a checkpoint that needs code of its own, unless the parameters trust it.

    Nothing of it is run. A hub id whose configuration cannot be had in a moment passes: loading it
    will refuse it.

    Raises
    ------
    CheckpointError
        Its architecture is one that transformers does not know.
    """
    config = _find_config(params)
    if config is not None:
        refuse_own_code(config, name=params.model, trusted=params.trust_remote_code)


def check_layers(params: FineTuneParams) -> None:
    """Refuse `freeze_layers` and `layerwise_decay` that the layers of a checkpoint do not allow.

    One whose configuration cannot be had in a moment, or does not say, passes: the training will
    refuse it.

    Raises
    ------
    ParameterError
        It has fewer layers than are to be frozen, or layers that cannot be told apart.
    """
    count, asked = params.freeze_layers, _of_layers(params)
    config = _find_config(params) if asked else None
    n_layers = None if config is None else count_layers(config, name=params.model)
    if config is None or n_layers is None:
        return
    if n_layers < 2:
        raise ParameterError(no_layers(asked[0], read_model_type(config, name=params.model)))
    if count is not None and count > n_layers:
        raise ParameterError(too_many_frozen(count, n_layers))


def _of_layers(params: FineTuneParams) -> list[str]:
    names = ("freeze_layers", "layerwise_decay")
    return [name for name in names if getattr(params, name) is not None]


def _find_config(params: FineTuneParams) -> Path | None:
    """Return the checkpoint's `config.json`; None: it cannot be had in a moment."""
    place = locate_checkpoint(params.model)
    if Path(place).is_dir():
        return Path(place) / "config.json"
    return fetch_config(place, revision=params.revision)


def check_lora(params: FineTuneParams) -> None:
    """Refuse `lora_rank` where peft is not installed.

    Raises
    ------
    ParameterError
        It is not.
    """
    if params.lora_rank is not None and importlib.util.find_spec("peft") is None:
        raise ParameterError(
            'lora_rank: needs peft, which is not installed: pip install "nbutils[lora]"'
        )
