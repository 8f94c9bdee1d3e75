"""A form of a notebook's parameters, made from their schema alone.

It shows what the values would be in a study file and which command runs them in batch, saves them
as a study file, and runs the cells below with them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

from nbutils.errors import ParameterError
from nbutils.params.base import StageParameters, say_value
from nbutils.params.drafts import Draft, Section
from nbutils.params.fields import list_entries, spell
from nbutils.tables import Note, Table
from nbutils.widgets.base import Shown, Widget
from nbutils.widgets.form_view import SAVE, FormView
from nbutils.widgets.run_below import RunBelow

INVALID = "Once all values are valid, the study file and the command are shown here."


class ParameterForm(Widget, Generic[Section]):
    """A form for the parameters of one notebook.

    What is typed is validated at once, all values together. Other typing waits until it is quiet;
    this does not, since it takes milliseconds and `params` must not lag behind what is seen.

    Parameters
    ----------
    params
        The values that the form begins with; `reset` leads back to them.
    study
        Name of the study file that is shown, run and saved; none: ``my-study``.
    """

    def __init__(self, params: Section, *, study: str | None = None) -> None:
        super().__init__()
        self._draft = Draft(params)
        self._study = study or ("my-benchmark" if params.section == "benchmark" else "my-study")
        self._filling = False
        self._asked: tuple[Path, str] | None = None

    @property
    def params(self) -> Section:
        """The values, as the schema's own model.

        Raises
        ------
        ParameterError
            What was typed is not valid.
        """
        with self._turn:
            self._refuse_invalid()
            return self._draft.params

    @property
    def section(self) -> str:
        """The section of a study file that the parameters are."""
        return self._draft.params.section

    @property
    def path(self) -> Path:
        """The study file that is shown, run and saved.

        Raises
        ------
        ParameterError
            No study can have its name.
        """
        path: Path = _studies("saving").study_path(self._study)
        return path

    @property
    def yaml(self) -> str:
        """The lines that saving puts into the study file: what differs from the defaults."""
        lines: str = _studies("saving").describe_section(self.params, self.path)
        return lines

    @property
    def command(self) -> str:
        """The shell command that runs the study with these parameters; "" if there is none."""
        command: str = _studies("batch").describe_batch(self.params, self.path).command
        return command

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs by parameter."""
        _ = self.view
        return {name: view.input for name, view in self._form.entries.items()}

    @property
    def twin(self) -> Shown:
        """The parameters that differ from their defaults, as they last were valid."""
        return tabulate_differences(self._draft.params)

    def set(self, **values: Any) -> None:
        """Type values into the form.

        Parameters
        ----------
        values
            By parameter; what is not valid is shown as such and not taken over.

        Raises
        ------
        ParameterError
            There is no such parameter.
        """
        with self._turn:
            self._draft.put(**values)
            self._fill(values)

    def reset(self) -> None:
        """Go back to the values that the form began with."""
        with self._turn:
            self._draft.reset()
            self._fill(self._draft.values)

    def choose_study(self, name: str) -> None:
        """Show, run and save another study file.

        Parameters
        ----------
        name
            Of a file in `params/` of the project, with or without ``.yaml``.
        """
        with self._turn:
            self._study = name
            self._fill({})

    def save(self, *, replace: bool = False) -> None:
        """Put the parameters into the study file.

        Parameters
        ----------
        replace
            Whether a file that exists may be changed: this section of it, no other line.

        Raises
        ------
        ParameterError
            What was typed is not valid, or the file exists, or it has no room for the section.
        """
        with self._turn:
            said = _studies("saving").save_section(self.params, self.path, replace=replace)
            self._fill({})
            self.say(said)

    def run_below(self) -> None:
        """Run the cells below the form, where JupyterLab lets a page do that.

        Raises
        ------
        ParameterError
            What was typed is not valid.
        """
        self._refuse_invalid()
        self._below.run()

    def _refuse_invalid(self) -> None:
        if self._draft.refusals:
            wrong = "; ".join(refusal.message for refusal in self._draft.refusals)
            raise ParameterError(f"not all values are valid: {wrong}; mend them, or reset the form")

    @cached_property
    def _below(self) -> RunBelow:
        return RunBelow()

    def _build(self) -> Any:
        self._form = FormView(self._draft, study=self._study)
        for view in self._form.entries.values():
            view.observe(self.answering(self._typed))
        buttons = self._form.buttons
        buttons.study.observe(self.answering(self._study_typed), "value")
        buttons.save.on_click(self.answering(self._save_clicked))
        buttons.reset.on_click(self.answering(lambda _: self.reset()))
        buttons.run.on_click(self.answering(lambda _: self.run_below()))
        self._refresh()
        return self._form.build(self._below.view)

    def _typed(self, name: str, value: Any) -> None:
        if not self._filling:
            self._draft.put(**{name: value})
            self._refresh()

    def _study_typed(self, change: Any) -> None:
        if not self._filling:
            self._study = change.new
            self._refresh()

    def _save_clicked(self, _: Any) -> None:
        before = _studies("saving").find_replaced(self.params, self.path)
        if before and self._asked != (self.path, before):
            self._asked = (self.path, before)
            self._form.buttons.save.description = f"Replace its {self.section} section"
            self.say(
                f"Not saved yet: there is {self.path.name} already. Press again to replace its "
                f"{self.section} section; its other sections and their comments stay."
            )
        else:
            self.save(replace=bool(before))

    def _fill(self, values: dict[str, Any]) -> None:
        if "_whole" not in self.__dict__:
            return
        with self._filled():
            for name, value in values.items():
                self._form.entries[name].show(value)
            self._form.buttons.study.value = self._study
        self._refresh()

    @contextmanager
    def _filled(self) -> Iterator[None]:
        self._filling = True
        try:
            yield
        finally:
            self._filling = False

    def _refresh(self) -> None:
        self._asked = None
        self._form.buttons.save.description = SAVE
        self._form.buttons.study.options = _studies("saving").list_studies()
        self._form.tell(self._draft)
        if self._draft.refusals:
            self._form.show_study("", "", INVALID)
            return
        try:
            batch = _studies("batch").describe_batch(self.params, self.path)
            self._form.show_study(self.yaml, batch.command, batch.remark)
        except ParameterError as error:
            self._form.show_study("", "", str(error))


def tabulate_differences(params: StageParameters) -> Table | Note:
    """Return the parameters that differ from their defaults, with their meaning."""
    import pandas as pd

    entries = list_entries(type(params))
    changed = {name: value for name, value in params.changes().items() if name in entries}
    if not changed:
        return Note(f"All parameters of {params.section} have their default values.")
    frame = pd.DataFrame(
        {
            "value": [spell(value) or say_value(value) for value in changed.values()],
            "default": [say_value(entries[name].default) for name in changed],
            "meaning": [entries[name].meaning for name in changed],
        },
        index=pd.Index(list(changed), name="parameter"),
    )
    return Table(frame, caption=f"Parameters of {params.section} that differ from their defaults")


def _studies(module: str) -> Any:
    """Return a module that knows of study files.

    By name: what a notebook imports decides whether its result is still good, and that does not
    depend on the sections of the other notebooks.
    """
    return importlib.import_module(f"nbutils.params.{module}")
