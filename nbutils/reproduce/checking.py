"""What can be found out about a report without training: was it edited, are its inputs here.

A seal without a signature finds accidents and careless edits. Somebody who changes a report and
seals it again is found by running it again.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.commits import COMMIT
from nbutils.data.fingerprints import fingerprint_source
from nbutils.errors import CheckpointError, DataError, NbutilsError
from nbutils.params.study import Study
from nbutils.report.carried import unpack_predictions
from nbutils.report.seal import SEALS, is_manifest_sealed, sealed_as, split_page
from nbutils.report_folders import find_page
from nbutils.reproduce.rebuilding import rebuild_study

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["good", "bad", "unknown", "unsealed"]
MANIFEST = "manifest.json"  # written last, beside the pages
FACT = re.compile(
    r'<dt>(?P<label>.*?)</dt><dd class="value">(?P<value>.*?)</dd>'
    r'(?:\s*<dd class="detail">(?P<detail>.*?)</dd>)?',
    re.S,
)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
INTERVAL = re.compile(r"(-?\d[\d,]*(?:\.\d+)?) to (-?\d[\d,]*(?:\.\d+)?)")
SHOWN = {  # label of a fact: where the manifest has its number, and what it is multiplied by
    "Test accuracy": (("metrics", "test", "accuracy"), 100),
    "Macro F1": (("metrics", "test", "macro_f1"), 100),
    "Micro F1": (("metrics", "test", "micro_f1"), 100),
    "Subset accuracy": (("metrics", "test", "accuracy"), 100),
    "Mean average precision": (("metrics", "test", "mean_average_precision"), 100),
    "TF-IDF baseline, micro F1": (("metrics", "baseline", "micro_f1"), 100),
    "Micro F1 to beat": (("metrics", "baseline", "micro_f1"), 100),
    "TF-IDF baseline": (("metrics", "baseline", "accuracy"), 100),
    "Baseline to beat": (("metrics", "baseline", "accuracy"), 100),
    "Mistakes": (("findings", "mistakes", "test"), 1),
    "Calibration error": (("findings", "ece"), 100),
}
EXACT = 1e-9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what came out, and a sentence on it."""

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class CheckResult:
    """All that was looked at in a report."""

    report: Path
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        """Whether it is sealed and nothing speaks against it; what is unknown does not."""
        return self.sealed and all(check.outcome != "bad" for check in self.checks)

    @property
    def sealed(self) -> bool:
        """Whether it was published to the end, by a version that seals."""
        return all(check.outcome != "unsealed" for check in self.checks)


def check_report(report: Path, *, data: str | None = None, model: str | None = None) -> CheckResult:
    """Check a report without training: not edited, numbers agree, same data and checkpoint here.

    Parameters
    ----------
    report
        Any page of a study, or the folder of its report.
    data, model
        Stand in for the recorded dataset and checkpoint; see `rebuild_study`.

    Raises
    ------
    DataError
        The file cannot be read, or is not a page of a study.
    """
    report = find_page(report)
    before, text, after = split_page(report)
    try:
        manifest = json.loads(text)
    except ValueError as error:
        return CheckResult(report, (Check("manifest", "bad", f"was edited: {error}"),))
    if not isinstance(manifest, dict) or "stage_keys" not in manifest:
        raise DataError(f"{report}: expected a page of a study, found one of something else")
    looks: dict[str, Callable[[], Check]] = {
        "page": lambda: _check_page(before, after, manifest, report),
        "manifest": lambda: _check_manifest(text, manifest, report),
        "numbers shown": lambda: _check_shown(before, manifest),
        "predictions": lambda: _check_predictions(manifest),
        "data": lambda: check_data(rebuild_study(manifest, data=data), manifest),
        "checkpoint": lambda: check_checkpoint(rebuild_study(manifest, model=model), manifest),
    }
    return CheckResult(report, tuple(_look(name, look) for name, look in looks.items()))


