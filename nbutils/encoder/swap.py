"""A model's encoder taken over by ours, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from nbutils.encoder.attention import Attention, Plan
from nbutils.encoder.feed_forward import FeedForward
from nbutils.encoder.masks import DropoutBits
from nbutils.encoder.weights import LayerWeights, cast_layer, is_supported, parameters_of

# Modules of transformers whose encoders are BERT's, by the prefix of their classes; others may have
# the same parts and join them in another way (rotary positions, adapters, a norm before).
FAMILY = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm_roberta": "XLMRoberta",
    "camembert": "Camembert",
    "electra": "Electra",
    "ernie": "Ernie",
    "data2vec": "Data2VecText",
}
ATTENTION_PARAMETERS = 10
TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class FastEncoder(nn.Module):
    """Stands in for `model.base_model.encoder` and shares its layers.

    Parameters
    ----------
    encoder
        The original, kept to be given back; its parameters keep their names.
    dtype
        Type of the arithmetic; parameters and their gradients stay as they are.
    first_only
        Whether the last layer computes the first token alone, so that the result is (B, 1, D).
    """

    def __init__(self, encoder: Any, *, dtype: torch.dtype, first_only: bool) -> None:
        super().__init__()
        self.layer = encoder.layer
        self.dtype, self.first_only = dtype, first_only
        self.bits: DropoutBits | None = None
        self._original: list[nn.Module] = [encoder]  # in a list, so that it is no submodule
        self._cast: list[LayerWeights] = []
        self._seen: list[tuple[nn.Parameter, int, int]] = []

    def refresh(self) -> None:
        """Be told that the weights have changed: a fused optimiser leaves no trace of it."""
        self._seen = []

    @property
    def original(self) -> nn.Module:
        """The encoder that this one stands in for."""
        return self._original[0]

    def cast(self) -> list[LayerWeights]:
        """Return the weights of all layers as they are now; called before threads, it is shared.

        What leaves no trace, a fused optimiser or a change in place of a parameter's `data`, is
        seen after `refresh` alone.
        """
        parameters = [p for layer in self.layer for p in parameters_of(layer)]
        if len(parameters) != len(self._seen) or not all(map(_is_as_seen, parameters, self._seen)):
            with torch.inference_mode(False), torch.no_grad():  # training may use them later
                self._cast = [cast_layer(layer, self.dtype) for layer in self.layer]
            self._seen = [(p, p._version, p.data_ptr()) for p in parameters]
        return self._cast

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """Return the last hidden state, (B, L, D) or (B, 1, D).

        Parameters
        ----------
        hidden_states
            Shape (B, L, D).
        attention_mask
            (B, 1, L or 1, L), true (or 0.0) where there is no padding; None: there is none.
        **kwargs
            What transformers passes to every encoder; not used.
        """
        bits = self.bits if self.training else None
        bias = _key_bias(attention_mask, self.dtype)
        x = hidden_states.to(self.dtype)
        with torch.autocast(x.device.type, enabled=False):
            for number, weights in enumerate(self.cast(), 1):
                first_only = self.first_only and number == len(self.layer)
                plan = Plan(weights, bias, bits, first_only)
                parameters = parameters_of(self.layer[number - 1])
                first, second = parameters[:ATTENTION_PARAMETERS], parameters[ATTENTION_PARAMETERS:]
                x = Attention.apply(x, plan, *first)  # type: ignore[no-untyped-call]
                x = FeedForward.apply(x, plan, *second)  # type: ignore[no-untyped-call]
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=x.to(hidden_states.dtype)
        )


def _is_as_seen(parameter: nn.Parameter, seen: tuple[nn.Parameter, int, int]) -> bool:
    known, version, place = seen
    # kept, not known by its id alone: that of one that is gone is soon given to another
    same = parameter is known and parameter._version == version
    return same and parameter.data_ptr() == place


def _key_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if mask is None:
        return None
    keys = mask[:, 0, 0]
    if keys.is_floating_point():  # what is added to scores: 0 where there is no padding
        keys = keys >= 0
    if bool(keys.all()):
        return None
    return torch.zeros(keys.shape, dtype=dtype).masked_fill_(~keys, float("-inf"))


def can_be_fast(model: Any) -> bool:
    """Return whether a model is on a CPU, in fp32, and its encoder is that of BERT's family."""
    encoder: Any = getattr(model.base_model, "encoder", None)
    if model.device.type != "cpu" or not _is_of_family(encoder, "Encoder"):
        return False
    if getattr(model.config, "is_decoder", False) or not len(encoder.layer):
        return False
    if any(parameter.dtype != torch.float32 for parameter in encoder.parameters()):
        return False
    return all(_is_of_family(layer, "Layer") and is_supported(layer) for layer in encoder.layer)


def reads_first_token(model: Any) -> bool:
    """Return whether a model's classification head is known to read the first token alone."""
    return _is_of_family(model, "ForSequenceClassification")


def _is_of_family(module: Any, suffix: str) -> bool:
    """Return whether a module is of transformers' own class of that name, and no class like it."""
    found = f"{type(module).__module__}.{type(module).__name__}"
    return any(
        found.startswith(f"transformers.models.{name}.") and found.endswith(f".{prefix}{suffix}")
        for name, prefix in FAMILY.items()
    )


def use_fast_encoder(model: Any, *, precision: str, bits: DropoutBits | None = None) -> bool:
    """Put our encoder into a model, if it fits; weights are not touched.

    Parameters
    ----------
    model
        A transformers classifier.
    precision
        ``fp32`` or ``bf16``.
    bits
        Source of dropout masks in training mode; None: nothing is dropped.

    Returns
    -------
    bool
        Whether it fits.
    """
    if not can_be_fast(model):
        return False
    first_only = reads_first_token(model)
    encoder = FastEncoder(model.base_model.encoder, dtype=TYPES[precision], first_only=first_only)
    encoder.train(model.training)
    encoder.bits = bits
    model.base_model.encoder = encoder
    return True


def refresh_encoder(model: Any) -> None:
    """Cast the weights anew, if the encoder is ours: after each step, and before threads use it."""
    encoder = getattr(model.base_model, "encoder", None)
    if isinstance(encoder, FastEncoder):
        encoder.refresh()
        encoder.cast()


def restore_encoder(model: Any) -> None:
    """Give a model its own encoder back, if it has ours."""
    encoder = getattr(model.base_model, "encoder", None)
    if isinstance(encoder, FastEncoder):
        model.base_model.encoder = encoder.original.train(encoder.training)


@contextmanager
def fast_encoder(model: Any, *, precision: str) -> Iterator[None]:
    """Use our encoder while inside, where it fits and is not in use already."""
    if isinstance(getattr(model.base_model, "encoder", None), FastEncoder):
        yield
        return
    use_fast_encoder(model, precision=precision)
    try:
        yield
    finally:
        restore_encoder(model)
