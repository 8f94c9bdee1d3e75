"""Speed is measured as it is said to be: every variant, in turn, in every round."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from bs4 import BeautifulSoup
from torch.utils.flop_counter import FlopCounterMode

from nbutils import measured as measured_words
from nbutils import processor
from nbutils.artifacts import CHECKPOINTS, read_json
from nbutils.batching import Encoded
from nbutils.benchmark import device
from nbutils.benchmark.accuracy import measure_accuracy
from nbutils.benchmark.alternating import (
    LEAST_ROUNDS,
    Rounds,
    alternate,
    compare,
    growth,
    summarise,
)
from nbutils.benchmark.children import Child, environment_of, open_children
from nbutils.benchmark.kept import KeptResults
from nbutils.benchmark.limit import best_rates
from nbutils.benchmark.real_texts import DYNAMIC, OURS, PADDED, RealTexts, draw_rows
from nbutils.benchmark.splits import draw_split
from nbutils.benchmark.summary import describe_finding, shares_of_limit
from nbutils.benchmark.trainer import rows_of
from nbutils.benchmark.verdicts import compare_accuracy, judge
from nbutils.benchmark.work import Size, nominal_work, performed_work
from nbutils.checkpoints.loading import load_classifier
from nbutils.errors import DataError, NbutilsError, ParameterError
from nbutils.measured import TIMES, describe_benchmark
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.study import Study, load_study
from nbutils.reproduce import check_report, reproduce_report
from nbutils.runs import RunOptions, StudyRun
from nbutils.study import check_study, run_study
from nbutils.training.api import train_model
from nbutils.training.examples import LabelledBatches

BATCH, LENGTH = 4, 12
NOTHING = {
    "product_sizes": [],
    "step_lengths": [],
    "batch_sizes": [],
    "training_rounds": 0,
    "row_counts": [],
    "seeds": [],
}
TINY_ACCURACY = {
    "accuracy_texts": 20,
    "accuracy_test_texts": 20,
    "accuracy_length": 16,
    "accuracy_epochs": 1,
}


class Clock:
    """A variant whose times are known; it writes down when it was asked."""

    def __init__(self, name: str, seconds: list[float], diary: list[str]) -> None:
        self.name, self.seconds, self.diary = name, seconds, diary

    def prepare(self, point: Mapping[str, Any]) -> None:
        self.diary.append(f"{self.name} at {point['length']}")

    def run(self, number: int) -> dict[str, float]:
        self.diary.append(f"{self.name} {number}")
        return {"seconds": self.seconds[number]}


def two_clocks(diary: list[str]) -> dict[str, Clock]:
    return {
        "slow": Clock("slow", [4.0, 10.0, 6.0, 99.0], diary),
        "fast": Clock("fast", [1.0, 2.0, 3.0, 99.0], diary),
    }


def test_variants_work_in_turn_after_each_has_worked_once() -> None:
    diary: list[str] = []
    found = alternate(two_clocks(diary), [{"length": 8}], rounds=Rounds(3))
    warm_up = ["slow at 8", "slow -1", "fast at 8", "fast -1"]
    assert diary == [*warm_up, "slow 0", "fast 0", "slow 1", "fast 1", "slow 2", "fast 2"]
    assert found["variant"].tolist() == ["slow", "fast"] * 3
    assert found["seconds"].tolist() == [4.0, 1.0, 10.0, 2.0, 6.0, 3.0]


def test_variants_warm_up_as_often_as_they_are_told() -> None:
    diary: list[str] = []
    found = alternate(two_clocks(diary), [{"length": 8}], rounds=Rounds(1), warm_up=2)
    assert diary[:6] == ["slow at 8", "slow -1", "slow -1", "fast at 8", "fast -1", "fast -1"]
    assert len(found) == 2


def test_a_point_that_took_its_time_is_left_after_three_rounds() -> None:
    found = alternate(two_clocks([]), [{"length": 8}], rounds=Rounds(4, seconds=0))
    assert found["round"].max() + 1 == LEAST_ROUNDS


def test_ratio_and_its_range_are_those_of_the_rounds() -> None:
    found = alternate(two_clocks([]), [{"length": 8}], rounds=Rounds(3))
    (row,) = compare(found, ["length"], baseline="slow", variant="fast").to_dict("records")
    assert row["ratio"] == np.median([4.0, 5.0, 2.0])  # and not 6.0 / 2.0, of the medians
    assert (row["low"], row["high"]) == (2.0, 5.0)
    assert (row["length"], row["n"]) == (8, 3)


def test_range_of_five_rounds_is_their_quartiles() -> None:
    slow, ratios = 60.0, [1.0, 2.0, 3.0, 4.0, 6.0]
    found = pd.DataFrame(
        [
            {"length": 8, "variant": name, "round": k, "seconds": slow / by}
            for k, ratio in enumerate(ratios)
            for name, by in (("slow", 1.0), ("fast", ratio))
        ]
    )
    (row,) = compare(found, ["length"], baseline="slow", variant="fast").to_dict("records")
    assert (row["low"], row["ratio"], row["high"]) == pytest.approx((2.0, 3.0, 4.0))


def test_summary_has_median_quartiles_and_extremes() -> None:
    found = alternate(two_clocks([]), [{"length": 8}], rounds=Rounds(3))
    slow = summarise(found, ["length"]).set_index("variant").loc["slow"]
    assert slow[["median", "low", "high", "least", "most", "n"]].tolist() == [6, 5, 8, 4, 10, 3]


def test_growth_is_the_power_between_neighbours() -> None:
    summary = pd.DataFrame(
        {"variant": ["a"] * 3, "length": [8, 16, 64], "median": [1.0, 2.0, 32.0]}
    )
    assert growth(summary, "length")["power"].tolist() == pytest.approx([1.0, 2.0])


def tiny_batch(n_texts: int) -> LabelledBatches:
    random = np.random.default_rng(0)
    ids = list(random.integers(5, 20, (n_texts, LENGTH)))
    return LabelledBatches(Encoded(ids, None, 0), np.arange(n_texts) % 2)


def test_performed_work_is_what_torch_counts_in_our_step(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["neg", "pos"])
    params = FineTuneParams.of({"epochs": 1, "batch_size": BATCH, "precision": "fp32"})
    # torch counts a product that adds to what is there only where it makes a new tensor
    in_place = {torch.ops.aten.addmm_: lambda _, a, b, out_shape: 2 * math.prod(a) * b[1]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        train_model(model, tiny_batch(BATCH), validation=None, params=params)
    size = Size.of(model.config, batch=BATCH, length=LENGTH)
    assert performed_work(size) == counter.get_total_flops()


def test_nominal_work_is_what_torch_counts_in_a_stock_step(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["neg", "pos"]).train()
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 20, (BATCH, LENGTH))
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=torch.zeros(BATCH, dtype=torch.int64)).loss.backward()
    size = Size.of(model.config, batch=BATCH, length=LENGTH)
    assert nominal_work(size) == counter.get_total_flops()


def test_share_of_the_limit_counts_performed_work_of_ours_alone(tiny_bert: Path) -> None:
    steps = pd.DataFrame(
        {
            "length": LENGTH,
            "batch": BATCH,
            "variant": ["stock fp32", "nbutils fp32"],
            "round": 0,
            "seconds": [2.0, 0.5],
        }
    )
    params = BenchmarkParams.of({"model": str(tiny_bert), "device": "cpu"})
    shares = shares_of_limit(steps, {"fp32": 1e9}, params=params).set_index("variant")
    stock, ours = shares.loc["stock fp32"], shares.loc["nbutils fp32"]
    assert stock["performed"] == stock["nominal"] == ours["nominal"] > ours["performed"]
    assert ours["share"] == pytest.approx(ours["performed"] * 1e9 / 0.5 / 1e9)
    assert ours["nominal_share"] == pytest.approx(4 * stock["share"])


def test_device_is_the_best_at_hand_or_the_one_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "choose_device", lambda: "cuda")
    assert [device.find_device(wanted) for wanted in ("auto", "cuda", "cpu")] == [
        "cuda",
        "cuda",
        "cpu",
    ]
    with pytest.raises(ParameterError, match=r"device: expected auto, cpu .* cuda, found mps"):
        device.find_device("mps")


@pytest.mark.parametrize(("wanted", "seen"), [("cpu", ""), ("cuda", "0")])
def test_a_process_that_measures_the_cpu_finds_no_gpu(
    wanted: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert environment_of({"device": wanted})["CUDA_VISIBLE_DEVICES"] == seen


def test_limit_is_the_best_of_all_products() -> None:
    products = pd.DataFrame({"variant": ["fp32", "fp32", "bf16"], "rate": [1.0, 3.0, 2.0]})
    assert best_rates(products) == {"fp32": 3.0, "bf16": 2.0}


def accuracies(dataset: str, ours: list[float], theirs: list[float]) -> pd.DataFrame:
    seeds = list(range(len(ours)))
    return pd.DataFrame(
        {
            "dataset": dataset,
            "seed": seeds * 2,
            "variant": [OURS] * len(ours) + [DYNAMIC] * len(ours),
            "accuracy": ours + theirs,
            "training_texts": 20,
            "test_texts": 10,
        }
    )


def test_accuracy_is_compared_seed_by_seed_with_students_interval() -> None:
    ours, theirs = [0.9, 0.8, 0.85], [0.88, 0.82, 0.84]
    (found,) = compare_accuracy(accuracies("a", ours, theirs)).to_dict("records")
    differences = np.subtract(ours, theirs)
    half = 4.302653 * differences.std(ddof=1) / 3**0.5  # Student's t, 2 degrees of freedom
    assert found["difference"] == pytest.approx(differences.mean())
    assert (found["low"], found["high"]) == pytest.approx(
        (differences.mean() - half, differences.mean() + half)
    )
    assert (found["training_texts"], found["test_texts"], found["seeds"]) == (20, 10, 3)


def test_each_dataset_is_compared_by_itself() -> None:
    both = pd.concat(
        [
            accuracies("near", [0.90, 0.91, 0.90], [0.91, 0.90, 0.90]),
            accuracies("worse", [0.80, 0.81, 0.80], [0.90, 0.92, 0.90]),
        ]
    )
    found = compare_accuracy(both).set_index("dataset")
    assert found.loc["near", "verdict"] == "no difference shown"
    assert found.loc["worse", "verdict"].startswith("different: 10.3 points worse")
    assert found["difference"].tolist() == pytest.approx([0, -0.31 / 3])


@pytest.mark.parametrize(
    ("difference", "low", "high", "verdict"),
    [
        (0.001, -0.002, 0.004, "equal"),
        (0.0, 0.0, 0.0, "equal"),
        (0.001, -0.004, 0.005, "no difference shown"),
        (0.002, 0.001, 0.003, "different: 0.2 points better, more than chance explains"),
        (-0.005, -0.02, 0.01, "not shown to be equal: 0.5 points worse, within chance"),
        (0.0, float("nan"), float("nan"), "one seed: not known"),
    ],
)
def test_equal_is_said_of_a_small_difference_with_zero_in_its_interval(
    difference: float, low: float, high: float, verdict: str
) -> None:
    assert judge(difference, low, high) == verdict
    assert (verdict in {"equal", "no difference shown"}) == (verdict in measured_words.SAME)


def real_texts(texts: list[str]) -> RealTexts:
    labels = np.array([text.startswith("b") for text in texts], dtype=np.int64)
    return RealTexts(texts, labels, ("a", "b"))


def test_held_out_texts_are_no_copies_of_those_trained_on() -> None:
    found = real_texts([f"{'ab'[k % 2]}{k % 15}" for k in range(40)])
    distinct = set(found.texts)
    split = draw_split(found, None, sizes=(12, 6), seed=0)
    assert len(split.train.texts) == 12
    assert len(split.test.texts) == 6
    assert not set(split.train.texts) & set(split.test.texts)
    again = draw_split(found, None, sizes=(2000, 1000), seed=0)
    assert {*again.train.texts, *again.test.texts} == distinct
    assert len(again.train.texts) == 2 * len(distinct) // 3
    labels = [text.startswith("b") for text in again.test.texts]
    assert again.test.labels.tolist() == labels


def test_no_text_of_the_test_file_is_trained_on() -> None:
    train, test = real_texts(["a1", "a2", "b3", "b3", "b4"]), real_texts(["b4", "a5", "a5"])
    split = draw_split(train, test, sizes=(100, 100), seed=0)
    assert sorted(split.train.texts) == ["a1", "a2", "b3"]
    assert sorted(split.test.texts) == ["a5", "a5", "b4"]  # as it was given


def test_a_kept_result_answers_for_its_very_parameters_alone(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path / "checkpoints")
    assert kept.find({"seed": 1}) is None
    kept.keep({"seed": 1, "versions": ("1", "2")}, {"accuracy": 0.5})
    assert kept.find({"seed": 1, "versions": ("1", "2")}) == {"accuracy": 0.5}
    assert kept.find({"seed": 1, "versions": ("1", "3")}) is None
    (path,) = (tmp_path / "checkpoints").iterdir()
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    assert kept.find({"seed": 1, "versions": ("1", "2")}) is None


class Pieces:
    """Writes down what it is told; at the end of its patience it is killed, as a kernel is."""

    def __init__(self, patience: int) -> None:
        self.said: list[str] = []
        self.patience = patience

    def on_piece(self, done: int, total: int, doing: str) -> None:
        if len(self.said) == self.patience:
            raise KeyboardInterrupt
        self.said.append(f"{done} of {total}: {doing}")


@pytest.mark.slow
def test_a_comparison_that_was_stopped_goes_on_from_its_last_training(
    tmp_path: Path, tiny_bert: Path
) -> None:
    from tests.conftest import make_reviews

    make_reviews(60).to_csv(tmp_path / "reviews.csv", index=False)
    make_reviews(20, seed=1).to_csv(tmp_path / "others.csv", index=False)
    params = BenchmarkParams.of(
        {
            **NOTHING,
            "model": str(tiny_bert),
            "datasets": [str(tmp_path / "reviews.csv")],
            "test_datasets": [str(tmp_path / "others.csv")],
            "max_length": 32,
            "seeds": [0],
            **TINY_ACCURACY,
        }
    )
    folder, first, second = tmp_path / "checkpoints", Pieces(1), Pieces(9)
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(params, folder=folder, watcher=first)
    resumed = measure_accuracy(params, folder=folder, watcher=second)
    assert first.said == [f"0 of 2: training on reviews with seed 0 by {DYNAMIC}"]
    assert second.said == [f"1 of 2: training on reviews with seed 0 by {OURS}", "2 of 2: "]
    assert resumed["variant"].tolist() == [DYNAMIC, OURS]
    assert (resumed["test_texts"] == 20).all()
    third = Pieces(1)
    again = measure_accuracy(params, folder=folder, watcher=third)
    assert third.said == ["2 of 2: "]  # nothing was trained
    pd.testing.assert_frame_equal(again, resumed)


def test_all_variants_of_a_round_get_the_same_texts_and_rounds_others() -> None:
    first, again, next_round = (draw_rows(1, n, count=6, total=50) for n in (0, 0, 1))
    assert first.tolist() == again.tolist() != next_round.tolist()
    assert len(set(first.tolist())) == 6


def test_trainers_rows_are_padded_to_the_length_or_not_at_all() -> None:
    data = LabelledBatches(Encoded([np.array([2, 7, 3])], None, 0), np.array([1]))
    assert rows_of(data) == [{"input_ids": [2, 7, 3], "attention_mask": [1] * 3, "labels": 1}]
    (padded,) = rows_of(data, pad_to=5)
    assert padded["input_ids"] == [2, 7, 3, 0, 0]
    assert padded["attention_mask"] == [1, 1, 1, 0, 0]


def test_a_measuring_process_that_dies_is_reported_with_its_last_words() -> None:
    child = Child("product", "fp16", {"device": "cpu"})
    with pytest.raises(NbutilsError, match="fp16: its measuring process ended: KeyError: 'fp16'"):
        child.wait_until_ready()
    child.close()


@pytest.mark.slow
def test_a_measuring_process_ends_with_the_one_that_started_it() -> None:
    begin = """
