"""Measurements put together: ratios, shares of the limit, memory, and the first screen."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from nbutils.artifacts import is_installed, write_json
from nbutils.benchmark.alternating import compare, nothing_measured, summarise
from nbutils.benchmark.device import find_device
from nbutils.benchmark.limit import best_rates
from nbutils.benchmark.load import Load
from nbutils.benchmark.predicting import PIPELINE
from nbutils.benchmark.real_texts import DYNAMIC, DYNAMIC_BF16, OURS, PADDED
from nbutils.benchmark.steps import N_CLASSES, count_work
from nbutils.benchmark.verdicts import compare_accuracy
from nbutils.checkpoints.loading import load_classifier
from nbutils.described import Described
from nbutils.errors import NbutilsError
from nbutils.params.benchmark import BenchmarkParams
from nbutils.processor import describe_processor
from nbutils.training.machine import choose_precision

if TYPE_CHECKING:
    from collections.abc import Hashable

SHARES = ("length", "variant", "nominal", "performed", "rate", "share", "low", "high")
LONG = 64  # tokens, from which a step is mostly matrix products
GIGA = 1e9
FASTEST = "transformers.Trainer at its fastest"


def require_trainer() -> None:
    """Refuse to begin without what `transformers.Trainer` needs.

    Raises
    ------
    NbutilsError
        The extra `benchmark` is not installed.
    """
    if not is_installed("accelerate"):
        raise NbutilsError(
            "transformers.Trainer needs accelerate, which is not installed; "
            'run: pip install "nbutils[benchmark]"'
        )


def describe_bench(params: BenchmarkParams) -> dict[str, Any]:
    """Return what the numbers depend on: device, processor, cores, threads, versions."""
    import transformers

    device = find_device(params.device)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        **describe_processor(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "accelerate": importlib.metadata.version("accelerate"),
    }


@dataclass(frozen=True, repr=False)
class Measurements(Described):
    """All that was measured, as `alternate` returns it: one row per measurement.

    Attributes
    ----------
    products, steps, batches, training, prediction, accuracy
        Of the modules `limit`, `steps`, `real_texts`, `predicting` and `accuracy`.
    """

    products: pd.DataFrame
    steps: pd.DataFrame
    batches: pd.DataFrame
    training: pd.DataFrame
    prediction: pd.DataFrame
    accuracy: pd.DataFrame


def fastest(names: Any) -> str:
    """Return the name of our variant in the arithmetic that a training there chooses."""
    found = set(names)
    ours = (f"{OURS} {precision}" for precision in ("bf16", "fp32"))
    return next((name for name in ours if name in found), OURS)


def step_ratios(steps: pd.DataFrame) -> pd.DataFrame:
    """Return how many times as fast a step of ours is as each stock one, by length.

    Returns
    -------
    DataFrame
        As `compare`, once per baseline; in fp32 also ours in fp32.
    """
    if steps.empty:
        return compare(steps, ["length"], baseline="", variant="")
    names = list(dict.fromkeys(steps["variant"]))
    stock = [name for name in names if name.startswith("stock")]
    pairs = dict.fromkeys([*((name, fastest(names)) for name in stock), (stock[0], "nbutils fp32")])
    return pd.concat(
        [compare(steps, ["length"], baseline=b, variant=v) for b, v in pairs], ignore_index=True
    )


def shares_of_limit(
    steps: pd.DataFrame, rates: Mapping[str, float], *, params: BenchmarkParams
) -> pd.DataFrame:
    """Return which share of the machine's measured matrix-product rate each step reaches.

    Parameters
    ----------
    steps
        As `measure_steps` returns them.
    rates
        As `best_rates` returns them; the rate of a variant's own arithmetic counts.
    params
        For the size of the model, and for the device, which decides what is performed.

    Returns
    -------
    DataFrame
        `length`, `variant`, `nominal` and `performed` (operations of a step, in 10^9), `rate`
        (performed, 10^9 a second, of the median time), `share` (of the limit), `low`, `high` (its
        quartiles) and `nominal_share`, which counts what the model defines; no row without steps
        or without a limit.
    """
    if steps.empty or not rates:
        return nothing_measured(*SHARES, "nominal_share")
    names = [str(k) for k in range(N_CLASSES)]
    network = load_classifier(params.model, label_names=names).to(find_device(params.device))
    batch = int(steps["batch"].iloc[0])
    rows = []
    for row in summarise(steps, ["length"]).to_dict("records"):
        work = count_work(network, batch=batch, length=int(row["length"]))
        rows.append(_share(row, work, rates))
    return pd.DataFrame(rows)


def _share(
    row: Mapping[Hashable, Any], work: Mapping[str, int], rates: Mapping[str, float]
) -> dict[str, Any]:
    way, precision = str(row["variant"]).split()
    done = work["performed" if way == OURS else "nominal"]
    limit = rates[precision]
    return {
        "length": row["length"],
        "variant": row["variant"],
        "nominal": work["nominal"] / GIGA,
        "performed": done / GIGA,
        "rate": done / row["median"] / GIGA,
        "share": done / row["median"] / limit,
        "low": done / row["high"] / limit,
        "high": done / row["low"] / limit,
        "nominal_share": work["nominal"] / row["median"] / limit,
    }


def peak_memory(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the peak memory of each variant's process at the longest texts.

    Returns
    -------
    DataFrame
        `variant`, `length`, `peak_mib`.
    """
    longest = steps[steps["length"] == steps["length"].max()]
    groups = longest.groupby(["variant", "length"], sort=False)
    table: pd.DataFrame = groups.agg(peak_mib=("peak_mib", "max")).reset_index()
    return table


