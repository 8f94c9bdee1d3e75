"""The commit that a branch or tag of a hub repository stands at: asked, or remembered."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from nbutils.artifacts import write_text

COMMIT = re.compile(r"[0-9a-f]{40}")
MAIN = "main"
PATIENCE = 2.0  # seconds that the hub has for an answer
UNKNOWN = "(commit unknown)"

Kind = Literal["model", "dataset"]
Answer = TypeVar("Answer")


@functools.cache
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
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    import huggingface_hub
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}"
    if not huggingface_hub.is_offline_mode():
        api = huggingface_hub.HfApi()
        ask: Callable[..., Any] = api.model_info if kind == "model" else api.dataset_info
        info = _within(PATIENCE, lambda: ask(repo, revision=revision, timeout=PATIENCE))
        commit = str(getattr(info, "sha", None))
        if COMMIT.fullmatch(commit):
            _remember(folder, revision or MAIN, commit)
            return commit
    return _recall(folder, revision or MAIN)


def name_commit(repo: str, *, revision: str | None, kind: Kind = "model") -> str:
    """Return ``<commit>``, or ``<revision> (commit unknown)``, for a fingerprint."""
    commit = find_commit(repo, revision=revision, kind=kind)
    return commit or f"{revision or MAIN} {UNKNOWN}"


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
    return None if found is None else Path(found)


def _within(seconds: float, call: Callable[[], Answer]) -> Answer | None:
    """Return what a call gives in that time; None: it failed, or takes longer."""
    answers: list[Answer] = []

    def ask() -> None:
        with suppress(Exception):  # the hub's client raises a dozen kinds, none of them shared
            answers.append(call())

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
