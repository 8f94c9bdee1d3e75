"""Which level of a model a weight belongs to, and what that decides: freezing, learning rates.

Level 0 are the embeddings, levels 1 to N the encoder's layers, N + 1 is the head (with a pooler).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from nbutils.checkpoints.files import no_layers, too_many_frozen
from nbutils.errors import ParameterError

SHARED_WORDS = ("embed", "relative")  # in the names of what all layers read: level 0


def find_layers(model: Any) -> tuple[str, nn.ModuleList] | None:
    """Return the name and the list of a model's encoder layers: the longest list of its modules.

    It is `bert.encoder.layer` for BERT, RoBERTa and ELECTRA, `distilbert.transformer.layer` for
    DistilBERT; None: the architecture has none (ALBERT has one layer, used many times).
    """
    body = model.base_model
    prefix = f"{model.base_model_prefix}." if body is not model else ""
    lists = [
        (prefix + name, module)
        for name, module in body.named_modules()
        if isinstance(module, nn.ModuleList)
    ]
    return max(lists, key=lambda item: len(item[1]), default=None)


def find_levels(model: Any, *, reason: str) -> dict[str, int]:
    """Return the level of each parameter by its name.

    Parameters
    ----------
    model
        A transformers classifier with N encoder layers.
    reason
        The parameter that asks, for the refusal.

    Raises
    ------
    ParameterError
        The architecture has no list of layers.
    """
    found = find_layers(model)
    if found is None or len(found[1]) < 2:
        raise ParameterError(no_layers(reason, model.config.model_type))
    name, layers = found
    return {
        parameter: _level(parameter, layers=f"{name}.", top=len(layers) + 1)
        for parameter, _ in model.named_parameters()
    }


def _level(name: str, *, layers: str, top: int) -> int:
    if name.startswith(layers):
        return int(name.removeprefix(layers).partition(".")[0]) + 1
    return 0 if any(word in name for word in SHARED_WORDS) else top


def freeze_layers(model: Any, count: int | None) -> None:
    """Keep the embeddings and the first `count` layers from training; None: nothing.

    Raises
    ------
    ParameterError
        The model has fewer layers.
    """
    if count is None:
        return
    levels = find_levels(model, reason="freeze_layers")
    n_layers = max(levels.values()) - 1
    if count > n_layers:
        raise ParameterError(too_many_frozen(count, n_layers))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(levels[name] > count)


@contextmanager
def trainable_as_found(model: nn.Module) -> Iterator[None]:
    """Let those weights train afterwards that trained before."""
    found = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    try:
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(found.get(name, True))


def rate_scales(model: Any, decay: float | None) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter by its name.

    Layer k of N has ``decay ** (N - k)``, the embeddings (k = 0) the lowest, the head 1. Howard and
    Ruder, "Universal language model fine-tuning for text classification", 2018, section 3.2; for
    BERT: Sun et al., "How to fine-tune BERT for text classification?", 2019, section 5.3.2.

    Parameters
    ----------
    model
        A transformers classifier.
    decay
        In (0, 1]; None: 1 everywhere.
    """
    if decay is None:
        return {name: 1.0 for name, _ in model.named_parameters()}
    levels = find_levels(model, reason="layerwise_decay")
    n_layers = max(levels.values()) - 1
    return {name: decay ** max(0, n_layers - level) for name, level in levels.items()}
