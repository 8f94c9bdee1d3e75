"""Training states on disk: whole or not there, and exact enough to go on bit for bit.

A state is a folder `step-<n>/`. Its files are written to a hidden neighbour, which is renamed once
`state.json`, with the SHA-256 of every other file, is in it. A folder whose sums do not hold is
torn: it is passed over for the one before.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nbutils.artifacts import sha256_file, write_json

STATE_FILE = "state.json"
SAVING = ".saving-"  # then the folder is not whole yet
KEPT = 2  # states: the newest, and the one before in case it is torn
LONGEST_GAP = 90.0  # seconds of training that a kill may cost, the save itself not counted
SHORTEST_GAP = 30.0
GAP_VARIABLE = "NBUTILS_CHECKPOINT_SECONDS"  # of the environment: a fixed gap instead
COST_FACTOR = 50.0  # a save that takes a second is made every 50: at most 2 % of the time

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class TrainingState:
    """All that a training goes on from.

    `tensors` holds groups of named tensors (weights, optimiser moments, best weights); `values`
    what JSON can say; `identity` what training it belongs to.
    """

    step: int
    identity: str
    values: Mapping[str, Any]
    tensors: Mapping[str, Tensors]


class Checkpoints:
    """The states of one training in one folder.

    Parameters
    ----------
    folder
        Made at the first save.
    identity
        A digest of recipe, data and initial model: a state of another training is not taken up.
    """

    def __init__(self, folder: Path, *, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.saved_at = time.monotonic()
        self.cost = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to save: at most `LONGEST_GAP` after the last, rarer if it is slow."""
        wished = os.environ.get(GAP_VARIABLE)
        gap = min(max(SHORTEST_GAP, COST_FACTOR * self.cost), LONGEST_GAP)
        gap = float(wished) if wished else gap
        return time.monotonic() - self.saved_at >= gap

    def save(self, state: TrainingState) -> Path:
        """Write a state, whole or not at all; drop others', and the oldest beyond `KEPT`."""
        begin = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self.folder, prefix=SAVING))
        try:
            _write_state(place, state)
            final = self.folder / f"step-{state.step:08d}"
            if final.exists():
                shutil.rmtree(final)
            place.rename(final)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        for old in self._outdated():
            shutil.rmtree(old, ignore_errors=True)
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - begin
        return final

    def load(self) -> TrainingState | None:
        """Return the newest whole state of this very training; None: there is none.

        What a save that was killed left behind is removed.
        """
        for torn in self.folder.glob(f"{SAVING}*"):
            shutil.rmtree(torn, ignore_errors=True)
        return next(self.states(), None)

    def states(self) -> Iterator[TrainingState]:
        """Yield the whole states of this very training, the newest first."""
        for folder in reversed(self._folders()):
            state = _read_state(folder)
            if state is not None and state.identity == self.identity:
                yield state

    def _folders(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def _outdated(self) -> list[Path]:
        # States of another training may have higher steps: counted in, they would push out the
        # state that was just saved.
        folders = self._folders()
        own = [folder for folder in folders if _identity_of(folder) == self.identity]
        return [folder for folder in folders if folder not in own[-KEPT:]]


def _write_state(folder: Path, state: TrainingState) -> None:
    sums = {}
    for group, tensors in state.tensors.items():
        path = folder / f"{group}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        sums[path.name] = sha256_file(path)
    write_json(
        folder / STATE_FILE,
        {"step": state.step, "identity": state.identity, "sums": sums, "values": state.values},
    )


def _identity_of(folder: Path) -> str | None:
    try:
        found = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        return str(found["identity"])
    except (OSError, ValueError, KeyError):
        return None


def _read_state(folder: Path) -> TrainingState | None:
    try:
        found = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        for name, expected in found["sums"].items():
            if sha256_file(folder / name) != expected:
                return None
        tensors = {Path(name).stem: load_file(folder / name) for name in found["sums"]}
    except (OSError, ValueError, KeyError, SafetensorError):
        return None
    return TrainingState(found["step"], found["identity"], found["values"], tensors)
