"""Prediction: `transformers.pipeline` and ours, on the same texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from nbutils.batching import encode_texts
from nbutils.benchmark.alternating import Rounds, alternate, nothing_measured
from nbutils.benchmark.children import open_children
from nbutils.benchmark.device import find_device, precisions
from nbutils.benchmark.real_texts import draw_rows, read_parts
from nbutils.benchmark.subject import Subject, Work
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.cutting import Cutting
from nbutils.prediction import predict_logits

if TYPE_CHECKING:
    import pandas as pd

PIPELINE_BATCH = 32
PIPELINE = f"transformers.pipeline, batch {PIPELINE_BATCH}"


def prediction_variants(device: str) -> list[str]:
    """Return the names of the variants that a device can run."""
    return [PIPELINE, *(f"nbutils {precision}" for precision in precisions(device))]


def build_prediction(variant: str, settings: Mapping[str, Any]) -> Subject:
    """Return the subject of one of `prediction_variants`."""
    if variant == PIPELINE:
        return PipelinePrediction(settings)
    return OurPrediction(variant.split()[1], settings)


class _Texts:
    """What both ways share: texts to predict, a tokenizer and a model."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        train, test = read_parts(settings["source"])
        self.found = train if test is None else test
        self.tokenizer = load_tokenizer(settings["model"])
        torch.manual_seed(settings["seed"])
        names = self.found.label_names
        model = load_classifier(settings["model"], label_names=names)
        self.model: Any = model.to(settings["device"]).eval()
        self.texts: list[str] = []

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Draw as many texts as the point says."""
        total = len(self.found.texts)
        rows = draw_rows(self.settings["seed"], 0, count=point["rows"], total=total)
        self.texts = [self.found.texts[row] for row in rows]


class PipelinePrediction(_Texts):
    """`transformers.pipeline` with texts in the order in which they come."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        from transformers import pipeline

        self.pipeline: Any = pipeline(
            "text-classification",
            model=self.model,
            tokenizer=self.tokenizer,
            batch_size=PIPELINE_BATCH,
            device=settings["device"],
        )

    def ready(self, number: int) -> Work:
        """Return the prediction of all texts."""
        length = self.settings["max_length"]

        def work() -> dict[str, float]:
            found = self.pipeline(self.texts, truncation=True, max_length=length)
            return {"rows_done": len(found)}

        return work


class OurPrediction(_Texts):
    """`encode_texts` and `predict_logits`, as `FineTuned.predict` calls them."""

    def __init__(self, precision: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.precision = precision

    def ready(self, number: int) -> Work:
        """Return the prediction of all texts."""
        length = self.settings["max_length"]

        def work() -> dict[str, float]:
            encoded = encode_texts(self.texts, self.tokenizer, cutting=Cutting(length))
            found = predict_logits(self.model, encoded, precision=self.precision)
            return {"rows_done": len(found)}

        return work


def measure_prediction(params: BenchmarkParams) -> pd.DataFrame:
    """Measure the prediction of real texts, tokenization included.

    Returns
    -------
    DataFrame
        `rows`, `variant`, `round`, `seconds`, `rows_done`, `rows_per_second`; no row without
        `row_counts`.
    """
    if not params.row_counts:
        columns = ("rows", "variant", "round", "seconds", "rows_done", "rows_per_second")
        return nothing_measured(*columns)
    device = find_device(params.device)
    settings = {
        "device": device,
        "model": params.model,
        "source": params.prediction_source().model_dump(mode="json"),
        "max_length": params.max_length,
        "seed": params.seed,
    }
    points = [{"rows": count} for count in sorted(params.row_counts)]
    rounds = Rounds(params.prediction_rounds)
    with open_children("prediction", prediction_variants(device), settings) as children:
        found = alternate(children, points, rounds=rounds)
    return found.assign(rows_per_second=found["rows_done"] / found["seconds"])
