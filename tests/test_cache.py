"""What earlier runs left: what is listed, what goes, and what must never go."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from nbutils import cli
from nbutils.cache import describe_cache, describe_pruned, list_cache, prune_cache
from nbutils.errors import DataError, ParameterError
from nbutils.exits import DONE, REFUSED, exit_code_of
from nbutils.locks import locked, read_lock

PREP, TUNE, ERRORS = "0123456789abcdef", "fedcba9876543210", "00112233445566ff"
OLD = "aaaaaaaaaaaaaaaa"
DAY = 86_400
KEPT, UNFINISHED = f"reproduce-mine-{'1' * 16}", f"reproduce-my [own] study-{'2' * 16}"


def make_stage(
    runs: Path, stage: str, key: str, *, age: float = 0, finished: bool = True, size: int = 1000
) -> Path:
    """Make a stage folder as a run leaves it; `age` is in seconds."""
    folder = runs / stage / key
    folder.mkdir(parents=True)
    (folder / "notebook.ipynb").write_bytes(b"x" * size)
    if finished:
        (folder / "stage.json").write_text("{}", encoding="utf-8")
    for path in [*folder.iterdir(), folder]:
        os.utime(path, (time.time() - age,) * 2)
    return folder


def make_checkpoint(folder: Path, step: int, *, age: float = 0) -> None:
    state = folder / "checkpoints" / f"step-{step:08d}"
    state.mkdir(parents=True)
    for path in (state, state.parent, folder):
        os.utime(path, (time.time() - age,) * 2)


def make_reproduction(
    runs: Path, name: str, *, age: float = 0, step: int | None = None, reports: bool = True
) -> Path:
    """Make a reproduction's folder as its run leaves it: unfinished if it has a step, else kept."""
    folder = runs / name
    make_stage(folder, "data_prep", PREP)
    tuned = make_stage(folder, "fine_tune", TUNE, finished=step is None)
    if step is not None:
        make_checkpoint(tuned, step)
        (folder / "reproduction.json").write_text("{}", encoding="utf-8")
    if reports:
        (folder / "reports").mkdir()
        (folder / "reports" / "index.html").touch()
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (time.time() - age,) * 2)
    return folder


