"""The training loop: batches in, a fine-tuned model and its history out."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import PreTrainedModel

from nbutils.batching import epoch_batches, pass_tokens
from nbutils.encoder.masks import DropoutBits
from nbutils.encoder.swap import refresh_encoder
from nbutils.errors import TrainingDivergedError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction import predict_logits
from nbutils.training.checkpointing import Checkpoints
from nbutils.training.dynamics import Dynamics
from nbutils.training.examples import LabelledBatches
from nbutils.training.gradients import Gradients
from nbutils.training.history import History, StepRecord, ValidationRecord
from nbutils.training.limits import (
    describe_ignored,
    describe_plan,
    find_early_end,
    is_stopped_by_hand,
    plan_steps,
)
from nbutils.training.machine import choose_precision, keep_pages, peak_memory_mib
from nbutils.training.objective import describe_scale, make_objective
from nbutils.training.optimizer import build_optimizer, gradient_norm, scheduled_rate, step_clipped
from nbutils.training.pitfalls import LossWatch
from nbutils.training.rescue import rescue
from nbutils.training.selection import Rank, check_selection, rank_validation
from nbutils.training.state import capture, restore
from nbutils.training.stopping import StopRequest
from nbutils.training.watcher import Watcher

Rows = NDArray[np.int64]


class Training:
    """One fine-tuning of a model, from its first step to its best state.

    Parameters
    ----------
    model
        A sequence classifier with K outputs, on the device to train on; changed in place.
    train
        What is learnt from.
    validation
        What the best state is chosen by; None: the last state is kept.
    params
        The recipe.
    watcher
        Told of each step; None: nobody looks.
    dropout
        The source of the model's dropout masks, where it is ours.
    checkpoints
        Where states are saved, and taken up again after a kill; None: nowhere.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        train: LabelledBatches,
        *,
        validation: LabelledBatches | None,
        params: FineTuneParams,
        watcher: Watcher | None = None,
        dropout: DropoutBits | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.params, self.watcher = params, watcher
        self.checkpoints = checkpoints
        self.device = model.device.type
        self.precision = choose_precision(params.precision, self.device)
        names = [str(name) for _, name in sorted(model.config.id2label.items())]
        self.objective = make_objective(
            train.labels, label_names=names, params=params, device=self.device
        )
        check_selection(params.selection_metric, train.labels)
        self.optimizer = build_optimizer(model, params)
        self.watch = LossWatch(
            guessing=self.objective.guessing,
            learning_rate=params.learning_rate,
            highest_usual_rate=params.highest_usual_rate,
            precision=self.precision,
        )
        self.steps_per_epoch = len(self._epoch(0))
        self.history = History(
            total_steps=plan_steps(params, self.steps_per_epoch),
            stopped=describe_plan(params, self.steps_per_epoch),
            batch_tokens=params.batch_tokens or pass_tokens(self.device),
            device=self.device,
            precision=self.precision,
            label_entropy=self.objective.label_entropy,
            least_loss=self.objective.least,
            informed_belief=self.objective.informed_belief,
            notes=[
                *describe_scale(self.objective, names),
                *describe_ignored(params, has_validation=self._has_validation()),
            ],
        )
        self.dynamics = Dynamics(
            n_texts=len(train.labels),
            total_steps=self.history.total_steps,
            steps_per_epoch=self.steps_per_epoch,
        )
        self.gradients = Gradients(
            model,
            train,
            objective=self.objective,
            dynamics=self.dynamics,
            dropout=dropout,
        )
        self.best_state: dict[str, torch.Tensor] | None = None
        self.best_rank: Rank | None = None
        self.without_gain = 0
        self.batches: list[Rows] | None = None  # of the running epoch
        self.begin = 0.0
        self.is_stopped = False  # by hand
        self.is_finished = False

    def run(self) -> History:
        """Train to the end, put the best state into the model, and return the history.

        Raises
        ------
        TrainingDivergedError
            The loss is NaN or has run away; the model is left in its last good state.
        """
        keep_pages()
        self._take_up()
        self.history.dynamics = self.dynamics.given
        if self.is_finished:  # by a process that ended before the result was used
            self._tell_end()
            return self.history
        self.begin = time.perf_counter() - self.history.seconds
        try:
            self._train()
        except TrainingDivergedError as error:
            raise rescue(self, error) from None
        finally:
            self._tell_end()
        self._restore_best()
        self._note_cost()
        self._save_finished()
        return self.history

    def _tell_end(self) -> None:
        if self.watcher is not None:
            self.watcher.on_end()

    def _train(self) -> None:
        with nullcontext() if self.checkpoints is None else StopRequest() as stop:
            while not self._is_over():
                self._advance()
                self._save_if_due(stop)
        seen = self.history.validations
        if not seen or seen[-1].step != len(self.history.steps):  # stopped between two validations
            self._validate()

    def _is_over(self) -> bool:
        if len(self.history.steps) >= self.history.total_steps:
            return True
        end = find_early_end(
            self.params,
            self.history,
            seconds=time.perf_counter() - self.begin,
            without_gain=self.without_gain,
            is_stopped=self.is_stopped,
        )
        if end is None:
            return False
        self.history.stopped = end.reason
        if end.caution:
            self.history.notes.append(f"stopped: {end.reason}; {end.caution}")
        return True

    def _advance(self) -> None:
        step = len(self.history.steps)
        epoch, place = divmod(step, self.steps_per_epoch)
        if self.batches is None or place == 0:
            self.batches = self._epoch(epoch)
        self._step(step, self.batches[place])
        every = self.params.eval_steps or self.steps_per_epoch
        if (step + 1) % every == 0 or step + 1 == self.history.total_steps:
            self._validate()

    def _take_up(self) -> None:
        state = None if self.checkpoints is None else self.checkpoints.load()
        if state is not None:
            restore(self, state)

    def _save_if_due(self, stop: StopRequest | None) -> None:
        if self.checkpoints is None or stop is None:
            return
        if stop.is_made or self.is_stopped or self.checkpoints.is_due:
            self._note_cost()
            self.checkpoints.save(capture(self, identity=self.checkpoints.identity))
        if stop.is_made:
            stop.obey()

    def _save_finished(self) -> None:
        # Predicting, scoring and saving are still to come, and may fail: they must not cost the
        # training. Neither must a disk that is too full for this.
        if is_stopped_by_hand(self.history):  # its state is saved: run again, it goes on from there
            return
        self.is_finished = True
        if self.checkpoints is None:
            return
        try:
            self.checkpoints.save(capture(self, identity=self.checkpoints.identity))
        except (OSError, SafetensorError) as error:
            self.history.notes.append(f"the finished training could not be saved: {error}")

    def _note_cost(self) -> None:
        self.history.seconds = time.perf_counter() - self.begin
        self.history.peak_memory_mib = peak_memory_mib(self.device)

    def _epoch(self, epoch: int) -> list[Rows]:
        # An accumulated step is cut from one effective batch, so that accumulation changes the
        # memory and not the mathematics.
        size = self.params.batch_size * self.params.gradient_accumulation
        lengths = self.train.encoded.lengths
        return epoch_batches(lengths, batch_size=size, seed=self.params.seed, epoch=epoch)

    def _step(self, step: int, rows: Rows) -> None:
        begin = time.perf_counter()
        self.model.train()
        rate = self.rate_at(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_scale"]
        loss = self.gradients.compute(rows, texts=self.params.batch_size, history=self.history)
        norm = gradient_norm(self.model)
        self.watch.look(step + 1, loss, norm)
        step_clipped(self.optimizer, norm, max_norm=self.params.max_grad_norm)
        self.gradients.clear()
        refresh_encoder(self.model)
        self.history.steps.append(
            StepRecord(
                step=step + 1,
                epoch=(step + 1) / self.steps_per_epoch,
                loss=loss,
                learning_rate=rate,
                gradient_norm=norm,
                tokens=int(self.train.encoded.lengths[rows].sum()),
                seconds=time.perf_counter() - begin,
            )
        )
        if self.watcher is not None:
            self.is_stopped = bool(self.watcher.on_step(self.history))

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return scheduled_rate(step, total_steps=self.history.total_steps, params=self.params)

    def _has_validation(self) -> bool:
        return self.validation is not None and len(self.validation.labels) > 0

    def _validate(self) -> None:
        if self.validation is None or not self._has_validation():
            return
        last = self.history.steps[-1]
        logits = predict_logits(self.model, self.validation.encoded, precision=self.precision)
        scores = self.objective.score(logits, self.validation.labels)
        record = ValidationRecord(step=last.step, epoch=last.epoch, **asdict(scores))
        self.history.validations.append(record)
        self._keep_if_best(record)
        if self.watcher is not None:
            self.watcher.on_validation(self.history)

    def _keep_if_best(self, record: ValidationRecord) -> None:
        rank, best = rank_validation(record, self.params.selection_metric), self.best_rank
        # A surer state of the same score is kept, but is no better score to go on for.
        self.without_gain = 0 if best is None or rank[0] > best[0] else self.without_gain + 1
        if best is not None and rank <= best:
            return
        self.best_rank = rank
        self.history.best_step = record.step
        self.best_state = {
            name: tensor.detach().to("cpu", copy=True)
            for name, tensor in self.model.state_dict().items()
        }

    def _restore_best(self) -> None:
        if self.best_state is not None and self.history.best_step != self.history.steps[-1].step:
            self.model.load_state_dict(self.best_state)
        self.best_state = None
