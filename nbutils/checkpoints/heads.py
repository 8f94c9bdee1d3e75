"""The classification head that a checkpoint brings along: kept where it knows the same classes."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Any

from nbutils.described import name_some
from nbutils.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from nbutils.label_sets import Task

HEAD = "ForSequenceClassification"
USUAL_SPREAD = 0.02  # standard deviation of fresh weights, where a configuration does not say


def find_known_classes(config: Any, task: Task) -> tuple[str, ...]:
    """Return the names of the classes that a checkpoint tells apart; none: it has no such head.

    Parameters
    ----------
    config
        The checkpoint's own configuration.
    task
        Whether the classes are wanted as a choice or as questions of yes and no: a head of the
        other kind does not count.
    """
    if not any(str(name).endswith(HEAD) for name in config.architectures or ()):
        return ()
    several = getattr(config, "problem_type", None) == "multi_label_classification"
    if several != (task == "multi_label"):
        return ()
    return tuple(str(name) for _, name in sorted(config.id2label.items()))


def fit_head(
    model: PreTrainedModel, known: Sequence[str], label_names: Sequence[str], *, drawn: Set[str]
) -> bool:
    """Put the outputs of a loaded head in the order of `label_names`, or draw them anew.

    Weights that have the name and the shape of the head's are loaded into it whatever they stand
    for: tags of words, or other classes, and a model that tells anger from joy would begin by
    calling ham spam.

    Parameters
    ----------
    model
        Loaded with K outputs.
    known
        The classes of the head that the checkpoint has, in its order; none: it has no head.
    label_names
        The K classes that are wanted. Names that differ in case alone are the same, unless a name
        of exactly this case is among them.
    drawn
        Names of the weights that were not in the checkpoint, or in another shape.

    Returns
    -------
    bool
        Whether the outputs are the checkpoint's own.

    Raises
    ------
    CheckpointError
        Its outputs stand for something else and cannot be found, in code of its own.
    """
    found = _find_output_layer(model, len(label_names))
    order = _find_order(known, label_names)
    if found is None:
        if known and order != list(range(len(known))) and len(known) == len(label_names):
            raise CheckpointError(
                f"model {model.name_or_path!r}: its head for other classes ends in no linear layer "
                "and cannot be drawn anew; start from the encoder alone"
            )
        return order is not None
    name, layer = found
    if f"{name}.weight" in drawn:
        return False
    if order is not None:
        _reorder(layer, order)
        return True
    spread = getattr(model.config, "initializer_range", USUAL_SPREAD)
    layer.weight.data.normal_(0.0, spread)
    if layer.bias is not None:
        layer.bias.data.zero_()
    return False


def describe_head(label_names: Sequence[str], *, is_kept: bool) -> list[str]:
    """Return a sentence on what a training began with; none: with outputs that know nothing."""
    if not is_kept:
        return []
    return [
        f"The checkpoint knew these classes ({name_some(label_names)}), and its own outputs for "
        "them were trained on: where it has seen texts of the validation or test split before, "
        "their scores are too good."
    ]


def _find_order(known: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Return where each wanted class is among the known ones; None: they are not the same."""
    for spell in (str, str.casefold):  # of "A" and "a" each is itself
        places = {spell(name): k for k, name in enumerate(known)}
        order = [places.get(spell(name), -1) for name in wanted]
        if sorted(order) == list(range(len(known))):
            return order
    return None


def _find_output_layer(model: PreTrainedModel, n_labels: int) -> tuple[str, torch.nn.Linear] | None:
    """Return name and layer of the last linear one with K outputs outside the encoder."""
    import torch

    encoder = f"{model.base_model_prefix}."
    layers = [
        (name, module)
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
