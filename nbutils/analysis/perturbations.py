"""Whether predictions stay the same under small changes that should not change the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import tested_texts
from nbutils.analysis.saved_model import SavedModel, Texts, texts_of_rows
from nbutils.analysis.slice_tests import FALSE_DISCOVERIES
from nbutils.analysis.text_changes import CHANGES, applicable_changes
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import indicate_labels, say_labels, set_column, to_sets
from nbutils.metrics import proportion

WORTH_ADVICE = 0.02  # flip rate that must surely be exceeded
LEAST_FLIPS = 5  # predictions that become others: fewer are anecdotes
MOST_FLIPS = 200  # in findings.json
REMEDIES = {change.name: change.remedy for change in CHANGES}


@dataclass(frozen=True, repr=False)
class Perturbations(Described):
    """What small changes did to the predictions of some test texts.

    Attributes
    ----------
    kinds
        A row per kind of change: `change, what`; of the sampled texts those it `changed`; of these
        the `invisible` (the tokenizer makes the same tokens of them), the `not_read` (they differ
        in what is cut off alone) and the `read`; of the last the `flips`, their share `rate` with
        its 95 % interval `low, high` (missing where none is read), and how many went from right to
        wrong (`broken`) and from wrong to right (`mended`).
    flips
        A row per flip, the surest predictions first: `example_id, change, before, after` (texts;
        both of a pair stand on lines of their own), `label, predicted, changed_to` by name,
        `confidence, confidence_after`.
    texts
        Test texts that were sampled.
    """

    kinds: pd.DataFrame
    flips: pd.DataFrame
    texts: int

    def findings(self) -> dict[str, Any]:
        """Return the counts of all kinds, and the flips without their texts."""
        flips = self.flips.drop(columns=["before", "after"]).head(MOST_FLIPS)
        return {
            "texts": self.texts,
            "kinds": _records(self.kinds),
            "flips": _records(flips),
        }

    def advice(self) -> list[Advice]:
        """Return what to do about the change that flips most, if it surely flips some."""
        tried = self.kinds[self.kinds["read"] > 0]
        sure = tried[_surely_flip(tried)]
        if sure.empty:
            return []
        worst = sure.sort_values("rate", ascending=False, kind="stable").iloc[0]
        action = (
            f"{REMEDIES[worst['change']]}: {worst['flips']} of {worst['read']} predictions become "
            f"others when {worst['what']}."
        )
        rank = "the highest of those" if len(sure) > 1 else "the only one"
        evidence = (
            f"Flip rate {worst['rate']:.1%}, 95 % interval {worst['low']:.1%} to "
            f"{worst['high']:.1%}, {rank} surely above {WORTH_ADVICE:.0%} ({len(sure)} of "
            f"{len(tried)} kinds of change). What that costs depends on the texts to come."
        )
        return [Advice(action, evidence, None, "perturbations")]


def _surely_flip(kinds: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which kinds of change flip more predictions than may be chance.

    By one-sided binomial tests, over which the false discovery rate is held: Benjamini and
    Hochberg, "Controlling the false discovery rate", 1995.
    """
    from scipy.stats import binom, false_discovery_control

    flips, read = (kinds[name].to_numpy(np.int64) for name in ("flips", "read"))
    p = binom.sf(flips - 1, read, WORTH_ADVICE)
    q = false_discovery_control(p) if len(p) else p
    return np.asarray((q <= FALSE_DISCOVERIES) & (flips >= LEAST_FLIPS))


def find_flips(model: SavedModel, *, texts: int, seed: int) -> Perturbations:
    """Change test texts in ways that should keep their labels, and predict them again.

    A text counts for a kind of change only where the change makes the model read other tokens.

    Parameters
    ----------
    model
        That made the predictions on the test texts.
    texts
        How many test texts are taken, at most.
    seed
        Of the sample and of the changes.

    Raises
    ------
    NotApplicableError
        `texts` is 0, or there are no test texts.
    """
    test = tested_texts(model.errors)
    if not texts or not len(test):
        raise NotApplicableError(f"perturbations is {texts}, and there are {len(test)} test texts.")
    random = np.random.default_rng([seed, crc32(b"perturbations")])
    rows = np.sort(random.choice(len(test), min(texts, len(test)), replace=False))
    sample = test.iloc[rows].reset_index(drop=True)
    originals = texts_of_rows(sample)
    variants = _change(originals, model, seed=seed)
    variants = _predict(variants, originals, model, sample=sample)
    return Perturbations(
        _count(variants, paired=len(originals[0]) > 1),
        _list_flips(variants, originals, sample, model.errors.label_names),
        len(sample),
    )


