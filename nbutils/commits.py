"""The commit that a branch or tag of a hub repository stands at: asked, or remembered."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from nbutils.artifacts import write_text
from nbutils.errors import CheckpointError, DataError

COMMIT = re.compile(r"[0-9a-f]{40}")
MAIN = "main"
PATIENCE = 2.0  # seconds that the hub has for an answer
UNKNOWN = "(commit unknown)"
OFFLINE = "HF_HUB_OFFLINE is set, and nothing of it is in this machine's cache"
UNREACHABLE = "the hub cannot be reached, and nothing of it is in this machine's cache"

Kind = Literal["model", "dataset"]
Answer = TypeVar("Answer")


class Standing(NamedTuple):
    """The commit that a revision stands at, or why there is surely none to be had from here."""

    commit: str | None = None
    absence: str = ""


def find_commit(repo: str, *, revision: str | None = None, kind: Kind = "model") -> str | None:
    """Return the commit that a revision of a hub repository names.

    The hub is asked once, for at most `PATIENCE` seconds and not at all when it is offline
    (``HF_HUB_OFFLINE``); else its local cache says where the revision stood last.

    Parameters
    ----------
    repo
        Hub id.
    revision
        Branch, tag or commit; none: the main branch.
    kind
        What the repository holds.

    Returns
    -------
    str or None
        40 hex digits; None: nobody here knows.
    """
    return _look_up(repo, revision, kind).commit


def refuse_absent(
    repo: str, *, mend: str, revision: str | None = None, kind: Kind = "model"
) -> None:
    """Refuse a hub repository that surely cannot be had from here; what may be had passes.

    A hub that is slow or in trouble is given its chance when the repository is loaded.

    Parameters
    ----------
    repo, revision, kind
        As for `find_commit`.
    mend
        What to do about it; ends the message.

    Raises
    ------
    CheckpointError, DataError
        The hub does not have it; or, of a model, the hub is out of reach and nothing of it here.
    """
    absence = _look_up(repo, revision, kind).absence
    if absence:
        error = CheckpointError if kind == "model" else DataError
        raise error(f"{kind} {repo!r}: {absence}; {mend}")


@functools.cache
def _look_up(repo: str, revision: str | None, kind: Kind) -> Standing:
    if revision is not None and COMMIT.fullmatch(revision):
        return Standing(revision)
    import huggingface_hub
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}"
    absence = OFFLINE
    if not huggingface_hub.is_offline_mode():
        api = huggingface_hub.HfApi()
        ask: Callable[..., Any] = api.model_info if kind == "model" else api.dataset_info
        info = _within(PATIENCE, lambda: ask(repo, revision=revision, timeout=PATIENCE))
        commit = str(getattr(info, "sha", None))
        if COMMIT.fullmatch(commit):
            _remember(folder, revision or MAIN, commit)
            return Standing(commit)
        absence = _explain(info, kind=kind, revision=revision)
    remembered = _recall(folder, revision or MAIN)
    # a dataset's rows are cached elsewhere, under names that `datasets` alone knows
    may_be_here = kind == "dataset" or folder.is_dir()
    if remembered is not None or (may_be_here and absence in (OFFLINE, UNREACHABLE)):
        absence = ""
    return Standing(remembered, absence)


def _explain(error: object, *, kind: Kind, revision: str | None) -> str:
    """Return what the hub's client says of a repository that it surely cannot have, in words."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if "ConnectError" in names:
        return UNREACHABLE
    if "HFValidationError" in names:
        return "it is no folder here, and no id that the hub allows"
    if "GatedRepoError" in names:
        return "the hub asks to log in and to accept its terms first: hf auth login"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "RepositoryNotFoundError" in names or status == 401:  # which says "missing, or private"
        return f"the hub has no {kind} of this name (a private one needs: hf auth login)"
    if "RevisionNotFoundError" in names:
        return f"the hub has it, but not at revision {revision!r}"
    return ""


def name_commit(repo: str, *, revision: str | None, kind: Kind = "model") -> str:
    """Return ``<commit>``, or ``<revision> (commit unknown)``, for a fingerprint."""
    commit = find_commit(repo, revision=revision, kind=kind)
    return commit or f"{revision or MAIN} {UNKNOWN}"


@functools.cache
def fetch_config(repo: str, *, revision: str | None = None) -> Path | None:
    """Return the configuration file of a hub model; None: it cannot be had in a moment.

    Parameters
    ----------
    repo, revision
        As for `find_commit`.
    """
    commit = find_commit(repo, revision=revision)
    if commit is None:
        return None
    from huggingface_hub import hf_hub_download

    found = _within(2 * PATIENCE, lambda: hf_hub_download(repo, "config.json", revision=commit))
    return Path(found) if isinstance(found, str) else None


def _within(seconds: float, call: Callable[[], Answer]) -> Answer | Exception | None:
    """Return what a call gives or raises in that time; None: it takes longer."""
    answers: list[Answer | Exception] = []

    def ask() -> None:
        try:
            answers.append(call())
        except Exception as error:  # the hub's client raises a dozen kinds, none of them shared
            answers.append(error)

    # The client's own time limit does not hold for finding the host's address.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None


def _remember(folder: Path, revision: str, commit: str) -> None:
    """Note a commit where the hub's client does, so that the same name works without a network.

    The client itself notes nothing for files that are asked for by commit. A note on a commit that
    is here is not replaced by one on a commit that is not.
    """
    note = folder / "refs" / revision
    if note.is_file() and not (folder / "snapshots" / commit).is_dir():
        return
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, commit)


def _recall(folder: Path, revision: str) -> str | None:
    try:
        commit = (folder / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return commit if COMMIT.fullmatch(commit) else None
