"""The keys of stages: equal when nothing that the result depends on has changed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

import pytest

from nbutils import runs
from nbutils.params.study import Study
from nbutils.runs import DECISIVE, StudyRun, stage_key


def key_of(stage: str = "fine_tune", **recipe: Any) -> str:
    run = StudyRun(Study(name="keys", fine_tune=recipe), "nbutils run keys.yaml")
    read = ("data", "tokenizer", "checkpoint")
    run.fingerprints = {what: (f"sha256:{what}",) for what in read}
    return stage_key(run, stage)


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, version: str | None) -> None:
    """Let a package have another version; None: it is not installed."""
    ask, find = importlib.metadata.version, importlib.util.find_spec

    def asked(package: str) -> str:
        if package != name:
            return ask(package)
        if version is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return version

    def found(package: str) -> Any:
        return None if package == name and version is None else find(package)

    monkeypatch.setattr(importlib.metadata, "version", asked)
    monkeypatch.setattr(runs, "find_spec", found)


@pytest.mark.parametrize("stage", ["data_prep", "fine_tune", "error_analysis"])
@pytest.mark.parametrize("package", DECISIVE)
def test_version_that_results_depend_on_changes_every_key(
    monkeypatch: pytest.MonkeyPatch, stage: str, package: str
) -> None:
    before = key_of(stage)
    assert key_of(stage) == before
    pretend(monkeypatch, package, "0.0.1")
    assert key_of(stage) != before


@pytest.mark.parametrize("version", ["0.0.1", None])
def test_version_of_peft_decides_where_updates_are_of_low_rank_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    plain, low_rank = key_of(), key_of(lora_rank=4)
    others = [key_of(stage, lora_rank=4) for stage in ("data_prep", "error_analysis")]
    pretend(monkeypatch, "peft", version)
    assert key_of() == plain
    assert [key_of(stage, lora_rank=4) for stage in ("data_prep", "error_analysis")] == others
    assert key_of(lora_rank=4) != low_rank