def _change(originals: Sequence[Texts], model: SavedModel, *, seed: int) -> pd.DataFrame:
    """Return the changed texts: `row` (of the originals), `change`, `texts`."""
    reaches = [_reach(texts, model) for texts in originals]
    found = []
    for change in applicable_changes(paired=len(originals[0]) > 1):
        for row, texts in enumerate(originals):
            random = np.random.default_rng([seed, crc32(change.name.encode()), row])
            changed = change.within(reaches[row], texts, random)
            if changed != texts:
                found.append((row, change.name, changed))
    return pd.DataFrame(found, columns=["row", "change", "texts"])


def _reach(texts: Texts, model: SavedModel) -> int:
    """Return the characters of a text that are read, as far as those are its first."""
    from nbutils.analysis.tokens_read import read_pieces

    if model.cutting.truncation != "head":
        return len(texts[0])
    (piece,) = read_pieces(texts, model.classifier.tokenizer, cutting=model.cutting)
    return int(piece.spans.max(initial=0))


def _predict(
    variants: pd.DataFrame,
    originals: Sequence[Texts],
    model: SavedModel,
    *,
    sample: pd.DataFrame,
) -> pd.DataFrame:
    """Return `variants` with what the model makes of them.

    Added are `read` and `invisible`, `given` and `given_after` (sets of label ids),
    `right` and `right_after`, `confidence` and `confidence_after`.
    """
    from nbutils.analysis.tokens_read import unique_texts

    unique, places = unique_texts(model.encode([*originals, *variants["texts"]]))
    given, sureness = model.label(unique)
    rows = variants["row"].to_numpy(dtype=np.int64)
    before, after = places[rows], places[len(originals) :]
    labels = indicate_labels(sample["label"], n_labels=given.shape[1])[rows]
    variants = variants.assign(read=before != after)
    variants["invisible"] = _invisible(variants, originals, model)
    for name, at in (("", before), ("_after", after)):
        variants[f"given{name}"] = set_column(to_sets(given[at]))
        variants[f"right{name}"] = (given[at] == labels).all(axis=1)
        variants[f"confidence{name}"] = sureness[at]
    return variants


def _invisible(
    variants: pd.DataFrame, originals: Sequence[Texts], model: SavedModel
) -> NDArray[np.bool_]:
    """Return for which variants the tokenizer makes the same of the whole text as before."""

    def tokens(texts: Sequence[Texts]) -> list[list[int]]:
        columns = [list(column) for column in zip(*texts, strict=True)]
        found = model.classifier.tokenizer(*columns, truncation=False, verbose=False)
        return list(found["input_ids"])

    same = ~variants["read"].to_numpy()
    if not same.any():
        return same
    unread = variants[same]
    rows = sorted(set(unread["row"]))
    whole = dict(zip(rows, tokens([originals[row] for row in rows]), strict=True))
    changed = zip(unread["row"], tokens(unread["texts"].tolist()), strict=True)
    same[same] = [whole[row] == own for row, own in changed]
    return same


def _count(variants: pd.DataFrame, *, paired: bool) -> pd.DataFrame:
    rows = []
    for change in applicable_changes(paired=paired):
        own = variants[variants["change"] == change.name]
        read = own[own["read"]]
        flipped = read[read["given"] != read["given_after"]]
        rate = proportion(len(flipped), len(read))
        known = bool(len(read))
        rows.append(
            {
                "change": change.name,
                "what": change.what,
                "changed": len(own),
                "invisible": int(own["invisible"].sum()),
                "not_read": int((~own["read"] & ~own["invisible"]).sum()),
                "read": len(read),
                "flips": len(flipped),
                "rate": rate.value if known else np.nan,
                "low": rate.low if known else np.nan,
                "high": rate.high if known else np.nan,
                "broken": int((flipped["right"] & ~flipped["right_after"]).sum()),
                "mended": int((~flipped["right"] & flipped["right_after"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def _list_flips(
    variants: pd.DataFrame,
    originals: Sequence[Texts],
    sample: pd.DataFrame,
    label_names: Sequence[str],
) -> pd.DataFrame:
    flips = variants[variants["given"] != variants["given_after"]]
    flips = flips.sort_values("confidence", ascending=False, kind="stable")
    rows = flips["row"].to_numpy(dtype=np.int64)

    def say(sets: pd.Series[Any]) -> list[str]:
        return say_labels(set_column(sets), label_names)

    return pd.DataFrame(
        {
            "example_id": sample["example_id"].to_numpy()[rows],
            "change": flips["change"].to_numpy(),
            "before": ["\n".join(originals[row]) for row in rows],
            "after": ["\n".join(texts) for texts in flips["texts"]],
            "label": np.array(say_labels(sample["label"], label_names), dtype=object)[rows],
            "predicted": say(flips["given"]),
            "changed_to": say(flips["given_after"]),
            "confidence": flips["confidence"].to_numpy(),
            "confidence_after": flips["confidence_after"].to_numpy(),
        }
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows for JSON, which has no NaN."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
