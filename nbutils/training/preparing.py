"""A model made ready to train by its recipe, and made a plain one again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nbutils.encoder.masks import DropoutBits
from nbutils.encoder.swap import restore_encoder, use_fast_encoder
from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.dropout import restore_dropout, use_fast_dropout
from nbutils.training.embedding import restore_embedding, use_row_embedding
from nbutils.training.freezing import freeze_layers, trainable_as_found
from nbutils.training.lora import merge_lora, use_lora
from nbutils.training.machine import choose_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def ready_to_train(model: PreTrainedModel, params: FineTuneParams) -> Iterator[DropoutBits | None]:
    """Make `model` ready to train while inside; outside it is a plain one, in evaluation mode.

    Yields
    ------
    DropoutBits or None
        The source of the model's dropout masks, where it is ours.

    Raises
    ------
    ParameterError
        The recipe does not fit the architecture.
    """
    with ExitStack() as given_back:  # in the opposite order, whichever of them fails
        given_back.callback(model.eval)
        given_back.enter_context(trainable_as_found(model))
        freeze_layers(model, params.freeze_layers)
        use_lora(model, params)
        if params.lora_rank is not None:
            given_back.callback(merge_lora, model)
        yield _take_over(model, params, given_back)


def _take_over(
    model: PreTrainedModel, params: FineTuneParams, given_back: ExitStack
) -> DropoutBits | None:
    given_back.callback(restore_embedding, model)
    use_row_embedding(model)
    if params.gradient_checkpointing:
        # The second computation of a layer must drop what the first one dropped: torch sees to it
        # for its own random numbers, not for ours.
        if getattr(model.config, "use_cache", False):  # of generation; transformers warns of both
            given_back.callback(setattr, model.config, "use_cache", True)
            model.config.use_cache = False
        _use_checkpointing(model)
        given_back.callback(_switch(model, "disable"))
        return None
    given_back.callback(restore_dropout, model)
    dropout = use_fast_dropout(model, params.seed)
    given_back.callback(restore_encoder, model)
    precision = choose_precision(params.precision, model.device.type)
    use_fast_encoder(model, precision=precision, bits=dropout)
    return dropout


def _use_checkpointing(model: PreTrainedModel) -> None:
    try:
        _switch(model, "enable")({"use_reentrant": False})
    except ValueError:
        raise ParameterError(
            "gradient_checkpointing: expected an architecture of transformers that can do it, "
            f"found {model.config.model_type}; set it to false"
        ) from None


def _switch(model: PreTrainedModel, what: str) -> Callable[..., None]:
    # transformers 5.20 has the old name alone, later versions warn of it
    old = f"gradient_checkpointing_{what}"
    found: Callable[..., None] = getattr(
        model, f"activation_checkpointing_{what}", None
    ) or getattr(model, old)
    return found
