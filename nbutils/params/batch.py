"""The shell command that runs parameters in batch, if only somebody pastes it."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbutils.artifacts import project_dir
from nbutils.errors import ParameterError
from nbutils.escaping import UNSEEN
from nbutils.home import shorten_home
from nbutils.params.base import StageParameters
from nbutils.params.fields import spell
from nbutils.params.saving import find_differing, find_following, short_path
from nbutils.params.strict_yaml import read_yaml
from nbutils.params.study import load_study


@dataclass(frozen=True)
class Batch:
    """How a study is run with parameters.

    Attributes
    ----------
    command
        For a POSIX shell, wherever it is; "" where there is none.
    remark
        What must be done first, or what the command leaves as it is; "" if nothing.
    """

    command: str
    remark: str


def describe_batch(params: StageParameters, path: Path) -> Batch:
    """Return the command that runs a study file with these parameters in place of its own.

    Parameters
    ----------
    params
        Of one section.
    path
        A study file; it need not exist yet.
    """
    shown = short_path(path)
    if not path.is_file():
        return Batch(_command(shown), f"There is no {shown} yet: save it before you run this.")
    try:
        overrides = find_overrides(params, path)
    except ParameterError as error:
        return Batch("", str(error).replace(str(path), shown))
    if overrides is None:
        return Batch(_command(shown), "Some value fits into no command: save before you run this.")
    rest = f"All else is as {shown} has it; nothing needs to be saved." if overrides else ""
    return Batch(_command(shown, overrides), rest)


def find_overrides(params: StageParameters, path: Path) -> list[str] | None:
    """Return what to give as ``-p`` so that a study file is run with these parameters.

    Parameters
    ----------
    params
        Of one section.
    path
        A study file.

    Returns
    -------
    list of str or None
        ``section.key=value`` each; None: some value cannot be given in that way.

    Raises
    ------
    ParameterError
        The file is no study that has room for this section.
    """
    following, study = find_following(params, read_yaml(path)), load_study(path)
    if study.benchmark is not None and params.section not in study.stages:
        raise ParameterError(f"{path}: a benchmark, which has no {params.section}; name another")
    differing = [name for name in find_differing(params, study) if name not in following]
    overrides = [f"{params.section}.{name}={spell(getattr(params, name))}" for name in differing]
    if any(UNSEEN.search(override) or "\n" in override for override in overrides):
        return None  # nobody should paste what cannot be seen
    left = find_differing(params, load_study(path, overrides=overrides))
    return None if set(left) - following else overrides


def _command(shown: str, overrides: Sequence[str] = ()) -> str:
    words = [_program(), "run", shown, *(word for each in overrides for word in ("-p", each))]
    return f"cd {_folder()} && {shlex.join(words)}"


def _folder() -> str:
    """Return the project's folder for a shell, which reads a home folder only outside quotes."""
    home, slash, below = shorten_home(str(project_dir())).partition("/")
    if home == "~":
        return f"~/{shlex.quote(below)}" if below else "~"
    return shlex.quote(home + slash + below)


def _program() -> str:
    beside = Path(sys.executable).with_name("nbutils")
    return str(beside) if shutil.which("nbutils") is None and beside.is_file() else "nbutils"
