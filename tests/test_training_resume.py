"""A killed training goes on, and ends as if nothing had happened: bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_reviews

import nbutils
from nbutils.training import checkpointing
from nbutils.training.checkpointing import Checkpoints, TrainingState
from nbutils.training.history import History
from nbutils.training.results import save_results
from nbutils.training.stopping import StopRequest
from nbutils.training.watcher import Watcher

pytestmark = pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
RECIPE = {
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 5e-3,
    "max_length": 16,
    "eval_steps": 7,
    "early_stopping_patience": 4,
}


class StopAt(Watcher):
    """A watcher that ends the training at a step, as a power cut would."""

    def __init__(self, step: int) -> None:
        self.step, self.seen = step, 0

    def on_step(self, history: History) -> None:
        self.seen += 1
        if history.steps[-1].step == self.step:
            raise RuntimeError("power cut")

    def on_validation(self, history: History) -> None:
        pass


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every step."""
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)


def train(
    model: Path,
    reviews: pd.DataFrame,
    folder: Path | None,
    *,
    stop_at: int = 0,
    watcher: Watcher | None = None,
    **changes: object,
) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]),
        watcher=StopAt(stop_at) if stop_at else watcher,
        checkpoint_dir=folder,
        **{**RECIPE, "model": str(model), **changes},
    )


def assert_same(first: nbutils.FineTuned, second: nbutils.FineTuned) -> None:
    expected = first.model.state_dict()
    for name, tensor in second.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    for table in ("train", "validation"):
        columns = [c for c in getattr(first.history, table).columns if c != "seconds"]
        pd.testing.assert_frame_equal(
            getattr(first.history, table)[columns], getattr(second.history, table)[columns]
        )
    dynamics = [found.history.dynamics for found in (first, second)]
    np.testing.assert_array_equal(*dynamics)  # NaN where early stopping came before a text
    assert first.history.best_step == second.history.best_step
    assert first.history.stopped == second.history.stopped


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("cuts", [[1], [2], [7], [8], [15], [3, 9, 20]])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_that_was_cut_ends_like_one_that_was_not(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, cuts: list[int], precision: str
) -> None:
    whole = train(tiny_bert, reviews, None, precision=precision)
    folder = tmp_path / "checkpoints"
    for cut in cuts:
        with pytest.raises(RuntimeError, match="power cut"):
            train(tiny_bert, reviews, folder, stop_at=cut, precision=precision)
        torch.manual_seed(999)  # what another process would have
    resumed = train(tiny_bert, reviews, folder, precision=precision)
    assert_same(whole, resumed)


class MustNotStep(Watcher):
    """A watcher for a training that has nothing left to do."""

    def on_step(self, history: History) -> None:
        pytest.fail(f"step {history.steps[-1].step} was made again")

    def on_validation(self, history: History) -> None:
        pytest.fail(f"step {history.validations[-1].step} was validated again")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"eval_steps": 5, "early_stopping_patience": 1, "selection_metric": "loss", "epochs": 20},
        {"precision": "bf16", "max_steps": 9},
        {"time_limit_minutes": 1e-9},
        {"lora_rank": 2},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_finished_training_is_not_made_again(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, changes: dict[str, object]
) -> None:
    first = train(tiny_bert, reviews, tmp_path / "c", **changes)
    torch.manual_seed(999)
    again = train(tiny_bert, reviews, tmp_path / "c", watcher=MustNotStep(), **changes)
    assert_same(first, again)
    assert again.history.as_dict() == first.history.as_dict()
    texts = reviews["text"].tolist()
    assert np.array_equal(again.predict(texts).pred_probs, first.predict(texts).pred_probs)


