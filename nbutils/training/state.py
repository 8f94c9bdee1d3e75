"""A training taken apart for the disk, and put together again, bit for bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from nbutils.training.checkpointing import TrainingState
from nbutils.training.history import History, StepRecord, ValidationRecord
from nbutils.training.pitfalls import WINDOW

if TYPE_CHECKING:
    from nbutils.training.loop import Training


def capture(training: Training, *, identity: str) -> TrainingState:
    """Return all that `training` goes on from, as copies on the CPU.

    Parameters
    ----------
    training
        Between two steps, or finished: then without what only further steps would need.
    identity
        What training it is.
    """
    tensors = {
        "weights": _copies(training.model.state_dict()),
        "random": _random_states(),
        "dynamics": training.dynamics.tensors(),
    }
    if not training.is_finished:
        tensors["moments"] = _moments(training.optimizer)
    if training.best_state is not None:
        tensors["best"] = dict(training.best_state)
    values = {
        "is_finished": training.is_finished,
        "history": training.history.as_dict(),
        "best_rank": training.best_rank,
        "without_gain": training.without_gain,
        "watch": {"start": training.watch.start, "recent": list(training.watch.recent)},
    }
    return TrainingState(len(training.history.steps), identity, values, tensors)


def restore(training: Training, state: TrainingState) -> None:
    """Put `training`, freshly made, where it was when `state` was captured."""
    training.model.load_state_dict(state.tensors["weights"])
    if "moments" in state.tensors:
        _restore_moments(training.optimizer, state.tensors["moments"])
    _restore_random(state.tensors["random"])
    training.dynamics.restore(state.tensors["dynamics"])
    best = state.tensors.get("best")
    training.best_state = None if best is None else dict(best)
    values = state.values
    training.is_finished = bool(values.get("is_finished", False))
    training.history = _history(values["history"])
    training.best_rank = None if values["best_rank"] is None else tuple(values["best_rank"])
    training.without_gain = int(values["without_gain"])
    training.watch.start = values["watch"]["start"]
    training.watch.recent = deque(values["watch"]["recent"], maxlen=WINDOW)


def _copies(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    # Cloned, because weights that are tied share memory and safetensors refuses that.
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{index}.{name}": torch.as_tensor(value).detach().to("cpu", copy=True)
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def _restore_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in moments.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _random_states() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{n}": s for n, s in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _restore_random(states: Mapping[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for number in range(torch.cuda.device_count()):
        if f"cuda{number}" in states:
            torch.cuda.set_rng_state(states[f"cuda{number}"], number)


def _history(values: Mapping[str, Any]) -> History:
    records = {
        "steps": [StepRecord(**record) for record in values["steps"]],
        "validations": [ValidationRecord(**record) for record in values["validations"]],
    }
    return History(**{**asdict(History()), **values, **records})
