"""Sections: each switched off alone, and failing alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up import make_errors

from nbutils.analysis.advice import Advice, rank_advice
from nbutils.analysis.single_label import SingleLabelErrors
from nbutils.errors import NotApplicableError, ParameterError
from nbutils.params.error_analysis import ErrorAnalysisParams
from nbutils.sections import Sections
from nbutils.stage_screens import headline_findings
from nbutils.tables import Facts


@dataclass(frozen=True)
class Count:
    n: int

    def findings(self) -> Mapping[str, Any]:
        return {"n": self.n}

    def advice(self) -> Sequence[Advice]:
        return [Advice("Count again.", "It was odd.", 0.1, "slices")] if self.n % 2 else []


def count_letters(word: str, *, only: str) -> Count:
    if not word:
        raise NotApplicableError("there is no word")
    return Count(word.index(only))


def test_section_keeps_what_it_found_and_advises() -> None:
    sections = Sections()
    found = sections.run("slices", count_letters, "word", only="o")
    assert found.value == Count(1)
    assert sections.findings() == {"slices": {"status": "done", "n": 1}}
    assert [advice.action for advice in sections.advice()] == ["Count again."]
    assert "2" in repr(found.show(lambda value, more: Facts({"n": value.n + more}), 1))


@pytest.mark.parametrize(
    ("skip", "word", "status", "why"),
    [
        (("slices",), "word", "skipped", "Switched off by the parameter skip."),
        ((), "", "not applicable", "there is no word"),
        ((), "bird!", "failed", "ValueError: substring not found"),
    ],
)
def test_section_without_a_value_says_why_once(
    skip: tuple[str, ...], word: str, status: str, why: str
) -> None:
    sections = Sections(skip)
    found = sections.run("slices", count_letters, word, only="o")
    assert sections.run("shift", count_letters, "word", only="w").value == Count(0)
    assert sections.findings()["slices"] == {"status": status, "why": why}
    assert sections.advice() == []
    assert why in repr(found.show(lambda value: 1 / 0))
    assert found.show(lambda value: 1 / 0) is None
    json.dumps(sections.findings())


def test_view_that_fails_is_named() -> None:
    def plot_count(value: Count) -> None:
        raise KeyError("colour")

    shown = Sections().run("slices", count_letters, "word", only="o").show(plot_count)
    assert "plot_count failed: KeyError: 'colour'" in repr(shown)


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_hold_fails_its_own_section_alone(value: Any) -> None:
    sections = Sections()
    assert sections.run("slices", Count, value).value is None
    sections.run("shift", Count, 3)
    assert sections.findings()["slices"]["status"] == "failed"
    assert sections.findings()["shift"] == {"status": "done", "n": 3}


def test_words_for_texts_are_collected_from_the_sections_that_have_them() -> None:
    class Tagged(Count):
        def tags_of_texts(self) -> Mapping[str, Collection[int]]:
            return {"odd": [self.n]}

    sections = Sections()
    sections.run("slices", Count, 1)
    sections.run("shift", Tagged, 7)
    assert sections.tags() == {"odd": [7]}


def test_plot_that_cannot_be_drawn_takes_nothing_else_down() -> None:
    class Torn:
        def get_figure(self, *, root: bool) -> None:
            raise ValueError("no room")

    def plot_count(value: Count) -> Torn:
        return Torn()

    shown = Sections().run("slices", count_letters, "word", only="o").show(plot_count)
    assert "plot_count failed: ValueError: no room" in repr(shown)


class Broken(SingleLabelErrors):
    """Errors whose tables cannot be made."""

    def pairs(self, *, most: int = 10) -> pd.DataFrame:
        raise ValueError("no pairs")

    def mistakes(self, *, split: str | None = "test") -> pd.DataFrame:
        raise KeyError("text")


def test_all_that_was_found_is_saved(tmp_path: Path) -> None:
    sections = Sections()
    sections.run("slices", Count, 1)
    errors = make_errors(60, 3)
    note = sections.save(tmp_path, errors)
    found = json.loads((tmp_path / "findings.json").read_text())
    assert found["sections"] == {"slices": {"status": "done", "n": 1}}
    assert [one["action"] for one in found["advice"]] == ["Count again."]
    mistakes = pd.read_csv(tmp_path / "errors.csv")
    assert len(mistakes) == found["mistakes"]["test"] == len(errors.mistakes())
    assert f"{len(mistakes)} mistakes were written" in repr(note)
    assert "failed" not in found


def test_what_cannot_be_made_keeps_nothing_else_from_being_saved(tmp_path: Path) -> None:
    whole = make_errors(60, 3)
    sections = Sections()
    sections.run("slices", Count, 1)
    note = sections.save(tmp_path, Broken(whole.predictions, whole.texts, whole.label_names))
    found = json.loads((tmp_path / "findings.json").read_text())
    assert found["failed"] == ["ValueError: no pairs", "KeyError: 'text'"]
    assert found["sections"] == {"slices": {"status": "done", "n": 1}}
    assert pd.read_csv(tmp_path / "errors.csv").empty
    assert "no pairs" in repr(note)
    assert headline_findings(found) == {}


def test_interruption_is_not_taken_for_a_failure() -> None:
    def wait() -> Count:
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        Sections().run("slices", wait)


def test_advice_worth_most_comes_first() -> None:
    gains = [None, 0.01, 0.2, None, 0.0]
    found = [Advice(str(place), "", gain, "slices") for place, gain in enumerate(gains)]
    assert [advice.action for advice in rank_advice(found, most=4)] == ["2", "1", "4", "0"]


def test_what_something_is_worth_at_most_comes_after_what_is_expected() -> None:
    bound = Advice("bound", "", 0.5, "suspects", at_most=True)
    found = [Advice("unknown", "", None, "slices"), bound, Advice("small", "", 0.001, "slices")]
    assert [advice.action for advice in rank_advice(found)] == ["small", "bound", "unknown"]


@pytest.mark.parametrize(
    ("value", "names"),
    [("slices, shift", ["slices", "shift"]), ("['slices']", ["slices"]), ("[]", []), (None, [])],
)
def test_sections_to_skip_are_read_from_a_command_line(value: Any, names: list[str]) -> None:
    assert ErrorAnalysisParams.of({"skip": value}).skip == names


def test_unknown_section_to_skip_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"'slice' is no section; did you mean 'slices'\?"):
        ErrorAnalysisParams.of({"skip": "slice"})
