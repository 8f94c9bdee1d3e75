"""Whether a model and its tokenizer go together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbutils.checkpoints.files import refuse_other_vocabulary
from nbutils.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


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
