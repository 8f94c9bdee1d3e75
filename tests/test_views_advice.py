"""What to do next, as a person sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from bs4 import BeautifulSoup

from nbutils.analysis.advice import Advice
from nbutils.analysis.findings import add_sections
from nbutils.errors import NotApplicableError
from nbutils.screens import list_steps
from nbutils.sections import Sections
from nbutils.views.advice import AdviceList, say_worth, show_advice

EVIL = "<script>alert(1)</script>\u202e"


@dataclass(frozen=True)
class Advised:
    told: tuple[Advice, ...] = ()

    def findings(self) -> Mapping[str, Any]:
        return {}

    def advice(self) -> Sequence[Advice]:
        return self.told


def sections_with(*advice: Advice) -> Sections:
    sections = Sections()
    sections.run("slices", Advised, advice)
    return sections


def refuse() -> Advised:
    raise NotApplicableError("no training split")


def test_advice_has_its_evidence_its_worth_and_a_link_to_its_section() -> None:
    found = [Advice("Do b.", "b is odd.", 0.012, "slices"), Advice("Do a.", "", None, "leakage")]
    shown = show_advice(sections_with(*found), score="micro F1")
    items = BeautifulSoup(shown._repr_html_(), "html.parser").find_all("li")
    assert [item.strong.get_text() for item in items] == ["Do b.", "Do a."]
    assert "b is odd." in items[0].get_text()
    assert "Worth about 1.2 points of micro F1." in items[0].get_text()
    assert "cannot be said" in items[1].get_text()
    assert [item.a["href"] for item in items] == [
        "#cell-id=slices-intro",
        "#cell-id=leakage-intro",
    ]
    assert repr(shown).startswith("1. Do b. b is odd. Worth about")


def test_worth_that_is_a_bound_is_said_to_be_one() -> None:
    shown = show_advice(sections_with(Advice("Do a.", "", 0.021, "suspects", at_most=True)))
    assert "Worth at most 2.1 points of accuracy." in repr(shown)
    assert "Worth at most 2.1 points of accuracy." in shown._repr_html_()
    assert (
        say_worth(0.0001, score="accuracy", at_most=True) == "Worth at most 0.1 points of accuracy."
    )


def test_gain_of_the_measurement_alone_is_said_to_be_one() -> None:
    said = "Worth at most 2.1 points of measured accuracy, which make the model no better."
    advice = Advice("Do a.", "", 0.021, "suspects", at_most=True, measured=True)
    assert said in repr(show_advice(sections_with(advice)))
    steps = list_steps({"advice": [advice.as_dict()]}, page="03.html")
    assert [step.detail for step in steps] == [said]


def test_what_is_left_out_is_counted() -> None:
    many = [Advice(f"Do {k}.", "", k / 100, "slices") for k in range(10)]
    shown = show_advice(sections_with(*many))
    assert "Do 9." in repr(shown)
    assert "Do 2." not in repr(shown)
    assert "3 more in findings.json" in repr(shown)
    assert "3 more in findings.json" in shown._repr_html_()


def test_nothing_found_is_said_with_what_nobody_looked_at() -> None:
    assert repr(show_advice(sections_with())) == ("Good: Nothing was found that calls for action.")
    sections = sections_with()
    sections.run("leakage", refuse)
    told = repr(show_advice(sections))
    assert told.startswith("Note: Nothing was found")
    assert "leakage (not applicable)" in told


def test_words_from_the_data_add_no_element() -> None:
    shown = AdviceList([Advice(EVIL, EVIL, 0.1, "slices")])
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    assert page.script is None
    assert "\u202e" not in shown._repr_html_() + repr(shown)


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.1234, "12.3 points"), (0.0001, "Worth less than 0.1 points"), (None, "cannot")],
)
def test_worth_is_said_in_points(gain: float | None, said: str) -> None:
    assert said in say_worth(gain, score="accuracy")


def test_findings_keep_all_advice_the_most_worth_first() -> None:
    many = [Advice(f"Do {k}.", "", k / 100, "slices") for k in range(10)]
    sections = sections_with(*many)
    found = add_sections({"mistakes": 1}, sections=sections.findings(), advice=sections.advice())
    assert found["mistakes"] == 1
    assert found["sections"] == {"slices": {"status": "done"}}
    assert [one["action"] for one in found["advice"]] == [f"Do {k}." for k in range(9, -1, -1)]