def test_finished_training_without_validation_is_not_made_again(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    recipe = {**RECIPE, "model": str(tiny_bert), "checkpoint_dir": tmp_path / "c"}
    first = nbutils.fine_tune(texts, labels, **recipe)
    assert_same(first, nbutils.fine_tune(texts, labels, watcher=MustNotStep(), **recipe))


def test_last_state_is_one_set_of_weights(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    classifier = train(tiny_bert, reviews, tmp_path / "c")
    (last,) = (tmp_path / "c").iterdir()
    assert last.name == f"step-{len(classifier.history.steps):08d}"
    names = {path.stem for path in last.glob("*.safetensors")}
    assert names == {"weights", "random", "dynamics"}


def test_full_disk_at_the_end_does_not_cost_the_training(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny_bert, reviews, None)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpointing, "write_json", full_disk)
    classifier = train(tiny_bert, reviews, tmp_path / "c")
    assert_same(whole, classifier)
    assert "could not be saved" in classifier.history.notes[-1]


def test_states_go_when_the_results_are_saved_and_not_before(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = tmp_path / "checkpoints"
    classifier = train(tiny_bert, reviews, states)
    row = {"example_id": 0, "split": "test", "label": 0, "predicted": 0, "prob_a": 0.5}
    results = {"predictions": pd.DataFrame([row]), "metrics": {}, "data_dir": tmp_path}
    with monkeypatch.context() as broken:
        broken.setattr("nbutils.training.results.write_predictions", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="division"):
            save_results(tmp_path, classifier, **results)
    assert list(states.glob("step-*"))
    save_results(tmp_path, classifier, **results, keep_states=True)  # for a runner
    assert list(states.glob("step-*"))
    save_results(tmp_path, classifier, **results)
    assert (tmp_path / "metrics.json").is_file()
    assert not states.exists()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("truncation", ["head_tail", "chunks"])
def test_training_on_long_texts_ends_alike_too(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, truncation: str
) -> None:
    changes = {"max_length": 8, "truncation": truncation}
    whole = train(tiny_bert, reviews, None, **changes)
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, tmp_path / "c", stop_at=9, **changes)
    torch.manual_seed(999)
    assert_same(whole, train(tiny_bert, reviews, tmp_path / "c", **changes))


@pytest.mark.usefixtures("eager")
def test_patience_goes_on_counting(tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path) -> None:
    changes = {"early_stopping_patience": 2, "epochs": 20, "selection_metric": "loss"}
    noise = reviews["label"].sample(frac=1, random_state=0).tolist()
    reviews = reviews.assign(label=noise)  # nothing to learn: the validation loss soon rises
    whole = train(tiny_bert, reviews, None, **changes)
    assert whole.history.stopped.startswith("early")
    cut = len(whole.history.losses) - 3
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, tmp_path / "c", stop_at=cut, **changes)
    assert_same(whole, train(tiny_bert, reviews, tmp_path / "c", **changes))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("damage", ["cut short", "one bit", "no weights", "no state", "not JSON"])
def test_torn_state_is_passed_over_for_the_one_before(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, damage: str
) -> None:
    whole = train(tiny_bert, reviews, None)
    folder = tmp_path / "c"
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, folder, stop_at=12)
    before, newest = sorted(folder.iterdir())
    assert (before.name, newest.name) == ("step-00000010", "step-00000011")
    weights = newest / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    if damage == "cut short":
        weights.write_bytes(content[: len(content) // 2])
    elif damage == "one bit":
        content[-1] ^= 1
        weights.write_bytes(content)
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no state":
        (newest / "state.json").unlink()
    else:
        (newest / "state.json").write_text("{", encoding="utf-8")
    resumed = train(tiny_bert, reviews, folder)
    assert_same(whole, resumed)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 1e-3},
        {"seed": 7},
        {"max_length": 12},
        {"max_length": 12, "truncation": "chunks"},
    ],
)
def test_state_of_another_training_is_not_taken_up(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, change: dict[str, float]
) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, tmp_path / "c", stop_at=9)
    other = train(tiny_bert, reviews, tmp_path / "c", **change)
    assert_same(train(tiny_bert, reviews, None, **change), other)
    changed = reviews.assign(text=reviews["text"].str.replace("the", "a"))
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, tmp_path / "c", stop_at=9)
    assert_same(train(tiny_bert, changed, None), train(tiny_bert, changed, tmp_path / "c"))


def state(step: int, identity: str = "a") -> TrainingState:
    return TrainingState(step, identity, {"x": step}, {"weights": {"w": torch.full((3,), step)}})


