"""What a parameter form shows: inputs in groups, what holds, and the study file and command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbutils.escaping import escape_text, render_text
from nbutils.params.drafts import Draft
from nbutils.params.fields import group_entries
from nbutils.widgets.entries import WRONG, Dress, EntryView

# Two columns, or one where there is no room for two.
COLUMNS = "repeat(auto-fill, minmax(min(100%, max(22em, 40%)), 1fr))"
PRE = (
    "margin:.2em 0 .6em;padding:.5em .7em;border:1px solid rgba(128,128,128,.35);line-height:1.35;"
    "white-space:pre-wrap;overflow-wrap:anywhere"
)
LINE = "line-height:1.4;margin-bottom:.4em"
SAVE = "Save as study file"
HEADING = '<div role="heading" aria-level="4" style="font-weight:600;line-height:1.6">'


@dataclass(frozen=True)
class Buttons:
    """What is clicked, and the name of the study file."""

    study: Any
    save: Any
    reset: Any
    run: Any


class Group:
    """Parameters below one heading; a button opens and closes them, the first are always open.

    A button, since the accordion of ipywidgets cannot be reached by keyboard.
    """

    def __init__(self, title: str, entries: list[EntryView], *, folded: bool) -> None:
        import ipywidgets

        self._title, self._entries, self._folded = title, entries, folded
        self._layout = ipywidgets.Layout(
            grid_template_columns=COLUMNS,
            grid_gap="0 1.5em",
            width="100%",
            display="none" if folded else None,
        )
        grid = ipywidgets.GridBox([entry.view for entry in entries], layout=self._layout)
        self.button = ipywidgets.ToggleButton(icon="caret-right", layout={"width": "auto"})
        self.button.observe(self._toggled, "value")
        self.view = ipywidgets.VBox([self.button, grid] if folded else [grid])

    def _toggled(self, change: Any) -> None:
        self._layout.display = None if change.new else "none"
        self.button.icon = "caret-down" if change.new else "caret-right"

    def tell(self, draft: Draft[Any]) -> None:
        """Say below each input what is to be said, and on the button how much of it there is."""
        names = [view.entry.name for view in self._entries]
        for view in self._entries:
            name = view.entry.name
            view.tell(changed=draft.is_changed(name), wrong=draft.refusal_of(name))
        changed = sum(map(draft.is_changed, names))
        wrong = sum(bool(draft.refusal_of(name)) for name in names)
        facts = [str(len(names))]
        facts += [f"{changed} changed"] * bool(changed) + [f"{wrong} not valid"] * bool(wrong)
        self.button.description = f"{self._title} ({', '.join(facts)})"


class FormView:
    """The widgets of a parameter form.

    Parameters
    ----------
    draft
        The values that it begins with.
    study
        Name of the study file that it begins with.

    Attributes
    ----------
    entries
        The parameters by name.
    buttons
        What is clicked beside them.
    """

    def __init__(self, draft: Draft[Any], *, study: str) -> None:
        import ipywidgets

        self._model = type(draft.start)
        dress = Dress()
        grouped = group_entries(self._model)
        views = {
            title: [EntryView(entry, getattr(draft.params, entry.name), dress) for entry in entries]
            for title, entries in grouped.items()
        }
        self._groups = [
            Group(title, members, folded=place > 0)
            for place, (title, members) in enumerate(views.items())
        ]
        self.entries = {view.entry.name: view for group in views.values() for view in group}
        for name, view in self.entries.items():
            view.show(draft.values[name])  # what is not valid too, as far as its input can
        self.buttons = _make_buttons(study)
        self._holds, self._file, self._batch = (ipywidgets.HTML() for _ in range(3))

    def tell(self, draft: Draft[Any]) -> None:
        """Say what is changed, what is wrong, and what is taken over."""
        for group in self._groups:
            group.tell(draft)
        self._holds.value = render_state(draft)

    def show_study(self, lines: str, command: str, remark: str) -> None:
        """Show the section as a study file has it, and how it is run.

        Parameters
        ----------
        lines
            YAML; "" if the study file cannot have it.
        command
            For a shell; "" if there is none.
        remark
            What is to be known of the command, or why there is none.
        """
        self._file.value = _render_lines("In the study file", lines)
        said = f'<div style="{LINE}">{render_text(remark, limit=2000)}</div>' if remark else ""
        self._batch.value = said + _render_lines("In a shell", command)

    def build(self, below: Any) -> Any:
        """Return all of it as one widget.

        Parameters
        ----------
        below
            Where the cells below are run from.
        """
        import ipywidgets

        meaning = (self._model.__doc__ or "").partition("\n")[0]
        title = ipywidgets.HTML(
            f"{HEADING}Parameters of {render_text(self._model.section)}</div>"
            f'<div style="{LINE}">{render_text(meaning)}</div>'
        )
        row = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        buttons = self.buttons
        clicked = ipywidgets.Box(
            [buttons.run, buttons.reset, buttons.study, buttons.save], layout=row
        )
        groups = [group.view for group in self._groups]
        parts = [title, *groups, self._holds, clicked, below, self._batch, self._file]
        return ipywidgets.VBox(parts, layout={"width": "100%"})


def render_state(draft: Draft[Any]) -> str:
    """Return what of the typed values holds."""
    if draft.refusals:
        wrong = "; ".join(refusal.message for refusal in draft.refusals)
        said = f"<strong>Not taken over: {', '.join(draft.pending)}.</strong> {render_text(wrong)}"
        return f'<div role="status" style="{LINE};{WRONG}">{said}</div>'
    changed = [name for name in draft.entries if draft.is_changed(name)]
    differing = f"Other than the defaults: {', '.join(changed)}." if changed else "All defaults."
    return f'<div role="status" style="{LINE}"><strong>Taken over.</strong> {differing}</div>'


def _render_lines(title: str, lines: str) -> str:
    if not lines:
        return ""
    return f'{HEADING}{title}</div><pre style="{PRE}">{escape_text(lines.rstrip())}</pre>'


def _make_buttons(study: str) -> Buttons:
    import ipywidgets

    fitting = ipywidgets.Layout(width="auto")
    name = ipywidgets.Combobox(
        study, description="study", placeholder="name of a file in params/", ensure_option=False
    )
    return Buttons(
        study=name,
        save=ipywidgets.Button(description=SAVE, layout=fitting),
        reset=ipywidgets.Button(description="Reset", layout=fitting),
        run=ipywidgets.Button(description="Run the cells below", layout=fitting),
    )
