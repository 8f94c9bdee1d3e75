"""Commits of hub repositories: from a small hub on this machine, or from the hub's local cache."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nbutils.reproduce.checking import _compare_commits

ASKED, CACHED, OTHER = "a" * 40, "b" * 40, "c" * 40
FINGERPRINT = "from nbutils.checkpoints.places import fingerprint_checkpoint as f; "
DATA = (
    "from nbutils.params.data_prep import DataPrepParams as P; "
    "from nbutils.data.fingerprints import fingerprint_source as f; "
)
# what the hub answers of these repositories: a status, and its name for what is wrong
REFUSALS = {
    "hidden": (401, ""),
    "gated": (403, "GatedRepo"),
    "name/revision/v9": (404, "RevisionNotFound"),
    "busy": (503, ""),
}


class _Hub(BaseHTTPRequestHandler):
    """Answers what a hub answers about the repositories `org/name`, and notes what it is asked.

    The client's own question, what programs drive it, is not noted.
    """

    asked: list[str]

    def do_GET(self) -> None:
        if self.path != "/api/agent-harnesses":
            self.asked.append(self.path)
        found = self.path.startswith(("/api/models/org/name", "/api/datasets/org/name"))
        body = json.dumps({"id": "org/name", "sha": ASKED, "tags": [], "siblings": []}).encode()
        status, code = next(
            (answer for name, answer in REFUSALS.items() if f"/org/{name}" in self.path),
            (200, "") if found else (404, "RepoNotFound"),
        )
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(body if status == 200 else b"{}")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a hub on this machine, and the list of what it was asked."""
    asked: list[str] = []
    handler = type("Handler", (_Hub,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a Hugging Face home whose cache knows where `org/name` stood last."""
    for kind in ("models", "datasets"):
        refs = tmp_path / "hf" / "hub" / f"{kind}--org--name" / "refs"
        refs.mkdir(parents=True)
        (refs / "main").write_text(CACHED)
        (refs / "v1").write_text(OTHER)
        (refs / "torn").write_text("b7a1")
    return tmp_path / "hf"


def ask(code: str, home: Path, **variables: str) -> str:
    """Run Python with a Hugging Face home and other variables; return what it prints."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "HF_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_hub_is_asked_for_the_commit_of_a_branch(home: Path, hub: tuple[str, list[str]]) -> None:
    address, asked = hub
    code = FINGERPRINT + "print(f('org/name'), f('org/name', revision='v1'))"
    expected = f"hub:org/name@{ASKED}"
    assert ask(code, home, HF_ENDPOINT=address) == f"{expected} {expected}"
    assert asked == ["/api/models/org/name", "/api/models/org/name/revision/v1"]


def test_hub_is_asked_for_the_commit_of_a_dataset(home: Path, hub: tuple[str, list[str]]) -> None:
    address, asked = hub
    code = DATA + "print(f(P(dataset='org/name', dataset_config='en', dataset_revision='v1')))"
    assert ask(code, home, HF_ENDPOINT=address) == f"hub:org/name/en@{ASKED}"
    assert asked == ["/api/datasets/org/name/revision/v1"]


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (None, CACHED),
        ("v1", OTHER),
        ("torn", "torn (commit unknown)"),
        ("never-seen", "never-seen (commit unknown)"),
        ("../../../escape", "../../../escape (commit unknown)"),
        (ASKED, ASKED),
    ],
)
def test_without_a_network_the_cache_knows_the_commit(
    home: Path, hub: tuple[str, list[str]], revision: str | None, expected: str
) -> None:
    address, asked = hub
    code = FINGERPRINT + f"print(f('org/name', revision={revision!r}))"
    found = ask(code, home, HF_ENDPOINT=address, HF_HUB_OFFLINE="1")
    assert found == f"hub:org/name@{expected}"
    assert asked == []


def test_hub_that_does_not_know_the_repository_leaves_it_to_the_cache(
    home: Path, hub: tuple[str, list[str]]
) -> None:
    (home / "hub" / "models--gone--away" / "refs").mkdir(parents=True)
    (home / "hub" / "models--gone--away" / "refs" / "main").write_text(CACHED)
    code = FINGERPRINT + "print(f('gone/away'), f('no/where'))"
    expected = f"hub:gone/away@{CACHED} hub:no/where@main (commit unknown)"
    assert ask(code, home, HF_ENDPOINT=hub[0]) == expected


