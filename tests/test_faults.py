"""Real faults in real runs: killed, out of memory, disk full, no kernel, two at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil
import pytest
from conftest import make_reviews
from quick import add_quick_analysis
from test_execution import statuses, write_notebook

from nbutils import execution
from nbutils.artifacts import read_json, write_bytes
from nbutils.endings import read_ending
from nbutils.errors import NotebookFailedError
from nbutils.execution import run_notebook
from nbutils.locks import locked, read_lock
from nbutils.params.study import load_study
from nbutils.publishing import fingerprint_predictions
from nbutils.study import run_study

pytestmark = pytest.mark.slow
FAULTS = int(os.environ.get("NBUTILS_FAULTS", "4"))  # 20 for the full claim
KINDS = ("SIGTERM to the command", "SIGKILL to the kernel", "SIGINT to the command",
         "SIGKILL to the command")  # fmt: skip
COMMAND = [sys.executable, "-m", "nbutils.cli"]
STRIDE = 1 if FAULTS > 4 else 4
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 400) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds} s for {what}")


@dataclass
class Started:
    """A process that the test started, and what it has written."""

    process: subprocess.Popen[bytes]
    folder: Path
    name: str

    @property
    def printed(self) -> str:
        return (self.folder / f"{self.name}.out").read_text()

    @property
    def complaint(self) -> str:
        return (self.folder / f"{self.name}.err").read_text()

    def kernels(self) -> list[psutil.Process]:
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [c for c in children if "ipykernel_launcher" in " ".join(c.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def end(self, seconds: float = 400) -> int:
        return self.process.wait(timeout=seconds)


def heed_ctrl_c() -> None:
    """Undo what a shell does to the processes that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words: object, folder: Path, name: str = "run", **variables: str) -> Started:
    with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
        process = subprocess.Popen(
            [*map(str, words)], cwd=folder, stdout=out, stderr=err,
            env={**os.environ, **ONE_THREAD, **variables}, preexec_fn=heed_ctrl_c,
        )  # fmt: skip
    return Started(process, folder, name)


def command(*words: object, folder: Path, name: str = "run", **variables: str) -> Started:
    return start(*COMMAND, "run", "study.yaml", *words, folder=folder, name=name, **variables)


@dataclass(frozen=True)
class Whole:
    """A study that was never interrupted, with a quick analysis of its own."""

    folder: Path
    predictions: str
    training_seconds: float

    def copy_to(self, folder: Path, *stages: str) -> None:
        shutil.copy(self.folder / "study.yaml", folder)
        add_quick_analysis(folder)
        for stage in stages:
            shutil.copytree(self.folder / "runs" / stage, folder / "runs" / stage)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    make_reviews(80).to_csv(folder / "reviews.csv", index=False)
    tune = {"model": str(tiny_bert), "max_length": 16, "epochs": 16, "batch_size": 2,
            "eval_steps": 50, "learning_rate": 1e-4, "attention_dropout": 0.1}  # fmt: skip
    prep = {"dataset": str(folder / "reviews.csv"), "test_size": 0.3}
    study = {"name": "tiny", "data_prep": prep, "fine_tune": tune}
    (folder / "study.yaml").write_text(json.dumps(study))
    add_quick_analysis(folder)
    done = command(folder=folder)
    assert done.end() == 0, done.complaint
    manifest = manifest_of(folder)
    assert set(manifest["kernel_peak_mib"]) == {"data_prep", "fine_tune", "error_analysis"}
    assert all(50 < peak < 50_000 for peak in manifest["kernel_peak_mib"].values())
    seconds = manifest["metrics"]["training"]["seconds"]
    return Whole(folder, manifest["predictions_sha256"], seconds)


def manifest_of(folder: Path, name: str = "tiny") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reports" / name / "manifest.json").read_text())
    return found


def strays(folder: Path) -> list[Path]:
    return [*folder.rglob(".*"), *folder.rglob("*.tmp")]


