"""A training that diverges leaves its last good state behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import nbutils
from nbutils.errors import TrainingDivergedError
from nbutils.training import checkpointing
from nbutils.training.history import History
from nbutils.training.loop import Training
from nbutils.training.watcher import Watcher

RECIPE = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-4, "max_length": 16, "eval_steps": 5}


class Breaker(Watcher):
    """A watcher that breaks the training: the weights are not numbers any more after a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
        self.step, self.training = step, None
        self.validated: list[dict[str, torch.Tensor]] = []
        begin = Training._train

        def train(training: Training) -> None:
            self.training = training
            begin(training)

        monkeypatch.setattr(Training, "_train", train)

    def on_step(self, history: History) -> None:
        if len(history.steps) == self.step:
            with torch.no_grad():
                self.training.model.classifier.weight.fill_(float("nan"))

    def on_validation(self, history: History) -> None:
        state = self.training.model.state_dict()
        self.validated.append({name: tensor.clone() for name, tensor in state.items()})


def train(
    model: Path, reviews: pd.DataFrame, *, validated: bool = True, **changes: object
) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]) if validated else None,
        **{**RECIPE, "model": str(model), **changes},
    )


def test_best_validated_state_is_restored_and_saved(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker(monkeypatch, step=7)
    with pytest.raises(
        TrainingDivergedError,
        match=r"^step 8: the loss is nan.*lower fine_tune.learning_rate.*try 2e-05.*; kept: the "
        r"best validated state, that of step 5; saved in .*last-good$",
    ) as raised:
        train(tiny_bert, reviews, watcher=breaker, checkpoint_dir=tmp_path / "states")
    kept = raised.value.kept
    assert (raised.value.kept_step, kept.history.best_step) == (5, 5)
    assert kept.history.stopped == "diverged"
    (best,) = breaker.validated
    for name, tensor in kept.model.state_dict().items():
        assert torch.equal(tensor, best[name]), name
    from transformers import pipeline

    folder = str(tmp_path / "states" / "last-good")
    texts = reviews["text"].tolist()
    plain = [answer["label"] for answer in pipeline("text-classification", folder)(texts)]
    assert list(kept.predict(texts)) == plain


def test_last_checkpoint_is_restored_where_nothing_was_validated(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)
    folder = tmp_path / "states"
    # the checkpoint of step 7 is made after the weights were broken: the one before is taken
    with pytest.raises(
        TrainingDivergedError, match="kept: the last good checkpoint, that of step 6, which"
    ) as raised:
        train(
            tiny_bert,
            reviews,
            validated=False,
            watcher=Breaker(monkeypatch, step=7),
            checkpoint_dir=folder,
        )
    weights = load_file(folder / "step-00000006" / "weights.safetensors")
    for name, tensor in raised.value.kept.model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def test_nothing_is_promised_where_nothing_was_kept(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker(monkeypatch, step=2)
    with pytest.raises(TrainingDivergedError, match=r"step 3: .*nothing is kept: no") as raised:
        train(tiny_bert, reviews, watcher=breaker)
    assert raised.value.kept is None


def test_state_that_is_no_number_is_not_kept(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker(monkeypatch, step=5)  # just before the first validation
    with pytest.raises(TrainingDivergedError, match="nothing is kept"):
        train(tiny_bert, reviews, watcher=breaker)


@pytest.mark.filterwarnings("ignore:learning_rate")
def test_loss_that_runs_away_leaves_the_best_state(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbutils.training import pitfalls

    monkeypatch.setattr(pitfalls, "RUNAWAY", 0.5)  # so that an ordinary loss counts as runaway
    with pytest.raises(TrainingDivergedError, match=r"step 20: .*diverges; .*; kept: ") as raised:
        train(tiny_bert, reviews)
    assert raised.value.kept_step in {5, 10, 15}
    probabilities = raised.value.kept.predict(reviews["text"].tolist()).pred_probs
    assert np.isfinite(probabilities).all()
