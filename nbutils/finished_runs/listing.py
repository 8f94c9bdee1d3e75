"""All finished runs of a project: listed, searched, put in order, and set side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from nbutils.artifacts import project_dir
from nbutils.errors import ParameterError, suggest
from nbutils.finished_runs.reading import read_interactive, read_report
from nbutils.finished_runs.run import FinishedRun, say_when
from nbutils.tables import Note, Table

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 20  # runs in the table
MOST_DIFFERENCES = 4  # parameters that are named of each
LONGEST_CELL = 60  # characters
HOW_TO_MAKE_ONE = "make one: nbutils run params/quickstart.yaml, or run the notebooks 01 to 03"
APART = ("data_prep.dataset", "fine_tune.model")  # parameters that have their own place

Order = Literal["newest", "score", "name"]
ORDERS: tuple[Order, ...] = ("newest", "score", "name")


@dataclass(frozen=True)
class Places:
    """Where stage folders and reports are."""

    runs_dir: Path
    reports_dir: Path

    @classmethod
    def of(cls, runs_dir: str | Path | None, reports_dir: str | Path | None) -> Places:
        """Return the given folders; where none is given, those of the project."""
        runs, reports = (
            project_dir() / name if given is None else Path(given).expanduser().resolve()
            for name, given in (("runs", runs_dir), ("reports", reports_dir))
        )
        return cls(runs, reports)


def list_runs(runs_dir: str | Path | None = None, reports_dir: str | Path | None = None) -> RunList:
    """Return all finished runs, the newest first; of each its manifest alone is read.

    Parameters
    ----------
    runs_dir, reports_dir
        As for `open_run`. Folders that are damaged, or of something else, are passed over.
    """
    places = Places.of(runs_dir, reports_dir)
    try:
        folders = sorted(path for path in places.reports_dir.iterdir() if path.is_dir())
    except OSError:  # there are no reports
        folders = []
    found = [_read(folder, places) for folder in folders if not folder.name.startswith(".")]
    runs = [run for run in (*found, _read_interactive(places)) if run is not None]
    return RunList(runs).ordered("newest")


def _read(folder: Path, places: Places) -> FinishedRun | None:
    try:
        return read_report(folder, runs_dirs=[places.runs_dir])
    except OSError:  # not to be read, or just being replaced by another run
        return None


def _read_interactive(places: Places) -> FinishedRun | None:
    try:
        return read_interactive(places.runs_dir)
    except OSError:
        return None


class RunList(Sequence[FinishedRun]):
    """Finished runs, shown side by side.

    Parameters
    ----------
    runs
        In the order in which they are shown.
    """

    def __init__(self, runs: Iterable[FinishedRun]) -> None:
        self._runs = tuple(runs)

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, place: int) -> FinishedRun: ...
    @overload
    def __getitem__(self, place: slice) -> RunList: ...
    def __getitem__(self, place: int | slice) -> FinishedRun | RunList:
        return RunList(self._runs[place]) if isinstance(place, slice) else self._runs[place]

    def __iter__(self) -> Iterator[FinishedRun]:
        return iter(self._runs)

    def ordered(self, order: Order) -> RunList:
        """Return the same runs in another order.

        Parameters
        ----------
        order
            ``"newest"`` first, the best ``"score"`` first, or by ``"name"``.

        Raises
        ------
        ParameterError
            It is none of them.
        """
        if order not in ORDERS:
            raise ParameterError(f"order {order!r}: unknown{suggest(str(order), ORDERS)}")
        runs = sorted(self._runs, key=lambda run: run.name)
        if order == "newest":
            runs.sort(key=lambda run: run.when, reverse=True)
        if order == "score":
            runs.sort(key=lambda run: -1.0 if run.score is None else run.score.value, reverse=True)
        return RunList(runs)

    def matching(self, text: str) -> RunList:
        """Return the runs that have every word of a text in their name, subject, time or values.

        Parameters
        ----------
        text
            Such as ``imdb epochs=3``; case does not count.
        """
        words = text.lower().split()
        found = (
            run
            for run, searched in zip(self._runs, self._searched, strict=True)
            if all(word in searched for word in words)
        )
        return RunList(found) if words else self

    @cached_property
    def _searched(self) -> list[str]:
        return [_searchable(run).lower() for run in self._runs]

    @cached_property
    def differing(self) -> Mapping[str, Counter[str]]:
        """How many runs have each value of the parameters, as ``section.key``, that differ."""
        seen: dict[str, Counter[str]] = {}
        for run in self._runs:
            for key, value in run.flat_parameters.items():
                seen.setdefault(key, Counter())[value] += 1
        return {key: values for key, values in seen.items() if len(values) > 1 and key not in APART}

    @cached_property
    def _short_names(self) -> Mapping[str, str]:
        """What differs, without its section where no other section has a parameter so named."""
        last = {key: key.partition(".")[2] for key in self.differing}
        count = Counter(last.values())
        return {key: name if count[name] == 1 else key for key, name in last.items()}

    def differences(self, run: FinishedRun) -> Mapping[str, str]:
        """Return a run's values of what differs, those first that it shares with fewest runs."""
        own = run.flat_parameters
        keys = [key for key in self.differing if key in own]
        keys.sort(key=lambda key: self.differing[key][own[key]])
        return {self._short_names[key]: own[key] for key in keys}

    def say_differences(self, run: FinishedRun) -> str:
        """Return some of a run's `differences` in words."""
        found = [f"{key}={value}" for key, value in self.differences(run).items()]
        more = len(found) - MOST_DIFFERENCES
        return ", ".join(found[:MOST_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")

    def frame(self) -> pd.DataFrame:
        """Return a row for each run: its name, score, time, subject and what differs."""
        import pandas as pd

        rows = [
            {
                "run": _cut(run.name),
                "test score (95 % interval)": "none" if run.score is None else str(run.score),
                "ended": say_when(run.when),
                "trained": _cut(run.subject),
                "differs in": _cut(self.say_differences(run)),
            }
            for run in self._runs
        ]
        return pd.DataFrame(rows)

    def table(self) -> Table | Note:
        """Return the first runs as a table; a note where there is none."""
        if not self._runs:
            return Note(f"There is no finished run yet; {HOW_TO_MAKE_ONE}.")
        n = len(self._runs)
        caption = f"{n:,} finished runs" if n > 1 else "One finished run"
        if n > MOST_SHOWN:
            caption += f", the first {MOST_SHOWN}"
        return Table(self[:MOST_SHOWN].frame(), caption=caption)

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _searchable(run: FinishedRun) -> str:
    values = (f"{key}={value}" for key, value in run.flat_parameters.items())
    return "\n".join([run.name, run.subject, say_when(run.when), *values])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