def first_screen(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    hero = text[text.index('<section class="hero">') :].partition("</section>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", hero)))


ALONE = """
import json, sys
from pathlib import Path
from nbutils.execution import run_notebook
from nbutils.runs import find_notebook
values = json.loads(sys.argv[1])
run_notebook(
    find_notebook("fine_tune"), Path(values["output_dir"]) / "notebook.ipynb", parameters=values,
    on_progress=lambda p: print(f"cell {p.cell} of {p.cells}, {p.heading}", flush=True),
)
"""


def fine_tune_alone(whole: Whole, folder: Path, name: str = "run") -> Started:
    """Start the fine-tuning of the study, without the stages around it."""
    (notebook,) = (whole.folder / "runs" / "fine_tune").glob("*/notebook.ipynb")
    values = json.loads(notebook.read_text())["metadata"]["papermill"]["parameters"]
    values["data_dir"] = str(whole.folder / values["data_dir"])
    values["output_dir"] = str(folder / "out")
    values["keep_states"] = False  # nobody comes after it who would remove them
    (folder / "out").mkdir(exist_ok=True)
    words = (sys.executable, "-c", ALONE, json.dumps(values))
    return start(*words, folder=folder, name=name, NBUTILS_CHECKPOINT_SECONDS="0.2")


def catch_in_training(
    whole: Whole, folder: Path, kind: str, moment: float
) -> tuple[Started, psutil.Process]:
    """Start a run and return it with its kernel when `moment` seconds of its training are over.

    A training that is over before, because the machine has less to do than when it was measured,
    is started again and met earlier.
    """
    if "SIGKILL" in kind:
        started = fine_tune_alone(whole, folder)
    else:
        whole.copy_to(folder, "data_prep")
        # so rare that a state on the disk is one that was saved on the way out
        started = command(folder=folder, NBUTILS_CHECKPOINT_SECONDS="1000")
    wait_until(lambda: ", Training" in started.printed, "the training")
    begin = time.monotonic()
    wait_until(lambda: time.monotonic() - begin >= moment, "the moment")
    kernels = started.kernels()
    if kernels:
        return started, kernels[0]
    assert started.end() == 0
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return catch_in_training(whole, folder, kind, moment / 2)


@pytest.mark.parametrize("seed", range(FAULTS))
def test_training_killed_anywhere_ends_as_if_nothing_had_happened(
    whole: Whole, tmp_path: Path, seed: int
) -> None:
    kind = KINDS[seed % len(KINDS)]
    moment = np.random.default_rng(seed).uniform(0, 0.8 * whole.training_seconds)
    started, kernel = catch_in_training(whole, tmp_path, kind, moment)
    number = getattr(signal, kind.split()[0])
    os.kill(kernel.pid if kind.endswith("kernel") else started.process.pid, number)
    code = started.end()
    wait_until(lambda: not kernel.is_running() or kernel.status() == "zombie", "its end", 10)
    if "SIGKILL" in kind:
        assert code == (1 if kind.endswith("kernel") else -signal.SIGKILL)
        resumed = fine_tune_alone(whole, tmp_path, name="again")
        assert resumed.end() == 0, resumed.complaint
        found = fingerprint_predictions(tmp_path / "out" / "predictions.parquet")
        assert not (tmp_path / "out" / "checkpoints").exists()
    else:
        check_stopped_in_order(started, code, number)
        resumed = command(folder=tmp_path, name="again")
        assert resumed.end() == 0, resumed.complaint
        found = manifest_of(tmp_path)["predictions_sha256"]
    assert found == whole.predictions
    assert strays(tmp_path) == []


