"""Low-rank updates through peft: few weights train, and they are merged before anybody looks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nbutils.checkpoints.checks import check_lora
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.freezing import find_layers, find_levels

SCALE = 2  # alpha / rank: the updates' factor, that of peft's own examples


def use_lora(model: Any, params: FineTuneParams) -> None:
    """Give each linear map of the encoder's layers a low-rank update; only they and the head train.

    Hu et al., "LoRA: low-rank adaptation of large language models", 2021; on all linear maps, as in
    Dettmers et al., "QLoRA", 2023.

    Parameters
    ----------
    model
        A transformers classifier.
    params
        `lora_rank`, none: nothing is done; `seed` of the first weights.

    Raises
    ------
    ParameterError
        peft is not installed, or the architecture has no list of layers.
    """
    if params.lora_rank is None:
        return
    check_lora(params)
    from peft import LoraConfig, inject_adapter_in_model

    levels = find_levels(model, reason="lora_rank")
    head = max(levels.values())
    config = LoraConfig(
        r=params.lora_rank, lora_alpha=SCALE * params.lora_rank, target_modules=_linear_maps(model)
    )
    with torch.random.fork_rng():
        torch.manual_seed(params.seed)
        inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        if levels.get(name) == head:
            parameter.requires_grad_(True)


def _linear_maps(model: Any) -> list[str]:
    found = find_layers(model)
    prefix = "" if found is None else f"{found[0]}."
    return [
        name
        for name, module in model.named_modules()
        if name.startswith(prefix) and isinstance(module, nn.Linear)
    ]


def merge_lora(model: Any) -> None:
    """Add the updates to the weights that they belong to: what is left is a plain model."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    vars(model).pop("peft_config", None)
