"""Single optimiser steps on texts of one length: transformers' way and ours."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbutils.batching import Encoded
from nbutils.benchmark.alternating import Rounds, alternate, nothing_measured
from nbutils.benchmark.children import open_children
from nbutils.benchmark.device import find_device, precisions, wait_for
from nbutils.benchmark.subject import Subject, Work
from nbutils.benchmark.work import Size, nominal_work, performed_work
from nbutils.checkpoints.loading import load_classifier
from nbutils.encoder.swap import can_be_fast, reads_first_token
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.api import train_model
from nbutils.training.examples import LabelledBatches
from nbutils.training.history import History
from nbutils.training.optimizer import build_optimizer
from nbutils.training.watcher import Watcher

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

N_CLASSES = 5
RATE = 1e-6  # random labels are not to be learnt
COLUMNS = ("length", "batch", "variant", "round", "seconds", "peak_mib", "loss")
STEPS = (
    2  # of which the last is timed: in a training, a step comes after another, not after a pause
)
WARM_UP = 2  # times; at first a length touches memory that the process never had before


def step_variants(device: str) -> list[str]:
    """Return the names of the variants that a device can run."""
    ways = ("stock", "nbutils")
    return [f"{way} {precision}" for way in ways for precision in precisions(device)]


def build_step(variant: str, settings: Mapping[str, Any]) -> Subject:
    """Return the subject of ``stock fp32``, ``nbutils bf16`` and so on."""
    way, precision = variant.split()
    subjects: dict[str, Any] = {"stock": StockStep, "nbutils": OurStep}
    subject: Subject = subjects[way](precision, settings)
    return subject


def draw_batch(
    settings: Mapping[str, Any], *, texts: int, length: int, vocabulary: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return random token ids (texts, length), without padding, and labels (texts,)."""
    random = np.random.default_rng(settings["seed"])
    ids = random.integers(min(1000, vocabulary // 2), vocabulary, (texts, length))
    return ids, random.integers(0, N_CLASSES, texts)


def load_model(settings: Mapping[str, Any]) -> Any:
    """Load the model with a head that all variants share, on the device."""
    torch.manual_seed(settings["seed"])
    names = [str(k) for k in range(N_CLASSES)]
    return load_classifier(settings["model"], label_names=names).to(settings["device"])


class StockStep:
    """A step as `transformers.Trainer` makes it, without its bookkeeping.

    The model as transformers loads it (sdpa attention), fused AdamW with its two groups, gradients
    clipped to a norm of 1, and autocast where the arithmetic is bf16.
    """

    def __init__(self, precision: str, settings: Mapping[str, Any]) -> None:
        self.settings, self.precision = settings, precision
        self.model = load_model(settings).train()
        params = FineTuneParams.of({"learning_rate": RATE})
        self.optimizer = build_optimizer(self.model, params)
        self.inputs: dict[str, torch.Tensor] = {}

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Draw a batch."""
        ids, labels = draw_batch(
            self.settings,
            texts=point["batch"],
            length=point["length"],
            vocabulary=self.model.config.vocab_size,
        )
        found = torch.from_numpy(ids).to(self.settings["device"])
        self.inputs = {
            "input_ids": found,
            "attention_mask": torch.ones_like(found),
            "labels": torch.from_numpy(labels).to(found.device),
        }

    def ready(self, number: int) -> Work:
        """Return some steps, of which the last is timed."""

        def work() -> dict[str, float]:
            clock = _StepClock(self.settings["device"])
            for _ in range(STEPS):
                clock.note(self._step())
            return clock.of_last_step()

        return work

    def _step(self) -> float:
        device, is_mixed = self.settings["device"], self.precision == "bf16"
        with torch.autocast(device, torch.bfloat16, enabled=is_mixed):
            loss = self.model(**self.inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.model.zero_grad(set_to_none=True)
        return float(loss.detach())


class OurStep:
    """A step of a training by `train_model`.

    It trains in its process's first thread, as notebooks do: glibc gives other threads pools of
    their own, whose large pieces go back to the system each time.
    """

    def __init__(self, precision: str, settings: Mapping[str, Any]) -> None:
        self.settings, self.precision = settings, precision
        self.model = load_model(settings)
        self.data = LabelledBatches(Encoded([], None, 0), np.zeros(0, np.int64))
        self.params = FineTuneParams.of({})

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Draw the texts of all steps."""
        texts, length = STEPS * point["batch"], point["length"]
        ids, labels = draw_batch(
            self.settings, texts=texts, length=length, vocabulary=self.model.config.vocab_size
        )
        self.data = LabelledBatches(Encoded(list(ids), None, 0), labels)
        recipe = {"learning_rate": RATE, "epochs": 1, "precision": self.precision}
        self.params = FineTuneParams.of(
            {**recipe, "batch_size": point["batch"], "max_length": max(8, length)}
        )

    def ready(self, number: int) -> Work:
        """Return a training of some steps, of which the last is timed."""

        def work() -> dict[str, float]:
            clock = _StepClock(self.settings["device"])
            train_model(self.model, self.data, validation=None, params=self.params, watcher=clock)
            return clock.of_last_step()

        return work


class _StepClock(Watcher):
    """Notes when each step ended, by the wall and by the processors."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.loss = float("nan")
        self.ends: list[tuple[float, float]] = []

    def on_step(self, history: History) -> None:
        """Be told of a step of ours."""
        self.note(history.steps[-1].loss)

    def note(self, loss: float) -> None:
        """Be told of a step."""
        wait_for(self.device)
        self.loss = loss
        self.ends.append((time.perf_counter(), time.process_time()))

    def of_last_step(self) -> dict[str, float]:
        """Return `seconds`, `cpu_seconds` and `loss` of the last step."""
        (begin, used), (end, used_then) = self.ends[-2:]
        return {"seconds": end - begin, "cpu_seconds": used_then - used, "loss": self.loss}


def measure_steps(params: BenchmarkParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure single steps at each length, then at each batch size.

    Returns
    -------
    tuple
        Two tables, one for the lengths and one for the batch sizes: `length`, `batch`, `variant`,
        `round`, `seconds`, `peak_mib`, `loss`. The peak is that of the variant's process so far;
        the longest texts come first, so that theirs is of nothing else. No row where nothing is
        asked for.
    """
    size, length = params.step_batch, params.batch_length
    points = [
        {"vary": "length", "length": n, "batch": size}
        for n in sorted(params.step_lengths, reverse=True)
    ]
    points += [{"vary": "batch", "length": length, "batch": n} for n in sorted(params.batch_sizes)]
    rounds = Rounds(params.rounds, params.seconds_per_point)
    device = find_device(params.device)
    settings = {"model": params.model, "seed": params.seed, "device": device}
    if not points:
        return nothing_measured(*COLUMNS), nothing_measured(*COLUMNS)
    with open_children("step", step_variants(device), settings) as children:
        found = alternate(children, points, rounds=rounds, warm_up=WARM_UP)
    lengths, batches = (
        found[found["vary"] == name].drop(columns="vary").sort_values(name, kind="stable")
        for name in ("length", "batch")
    )
    return lengths.reset_index(drop=True), batches.reset_index(drop=True)


def count_work(model: Any, *, batch: int, length: int) -> dict[str, int]:
    """Return the operations of a step: `nominal`, and `performed` by our encoder."""
    size = Size.of(model.config, batch=batch, length=length)
    ours = can_be_fast(model) and reads_first_token(model)
    nominal = nominal_work(size)
    return {"nominal": nominal, "performed": performed_work(size) if ours else nominal}