import time
from nbutils.benchmark.children import Child
child = Child("product", "fp32", {"device": "cpu"})
child.wait_until_ready()
child.prepare({"size": 2000, "times": 100000})
child._process.stdin.write('{"run": 0}\\n')
child._process.stdin.flush()
print(child._process.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs([child], timeout=60)
    assert not alive


@pytest.mark.slow
def test_a_step_of_ours_goes_on_from_the_last_one(tiny_bert: Path) -> None:
    settings = {"model": str(tiny_bert), "seed": 0, "device": "cpu"}
    with open_children("step", ["nbutils fp32"], settings) as children:
        (child,) = children.values()
        losses = []
        for length in (8, 16):
            child.prepare({"length": length, "batch": 2})
            losses += [child.run(number)["loss"] for number in range(2)]
    assert len(set(losses)) == 4


def test_a_benchmark_stands_alone_in_its_study(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("benchmark:\nfine_tune:\n  epochs: 1\n", encoding="utf-8")
    with pytest.raises(ParameterError, match="benchmark: stands alone in a study, found fine_tune"):
        load_study(path)


def test_a_study_of_a_benchmark_alone_has_one_stage_and_names_what_it_reads() -> None:
    given = {"model": "m", "datasets": ["a.csv", "b.csv"], "step_lengths": [16, 512]}
    study = Study.of({"name": "speed", "benchmark": given})
    assert study.stages == ("benchmark",)
    assert [source.dataset for source in study.sources] == ["a.csv", "b.csv"]
    assert (study.fine_tune.model, study.fine_tune.max_length) == ("m", 512)
    assert "fine_tune" not in study.to_yaml()


def test_lists_are_given_with_commas_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("benchmark:\nseed: 7\n", encoding="utf-8")
    study = load_study(path, overrides=["benchmark.step_lengths=24,32", "benchmark.seeds="])
    assert study.benchmark is not None
    assert (study.benchmark.step_lengths, study.benchmark.seeds) == ([24, 32], [])
    assert study.benchmark.seed == 7


def test_a_number_too_small_to_measure_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"step_lengths: expected numbers from 8 on, found 4"):
        BenchmarkParams.of({"step_lengths": [16, 4]})


def test_lists_may_be_empty_on_the_command_line_and_test_files_missing(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("benchmark:\n  datasets: [bbc-news, data/r8.csv]\n", encoding="utf-8")
    given = ["benchmark.step_lengths=[]", "benchmark.test_datasets=none,data/r8-test.csv"]
    benchmark = load_study(path, overrides=given).benchmark
    assert benchmark is not None
    assert benchmark.step_lengths == []
    assert benchmark.test_datasets == [None, "data/r8-test.csv"]
    sources = benchmark.dataset_sources()
    assert {name: s.test_dataset for name, s in sources.items()} == {
        "bbc-news": None,
        "r8": "data/r8-test.csv",
    }


def test_a_test_file_is_named_for_each_dataset_or_for_none() -> None:
    with pytest.raises(ParameterError, match="test_datasets: expected one for each of the 2"):
        BenchmarkParams.of({"datasets": ["a", "b"], "test_datasets": ["c"]})


def test_a_benchmark_of_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match="expected something to measure"):
        BenchmarkParams.of(NOTHING)


def test_too_few_rounds_for_quartiles_are_refused() -> None:
    with pytest.raises(ParameterError, match="training_rounds: expected 0, or at least 3, found 2"):
        BenchmarkParams.of({"training_rounds": 2})


def test_what_is_predicted_is_read_and_checked_too() -> None:
    params = BenchmarkParams.of({"datasets": ["a.csv"], "prediction_dataset": "p.csv"})
    assert [source.dataset for source in params.sources()] == ["a.csv", "p.csv"]
    assert params.prediction_source().dataset == "p.csv"
    first = BenchmarkParams.of({"datasets": ["a.csv"], "test_datasets": ["t.csv"]})
    assert first.prediction_source().test_dataset == "t.csv"
    assert len(first.sources()) == 1


def test_a_length_beyond_the_model_is_refused_before_any_kernel(tiny_bert: Path) -> None:
    study = Study.of({"name": "b", "benchmark": {"model": str(tiny_bert), "step_lengths": [65]}})
    with pytest.raises(NbutilsError, match="max_length"):
        check_study(study)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> tuple[StudyRun, Study]:
    """Return a run of the benchmark notebook with the tiny model and the least of everything."""
    from tests.conftest import make_reviews

    folder = tmp_path_factory.mktemp("benchmark")
    make_reviews(60).to_csv(folder / "reviews.csv", index=False)
    params = BenchmarkParams.of(
        {
            "model": str(tiny_bert),
            "datasets": [str(folder / "reviews.csv")],
            "product_sizes": [64, 128],
            "step_lengths": [8, 16],
            "step_batch": 4,
            "batch_sizes": [2, 4],
            "batch_length": 8,
            "rounds": 3,
            "max_length": 32,
            "training_steps": 2,
            "row_counts": [4, 8],
            "seeds": [],  # measured alone, below
        }
    )
    study = Study.of({"name": "tiny", "benchmark": params.model_dump(mode="json")})
    check_study(study)
    options = RunOptions(folder / "runs", folder / "reports")
    return run_study(study, command="nbutils run tiny.yaml", options=options), study


def tables(run: StudyRun) -> dict[str, pd.DataFrame]:
    folder = run.stages[0].folder
    return {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}


@pytest.mark.slow
def test_every_variant_is_measured_in_every_round_in_turn(
    measured: tuple[StudyRun, Study],
) -> None:
    found = tables(measured[0])
    ways = {name: list(dict.fromkeys(table["variant"])) for name, table in found.items()}
    assert {"stock fp32", "nbutils fp32"} <= set(ways["steps"])
    assert ways["training"][:2] == [PADDED, DYNAMIC]
    assert ways["training"][-1] == "nbutils"
    assert ways["prediction"][0] == "transformers.pipeline, batch 32"
    for name, table in found.items():
        turns = len(table) // len(ways[name])
        assert table["variant"].tolist() == ways[name] * turns, name
        assert (table["seconds"] > 0).all()
    assert (found["training"]["steps"] == 2).all()
    assert (found["prediction"]["rows_done"] == found["prediction"]["rows"]).all()


@pytest.mark.slow
def test_variants_of_a_round_train_on_the_same_tokens(measured: tuple[StudyRun, Study]) -> None:
    training = tables(measured[0])["training"]
    assert (training.groupby("round")["tokens"].nunique() == 1).all()
    assert training["tokens"].min() > 0


@pytest.mark.slow
def test_first_screen_shows_the_ratios_of_the_rounds(measured: tuple[StudyRun, Study]) -> None:
    run, _ = measured
    times = tables(run)["training"].pivot(index="round", columns="variant", values="seconds")
    others = times.columns.drop(OURS)
    expected = min((times[name] / times[OURS]).median() for name in others)
    metrics = read_json(run.report_dir / "metrics.json")
    (row,) = metrics["headline"]["beside_fastest"]
    assert row["ratio"] == pytest.approx(expected)
    assert row["ratio"] == min(row["ratio"] for row in metrics["headline"]["training"])
    label, value, _ = describe_benchmark(metrics).facts[0]
    page = BeautifulSoup((run.report_dir / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert (label, value) == ("Training", f"{expected:.1f}{TIMES}")
    assert next(dd.get_text() for dd in page.select("dd.value")) == value
    assert metrics["finding"] in (run.reports_dir / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_benchmark_that_was_made_here_is_used_again(measured: tuple[StudyRun, Study]) -> None:
    run, study = measured
    again = run_study(study, command=run.command, options=run.options)
    assert again.reused
    assert sorted(path.name for path in run.report_dir.iterdir()) == [
        "benchmark.html", "index.html", "manifest.json", "metrics.json", "params.yaml",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_benchmark_is_checked_but_not_reproduced(measured: tuple[StudyRun, Study]) -> None:
    page = measured[0].report_dir / "benchmark.html"
    assert check_report(page).good
    with pytest.raises(DataError, match="found a benchmark, whose times are never the same"):
        reproduce_report(page)


@pytest.mark.slow
def test_one_section_can_be_measured_alone(tmp_path: Path, tiny_bert: Path) -> None:
    run = run_tiny(tmp_path, tiny_bert, {**NOTHING, "row_counts": [4]})
    metrics = read_json(run.report_dir / "metrics.json")
    assert metrics["finding"].startswith("Predicting 4 texts takes 1/")
    assert list(tables(run)) == ["prediction"]
    page = (run.report_dir / "benchmark.html").read_text(encoding="utf-8")
    assert page.count("left out of this run") > 10
    assert [fact[0] for fact in describe_benchmark(metrics).facts] == ["Prediction"]


ROW = {"ratio": 2.0, "low": 1.9, "high": 2.1, "n": 3, "dataset": "a", "length": 8, "rows": 4}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"beside_fastest": [ROW]}, "Training on a takes 1/2.0 of the time of"),
        ({"steps": [ROW]}, "A step of 8 tokens takes 1/2.0 of the time of the stock step"),
        ({"prediction": ROW}, "Predicting 4 texts takes 1/2.0 of the time of a transformers"),
        ({"limit": {"fp32": 2e9}}, "Matrix products reach 2 in fp32 billion operations a second"),
        (
            {"accuracy": [{"dataset": "a", "difference": 0.001, "verdict": "equal"}]},
            r"Accuracy, nbutils minus transformers.Trainer: a \+0.1 points \(equal\)",
        ),
        ({}, "Growth with the batch alone"),
    ],
)
def test_finding_says_what_matters_most_of_what_was_measured(
    found: dict[str, Any], said: str
) -> None:
    nothing: dict[str, Any] = {"beside_fastest": [], "steps": [], "prediction": None}
    results = {"headline": {**nothing, **found}, "accuracy": [], "limit": {}, **found}
    assert re.match(said, describe_finding(results))


@pytest.mark.slow
def test_accuracy_is_measured_alone_on_several_datasets(tmp_path: Path, tiny_bert: Path) -> None:
    from tests.conftest import make_reviews

    make_reviews(60, seed=3).to_csv(tmp_path / "more.csv", index=False)
    make_reviews(30, seed=4).to_csv(tmp_path / "test.csv", index=False)
    given = {
        **NOTHING,
        "datasets": [str(tmp_path / "reviews.csv"), str(tmp_path / "more.csv")],
        "test_datasets": [None, str(tmp_path / "test.csv")],
        "seeds": [0, 1],
    }
    run = run_tiny(tmp_path, tiny_bert, given)
    assert tables(run)["accuracy"]["variant"].tolist() == [DYNAMIC, OURS] * 4
    rows = read_json(run.report_dir / "metrics.json")["accuracy"]
    assert [row["dataset"] for row in rows] == ["reviews", "more"]
    assert all(row["seeds"] == 2 and row["low"] <= row["difference"] <= row["high"] for row in rows)
    facts = describe_benchmark(read_json(run.report_dir / "metrics.json")).facts
    assert [fact[0] for fact in facts] == ["Accuracy on reviews", "Accuracy on more"]
    assert not (run.stages[0].folder / CHECKPOINTS).exists()  # the results are saved by then


def run_tiny(folder: Path, model: Path, given: Mapping[str, Any]) -> StudyRun:
    from tests.conftest import make_reviews

    make_reviews(60).to_csv(folder / "reviews.csv", index=False)
    shared = {
        "model": str(model),
        "datasets": [str(folder / "reviews.csv")],
        "step_batch": 4,
        "batch_length": 8,
        "rounds": 3,
        "max_length": 32,
        **TINY_ACCURACY,
    }
    params = BenchmarkParams.of({**shared, **given})
    study = Study.of({"name": "tiny", "benchmark": params.model_dump(mode="json")})
    check_study(study)
    options = RunOptions(folder / "runs", folder / "reports")
    return run_study(study, command="nbutils run tiny.yaml", options=options)


def test_a_machine_with_another_gpu_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "GPUS", tmp_path)
    without = processor.describe_processor()
    card = tmp_path / "0000:01:00.0"
    card.mkdir()
    (card / "information").write_text("Model: \t\t NVIDIA H100\nIRQ:   \t 42\n", encoding="utf-8")
    assert (without["gpus"], processor.describe_processor()["gpus"]) == ([], ["NVIDIA H100"])