def test_oldest_states_are_pruned_and_nothing_stray_is_left(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, identity="a")
    for step in (1, 2, 3):
        checkpoints.save(state(step))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000002", "step-00000003"]
    found = checkpoints.load()
    assert found is not None
    assert (found.step, found.values, found.tensors["weights"]["w"].tolist()) == (
        3,
        {"x": 3},
        [3] * 3,
    )
    assert Checkpoints(tmp_path, identity="b").load() is None


def test_state_just_saved_is_kept_beside_later_ones_of_another_training(tmp_path: Path) -> None:
    for step in (300, 320):
        Checkpoints(tmp_path, identity="other").save(state(step, "other"))
    checkpoints = Checkpoints(tmp_path, identity="a")
    checkpoints.save(state(30))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000030"]
    found = checkpoints.load()
    assert found is not None
    assert found.step == 30


def test_failed_save_keeps_the_states_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, identity="a")
    checkpoints.save(state(1))

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpointing, "write_json", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(state(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.mark.parametrize(
    ("cost", "after", "due"),
    [(0.0, 29, False), (0.0, 31, True), (1.0, 49, False), (1.0, 51, True), (60.0, 91, True)],
)
def test_slow_saves_are_rarer_but_a_kill_costs_at_most_the_longest_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, after: float, due: bool
) -> None:
    checkpoints = Checkpoints(tmp_path, identity="a")
    checkpoints.cost, checkpoints.saved_at = cost, 1000.0
    monkeypatch.setattr(checkpointing.time, "monotonic", lambda: 1000.0 + after)
    assert checkpoints.is_due is due
    assert checkpointing.LONGEST_GAP <= 110


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_noted_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        os.kill(os.getpid(), number)
        assert stop.is_made
    assert signal.getsignal(number) is before


def test_second_signal_acts_at_once() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_made
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_signals_are_left_alone_off_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def look() -> None:
        with StopRequest():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


SCRIPT = """
import json, sys
import pandas as pd
import nbutils
import nbutils.training.watcher
from nbutils.training import checkpointing

checkpointing.SHORTEST_GAP = 0.05
class Say(nbutils.training.watcher.Watcher):
    def on_step(self, history):
        print(history.steps[-1].step, flush=True)

model, table, folder, recipe = sys.argv[1:5]
rows = pd.read_csv(table)
nbutils.fine_tune(
    rows["text"].tolist(), rows["label"].tolist(), watcher=Say(), checkpoint_dir=folder,
    model=model, **json.loads(recipe),
)
"""
LONGER = {"epochs": 8, "batch_size": 2, "max_length": 16, "learning_rate": 1e-4}
STEPS = 320


def run_and_kill(model: Path, table: Path, folder: Path, kill: int) -> None:
    """Run a training in a process of its own, and send it that signal after 60 steps."""
    words = [str(model), str(table), str(folder), json.dumps(LONGER)]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    steps = []
    for line in process.stdout:
        steps.append(int(line))
        if steps[-1] == 60:
            process.send_signal(kill)
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=60) != 0
    assert 60 <= steps[-1] < STEPS


@pytest.fixture(scope="module")
def whole(tiny_bert: Path) -> nbutils.FineTuned:
    """Return the training that no signal disturbed."""
    reviews = make_reviews(80)
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(texts, labels, model=str(tiny_bert), **LONGER)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_process_goes_on_and_ends_the_same(
    whole: nbutils.FineTuned,
    tiny_bert: Path,
    reviews: pd.DataFrame,
    tmp_path: Path,
    kill: signal.Signals,
) -> None:
    table, folder = tmp_path / "r.csv", tmp_path / "cut"
    reviews.to_csv(table, index=False)
    run_and_kill(tiny_bert, table, folder, kill)
    states = sorted(folder.glob("step-*"))
    assert states
    if kill != signal.SIGKILL:  # asked politely, it saves on the way out
        assert int(states[-1].name.partition("-")[2]) >= 60
    taken_up = StopAt(0)
    resumed = nbutils.fine_tune(
        reviews["text"].tolist(),
        reviews["label"].tolist(),
        model=str(tiny_bert),
        watcher=taken_up,
        checkpoint_dir=folder,
        **LONGER,
    )
    assert len(whole.history.steps) == STEPS
    assert taken_up.seen == STEPS - int(states[-1].name.partition("-")[2])
    assert_same(whole, resumed)
