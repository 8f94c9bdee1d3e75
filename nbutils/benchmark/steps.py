"""Single optimiser steps on texts of one length: transformers' way and ours."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbutils.batching import Encoded
from nbutils.benchmark.alternating import Rounds, alternate, nothing_measured
from nbutils.benchmark.children import open_children
from nbutils.benchmark.device import find_device, precisions
from nbutils.benchmark.subject import Subject, Work
from nbutils.benchmark.work import Size, nominal_work, performed_work
from nbutils.checkpoints.loading import load_classifier
from nbutils.encoder.swap import FIRST_TOKEN_HEADS, can_be_fast
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.api import train_model
from nbutils.training.examples import LabelledBatches
from nbutils.training.history import History
from nbutils.training.machine import keep_pages
from nbutils.training.optimizer import build_optimizer
from nbutils.training.watcher import Watcher

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

N_CLASSES = 5
RATE = 1e-6  # random labels are not to be learnt
EPOCHS = 100
COLUMNS = ("length", "batch", "variant", "round", "seconds", "peak_mib", "loss")
WARM_UP = 3  # steps; the first ones of a length touch memory that the process never had before
BATCHES = 16  # of an epoch: more steps than anybody measures


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
        """Return a step."""
        return self._step

    def _step(self) -> dict[str, float]:
        device, is_mixed = self.settings["device"], self.precision == "bf16"
        with torch.autocast(device, torch.bfloat16, enabled=is_mixed):
            loss = self.model(**self.inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.model.zero_grad(set_to_none=True)
        return {"loss": float(loss)}


class OurStep:
    """A step of a training by `train_model`, which waits after each one until it is asked on."""

    def __init__(self, precision: str, settings: Mapping[str, Any]) -> None:
        # As if it trained in the main thread, as notebooks do. A thread that asks for memory before
        # this call gets a pool of its own, whose large pieces go back to the system each time.
        keep_pages()
        self.settings, self.precision = settings, precision
        self.model = load_model(settings)
        self.paced: _Paced | None = None

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Draw texts and begin a training on them."""
        if self.paced is not None:
            self.paced.leave()
        texts, length = BATCHES * point["batch"], point["length"]
        ids, labels = draw_batch(
            self.settings, texts=texts, length=length, vocabulary=self.model.config.vocab_size
        )
        data = LabelledBatches(Encoded(list(ids), None, 0), labels)
        recipe = {"learning_rate": RATE, "epochs": EPOCHS, "precision": self.precision}
        params = FineTuneParams.of(
            {**recipe, "batch_size": point["batch"], "max_length": max(8, length)}
        )
        self.paced = _Paced(self.model, data, params)

    def ready(self, number: int) -> Work:
        """Return a step."""
        if self.paced is None:
            raise RuntimeError("prepare a point first")
        return self.paced.step


class _Left(Exception):  # noqa: N818 - no mistake
    """The training is not wanted any more."""


class _Paced(Watcher):
    """A training in a thread that goes on by one step whenever it is told to."""

    def __init__(self, model: Any, data: LabelledBatches, params: FineTuneParams) -> None:
        self.going: queue.Queue[bool] = queue.Queue()
        self.made: queue.Queue[float | BaseException] = queue.Queue()
        work = (model, data, params)
        self.thread = threading.Thread(target=self._train, args=work, daemon=True)
        self.started = False

    def step(self) -> dict[str, float]:
        """Let it make one step, and return its loss."""
        if self.started:
            self.going.put(True)
        else:
            self.started = True
            self.thread.start()
        loss = self.made.get()
        if isinstance(loss, BaseException):
            raise loss
        return {"loss": loss}

    def leave(self) -> None:
        """End it, so that the model is as it was."""
        if self.started:
            self.going.put(False)
            self.thread.join()

    def on_step(self, history: History) -> None:
        """Be told of a step, and wait."""
        self.made.put(history.steps[-1].loss)
        if not self.going.get():
            raise _Left

    def on_validation(self, history: History) -> None:
        """Be told of a validation: there is none."""

    def _train(self, model: Any, data: LabelledBatches, params: FineTuneParams) -> None:
        try:
            train_model(model, data, validation=None, params=params, watcher=self)
        except _Left:
            return
        except BaseException as error:
            self.made.put(error)


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
    ours = can_be_fast(model) and model.config.model_type in FIRST_TOKEN_HEADS
    nominal = nominal_work(size)
    return {"nominal": nominal, "performed": performed_work(size) if ours else nominal}
