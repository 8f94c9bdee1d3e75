"""The labels that may be wrong themselves, and how many there are."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from nbutils.analysis.advice import Advice
from nbutils.analysis.label_checks import LabelCheck, check_labels_of
from nbutils.artifacts import write_text
from nbutils.described import Described
from nbutils.errors import NotApplicableError, say_error

if TYPE_CHECKING:
    from nbutils.analysis.errors import Errors

SUSPECTS_FILE = "label_suspects.csv"
MOST_ADVISED = 100  # labels that somebody looks through at one go
MOST_FOUND = 100  # rows and pairs in `findings.json`
SHOWN = ["label", "suggested_label", "self_confidence"]


class Training(Protocol):
    """Out-of-sample predictions of the training texts, made when they are asked for."""

    def predict(self) -> pd.DataFrame:
        """Return `example_id, split, label, predicted, prob_<label>...` of each of them."""

    def texts(self) -> pd.DataFrame:
        """Return `example_id, text[, text_pair]` of each of them."""


@dataclass(frozen=True, repr=False)
class Suspects(Described):
    """Labels that a model which has not seen them takes for wrong.

    Attributes
    ----------
    checks
        What was checked, by its texts: ``validation and test``, ``training``.
    texts
        `example_id, text[, text_pair]` of at least the suspects.
    unchecked
        Why the training labels were not checked, though that was asked for; "": they were, or
        nobody asked.
    """

    checks: dict[str, LabelCheck]
    texts: pd.DataFrame
    unchecked: str = ""

    @property
    def ranking(self) -> pd.DataFrame:
        """Every label that was checked, the least believed first.

        Returns
        -------
        DataFrame
            `example_id, split, label, suggested_label, self_confidence, flagged`. The score is
            cleanlab's self-confidence: the probability of the given label, from 0, surely wrong,
            to 1; of several labels that of the answer, yes or no, that is believed least.
        """
        parts = [check.ranking for check in self.checks.values()]
        whole = pd.concat(parts, ignore_index=True)
        return whole.sort_values(["self_confidence", "example_id"], ignore_index=True)

    @property
    def rows(self) -> pd.DataFrame:
        """The suspects as `label_suspects.csv` holds them, the most suspect first."""
        ranking = self.ranking
        first = ["example_id", "split"]
        flagged = ranking.loc[ranking["flagged"], [*first, *SHOWN]]
        texts = [name for name in ("text", "text_pair") if name in self.texts]
        found = flagged.merge(self.texts[["example_id", *texts]], on="example_id", how="left")
        return found[[*first, *texts, *SHOWN]].assign(corrected_label="", comment="")

    @property
    def noise(self) -> pd.DataFrame:
        """How many labels were checked, and how many are estimated to be wrong.

        Returns
        -------
        DataFrame
            `texts, checked, suspects, share, low, high`: a row for each part; the share of wrong
            labels with its 95 % interval (Wilson, of the texts that the estimate rests on; of
            answers as many as those of one text are worth).
        """
        rows = [
            (name, check.n, int(check.ranking["flagged"].sum()), *check.share_wrong())
            for name, check in self.checks.items()
        ]
        columns = ["texts", "checked", "suspects", "share", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def pairs(self) -> pd.DataFrame:
        """Which labels are taken for which others, the most frequent first.

        Returns
        -------
        DataFrame
            `label, suggested_label, estimated, suspects`: how many labels of the first kind are
            estimated to be of the second, and how many such are among the suspects.
        """
        found = pd.concat([check.pairs for check in self.checks.values()])
        by = ["label", "suggested_label"]
        summed = found.groupby(by, as_index=False, sort=False)[["estimated", "suspects"]].sum()
        order = ["estimated", "suspects"]
        return summed.sort_values(order, ascending=False, kind="stable", ignore_index=True)

    @property
    def believable(self) -> bool:
        """Whether every model that was asked knows more than which label is the most frequent."""
        return all(check.believable for check in self.checks.values())

    def findings(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        columns = ["example_id", "split", *SHOWN]
        return {
            "ranked_by": "self_confidence",
            "believable": self.believable,
            "training_unchecked": self.unchecked or None,
            "noise": self.noise.to_dict("records"),
            "pairs": self.pairs.head(MOST_FOUND).to_dict("records"),
            "suspects": self.rows[columns].head(MOST_FOUND).to_dict("records"),
        }

    def advice(self) -> list[Advice]:
        """Return that the suspects be checked; nothing without any, or with a useless model."""
        rows = self.rows
        if rows.empty or not self.believable:
            return []
        n = min(len(rows), MOST_ADVISED)
        action = (
            f"Check the {'most suspect label' if n == 1 else f'{n} most suspect labels'}: fill in "
            f"corrected_label in a copy of {SUSPECTS_FILE}, which lies beside findings.json, and "
            "run again with data_prep.label_corrections. A test score on labels corrected by this "
            "model's doubts favours this model."
        )
        gain, most = self._gain(rows.head(n))
        checked = sum(check.n for check in self.checks.values())
        evidence = f"Confident learning takes {len(rows):,} of {checked:,} labels for wrong."
        is_bound = gain is not None
        found = Advice(
            action, evidence + most, gain, "suspects", at_most=is_bound, measured=is_bound
        )
        return [found]

    def tags_of_texts(self) -> dict[str, list[int]]:
        """Return the test texts whose labels are suspect, for the table of mistakes."""
        rows = self.rows
        return {"label suspect": rows.loc[rows["split"] == "test", "example_id"].tolist()}

    def _gain(self, checked: pd.DataFrame) -> tuple[float | None, str]:
        """Return by how much the measured accuracy can rise at the most, and that as a sentence."""
        if any(check.unit != "labels" for check in self.checks.values()):
            return None, ""
        in_test, n = [int((t["split"] == "test").sum()) for t in (checked, self.ranking)]
        if not in_test:
            return None, ""
        return in_test / n, (
            f" {in_test:,} of those to check are test labels: were all of them wrong and the model "
            f"right, the measured accuracy would rise by {100 * in_test / n:.1f} points, the most "
            "that it can."
        )


def find_suspects(
    errors: Errors, *, label_issues: str = "held_out", training: Training | None = None
) -> Suspects:
    """Find the labels that are likely to be wrong by confident learning.

    Parameters
    ----------
    errors
        Of validation and test texts, which the model was not trained on.
    label_issues
        ``held_out``: check these; ``cross_validate``: the training labels too; ``off``.
    training
        Out-of-sample predictions of the training texts, for ``cross_validate``. They are judged
        apart from the others: other models made them. Where they cannot be had, the held-out labels
        are checked alone, and `unchecked` says why.

    Raises
    ------
    NotApplicableError
        It is switched off, or all labels are of one class.
    """
    if label_issues == "off":
        raise NotApplicableError("Switched off by the parameter label_issues.")
    checks = {"validation and test": check_labels_of(errors.predictions, errors.label_names)}
    found = Suspects(checks, errors.texts)
    if label_issues != "cross_validate" or training is None:
        return found
    try:
        return _add_training(found, training, errors.label_names)
    except Exception as error:  # without a recipe or out of memory: the rest is worth having
        return replace(found, unchecked=say_error(error))


def _add_training(found: Suspects, training: Training, label_names: Sequence[str]) -> Suspects:
    checks = found.checks | {"training": check_labels_of(training.predict(), label_names)}
    return Suspects(checks, pd.concat([found.texts, training.texts()], ignore_index=True))


def save_suspects(folder: Path, suspects: Suspects | None) -> None:
    """Write `label_suspects.csv`, to be filled in by somebody.

    Parameters
    ----------
    folder
        Must exist.
    suspects
        None: the section found nothing, and the file has its header alone.
    """
    write_text(folder / SUSPECTS_FILE, _to_csv(_no_rows() if suspects is None else suspects.rows))


def _no_rows() -> pd.DataFrame:
    columns = ["example_id", "split", "text", *SHOWN, "corrected_label", "comment"]
    return pd.DataFrame({name: [] for name in columns})


def _to_csv(rows: pd.DataFrame) -> str:
    # every string in quotes: csv leaves a lone carriage return bare, which ends the row for readers
    return str(rows.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC))
