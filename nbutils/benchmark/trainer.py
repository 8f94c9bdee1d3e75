"""`transformers.Trainer` as a careful user would set it up."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nbutils.training.examples import LabelledBatches

WARM_UP = 0.1  # share of the steps


@dataclass(frozen=True)
class TrainerRecipe:
    """What a training by Trainer and one of ours share."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    bf16: bool = False
    device: str = "cpu"


def rows_of(data: LabelledBatches, *, pad_to: int | None = None) -> list[dict[str, Any]]:
    """Return the texts as Trainer reads them: `input_ids`, `attention_mask`, `labels`.

    Parameters
    ----------
    data
        N tokenized texts.
    pad_to
        Tokens that every text is padded to; None: the collator pads each batch.
    """
    rows = []
    for ids, label in zip(data.encoded.input_ids, data.labels, strict=True):
        blank = 0 if pad_to is None else pad_to - len(ids)
        rows.append(
            {
                "input_ids": [*ids.tolist(), *[data.encoded.pad_token_id] * blank],
                "attention_mask": [1] * len(ids) + [0] * blank,
                "labels": int(label),
            }
        )
    return rows


def build_trainer(
    model: Any, rows: Sequence[dict[str, Any]], tokenizer: Any, recipe: TrainerRecipe
) -> Any:
    """Return a Trainer on the recipe's device that neither saves, evaluates, logs nor reports."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    model.accepts_loss_kwargs = False  # Trainer takes BERT's **kwargs for a loss that it scales
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=2 * recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=0.01,
        warmup_steps=WARM_UP,
        optim="adamw_torch_fused",
        seed=recipe.seed,
        use_cpu=recipe.device == "cpu",
        bf16=recipe.bf16,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    collator = DataCollatorWithPadding(tokenizer)
    return Trainer(model=model, args=arguments, train_dataset=list(rows), data_collator=collator)
