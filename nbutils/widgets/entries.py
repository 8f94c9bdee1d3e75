"""One parameter in a form: its input, what it means, and what is wrong with what was typed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

from nbutils.escaping import render_text
from nbutils.params.base import say_value
from nbutils.params.fields import Entry, spell

CLICKED = ("check", "choice")  # kinds of entries that nothing is typed into
NARROWEST = "min(22em, 100%)"
WRONG = "border-left:4px solid #d55e00;padding-left:.5em"


class Dress:
    """Layouts and styles that many inputs share: each one of its own would cost a message more."""

    @cached_property
    def wide(self) -> Any:
        """Layout of an input: as wide as its column."""
        import ipywidgets

        return ipywidgets.Layout(width="auto", min_width="0")

    @cached_property
    def cell(self) -> Any:
        """Layout of a parameter in a grid."""
        import ipywidgets

        return ipywidgets.Layout(min_width="0", overflow="visible")

    @cached_property
    def styles(self) -> dict[str, Any]:
        """Styles by the kind of input, and of the words below it."""
        from ipywidgets.widgets import widget_bool, widget_description, widget_string

        label = "12.5em"
        return {
            "choice": widget_description.DescriptionStyle(description_width=label),
            "text": widget_string.TextStyle(description_width=label),
            "check": widget_bool.CheckboxStyle(description_width="initial"),
            "words": widget_string.HTMLStyle(),
        }


class EntryView:
    """The widgets of one parameter.

    Parameters
    ----------
    entry
        What is asked for.
    value
        Where the input begins.
    dress
        Shared by all.

    Attributes
    ----------
    input
        The widget that is typed or clicked in.
    words
        What stands below it.
    view
        Both.
    """

    def __init__(self, entry: Entry, value: Any, dress: Dress) -> None:
        import ipywidgets

        self.entry = entry
        self.input = _make_input(entry, value, dress)
        self.words = ipywidgets.HTML(layout=dress.wide, style=dress.styles["words"])
        self.view = ipywidgets.VBox([self.input, self.words], layout=dress.cell)
        self._told: tuple[bool, str] | None = None

    def observe(self, changed: Callable[[str, Any], None]) -> None:
        """Call `changed` with the parameter's name and what was typed, whenever that changes."""
        self.input.observe(lambda change: changed(self.entry.name, self._read(change.new)), "value")

    def _read(self, typed: Any) -> Any:
        return self.entry.read(typed) if self._is_text else typed

    @property
    def _is_text(self) -> bool:
        return self.entry.kind not in CLICKED

    def show(self, value: Any) -> None:
        """Show a value in the input, as far as that can show it."""
        from traitlets import TraitError

        with suppress(TraitError, ValueError, TypeError):
            self.input.value = spell(value) if self._is_text else value

    def tell(self, *, changed: bool, wrong: str) -> None:
        """Say below the input whether its value is the default, and what is wrong with it."""
        if self._told == (changed, wrong):
            return
        self._told = (changed, wrong)
        self.words.value = render_words(self.entry, changed=changed, wrong=wrong)


def render_words(entry: Entry, *, changed: bool, wrong: str) -> str:
    """Return what stands below an input: meaning, limits, default, and what is wrong.

    Parameters
    ----------
    entry
        The parameter.
    changed
        Whether its value differs from the default.
    wrong
        The schema's refusal; "" if there is none.
    """
    default = f"default: {say_value(entry.default)}"
    facts = [*([entry.limits] if entry.limits else []), default]
    sign = "<strong>Changed.</strong> " if changed else ""
    error = f'<div style="{WRONG}"><strong>Not valid.</strong> {render_text(wrong)}</div>'
    return (
        f'<div style="font-size:.9em;line-height:1.35;margin-bottom:.5em">{error if wrong else ""}'
        f"{sign}{render_text(entry.meaning)} ({render_text('; '.join(facts))})</div>"
    )


def _make_input(entry: Entry, value: Any, dress: Dress) -> Any:
    import ipywidgets

    common = {"description": entry.name, "layout": dress.wide}
    if entry.kind == "check":
        return ipywidgets.Checkbox(value, indent=False, style=dress.styles["check"], **common)
    if entry.kind == "choice":
        options = [(spell(choice), choice) for choice in entry.choices]
        style = dress.styles["choice"]
        return ipywidgets.Dropdown(options=options, value=value, style=style, **common)
    # Numbers too: a browser hands on 1 of `1e3` in an IntText, and nothing of an emptied one.
    kind = ipywidgets.Combobox if entry.choices else ipywidgets.Text
    named = {"options": [spell(choice) for choice in entry.choices]} if entry.choices else {}
    return kind(spell(value), style=dress.styles["text"], **named, **common)