def test_hub_that_never_answers_is_given_up(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = ask(FINGERPRINT + "print(f('org/name'))", home, HF_ENDPOINT=address)
    assert found == f"hub:org/name@{CACHED}"


def test_what_the_hub_does_not_have_is_refused_at_once(
    tmp_path: Path, hub: tuple[str, list[str]]
) -> None:
    expected = {
        "'no/where'": "the hub has no model of this name (a private one needs: hf auth login)",
        "'no/where', kind='dataset'": "the hub has no dataset of this name (a private one needs: "
        "hf auth login)",
        "'org/hidden'": "the hub has no model of this name (a private one needs: hf auth login)",
        "'org/gated'": "the hub asks to log in and to accept its terms first: hf auth login",
        "'org/name', revision='v9'": "the hub has it, but not at revision 'v9'",
        "'a name'": "it is no folder here, and no id that the hub allows",
        "'org/busy'": "",
        "'org/name'": "",
    }
    assert refusals(expected, tmp_path, HF_ENDPOINT=hub[0]) == expected


@pytest.mark.parametrize("offline", [False, True])
def test_hub_out_of_reach_is_said_of_what_is_not_in_the_cache(home: Path, offline: bool) -> None:
    reason = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
    expected = {
        "'org/other'": f"{reason}, and nothing of it is in this machine's cache",
        "'org/other', kind='dataset'": "",  # `datasets` has a cache of its own
        "'org/name'": "",
        "'org/name', revision='never-seen'": "",
    }
    with socket.socket() as closed:  # bound, and not listening
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        variables = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": str(int(offline))}
        found = refusals(expected, home, **variables)
    assert found == expected


def refusals(repositories: Iterable[str], home: Path, **variables: str) -> dict[str, str]:
    """Return why each repository, as arguments in Python, is refused; empty: it is not."""
    code = "from nbutils.commits import refuse_absent; from nbutils.errors import NbutilsError\n"
    for repository in repositories:
        code += (
            f"try: refuse_absent({repository}, mend='look again'); print()\n"
            "except NbutilsError as error: print(error)\n"
        )
    lines = ask(f"{code}print('end')", home, **variables).split("\n")
    found = dict(zip(repositories, lines, strict=False))
    for repository, line in found.items():
        kind = "dataset" if "dataset" in repository else "model"
        name = repository.split(",")[0]
        if line:
            assert line.startswith(f"{kind} {name}: ")
            assert line.endswith("; look again")
            found[repository] = line.removeprefix(f"{kind} {name}: ").removesuffix("; look again")
    return found


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("fine_tune: {model: models/my-brt}", "model 'models/my-brt': the hub has no model"),
        ("data_prep: {dataset: no/where}", "dataset 'no/where': the hub has no dataset"),
    ],
)
def test_study_is_refused_before_its_kernels_start(
    tmp_path: Path, hub: tuple[str, list[str]], section: str, message: str
) -> None:
    (tmp_path / "models" / "my-bert").mkdir(parents=True)
    (tmp_path / "s.yaml").write_text(f"{section}\n")
    done = subprocess.run(
        [sys.executable, "-m", "nbutils.cli", "run", "s.yaml"],
        env={**os.environ, "HF_ENDPOINT": hub[0], "HF_HUB_OFFLINE": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"nbutils: {message}")
    assert done.stderr.count("\n") == 1
    assert "did you mean 'models/my-bert'?" in done.stderr or "model" not in section
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "s.yaml"]


@pytest.mark.parametrize(("is_here", "noted"), [(False, CACHED), (True, ASKED)])
def test_note_on_a_commit_that_is_here_is_replaced_only_by_another_that_is_here(
    home: Path, hub: tuple[str, list[str]], is_here: bool, noted: str
) -> None:
    folder = home / "hub" / "models--org--name"
    if is_here:
        (folder / "snapshots" / ASKED).mkdir(parents=True)
    ask(FINGERPRINT + "f('org/name')", home, HF_ENDPOINT=hub[0])
    assert (folder / "refs" / "main").read_text() == noted


def test_commit_that_was_asked_for_once_is_known_without_a_network(
    tmp_path: Path, hub: tuple[str, list[str]]
) -> None:
    code = FINGERPRINT + "print(f('org/name'))"
    online = ask(code, tmp_path, HF_ENDPOINT=hub[0])
    assert ask(code, tmp_path, HF_HUB_OFFLINE="1") == online == f"hub:org/name@{ASKED}"


def test_local_and_bundled_names_ask_nobody(
    home: Path, tiny_bert: Path, hub: tuple[str, list[str]]
) -> None:
    address, asked = hub
    code = (
        "import sys; from nbutils.params.study import Study; "
        "from nbutils.study import check_study; from nbutils.pinning import pin_study; "
        f"study = Study.of({{'name': 'x', 'fine_tune': {{'model': {str(tiny_bert)!r}, "
        "'max_length': 32}}); check_study(study); print(pin_study(study) == study, "
        "'huggingface_hub' in sys.modules)"
    )
    assert ask(code, home, HF_ENDPOINT=address) == "True False"
    assert asked == []