@pytest.fixture
def reproduced(tmp_path: Path) -> tuple[Path, Path]:
    """Return runs and reports: one reproduction that differed, one that was killed; both old."""
    runs, reports = tmp_path / "runs", tmp_path / "reports"
    reports.mkdir()
    make_stage(runs, "error_analysis", ERRORS)
    make_reproduction(runs, KEPT, age=9 * DAY)
    make_reproduction(runs, UNFINISHED, age=2 * DAY, step=40, reports=False)
    return runs, reports


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Return runs and reports: a study with its report, and one that was given up long ago."""
    runs, reports = tmp_path / "runs", tmp_path / "reports"
    make_stage(runs, "data_prep", PREP)
    make_stage(runs, "fine_tune", TUNE)
    make_stage(runs, "error_analysis", ERRORS)
    make_stage(runs, "data_prep", OLD, age=9 * DAY)
    given_up = make_stage(runs, "fine_tune", OLD, age=9 * DAY, finished=False)
    make_checkpoint(given_up, 40, age=9 * DAY)
    make_checkpoint(given_up, 120, age=9 * DAY)
    (reports / "mine").mkdir(parents=True)
    keys = {"data_prep": PREP, "fine_tune": TUNE, "error_analysis": ERRORS}
    manifest = json.dumps({"stage_keys": keys})
    (reports / "mine" / "manifest.json").write_text(manifest, encoding="utf-8")
    return runs, reports


def names(entries: Any) -> list[str]:
    return [entry.place for entry in entries]


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_stages_are_listed_with_what_uses_them(places: tuple[Path, Path]) -> None:
    runs, reports = places
    before = tree(runs)
    entries = list_cache(runs, reports_dir=reports)
    stages = [("data_prep", PREP), ("data_prep", OLD), ("fine_tune", TUNE), ("fine_tune", OLD)]
    assert [(e.stage, e.key) for e in entries] == [*stages, ("error_analysis", ERRORS)]
    assert [e.reports for e in entries] == [("mine",), (), ("mine",), (), ("mine",)]
    assert [e.state for e in entries] == ["finished"] * 3 + ["unfinished", "finished"]
    assert [e.step for e in entries] == [None, None, None, 120, None]
    assert entries[0].size == 1002
    assert time.time() - entries[1].used == pytest.approx(9 * DAY, abs=60)
    assert tree(runs) == before


def test_table_says_what_a_person_wants_to_know(places: tuple[Path, Path]) -> None:
    lines = describe_cache(list_cache(places[0], reports_dir=places[1])).splitlines()
    assert lines[0].split() == ["stage", "key", "state", "MiB", "last", "used", "reports"]
    assert f"fine_tune       {OLD}  unfinished, at step 120  0.0" in lines[4]
    assert lines[3].endswith("mine")
    assert lines[-1] == "5 stage folders, 0.0 MiB"


def test_runs_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    assert list_cache(tmp_path / "nowhere", reports_dir=tmp_path) == ()
    assert describe_cache(()) == "no stage folders"
    assert prune_cache(tmp_path / "nowhere", reports_dir=tmp_path).removed == ()
    assert tree(tmp_path) == set()


def test_pruning_keeps_what_reports_use_and_what_is_still_wanted(
    places: tuple[Path, Path],
) -> None:
    runs, reports = places
    fresh = make_stage(runs, "fine_tune", "b" * 16, age=0.5 * DAY, finished=False)
    pruned = prune_cache(runs, reports_dir=reports)
    assert names(pruned.removed) == [f"data_prep/{OLD}", f"fine_tune/{OLD}"]
    assert pruned.freed == 2002
    assert fresh.is_dir()
    kept = {f"data_prep/{PREP}", f"error_analysis/{ERRORS}", f"fine_tune/{TUNE}"}
    left = {name for name in tree(runs) if name.count("/") == 1}
    assert left - kept == {f"fine_tune/{'b' * 16}"}


def test_training_that_still_saves_states_is_not_old(places: tuple[Path, Path]) -> None:
    runs, reports = places
    make_checkpoint(runs / "fine_tune" / OLD, 160)
    assert names(prune_cache(runs, reports_dir=reports).removed) == [f"data_prep/{OLD}"]


def test_dry_run_removes_and_writes_nothing(places: tuple[Path, Path]) -> None:
    runs, reports = places
    before = tree(runs)
    planned = prune_cache(runs, reports_dir=reports, dry_run=True)
    assert tree(runs) == before
    done = prune_cache(runs, reports_dir=reports)
    assert (names(planned.removed), planned.freed) == (names(done.removed), done.freed)


def test_all_removes_reported_and_interactive_stages_too(places: tuple[Path, Path]) -> None:
    runs, reports = places
    make_stage(runs, "data_prep", "interactive", age=9 * DAY)
    assert "data_prep/interactive" not in names(prune_cache(runs, reports_dir=reports).removed)
    assert "data_prep/interactive" in names(
        prune_cache(runs, reports_dir=reports, everything=True).removed
    )
    assert list_cache(runs, reports_dir=reports) == ()


@pytest.mark.parametrize("dry_run", [True, False])
def test_stage_that_a_process_works_on_is_never_removed(
    places: tuple[Path, Path], dry_run: bool
) -> None:
    runs, reports = places
    with locked(runs, OLD):
        states = {
            entry.state for entry in list_cache(runs, reports_dir=reports) if entry.key == OLD
        }
        assert states == {"running"}
        pruned = prune_cache(runs, reports_dir=reports, everything=True, dry_run=dry_run)
        assert names(pruned.in_use) == [f"data_prep/{OLD}", f"fine_tune/{OLD}"]
        assert (runs / "fine_tune" / OLD / "checkpoints" / "step-00000120").is_dir()
    assert len(pruned.removed) == 3


def test_stage_that_a_running_one_reads_is_never_removed(places: tuple[Path, Path]) -> None:
    runs, reports = places
    with read_lock(runs, PREP), read_lock(runs, PREP):
        entries = list_cache(runs, reports_dir=reports)
        assert [e.key for e in entries if e.state == "running"] == [PREP]
        pruned = prune_cache(runs, reports_dir=reports, everything=True)
    assert names(pruned.in_use) == [f"data_prep/{PREP}"]
    assert (runs / "data_prep" / PREP / "stage.json").is_file()
    assert not (runs / ".locks").exists()


def test_reader_that_was_killed_keeps_nothing(places: tuple[Path, Path]) -> None:
    runs, reports = places
    (runs / ".locks").mkdir()
    (runs / ".locks" / f"{OLD}.reader-0123.lock").touch()
    assert len(prune_cache(runs, reports_dir=reports).removed) == 2
    assert not (runs / ".locks").exists()


def test_links_and_other_folders_are_left_alone(places: tuple[Path, Path], tmp_path: Path) -> None:
    runs, reports = places
    precious = make_stage(tmp_path / "elsewhere", "data_prep", "d" * 16)
    (runs / "data_prep" / ("d" * 16)).symlink_to(precious)
    (runs / "data_prep" / PREP / "link").symlink_to(precious)
    (runs / "other" / ("e" * 16)).mkdir(parents=True)
    (runs / "data_prep" / "notes").mkdir()
    (runs / "data_prep" / ("f" * 16)).touch()
    (runs / "data_prep" / "0123456789ABCDEF").mkdir()
    prune_cache(runs, reports_dir=reports, everything=True)
    assert (precious / "stage.json").is_file()
    assert tree(runs) == {
        "data_prep", "fine_tune", "error_analysis", "other", f"other/{'e' * 16}",
        "data_prep/notes", f"data_prep/{'d' * 16}", f"data_prep/{'f' * 16}",
        "data_prep/0123456789ABCDEF",
    }  # fmt: skip


def test_stage_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = make_stage(tmp_path / "elsewhere", "data_prep", OLD, age=9 * DAY)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "data_prep").symlink_to(precious.parent)
    assert prune_cache(tmp_path / "runs", everything=True).removed == ()
    assert (precious / "stage.json").is_file()


def test_pruning_without_the_reports_is_refused(places: tuple[Path, Path]) -> None:
    runs, reports = places
    with pytest.raises(ParameterError, match=r"--reports-dir .*nowhere: no such folder.*--all"):
        prune_cache(runs, reports_dir=reports / "nowhere")
    (reports / "mine" / "manifest.json").write_text("{", encoding="utf-8")
    message = r"manifest\.json: expected a JSON object, .*; run its study again, .*--prune --all"
    with pytest.raises(DataError, match=message):
        prune_cache(runs, reports_dir=reports)
    assert len(list((runs / "fine_tune").iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_torn_manifest_hides_no_stage_and_hinders_no_whole_removal(
    places: tuple[Path, Path], content: bytes
) -> None:
    runs, reports = places
    (reports / "torn").mkdir()
    (reports / "torn" / "manifest.json").write_bytes(content)
    assert [e.reports for e in list_cache(runs, reports_dir=reports)] == [
        ("mine",), (), ("mine",), (), ("mine",)
    ]  # fmt: skip
    assert len(prune_cache(runs, reports_dir=reports, everything=True).removed) == 5


def test_command_lists_and_prunes(
    places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cache", "--runs-dir", str(places[0]), "--reports-dir", str(places[1])]

    def printed(*more: str) -> str:
        assert exit_code_of(lambda: cli.app([*words, *more], standalone_mode=False)) == DONE
        return capsys.readouterr().out

    assert printed().endswith("5 stage folders, 0.0 MiB\n")
    planned = printed("--prune", "--dry-run")
    assert planned == (
        f"would remove data_prep/{OLD}\nwould remove fine_tune/{OLD}\n"
        "would free 0.0 MiB (2 stage folders)\n"
    )
    assert printed("--prune").endswith(
        f"removed fine_tune/{OLD}\nfreed 0.0 MiB (2 stage folders)\n"
    )
    with locked(places[0], TUNE):
        assert f"kept fine_tune/{TUNE}: a run is using it\n" in printed("--prune", "--all")
    assert printed().endswith("1 stage folder, 0.0 MiB\n")


def test_option_that_needs_prune_is_refused_without_it(
    places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cache", "--runs-dir", str(places[0]), "--all"]
    assert exit_code_of(lambda: cli.app(words, standalone_mode=False)) == REFUSED
    assert "they go with --prune" in capsys.readouterr().err


def test_reproductions_are_listed_after_the_stages(reproduced: tuple[Path, Path]) -> None:
    runs, reports = reproduced
    before = tree(runs)
    entries = list_cache(runs, reports_dir=reports)
    assert names(entries) == [f"error_analysis/{ERRORS}", UNFINISHED, KEPT]
    assert [(e.stage, e.state, e.step) for e in entries[1:]] == [
        ("reproduce", "unfinished", 40),
        ("reproduce", "finished", None),
    ]
    assert [e.size for e in entries] == [1002, 2004, 2004]
    assert time.time() - entries[1].used == pytest.approx(2 * DAY, abs=60)
    assert tree(runs) == before
    lines = describe_cache(entries).splitlines()
    assert lines[2].startswith(f"reproduce       {UNFINISHED}  unfinished, at step 40  0.0")
    assert lines[3].endswith("-")
    assert lines[-1] == "1 stage folder, 2 reproductions, 0.0 MiB"


def test_reproductions_go_once_they_are_forgotten(reproduced: tuple[Path, Path]) -> None:
    runs, reports = reproduced
    fresh = {f"reproduce-mine-{digit * 16}" for digit in "34"}
    for name, step in zip(sorted(fresh), (None, 8), strict=True):
        make_reproduction(runs, name, age=0.5 * DAY, step=step)
    before = tree(runs)
    planned = prune_cache(runs, reports_dir=reports, dry_run=True)
    assert tree(runs) == before
    pruned = prune_cache(runs, reports_dir=reports)
    assert names(planned.removed) == [f"error_analysis/{ERRORS}", UNFINISHED, KEPT]
    assert names(planned.removed) == names(pruned.removed)
    assert (planned.freed, pruned.freed) == (5010, 5010)
    assert {path.name for path in runs.iterdir()} == {"error_analysis", *fresh}
    assert set(names(prune_cache(runs, reports_dir=reports, everything=True).removed)) == fresh
    assert tree(runs) == {"error_analysis"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_reproduction_that_runs_is_never_removed(
    reproduced: tuple[Path, Path], dry_run: bool
) -> None:
    runs, reports = reproduced
    with locked(runs, UNFINISHED):
        states = [entry.state for entry in list_cache(runs, reports_dir=reports)]
        assert states == ["finished", "running", "finished"]
        pruned = prune_cache(runs, reports_dir=reports, everything=True, dry_run=dry_run)
        assert names(pruned.in_use) == [UNFINISHED]
        assert (runs / UNFINISHED / "reproduction.json").is_file()
    assert names(pruned.removed) == [f"error_analysis/{ERRORS}", KEPT]
    assert f"kept {UNFINISHED}: a run" in describe_pruned(pruned, dry_run=dry_run)


def test_removal_that_is_cut_short_leaves_nothing_to_go_on_with(
    reproduced: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_interrupted(folder: Path) -> None:
        raise KeyboardInterrupt(folder.name)

    runs, reports = reproduced
    shutil.rmtree(runs / "error_analysis")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", be_interrupted)
        with pytest.raises(KeyboardInterrupt, match=r"reproduce-my \[own\] study"):
            prune_cache(runs, reports_dir=reports, everything=True)
    states = {entry.key: entry.state for entry in list_cache(runs, reports_dir=reports)}
    assert states[UNFINISHED] == "finished"
    assert UNFINISHED in names(prune_cache(runs, reports_dir=reports, everything=True).removed)


def test_reproduction_with_something_of_somebodys_own_in_it_is_left_alone(
    reproduced: tuple[Path, Path], tmp_path: Path
) -> None:
    runs, reports = reproduced
    precious = make_reproduction(tmp_path / "elsewhere", KEPT, step=4)
    digits = iter("3456789abc")

    def make_odd() -> Path:
        return make_reproduction(runs, f"reproduce-odd-{next(digits) * 16}", step=4)

    (make_odd() / "notes.txt").touch()
    (make_odd() / "fine_tune" / "notes").mkdir()
    (make_odd() / "error_analysis").symlink_to(precious / "data_prep")
    (make_odd() / "data_prep" / ("d" * 16)).symlink_to(precious)
    (runs / f"reproduce-link-{'1' * 16}").symlink_to(precious)
    (runs / f"reproduce-file-{'1' * 16}").touch()
    (runs / f"reproduce-empty-{'1' * 16}").mkdir()
    (runs / f"reproduce-pages-{'1' * 16}" / "reports").mkdir(parents=True)
    (runs / f"reproduce-marked-{'1' * 16}" / "reproduction.json").mkdir(parents=True)
    make_reproduction(runs, "reproduce-mine-0123456789ABCDEF", step=4)
    make_reproduction(runs, f"reproduce-{'1' * 16}", step=4)
    make_reproduction(runs, f"mine-reproduce-mine-{'1' * 16}", step=4)
    (runs / UNFINISHED / "fine_tune" / TUNE / "link").symlink_to(precious)
    before = tree(runs)
    pruned = prune_cache(runs, reports_dir=reports, everything=True)
    assert names(pruned.removed) == [f"error_analysis/{ERRORS}", UNFINISHED, KEPT]
    gone = tuple(f"{name}/" for name in (f"error_analysis/{ERRORS}", UNFINISHED, KEPT))
    assert tree(runs) == {path for path in before if not f"{path}/".startswith(gone)}
    assert (precious / "data_prep" / PREP / "stage.json").is_file()


def test_command_tells_reproductions_from_stages(
    reproduced: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cache", "--runs-dir", str(reproduced[0]), "--reports-dir", str(reproduced[1])]
    prune = [*words, "--prune"]
    assert exit_code_of(lambda: cli.app(prune, standalone_mode=False)) == DONE
    assert capsys.readouterr().out == (
        f"removed error_analysis/{ERRORS}\nremoved {UNFINISHED}\nremoved {KEPT}\n"
        "freed 0.0 MiB (1 stage folder, 2 reproductions)\n"
    )


def test_reproduction_that_removed_itself_meanwhile_is_no_error(
    reproduced: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove_two(folder: Path, remove: Any = shutil.rmtree) -> None:
        remove(folder)
        remove(folder.parent / KEPT)

    runs, reports = reproduced
    shutil.rmtree(runs / "error_analysis")
    monkeypatch.setattr(shutil, "rmtree", remove_two)
    pruned = prune_cache(runs, reports_dir=reports)
    assert (names(pruned.removed), pruned.freed, pruned.in_use) == ([UNFINISHED], 2004, ())