def test_kill_after_the_last_result_and_before_the_stage_counts_costs_no_training(
    whole: Whole, tmp_path: Path
) -> None:
    whole.copy_to(tmp_path, "data_prep")
    started = command(folder=tmp_path)
    wait_until(lambda: list(tmp_path.glob("runs/fine_tune/*/metrics.json")), "the last result")
    started.process.kill()
    started.end()
    (tune,) = (tmp_path / "runs" / "fine_tune").iterdir()
    assert not (tune / "stage.json").exists()
    trained = read_json(tune / "history.json")
    resumed = command(folder=tmp_path, name="again")
    assert resumed.end() == 0, resumed.complaint
    assert manifest_of(tmp_path)["predictions_sha256"] == whole.predictions
    assert read_json(tune / "history.json") == trained  # its seconds too: not one step anew
    assert not (tune / "checkpoints").exists()
    (tune / "checkpoints").mkdir()  # as if a kill had come just after `stage.json`
    assert command(folder=tmp_path, name="third").end() == 0
    assert not (tune / "checkpoints").exists()


def check_stopped_in_order(started: Started, code: int, number: int) -> None:
    assert code == 128 + number
    assert re.fullmatch(r"nbutils: \w+; go on with: nbutils run study.yaml\n", started.complaint)
    (tune,) = (started.folder / "runs" / "fine_tune").iterdir()
    ending = read_ending(tune / "notebook.ipynb")
    assert ending is not None
    steps = re.match(r"step (\d+) of (\d+)", ending.last_output)
    if ending.heading == "Training" and steps and int(steps[1]) < int(steps[2]) - 10:
        assert list(tune.glob("checkpoints/step-*"))
    assert not (tune / "stage.json").exists()
    for page in ("index.html", "02_fine_tune.html"):
        said = first_screen(started.folder / "reports" / "tiny" / page)
        assert "This run was interrupted" in said
        assert "The notebook had run for" in said
        assert "nbutils run study.yaml" in said
    assert manifest_of(started.folder)["status"] == "interrupted"


@pytest.fixture
def project(study_file: Path) -> Path:
    """Return the folder of a study with notebooks of its own, which are still to be written."""
    (study_file.parent / "notebooks").mkdir()
    return study_file.parent


def write_failing(project: Path, source: str) -> None:
    path = write_notebook(
        project, "# Prepare", "x = 1\nprint('said before')", "## The guilty part", source,
        "## Never reached", "x = 2",
    )  # fmt: skip
    shutil.move(path, project / "notebooks" / "01_data_prep.ipynb")


LIMITED = (
    "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
    "huge = bytearray(4 << 30)"
)
HANG = "import threading\nthreading.Event().wait()"
ENDS = [
    ("1 / 0", (), "cell 3: ZeroDivisionError: division by zero"),
    (LIMITED, (), "the kernel ran out of memory"),
    ("import os\nos.kill(os.getpid(), 9)", (), "its process was ended by SIGKILL"),
    ("import os\nos._exit(7)", (), "its process left with exit code 7"),
    (HANG, ("--cell-timeout", "5"), "The time limit of a cell, 5 seconds, was reached"),
]


@pytest.mark.parametrize(("source", "options", "says"), ENDS, ids=lambda v: str(v)[-30:])
def test_first_screen_tells_what_ended_the_run(
    project: Path, source: str, options: tuple[str, ...], says: str
) -> None:
    write_failing(project, source)
    done = command(*options, folder=project)
    assert done.end() == 1, done.complaint
    assert (done.complaint.count("\n"), "Traceback" in done.complaint) == (1, False)
    assert says in done.complaint
    for page in ("index.html", "01_data_prep.html"):
        said = first_screen(project / "reports" / "tiny" / page)
        assert says in said
        assert 'In cell 3 of 4, under "The guilty part".' in said
        assert "Last output: said before" in said
        assert re.search(r"The notebook had run for [\d.]+ s\.", said)
        assert re.search(r"Memory of the kernel: at most [\d,]+ MiB of [\d,]+ MiB", said)
        assert "nbutils run study.yaml" in said
    (notebook,) = project.glob("runs/data_prep/*/notebook.ipynb")
    assert own_statuses(notebook) == ["completed"] * 3 + ["failed"] + ["pending"] * 2
    assert strays(project) == []


