"""The classification head that a checkpoint brings along: kept where it knows the same classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

HEAD = "ForSequenceClassification"
USUAL_SPREAD = 0.02  # standard deviation of fresh weights, where a configuration does not say


def find_known_classes(config: Any) -> tuple[str, ...]:
    """Return the names of the classes that a checkpoint was trained on; none: it has no head.

    Parameters
    ----------
    config
        The checkpoint's own configuration.
    """
    if not any(str(name).endswith(HEAD) for name in config.architectures or ()):
        return ()
    return tuple(str(name) for _, name in sorted(config.id2label.items()))


def fit_head(model: PreTrainedModel, known: Sequence[str], label_names: Sequence[str]) -> None:
    """Put the outputs of a loaded head in the order of `label_names`, or draw the head anew.

    A head of as many outputs is loaded as it is, also where they stand for other classes: a model
    that tells anger from joy would begin by calling ham spam.

    Parameters
    ----------
    model
        Loaded with K outputs.
    known
        The classes of the head that the checkpoint has, in its order; none: it has no head.
    label_names
        The K classes that are wanted. Names that differ in case alone are the same, unless a name
        of exactly this case is among them.
    """
    layer = _output_layer(model, len(label_names))
    if layer is None or len(known) != len(label_names):
        return  # loading has drawn it anew
    order = _find_order(known, label_names)
    if order is not None:
        _reorder(layer, order)
    else:
        spread = getattr(model.config, "initializer_range", USUAL_SPREAD)
        layer.weight.data.normal_(0.0, spread)
        if layer.bias is not None:
            layer.bias.data.zero_()


def _find_order(known: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Return where each wanted class is among the known ones; None: they are not the same."""
    for spell in (str, str.casefold):  # of "A" and "a" each is itself
        places = {spell(name): k for k, name in enumerate(known)}
        order = [places.get(spell(name), -1) for name in wanted]
        if sorted(order) == list(range(len(known))):
            return order
    return None


def _output_layer(model: PreTrainedModel, n_labels: int) -> torch.nn.Linear | None:
    """Return the last linear layer with K outputs that is not a part of the encoder."""
    import torch

    encoder = f"{model.base_model_prefix}."
    layers = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module.out_features == n_labels
        and not name.startswith(encoder)
    ]
    return layers[-1] if layers else None


def _reorder(layer: torch.nn.Linear, order: Sequence[int]) -> None:
    layer.weight.data = layer.weight.data[list(order)].clone()
    if layer.bias is not None:
        layer.bias.data = layer.bias.data[list(order)].clone()