def check_seals(report: Path) -> tuple[Check, ...]:
    """Check only that a report, text and manifest, is as it was published.

    Raises
    ------
    DataError
        The file cannot be read, or is not a page with a manifest.
    """
    before, text, after = split_page(report)
    manifest = json.loads(text)
    return (
        _look("page", lambda: _check_page(before, after, manifest, report)),
        _look("manifest", lambda: _check_manifest(text, manifest, report)),
    )


def _look(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except (DataError, CheckpointError) as error:
        return Check(name, "unknown", f"not here: {error}")
    except (NbutilsError, LookupError, TypeError, ValueError, AttributeError) as error:
        return Check(name, "bad", f"the manifest is not one that nbutils writes: {error}")


def _unsealed(name: str, report: Path) -> Check:
    reason = "not fully published, or older than seals"
    if not report.with_name(MANIFEST).is_file():
        reason += f" (no {MANIFEST} beside it)"
    return Check(name, "unsealed", f"{reason}: nobody can say whether it was edited")


def _check_page(before: str, after: str, manifest: Mapping[str, Any], report: Path) -> Check:
    if SEALS not in manifest:
        return _unsealed("page", report)
    name = sealed_as(before, after, manifest)
    if name is None:
        return Check("page", "bad", "its text is not the one that was published")
    return Check("page", "good", f"its text is that of {name} as it was published")


def _check_manifest(text: str, manifest: Mapping[str, Any], report: Path) -> Check:
    if SEALS not in manifest:
        return _unsealed("manifest", report)
    if not is_manifest_sealed(text, manifest):
        return Check("manifest", "bad", "is not the one that was published")
    return Check("manifest", "good", "as it was published")


def _check_shown(text: str, manifest: Mapping[str, Any]) -> Check:
    wrong: list[str] = []
    right: list[str] = []
    for label, value, detail in _shown_facts(text):
        place, scale = SHOWN[label]
        known = _at(manifest, place)
        if known is not None:
            (right if _agrees(value, detail, known, scale) else wrong).append(label)
    if wrong:
        sentence = f"{', '.join(wrong)}: the page shows another number than its manifest has"
        return Check("numbers shown", "bad", sentence)
    if not right:
        return Check("numbers shown", "unknown", "this page shows none of the manifest's scores")
    return Check("numbers shown", "good", f"{', '.join(right)} agree with the manifest")


def _shown_facts(text: str) -> Iterator[tuple[str, str, str]]:
    for fact in FACT.finditer(text):
        label, value, detail = (
            html.unescape(re.sub(r"<[^>]*>", "", fact[part] or ""))
            for part in ("label", "value", "detail")
        )
        if label in SHOWN:
            yield label, value, detail


def _at(manifest: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    value: Any = manifest
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _agrees(value: str, detail: str, known: Any, scale: float) -> bool:
    score = known if isinstance(known, Mapping) else {"value": known}
    shown = NUMBER.search(value)
    if shown is None or not _rounds_to(shown[0], scale * score["value"]):
        return False
    interval = INTERVAL.search(detail) if "low" in score else None
    return interval is None or (
        _rounds_to(interval[1], scale * score["low"])
        and _rounds_to(interval[2], scale * score["high"])
    )


def _rounds_to(shown: str, value: float) -> bool:
    plain = shown.replace(",", "")
    half = 0.5 * 10.0 ** -len(plain.partition(".")[2])
    return abs(float(plain) - value) <= half + EXACT


def _check_predictions(manifest: Mapping[str, Any]) -> Check:
    try:
        rows = unpack_predictions(manifest)
    except DataError as error:
        return Check("predictions", "bad", str(error))
    if rows is None and manifest.get("predictions_sha256") is None:
        return Check("predictions", "unknown", "the study made none")
    if rows is None:
        return Check("predictions", "unknown", "the report carries their sha256 alone")
    for name, value in _scores(rows).items():
        stated = manifest["metrics"]["test"][name]["value"]
        if abs(value - stated) > EXACT:
            sentence = f"their {name} is {value:.6f}, the manifest says {stated:.6f}"
            return Check("predictions", "bad", sentence)
    sentence = f"accuracy and macro F1 of the {len(rows):,} that it carries are the manifest's"
    return Check("predictions", "good", sentence)


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    # counted by class: a matrix over the ids that a stranger's page names could fill the memory
    right = rows["label"] == rows["predicted"]
    true, given = _pairs(rows["label"]), _pairs(rows["predicted"])
    hits = true.merge(given)["label"].value_counts()
    totals = true["label"].value_counts().add(given["label"].value_counts(), fill_value=0)
    f1 = 2 * hits.reindex(totals.index, fill_value=0) / totals
    return {"accuracy": float(right.sum() / len(rows)), "macro_f1": float(f1.mean())}


def _pairs(labels: pd.Series[Any]) -> pd.DataFrame:
    """Return one line per row and label that it has."""
    import pandas as pd

    from nbutils.label_sets import flatten_labels

    rows, ids = flatten_labels(labels)
    return pd.DataFrame({"row": rows, "label": ids})


def check_data(study: Study, manifest: Mapping[str, Any]) -> Check:
    """Compare the data here with the data of the report.

    Raises
    ------
    DataError
        It is not here.
    """
    found, recorded = fingerprint_source(study.data_prep), manifest["data_fingerprint"]
    if _is_elsewhere(found, recorded):
        raise DataError(f"dataset {study.data_prep.dataset!r}: no such file or folder")
    return _compare_fingerprints("data", study.data_prep.dataset, found, recorded)


def check_checkpoint(study: Study, manifest: Mapping[str, Any]) -> Check:
    """Compare the checkpoint here with the checkpoint of the report.

    Raises
    ------
    CheckpointError
        It is not here.
    """
    tune = study.fine_tune
    found = fingerprint_checkpoint(tune.model, revision=tune.revision)
    recorded = manifest["checkpoint_fingerprint"]
    if _is_elsewhere(found, recorded):
        raise CheckpointError(f"model {tune.model!r}: no such checkpoint folder")
    return _compare_fingerprints("checkpoint", tune.model, found, recorded)


def _is_elsewhere(found: str, recorded: str) -> bool:
    # a folder that is missing here reads like a hub id when its name has one slash or none
    return found.startswith("hub:") and recorded.startswith("sha256:")


def _compare_fingerprints(name: str, place: str, found: str, recorded: str) -> Check:
    if found.startswith("hub:") and recorded.startswith("hub:"):
        return _compare_commits(name, found, recorded)
    if found == recorded:
        return Check(name, "good", f"{place} has the fingerprint of the report ({_short(found)})")
    if recorded.startswith("hub:") and not found.startswith("hub:"):
        sentence = f"{place} has {_short(found)}; the report has {recorded}, from the hub"
        return Check(name, "unknown", sentence)
    sentence = f"{place} has the fingerprint {_short(found)}, the report had {_short(recorded)}"
    return Check(name, "bad", sentence)


def _compare_commits(name: str, found: str, recorded: str) -> Check:
    here, there = found.partition("@")[0], recorded.partition("@")[0]
    known = all(COMMIT.fullmatch(text.partition("@")[2]) for text in (found, recorded))
    if here != there or (known and found != recorded):
        return Check(name, "bad", f"{found} here, the report had {recorded}")
    if known:
        return Check(name, "good", f"{found}: the commit of the report")
    which = found if not COMMIT.fullmatch(found.partition("@")[2]) else recorded
    return Check(name, "unknown", f"{which}: its content may have changed on the hub")


def _short(fingerprint: str) -> str:
    kind, _, rest = fingerprint.partition(":")
    return f"{kind}:{rest[:16]}" if kind == "sha256" else fingerprint
