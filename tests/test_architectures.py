"""What is ours computes what transformers does, or leaves an architecture alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, BertModel, DistilBertModel

import nbutils
from nbutils.checkpoints.files import PADDED_POSITIONS, position_limit
from nbutils.checkpoints.loading import load_classifier
from nbutils.encoder.swap import FastEncoder, can_be_fast, fast_encoder, reads_first_token
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.dropout import ATTENTION_NAME, restore_dropout, use_fast_dropout
from nbutils.training.preparing import ready_to_train

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "vocab_size": 100, "max_position_embeddings": 80, "num_labels": 3, "embedding_size": 32,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attention_dropout": 0.0,
    "pad_token_id": 1, "dropout": 0.0, "classifier_dropout": 0.0, "classifier_dropout_prob": 0.0,
    "seq_classif_dropout": 0.0,
}  # fmt: skip
FAST = ["bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie", "data2vec-text"]
MASKED = [*FAST, "albert", "distilbert", "modernbert"]
NARROW = {"modernbert": {"local_attention": 4, "num_hidden_layers": 3}}  # windows in most layers
# with parts named as BERT's that are joined in another way, with a bias by position, or causal
OTHERS = {
    "roformer": {},
    "rembert": {"input_embedding_size": 32, "output_embedding_size": 32},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "megatron-bert": {},
    "roberta-prelayernorm": {},
    "convbert": {},
    "mpnet": {},
    "deberta-v2": {},
    "fnet": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80, "attn_pdrop": 0.0,
             "resid_pdrop": 0.0, "embd_pdrop": 0.0},
    "qwen2": {"num_key_value_heads": 4},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4,
           "dropout_rate": 0.0, "eos_token_id": 2, "decoder_start_token_id": 1},
}  # fmt: skip


def build(kind: str) -> Any:
    """Return a random classifier whose weights are large enough to make attention choosy."""
    config = AutoConfig.for_model(kind, **{**SIZES, **OTHERS.get(kind, {}), **NARROW.get(kind, {})})
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 0.3)
    return model


def batch(*, padded: bool) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 99, (3, 21), generator=torch.Generator().manual_seed(1))
    ids[:, -1] = 2
    mask = torch.ones_like(ids)
    if padded:
        mask[1, 12:], ids[1, 11], ids[1, 12:] = 0, 2, 1
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("kind", [*sorted(PADDED_POSITIONS), "bert", "electra", "distilbert"])
@pytest.mark.parametrize("padding", [0, 1])
def test_positions_are_as_many_as_the_architecture_counts(kind: str, padding: int) -> None:
    own = {"attention_window": 4} if kind == "longformer" else OTHERS.get(kind, {})
    config = AutoConfig.for_model(kind, **{**SIZES, **own, "pad_token_id": padding})
    model = AutoModelForSequenceClassification.from_config(config).eval()
    limit = position_limit(config.to_dict())
    assert limit is not None
    ids = torch.full((1, limit + 1), 5)
    with torch.no_grad():
        model(input_ids=ids[:, :limit])
        with pytest.raises(
            (IndexError, RuntimeError), match=r"out of (range|bounds)|size of (the )?tensor"
        ):
            model(input_ids=ids)


@pytest.mark.parametrize("kind", [*FAST, *OTHERS])
def test_encoder_is_taken_over_where_it_is_the_same_function(kind: str) -> None:
    model, inputs = build(kind), batch(padded=True)
    assert can_be_fast(model) == reads_first_token(model) == (kind in FAST)
    with torch.no_grad():
        expected = model(**inputs).logits
        with fast_encoder(model, precision="fp32"):
            found = model(**inputs).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("kind", [*MASKED, *OTHERS])
def test_attention_in_training_is_the_architectures_own(kind: str, padded: bool) -> None:
    model, inputs = build(kind), batch(padded=padded)
    found = model.config._attn_implementation
    with torch.no_grad():
        expected = model.train()(**inputs).logits
        use_fast_dropout(model, 0)
        assert (model.config._attn_implementation == ATTENTION_NAME) == (kind in MASKED)
        ours = model(**inputs).logits
    restore_dropout(model)
    assert model.config._attn_implementation == found
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def test_attention_that_was_asked_for_is_given_back() -> None:
    model = build("bert")
    model.set_attn_implementation("eager")
    with ready_to_train(model, FineTuneParams.of({})):
        pass
    assert model.config._attn_implementation == "eager"


def test_head_of_another_class_gets_all_tokens() -> None:
    class MeanOfTokens(type(build("bert"))):  # type: ignore[misc]
        def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.bert(**inputs).last_hidden_state.mean(1))

    model, inputs = build("bert"), batch(padded=False)
    model.__class__ = MeanOfTokens
    with torch.no_grad():
        expected = model(**inputs)
        with fast_encoder(model, precision="fp32"):
            assert isinstance(model.bert.encoder, FastEncoder)
            found = model(**inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", [BertModel, DistilBertModel])
def test_checkpoint_in_half_precision_is_trained_in_fp32(
    kind: Callable[..., Any], dtype: torch.dtype, tiny_bert: Path, tmp_path: Path,
    reviews: pd.DataFrame,
) -> None:  # fmt: skip
    from transformers import AutoTokenizer

    sizes = {"vocab_size": 29, "pad_token_id": 0}
    if kind is BertModel:
        sizes |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    else:
        sizes |= {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    kind(kind.config_class(**sizes)).to(dtype).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    model = load_classifier(str(tmp_path), label_names=["neg", "pos"])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    tuned = nbutils.fine_tune(texts, labels, model=str(tmp_path), max_length=16, max_steps=2)
    assert {parameter.dtype for parameter in tuned.model.parameters()} == {torch.float32}


def test_half_precision_is_left_to_the_architecture() -> None:
    assert not can_be_fast(build("bert").to(torch.bfloat16))