def training_ratios(training: pd.DataFrame) -> pd.DataFrame:
    """Return how many times as fast our training is as each of Trainer's, by dataset."""
    if training.empty:
        return compare(training, ["dataset"], baseline="", variant="")
    names = set(training["variant"])
    baselines = [name for name in (PADDED, DYNAMIC, DYNAMIC_BF16) if name in names]
    found = [compare(training, ["dataset"], baseline=b, variant=OURS) for b in baselines]
    steps = training.groupby("dataset")["steps"].max()
    ratios = pd.concat(found, ignore_index=True)
    return ratios.assign(steps=ratios["dataset"].map(steps))


def beside_fastest(ratios: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return, of the rows of `training_ratios`, each dataset's beside Trainer at its fastest."""
    by_dataset: dict[str, list[Mapping[str, Any]]] = {}
    for row in ratios:
        by_dataset.setdefault(row["dataset"], []).append(row)
    return [min(rows, key=lambda row: row["ratio"]) for rows in by_dataset.values()]


def prediction_ratios(prediction: pd.DataFrame) -> pd.DataFrame:
    """Return how many times as fast our prediction is as the pipeline, by rows."""
    if prediction.empty:
        return compare(prediction, ["rows"], baseline="", variant="")
    names = [name for name in dict.fromkeys(prediction["variant"]) if name != PIPELINE]
    found = [compare(prediction, ["rows"], baseline=PIPELINE, variant=name) for name in names]
    return pd.concat(found, ignore_index=True)


def build_results(measured: Measurements, *, params: BenchmarkParams, load: Load) -> dict[str, Any]:
    """Return what `metrics.json` of a benchmark holds: machine, load, and all ratios by subject."""
    rates = best_rates(measured.products)
    precision = choose_precision("auto", find_device(params.device))
    tables = {
        "steps": step_ratios(measured.steps),
        "shares": shares_of_limit(measured.steps, rates, params=params),
        "memory": peak_memory(measured.steps),
        "training": training_ratios(measured.training),
        "prediction": prediction_ratios(measured.prediction),
        "accuracy": compare_accuracy(measured.accuracy).assign(precision=precision),
    }
    results: dict[str, Any] = {
        "machine": describe_bench(params),
        "load": asdict(load),
        "limit": rates,
        **{name: table.to_dict("records") for name, table in tables.items()},
    }
    results["headline"] = _headline(results)
    cleaned: dict[str, Any] = _without_nan(results)
    return {**cleaned, "finding": describe_finding(cleaned)}


def _headline(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few numbers of the first screen; empty or None where nothing was measured."""
    measured = [*results["steps"], *results["prediction"]]
    ours = fastest(row["variant"] for row in measured if row["baseline"] != f"{OURS} fp32")
    steps = [row for row in results["steps"] if row["baseline"] == "stock fp32"]
    shares = [row for row in results["shares"] if row["variant"] == ours and row["length"] >= LONG]
    predicted = [row for row in results["prediction"] if row["variant"] == ours]
    return {
        "ours": ours,
        "training": results["training"],
        "beside_fastest": beside_fastest(results["training"]),
        "steps": [row for row in steps if row["variant"] == ours],
        "steps_fp32": [row for row in steps if row["variant"] == f"{OURS} fp32"],
        "shares": shares,
        "prediction": predicted[-1] if predicted else None,
        "memory": _memory(results["memory"], ours),
    }


def _memory(rows: Sequence[Mapping[str, Any]], ours: str) -> dict[str, Any] | None:
    if not rows:
        return None
    peaks = {row["variant"]: row["peak_mib"] for row in rows}
    return {"length": rows[0]["length"], "stock": peaks["stock fp32"], OURS: peaks[ours]}


def describe_finding(results: Mapping[str, Any]) -> str:
    """Return the one sentence for the list of studies: of what was measured, what matters most."""
    head = results["headline"]
    for row in head["beside_fastest"][:1]:
        return f"Training on {row['dataset']} {_takes(row, FASTEST)}"
    if results["accuracy"]:
        parts = [
            f"{row['dataset']} {100 * row['difference']:+.1f} points ({row['verdict']})"
            for row in results["accuracy"]
        ]
        return f"Accuracy, nbutils minus transformers.Trainer: {'; '.join(parts)}."
    if head["steps"]:
        row = head["steps"][-1]
        return f"A step of {row['length']} tokens {_takes(row, 'the stock step in fp32')}"
    if head["prediction"]:
        row = head["prediction"]
        return f"Predicting {row['rows']} texts {_takes(row, 'a transformers pipeline')}"
    if not results["limit"]:
        return "Growth with the batch alone was measured."
    rates = ", ".join(f"{rate / GIGA:,.0f} in {name}" for name, rate in results["limit"].items())
    return f"Matrix products reach {rates} billion operations a second."


def _takes(row: Mapping[str, Any], baseline: str) -> str:
    return (
        f"takes 1/{row['ratio']:.1f} of the time of {baseline} ({row['n']} rounds, "
        f"{row['low']:.1f} to {row['high']:.1f})."
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _without_nan(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def save_results(folder: Path, measured: Measurements, results: Mapping[str, Any]) -> None:
    """Write every measurement as CSV, then `metrics.json`, which marks the folder as complete."""
    for name in Measurements.__dataclass_fields__:
        table: pd.DataFrame = getattr(measured, name)
        if not table.empty:
            table.to_csv(folder / f"{name}.csv", index=False)
    write_json(folder / "metrics.json", results)