def test_study_is_pinned_to_the_commits_that_its_branches_name(home: Path) -> None:
    code = (
        "from nbutils.params.study import Study; from nbutils.pinning import pin_study; "
        "p = pin_study(Study.of({'name': 'x', 'data_prep': {'dataset': 'org/name'}, "
        "'fine_tune': {'model': 'org/name', 'revision': 'v1'}})); "
        "print(p.data_prep.dataset_revision, p.fine_tune.revision, p.data_prep.tokenizer_revision)"
    )
    assert ask(code, home, HF_HUB_OFFLINE="1") == f"{CACHED} {OTHER} {OTHER}"


def test_model_is_loaded_at_the_commit_that_its_fingerprint_names(
    home: Path, tiny_bert: Path
) -> None:
    folder = home / "hub" / "models--org--name"
    for commit, dropout in ((CACHED, 0.3), (OTHER, 0.4)):
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for path in tiny_bert.iterdir():
            (snapshot / path.name).write_bytes(path.read_bytes())
        config = json.loads((snapshot / "config.json").read_text())
        config["hidden_dropout_prob"] = dropout
        (snapshot / "config.json").write_text(json.dumps(config))
    code = (
        "from nbutils.checkpoints.loading import load_head, load_tokenizer\n"
        "for revision in (None, 'v1'):\n"
        "    load_tokenizer('org/name', revision=revision)\n"
        "    model, _ = load_head('org/name', label_names=['a', 'b'], revision=revision)\n"
        "    print(model.config.hidden_dropout_prob)\n"
    )
    found = ask(code, home, HF_HUB_OFFLINE="1")
    assert found == "0.3\n0.4"


def test_hub_model_that_needs_its_own_code_is_refused_before_it_is_loaded(home: Path) -> None:
    snapshot = home / "hub" / "models--org--name" / "snapshots" / CACHED
    snapshot.mkdir(parents=True)
    config = {"model_type": "own", "auto_map": {"AutoModelForSequenceClassification": "own.Own"}}
    (snapshot / "config.json").write_text(json.dumps(config))
    code = (
        "from nbutils.checkpoints.checks import check_own_code; "
        "from nbutils.errors import CheckpointError; "
        "from nbutils.params.fine_tune import FineTuneParams as P\n"
        "check_own_code(P(model='org/name', trust_remote_code=True))\n"
        "check_own_code(P(model='org/never-seen'))\n"
        "try: check_own_code(P(model='org/name'))\n"
        "except CheckpointError as error: print(error)\n"
    )
    found = ask(code, home, HF_HUB_OFFLINE="1")
    assert found.startswith("model 'org/name': needs Python code that comes with it")


def test_hub_model_that_reads_less_is_refused_before_it_is_loaded(home: Path) -> None:
    snapshot = home / "hub" / "models--org--name" / "snapshots" / CACHED
    snapshot.mkdir(parents=True)
    config = {"model_type": "roberta", "max_position_embeddings": 514}
    (snapshot / "config.json").write_text(json.dumps(config))
    code = (
        "from nbutils.checkpoints.checks import check_checkpoint as check; "
        "from nbutils.errors import CheckpointError\n"
        "check('org/name', max_length=512)\n"
        "check('org/never-seen', max_length=9999)\n"
        "try: check('org/name', max_length=513)\n"
        "except CheckpointError as error: print(error)\n"
    )
    assert ask(code, home, HF_HUB_OFFLINE="1").startswith("max_length: expected at most 512")


@pytest.mark.parametrize(
    ("found", "recorded", "outcome"),
    [
        (f"hub:a/b@{ASKED}", f"hub:a/b@{ASKED}", "good"),
        (f"hub:a/b@{ASKED}", f"hub:a/b@{OTHER}", "bad"),
        (f"hub:a/b@{ASKED}", "hub:a/b@main", "unknown"),
        (f"hub:a/b@{ASKED}", "hub:a/b", "unknown"),
        ("hub:a/b@main (commit unknown)", f"hub:a/b@{ASKED}", "unknown"),
        ("hub:a/b@main (commit unknown)", "hub:a/b@main (commit unknown)", "unknown"),
        (f"hub:a/c@{ASKED}", f"hub:a/b@{ASKED}", "bad"),
    ],
)
def test_commits_of_a_report_and_of_this_machine_are_compared(
    found: str, recorded: str, outcome: str
) -> None:
    assert _compare_commits("checkpoint", found, recorded).outcome == outcome
