"""A study's score beside the published one that it names as its target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nbutils.numerals import below_all
from nbutils.params.cutting import Cutting
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.study import Study
from nbutils.params.target import Target
from nbutils.report.page import Comparison, Fact, Outcome

WIDE = 0.05  # of an interval, from which it holds many a published score
METRIC_NAMES = {
    "accuracy": "test accuracy",
    "macro_f1": "test macro F1",
    "micro_f1": "test micro F1",
}
MEAN_OF_RUNS = re.compile(
    r"\b(mean|averaged?|median)\b[^.;]*\b(runs?|seeds?|trials?|repetitions?)\b", re.IGNORECASE
)


def judge_score(target: Target, metrics: Mapping[str, Any]) -> Outcome:
    """Return whether a study's score agrees with its target.

    The published score is taken as it is, without an interval of its own. It counts as reproduced
    where it lies in our 95 % interval; both are read to a tenth of a per cent, as they are shown.

    Parameters
    ----------
    target
        The published score.
    metrics
        As in `metrics.json`.
    """
    return _outcome(target, _own_score(target, metrics))


def _own_score(target: Target, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    scores: Mapping[str, Any] = metrics["test"]
    # where each text has one label, micro F1 and accuracy are one number, noted once
    found: Mapping[str, Any] = scores.get(target.metric, scores["accuracy"])
    return found


def _outcome(target: Target, score: Mapping[str, Any]) -> Outcome:
    low, theirs, high = (round(share, 3) for share in (score["low"], target.value, score["high"]))
    if theirs < low:
        return "above"
    return "below" if theirs > high else "reproduced"


def describe_target(target: Target, metrics: Mapping[str, Any]) -> str:
    """Return the target and whether it was reproduced, as a line for the terminal."""
    return (
        f"target {METRIC_NAMES[target.metric]} {_percent(target.value)} ({target.source}): "
        f"{judge_score(target, metrics)}"
    )


def compare_with_target(
    study: Study, *, card: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Comparison | None:
    """Return what a report says of a study and its target.

    Parameters
    ----------
    study
        Its parameters and, where it names one, its target.
    card
        The data card.
    metrics
        As in `metrics.json`; empty: the study did not get there.

    Returns
    -------
    Comparison or None
        None: no target, or nothing to compare with it.
    """
    target = study.target
    if target is None or not metrics or not card:
        return None
    score = _own_score(target, metrics)
    interval = f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"
    name = METRIC_NAMES[target.metric]
    return Comparison(
        outcome=_outcome(target, score),
        verdict=_verdict(target, score),
        ours=Fact(
            f"Ours, {name}",
            _percent(score["value"]),
            f"95 % interval {interval}, {score['n']:,} texts",
        ),
        theirs=Fact(f"Theirs, {name}", _percent(target.value), target.source),
        our_protocol=_our_protocol(study, card),
        their_protocol=_their_protocol(target),
        cautions=tuple(_cautions(study, target, card, score)),
        shares=(score["value"], score["low"], score["high"], target.value),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _verdict(target: Target, score: Mapping[str, Any]) -> str:
    points = f"{100 * abs(score['value'] - target.value):.1f} points"
    return {
        "reproduced": f"Reproduced: their {_percent(target.value)} lies in our 95 % interval. The "
        f"difference of {points} is no more than chance in the choice of test texts explains.",
        "below": f"Below: ours is lower by {points}, a difference that chance in the choice of "
        "test texts alone does not explain. Look for its cause in what differs below.",
        "above": f"Above: ours is higher by {points}, a difference that chance in the choice of "
        "test texts alone does not explain. Before calling it better, make sure that the test "
        "texts are theirs and that none of them was seen in training.",
    }[_outcome(target, score)]


def _limit(tune: FineTuneParams) -> str:
    steps = "" if tune.max_steps is None else f", {tune.max_steps} steps"
    minutes = tune.time_limit_minutes
    return steps + ("" if minutes is None else f", {minutes:g} minutes")


def _our_protocol(study: Study, card: Mapping[str, Any]) -> tuple[Fact, ...]:
    prep, tune, splits = study.data_prep, study.fine_tune, card["splits"]
    length = _length(tune.cutting)
    if prep.cutting == tune.cutting:  # else the card speaks of another length
        length += f", which cuts {_percent(below_all(card['tokens']['cut_share']))} of the texts"
    training = (
        f"at most {tune.epochs} epoch{'s' * (tune.epochs > 1)}{_limit(tune)}, learning rate "
        f"{tune.learning_rate:g}, batches of {tune.batch_size * tune.gradient_accumulation}"
    )
    return (
        Fact("Test texts", f"{splits['test']:,}, {_origin(study, card, 'test')}"),
        Fact("Training texts", f"{splits['train']:,}"),
        Fact("Validation texts", f"{splits['validation']:,}, {_origin(study, card, 'validation')}"),
        Fact("Copies", _copies(study, card)),
        Fact("Model", tune.model),
        Fact("Length", length),
        Fact("Training", training),
        Fact("Runs", f"one, seed {tune.seed}"),
    )


def _length(cutting: Cutting) -> str:
    return {
        "head": f"at most {cutting.max_length} tokens",
        "head_tail": f"at most {cutting.max_length} tokens, from both ends of a text",
        "chunks": f"at most {cutting.max_chunks} chunks of {cutting.max_length} tokens",
    }[cutting.truncation]


def _origin(study: Study, card: Mapping[str, Any], split: str) -> str:
    prep = study.data_prep
    if split in card["given_splits"]:
        named = getattr(prep, f"{split}_dataset")
        return f"given as {named}" if named else "as the dataset brings them"
    share = 100 * getattr(prep, f"{split}_size")
    return f"our own split: {share:g} % drawn with seed {prep.split_seed}"


def _copies(study: Study, card: Mapping[str, Any]) -> str:
    found = card["duplicates"]
    if not study.data_prep.deduplicate:
        return f"all kept; {found['across_splits']:,} texts have a copy in another split"
    where = "training and validation" if "test" in card["given_splits"] else "all splits"
    return (
        f"{found['dropped_exact']:,} exact and {found['dropped_near']:,} near copies removed "
        f"from {where}"
    )


def _their_protocol(target: Target) -> tuple[Fact, ...]:
    said = [Fact("Protocol", target.protocol or "not stated in the study file")]
    if target.runs is not None:
        said.append(Fact("Runs", "one" if target.runs == 1 else f"mean of {target.runs:,}"))
    return tuple(said)


def _cautions(
    study: Study, target: Target, card: Mapping[str, Any], score: Mapping[str, Any]
) -> list[str]:
    return [
        *_differing_test(study, card),
        *_differing_training(study, card),
        *_differing_runs(study, target),
        *_wide_interval(target, score),
    ]


def _differing_test(study: Study, card: Mapping[str, Any]) -> list[str]:
    prep, reasons = study.data_prep, []
    if "test" not in card["given_splits"]:
        reasons.append("they are our own split of the data")
        if prep.deduplicate and card["duplicates"]["dropped_exact"]:
            reasons.append(f"{card['duplicates']['dropped_exact']:,} copies were removed before it")
    if prep.max_examples is not None and card["counts"]["rows_read"] > prep.max_examples:
        reasons.append(f"max_examples keeps {prep.max_examples:,} texts in all")
    if card["counts"]["dropped_empty"]:
        reasons.append(f"{card['counts']['dropped_empty']:,} empty texts were left out")
    if changed := card.get("corrections", {}).get("by_split", {}).get("test"):
        reasons.append(f"{changed:,} of them have other labels, or were left out, by hand")
    if not reasons:
        return []
    return [
        f"The test texts may not be theirs: {', and '.join(reasons)}. A difference may come from "
        "the texts rather than from the model."
    ]


def _differing_training(study: Study, card: Mapping[str, Any]) -> list[str]:
    found, given = card["duplicates"], "test" in card["given_splits"]
    dropped = found["dropped_exact"] + found["dropped_near"]
    if given and study.data_prep.deduplicate and dropped:
        return [
            f"Training and validation lack {dropped:,} texts that are copies of others. Whoever "
            "kept them may have trained on copies of test texts and scored higher for it; "
            "data_prep.deduplicate: false keeps them too."
        ]
    if found["across_splits"]:
        return [
            f"{found['across_splits']:,} texts have a copy in another split and were kept: the "
            "score is too good, and theirs is too if they kept them."
        ]
    return []


def _differing_runs(study: Study, target: Target) -> list[str]:
    several = target.runs is not None and target.runs > 1
    if target.runs is None:
        several = MEAN_OF_RUNS.search(target.protocol) is not None
    if not several:
        return []
    return [
        f"Theirs is a mean over runs, ours is one run (seed {study.fine_tune.seed}). The interval "
        "does not cover what another seed would change: run several seeds, and compare their mean."
    ]


def _wide_interval(target: Target, score: Mapping[str, Any]) -> list[str]:
    width = score["high"] - score["low"]
    if width <= WIDE or _outcome(target, score) != "reproduced":
        return []
    return [
        f"Our interval is {100 * width:.0f} points wide, with {score['n']:,} test texts: it would "
        "hold many a published score, so that agreement says little."
    ]