def own_statuses(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return [c["metadata"]["papermill"]["status"] for c in cells if c["id"].startswith("cell-")]


@pytest.mark.parametrize("fault", ["exception", "kill", "time limit", "SIGTERM"])
def test_plain_papermill_marks_the_guilty_cell_with_our_engine(tmp_path: Path, fault: str) -> None:
    source = {"exception": "1 / 0", "kill": "import os\nos.kill(os.getpid(), 9)"}.get(fault, HANG)
    path = write_notebook(tmp_path, "x = 1", "print('here')\n" + source, "x = 2")
    out = tmp_path / "out.ipynb"
    limit = ("--execution-timeout", "1") if fault == "time limit" else ()
    words = ("-m", "papermill", "--engine", "nbutils", "--autosave-cell-every", "0", *limit)
    running = start(sys.executable, *words, path, out, folder=tmp_path)
    if fault == "SIGTERM":
        wait_until(lambda: out.is_file() and "running" in own_statuses(out)[1:], "cell 2")
        running.process.terminate()
    assert running.end() != 0
    assert own_statuses(out) == ["completed", "failed", "pending"]
    ending = read_ending(out)
    assert ending is not None
    assert ending.seconds is not None
    assert running.kernels() == []


@pytest.mark.skipif(sys.platform != "linux", reason="left to ipykernel, which polls")
def test_kernel_ends_with_the_killed_command_whatever_it_is_doing(project: Path) -> None:
    # The interpreter is held for two minutes: no thread of the kernel can look for its parent.
    held = project / "held"
    touch = f"import ctypes, pathlib\npathlib.Path({str(held)!r}).touch()\n"
    write_failing(project, f"{touch}ctypes.PyDLL(None).sleep(120)")
    started = command(folder=project)
    wait_until(held.exists, "the cell")
    (kernel,) = started.kernels()
    started.process.kill()
    assert started.end() == -signal.SIGKILL
    wait_until(lambda: not kernel.is_running() or kernel.status() == "zombie", "its end", 10)


BROKEN = {
    "dies": ("import sys; sys.exit('zmq: wrong ELF class')", (), "zmq: wrong ELF class"),
    "hangs": (HANG, ("--time-limit", "0.03"), "respond"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_kernel_that_does_not_start_is_told_of(project: Path, fault: str) -> None:
    code, options, says = BROKEN[fault]
    write_failing(project, "x = 3")
    (project / "broken").mkdir()
    (project / "broken" / "ipykernel_launcher.py").write_text(code)
    done = command(*options, folder=project, PYTHONPATH=str(project / "broken"))
    wait_until(lambda: done.process.poll() is not None, "the end", 60)
    assert done.end() == 1
    assert (done.complaint.count("\n"), "Traceback" in done.complaint) == (1, False)
    assert "01_data_prep.ipynb: the kernel did not start" in done.complaint
    assert says in done.complaint
    assert "the kernel did not start" in first_screen(project / "reports/tiny/index.html")
    (notebook,) = project.glob("runs/data_prep/*/notebook.ipynb")
    # the cell with the parameters, which papermill put in, is the first that had no kernel
    assert statuses(notebook) == ["failed", *["pending"] * 6]
    assert done.kernels() == []


def test_runs_at_once_do_not_disturb_each_other(whole: Whole, tmp_path: Path) -> None:
    whole.copy_to(tmp_path, "data_prep")
    short = ("-p", "fine_tune.epochs=1")
    twins = [command(*short, folder=tmp_path, name=name) for name in ("one", "two")]
    other = command("-p", "fine_tune.epochs=2", "--name", "other", folder=tmp_path, name="other")
    for started in (*twins, other):
        assert started.end() == 0, started.complaint
    said = "".join(twin.printed for twin in twins)
    assert "fine_tune: another run is at this stage; waiting for its result" in said
    for stage in ("fine_tune", "error_analysis"):
        assert said.count(f"{stage}: done in") == 1
        assert said.count(f"{stage}: nothing changed") == 1
    assert manifest_of(tmp_path)["parameters"]["fine_tune"]["epochs"] == 1
    different = manifest_of(tmp_path, "other")["predictions_sha256"]
    assert manifest_of(tmp_path)["predictions_sha256"] != different
    assert len(list((tmp_path / "runs" / "fine_tune").iterdir())) == 2
    assert "other" in (tmp_path / "reports" / "index.html").read_text()
    assert strays(tmp_path) == []


def test_failed_run_leaves_the_report_of_the_completed_one(whole: Whole, tmp_path: Path) -> None:
    whole.copy_to(tmp_path, "data_prep", "fine_tune", "error_analysis")
    completed = command(folder=tmp_path, name="completed")
    assert completed.end() == 0, completed.complaint
    report = tmp_path / "reports" / "tiny"
    pages = {path.name: path.read_bytes() for path in report.iterdir()}
    failed = command(
        "-p", "fine_tune.epochs=9", "--time-limit", "0.01", folder=tmp_path, name="failed"
    )
    assert failed.end() == 1
    assert manifest_of(tmp_path)["status"] == "failed"
    assert 'href="last-completed/index.html"' in (report / "index.html").read_text()
    aside = report / "last-completed"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == pages
    failed = command(
        "-p", "fine_tune.epochs=9", "--time-limit", "0.01", folder=tmp_path, name="again"
    )
    assert failed.end() == 1
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == pages
    assert command(folder=tmp_path, name="mended").end() == 0
    assert manifest_of(tmp_path)["status"] == "completed"
    assert not aside.exists()


def test_list_of_runs_that_a_kill_left_stale_is_mended(whole: Whole, tmp_path: Path) -> None:
    whole.copy_to(tmp_path, "data_prep", "fine_tune", "error_analysis")
    assert command(folder=tmp_path).end() == 0
    (tmp_path / "reports" / "index.html").unlink()
    assert command(folder=tmp_path, name="again").end() == 0
    assert "tiny" in (tmp_path / "reports" / "index.html").read_text()


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_run_that_only_waits_touches_nothing_when_it_is_stopped(
    whole: Whole, tmp_path: Path
) -> None:
    whole.copy_to(tmp_path, "data_prep")
    (folder,) = (tmp_path / "runs" / "data_prep").iterdir()
    (folder / "stage.json").unlink()  # as if another run were making it
    before = tree(folder)
    with locked(tmp_path / "runs", folder.name):
        waiting = command(folder=tmp_path)
        wait_until(lambda: "waiting for its result" in waiting.printed, "the waiting run")
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.end() == 130
        limited = command("--time-limit", "0.02", folder=tmp_path, name="limited")
        assert limited.end() == 1
        assert "0.02 minutes, was reached while another run was at this stage" in limited.complaint
    assert tree(folder) == before
    assert "while another run was" in first_screen(tmp_path / "reports" / "tiny" / "index.html")
    assert strays(tmp_path) == []


def test_fresh_run_waits_for_who_reads_the_stage(whole: Whole, tmp_path: Path) -> None:
    whole.copy_to(tmp_path, "data_prep")
    (folder,) = (tmp_path / "runs" / "data_prep").iterdir()
    before = tree(folder)
    with read_lock(tmp_path / "runs", folder.name):
        fresh = command("--fresh", "--time-limit", "0.02", folder=tmp_path)
        assert fresh.end() == 1
        assert "while another run was at this stage" in fresh.complaint
    assert tree(folder) == before


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_stage_that_is_not_whole_is_made_again(whole: Whole, tmp_path: Path, damage: str) -> None:
    whole.copy_to(tmp_path, "data_prep", "fine_tune", "error_analysis")
    (folder,) = (tmp_path / "runs" / "error_analysis").iterdir()
    if damage == "missing":
        (folder / "findings.json").unlink()
    else:
        (folder / "stage.json").write_bytes(b"")
    mended = command(folder=tmp_path)
    assert mended.end() == 0, mended.complaint
    assert mended.printed.count("nothing changed") == 2
    assert "error_analysis: done in" in mended.printed


@pytest.mark.parametrize("what", ["data", "tokenizer"])
def test_input_that_changes_on_the_way_is_refused_and_nothing_of_it_is_kept(
    project: Path, what: str
) -> None:
    study = json.loads((project / "study.yaml").read_text())
    model = shutil.copytree(study["fine_tune"]["model"], project / "model")
    study["fine_tune"]["model"] = str(model)
    (project / "study.yaml").write_text(json.dumps(study))
    edits = {
        "data": (project / "reviews.csv", "good", "bad"),
        "tokenizer": (model / "config.json", "1e-12", "1e-05"),  # of the model, if none is named
    }
    path, before, after = edits[what]
    read = f"from pathlib import Path\npath = Path({str(path)!r})\ntext = path.read_text()\n"
    write_failing(project, f"{read}path.write_text(text.replace({before!r}, {after!r}))")
    done = command(folder=project)
    assert done.end() == 2, done.complaint
    assert (done.complaint.count("\n"), "Traceback" in done.complaint) == (1, False)
    assert f"the {what} changed while the run was at work" in done.complaint
    assert "run again: nbutils run study.yaml" in done.complaint
    assert list((project / "runs").glob("*/*/stage.json")) == []


def test_suspects_that_somebody_filled_in_stay_when_the_study_runs_again(
    whole: Whole, tmp_path: Path
) -> None:
    whole.copy_to(tmp_path, "data_prep", "fine_tune", "error_analysis")
    (folder,) = (tmp_path / "runs" / "error_analysis").iterdir()
    suspects = folder / "label_suspects.csv"
    noted = json.loads((folder / "stage.json").read_text())
    suspects.write_text("example_id,corrected_label\n3,\n")
    noted["files"][suspects.name] = suspects.stat().st_size
    (folder / "stage.json").write_text(json.dumps(noted))
    suspects.write_text("example_id,corrected_label\n3,delete\n")
    again = command(folder=tmp_path)
    assert again.end() == 0, again.complaint
    assert again.printed.count("nothing changed") == 3
    assert "3,delete" in suspects.read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_report_with_a_torn_manifest_is_published_again(
    whole: Whole, tmp_path: Path, content: bytes
) -> None:
    whole.copy_to(tmp_path, "data_prep", "fine_tune", "error_analysis")
    (tmp_path / "reports" / "tiny").mkdir(parents=True)
    (tmp_path / "reports" / "tiny" / "manifest.json").write_bytes(content)
    done = command(folder=tmp_path)
    assert done.end() == 0, done.complaint
    assert manifest_of(tmp_path)["status"] == "completed"


def test_notebook_that_cannot_be_read_is_named_before_any_work(project: Path) -> None:
    write_failing(project, "x = 3")
    path = project / "notebooks" / "01_data_prep.ipynb"
    path.write_bytes(path.read_bytes()[:-30])
    before = {found.name for found in project.iterdir()}
    done = command(folder=project)
    assert done.end() == 2
    assert (done.complaint.count("\n"), "Traceback" in done.complaint) == (1, False)
    assert "01_data_prep.ipynb: expected a notebook" in done.complaint
    assert {found.name for found in project.iterdir()} - {"run.out", "run.err"} == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a disk of 4 MiB; where none can be mounted the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("free", [8, 80, 300])  # KiB: at the start, in a notebook, in the pages
def test_full_disk_is_said_and_the_next_run_succeeds(
    whole: Whole, small_disk: Path, free: int
) -> None:
    whole.copy_to(small_disk, "data_prep", "fine_tune")
    room = shutil.disk_usage(small_disk).free // 1024
    (small_disk / "filler").write_bytes(bytes((room - free) * 1024))
    # what the shell would keep of the command must not be on the full disk
    elsewhere = small_disk.parent
    add_quick_analysis(elsewhere)
    places = ("--runs-dir", small_disk / "runs", "--reports-dir", small_disk / "reports")
    words = (*COMMAND, "run", small_disk / "study.yaml", *places)
    failed = start(*words, folder=elsewhere)
    assert failed.end() == 1, failed.complaint
    assert (failed.complaint.count("\n"), "Traceback" in failed.complaint) == (1, False)
    assert "the disk is full" in failed.complaint
    assert str(small_disk) in failed.complaint
    check_nothing_is_torn(small_disk)
    (small_disk / "filler").unlink()
    again = start(*words, folder=elsewhere, name="again")
    assert again.end() == 0, again.complaint
    assert manifest_of(small_disk)["predictions_sha256"] == whole.predictions
    assert strays(small_disk) == []


def check_nothing_is_torn(folder: Path) -> None:
    assert strays(folder) == []
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    for path in folder.rglob("*.html"):
        assert path.read_text().rstrip().endswith("</html>")
    for path in folder.rglob("notebook.ipynb"):
        nbformat.read(path, as_version=4)
    for stage in (folder / "runs" / "error_analysis").glob("*"):
        finished = (stage / "stage.json").exists()
        assert finished or {p.name for p in stage.iterdir()} <= {"notebook.ipynb"}


class FullAt:
    """Writes as always, but for the n-th time, when there is no room left."""

    def __init__(self, place: int, error: BaseException) -> None:
        self.left, self.error = place, error

    def __call__(self, path: Path, *rest: Any, **named: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error
        write_bytes(path, *rest, **named)


NO_SPACE = OSError(28, "No space left on device")


def test_every_save_of_a_notebook_may_find_the_disk_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_notebook(tmp_path, "x = 1", "x = 2", "x = 3")  # a save for each
    out = tmp_path / "out.ipynb"
    full = FullAt(0, NO_SPACE)
    monkeypatch.setattr("nbutils.artifacts.write_bytes", full)
    monkeypatch.setattr(execution, "write_bytes", full)
    run_notebook(source, out, parameters={})
    saves = -full.left
    assert saves >= 6
    for place in range(1, saves + 1):
        full.left = place
        with pytest.raises(NotebookFailedError, match=f"{tmp_path}: the disk is full"):
            run_notebook(source, out, parameters={})
        nbformat.read(out, as_version=4)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in.ipynb", "out.ipynb"]
    run_notebook(source, out, parameters={})
    assert set(statuses(out)) == {"completed"}


@pytest.mark.parametrize("error", [NO_SPACE, KeyboardInterrupt()], ids=["full disk", "Ctrl-C"])
def test_every_write_of_a_report_may_be_the_last(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    whole.copy_to(tmp_path, "data_prep", "fine_tune", "error_analysis")
    monkeypatch.chdir(tmp_path)
    study = load_study(Path("study.yaml"))
    run_study(study, command="nbutils run study.yaml")
    full = FullAt(0, error)
    monkeypatch.setattr("nbutils.artifacts.write_bytes", full)
    run_study(study, command="nbutils run other.yaml")  # another command: pages are written
    writes = -full.left
    assert writes >= 6
    for place in range(1, writes + 1, STRIDE):
        full.left = place
        with pytest.raises((NotebookFailedError, KeyboardInterrupt)):
            run_study(study, command=f"nbutils run {'./' * place}study.yaml")
        check_nothing_is_torn(tmp_path)
    run = run_study(study, command="nbutils run study.yaml")
    assert run.reused
    assert manifest_of(tmp_path)["status"] == "completed"
