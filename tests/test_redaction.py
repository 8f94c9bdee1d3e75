"""Secrets: what counts as one, what does not, and that none reaches a file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbutils.credentials import is_likely_secret, is_secret_name
from nbutils.errors import NotebookFailedError
from nbutils.execution import run_notebook
from nbutils.params.study import Study
from nbutils.publishing import publish
from nbutils.redaction import PLACEHOLDER, Redactor
from nbutils.report import page_of_notebook, write_notebook_report
from nbutils.runs import RunOptions, StudyRun

# Put together here, so that no scanner takes this file for a leak.
HUB = "hf_" + "x" * 34
PASSWORD = 'p&ss "w<rd> 1é\\2'
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"
JWT = ".".join(["eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "zdWIiOiIxMjM0In0", "dozjgNryP4J3jVmN"])
BEGIN, END = "-----BEGIN RSA PRIVATE " + "KEY-----", "-----END RSA PRIVATE " + "KEY-----"
PEM = "\n".join([BEGIN, "MIIEow" + "A" * 58, "b" * 64, END])
SLACK, DISCORD = "https://hooks.slack.com/services/", "https://discord.com/api/v10/webhooks/"
SHA = hashlib.sha256(b"a").hexdigest()
IMAGE = base64.b64encode(b"\x89PNG" + bytes(range(256)) * 40).decode()


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("HF_TOKEN", True),
        ("HUGGING_FACE_HUB_TOKEN", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("WANDB_API_KEY", True),
        ("OPENAI_APIKEY", True),
        ("PGPASSWORD", True),
        ("db_passwd", True),
        ("dbPassword", True),
        ("apiKey", True),
        ("SSH_PRIVATE_KEY", True),
        ("GOOGLE_CREDENTIALS", True),
        ("AUTH_HEADER", True),
        ("GITHUB_PAT", True),
        ("SLACK_WEBHOOK_URL", True),
        ("discordWebhook", True),
        ("WEBHOOK_PORT", False),
        ("PATIENCE", False),
        ("PYTHONPATH", False),
        ("DATABASE_URL", False),
        ("token", True),
        ("max_tokens", False),
        ("tokenizer", False),
        ("TOKENIZERS_PARALLELISM", False),
        ("pad_token", False),
        ("token_column", False),
        ("HF_TOKEN_PATH", False),
        ("SSH_AUTH_SOCK", False),
        ("GIT_AUTHOR_NAME", False),
        ("PWD", False),
        ("KEYBOARD", False),
        ("sort_key", False),
        ("", False),
    ],
)
def test_name_tells_whether_it_holds_a_secret(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        (HUB, True),
        (AWS, True),
        (PASSWORD, True),
        ("correct horse battery", True),
        ("hunter2hunter2", True),
        ("12345678", True),
        ("https://ann:hunter2@host.example", True),
        ("hunter2", True),
        ("kaffeebohne", True),
        ("https://hooks.example/in/" + "a1B2" * 6, True),
        ("a1b2", False),
        ("Password", False),
        ("python3", False),
        ("outputs", False),
        ("short", False),
        ("true", False),
        ("disabled", False),
        ("development", False),
        ("anonymous", False),
        ("********", False),
        ("1234567", False),
        ("1.5 - 2.5", False),
        ("https://login.example.org/realm", False),
        (str(Path(__file__)), False),
        ("redacted", False),
        ("a\0null byte 1", True),
        ("x9" * 4000, True),
    ],
)
def test_value_that_could_be_an_ordinary_word_is_no_secret(value: str, secret: bool) -> None:
    assert is_likely_secret(value) is secret


HIDDEN = [
    ("postgres://ann:hunter2@db.example/x", "postgres://[redacted]@db.example/x"),
    ("https://:hunter2@h.example", "https://[redacted]@h.example"),
    ("https://ann:p@ss?w@h.example/a", "https://[redacted]@h.example/a"),
    ("git+https://" + "a1" * 12 + "@h.example/x", "git+https://[redacted]@h.example/x"),
    ("u=https%3A%2F%2Fann%3Apw%40h.example%2F", "u=https%3A%2F%2F[redacted]%40h.example%2F"),
    ("https://h.example/?token=abc&page=2", "https://h.example/?token=[redacted]&page=2"),
    ("?page=2&amp;api_key=abc#x", "?page=2&amp;api_key=[redacted]#x"),
    ("?X-Amz-Signature=abc&X-Amz-Date=1", "?X-Amz-Signature=[redacted]&X-Amz-Date=1"),
    ("?sv=2024&sig=a%2Bb", "?sv=2024&sig=[redacted]"),
    ("run a.yaml -p fine_tune.hf_token=abc", "run a.yaml -p fine_tune.hf_token=[redacted]"),
    ("-p 'a.password=b c' -p a.d=e", "-p 'a.password=[redacted]' -p a.d=e"),
    ("see https://h.example/?token=abc, then", "see https://h.example/?token=[redacted], then"),
    (f"as {HUB}.", "as [redacted]."),
    (f"'line\\n{HUB}'", "'line\\n[redacted]'"),
    (f"\x1b[32m{HUB}\x1b[0m", "\x1b[32m[redacted]\x1b[0m"),
    (f"q%3D{HUB}", "q%3D[redacted]"),
    (f"post {SLACK}T000/B000/a1b2c3d4, then", f"post {SLACK}[redacted], then"),
    (f"'{DISCORD}123456/a1-_b2c3d4'", f"'{DISCORD}[redacted]'"),
    (
        "-p a.webhook_url=b -p a.github_pat=c",
        "-p a.webhook_url=[redacted] -p a.github_pat=[redacted]",
    ),
    ("ghp_" + "a1" * 18, "[redacted]"),
    ("github_pat_" + "a1_" * 20, "[redacted]"),
    ("sk-" + "a1" * 24, "[redacted]"),
    ("sk-ant-api03-" + "a1_-" * 10, "[redacted]"),
    ("xoxb-" + "123-abc" * 4, "[redacted]"),
    ("AKIA" + "IOSFODNN7EXAMPLE", "[redacted]"),
    ("Authorization: Basic dXNlcjpw", "Authorization: Basic [redacted]"),
    ("{'authorization': 'Bearer abcdefgh'}", "{'authorization': 'Bearer [redacted]'}"),
    ("bearer abcdefgh12345678", "bearer [redacted]"),
    (f"id {JWT} end", "id [redacted] end"),
    (f"key:\n{PEM}\nend", "key:\n[redacted]\nend"),
    (json.dumps(PEM), '"[redacted]"'),
    (PEM.replace(END, ""), "[redacted]\n"),
]


@pytest.mark.parametrize(("text", "clean"), HIDDEN)
def test_credential_is_hidden_by_its_shape(text: str, clean: str) -> None:
    assert Redactor().redact_text(text) == clean


ORDINARY = [
    "",
    "token",
    "the password is wrong",
    "password: at least 8 characters",
    "a bearer of bad news, bearer authentication",
    "Bearer certificates and internationalization",
    SHA,
    f"task-{SHA}",
    f"sha256:{SHA} risk-management-for-everyone-2024",
    IMAGE,
    f'<img src="data:image/png;base64,{IMAGE}">',
    "https://user.example/path@2x.png",
    "http://localhost:8888/lab?reset",
    "http://localhost:8888?mail=ann@host.example",
    "git@github.com:owner/name.git, ssh://git@host.example/x",
    "ann.b@mail.example.org",
    "?page_token=2&max_tokens=3&pad_token=0",
    "if a&token=='x': pass",
    "tokenizer(text, max_length=128).input_ids; token = tokens[0]",
    "hf_hub_download, hf_token, sk-learn, xoxo, AKIA, eyJ, npm_config",
    "the line -----BEGIN PRIVATE KEY----- starts a key",
    "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
    "nothing [redacted] here",
    "https://hooks.slack.com/services/ and https://discord.com/api/webhooks/ take messages",
    "hunter23, headhunter2 and hunter2s; kaffeebohnen",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    environment = {"HF_TOKEN": HUB, "DB_PASSWORD": PASSWORD, "TOKEN": "disabled", "SECRET": "12"}
    environment |= {"SMTP_PASSWORD": "hunter2", "MY_PASSWORD": "kaffeebohne", "PAT": "token"}
    assert Redactor.from_environment(environment | NO_HOME).redact_text(text) == text


NO_HOME = {"HF_HOME": "/nowhere"}


@pytest.mark.parametrize(
    "spell",
    [
        str,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        repr,
        html.escape,
        lambda value: html.escape(value, quote=False),
        quote,
        quote_plus,
        lambda value: quote(value, safe="").lower(),
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    ],
)
@pytest.mark.parametrize("secret", [HUB.lower(), "p&ss w<rd> 'é\\2\"", AWS.lower()])
def test_known_value_is_found_however_it_is_spelled(secret: str, spell: Any) -> None:
    redactor = Redactor.from_environment({"MY_SECRET": secret} | NO_HOME)
    assert redactor.redact_text(f"a {spell(secret)} b").strip("a b'\"") == PLACEHOLDER


@pytest.mark.parametrize("secret", ["hunter2", "kaffeebohne", "p@s1!", "größe1"])
@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("{}", "[redacted]"),
        ("DB_PASSWORD={}, 1", "DB_PASSWORD=[redacted], 1"),
        ("'a\\n{}\\n'", "'a\\n[redacted]\\n'"),
        ("\x1b[32m{}\x1b[0m", "\x1b[32m[redacted]\x1b[0m"),
        ("un{} {}s", "un{} {}s"),
    ],
)
def test_short_secret_is_hidden_unless_a_longer_word_holds_it(
    secret: str, text: str, clean: str
) -> None:
    redactor = Redactor.from_environment({"DB_PASSWORD": secret} | NO_HOME)
    assert redactor.redact_text(text.replace("{}", secret)) == clean.replace("{}", secret)


def test_address_of_any_webhook_is_a_secret() -> None:
    address = "https://hooks.example/in/" + "a1B2" * 6
    redactor = Redactor.from_environment({"TEAM_WEBHOOK_URL": address} | NO_HOME)
    assert redactor.redact_text(f"to {address}.") == "to [redacted]."


def test_long_token_cut_in_a_table_is_hidden_too() -> None:
    redactor = Redactor([AWS + "7"])
    assert redactor.redact_text("a wJalrXUtnFEMI/K7MDENG/... b") == "a [redacted] b"


def test_number_is_hidden_whole_and_not_inside_another() -> None:
    assert Redactor(["12345678"]).redact_text("12345678 0.123456789") == "[redacted] 0.123456789"


def test_password_inside_a_url_variable_is_hidden_alone_too() -> None:
    environment = {"DATABASE_URL": "pg://ann:s3cret%2Fpw9@db.example/x"} | NO_HOME
    redactor = Redactor.from_environment(environment)
    assert redactor.redact_text("s3cret%2Fpw9 s3cret/pw9") == "[redacted] [redacted]"


@pytest.mark.parametrize("variable", ["HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN_PATH"])
def test_token_file_of_the_hub_is_read_where_the_variables_say(
    tmp_path: Path, variable: str
) -> None:
    path = tmp_path / ("huggingface/token" if variable == "XDG_CACHE_HOME" else "token")
    path.parent.mkdir(exist_ok=True)
    path.write_text("plain-value-42\n")
    place = path if variable == "HF_TOKEN_PATH" else tmp_path
    redactor = Redactor.from_environment({variable: str(place)})
    assert redactor.redact_text("plain-value-42") == PLACEHOLDER


FRAGMENTS = [text for text, _ in HIDDEN] + [HUB[:20], PLACEHOLDER, "@", "&", "?", "=", ":", "%40"]
PIECES = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=12)), max_size=6)


@given(PIECES)
def test_redacting_twice_changes_nothing_more(pieces: list[str]) -> None:
    redactor = Redactor([HUB, PASSWORD])
    once = redactor.redact_text("".join(pieces))
    assert redactor.redact_text(once) == once
    assert HUB not in once


@given(st.text(alphabet=st.characters(exclude_characters="%:_-.+=?&;"), max_size=200))
def test_text_without_triggers_is_unchanged(text: str) -> None:
    if "PRIVATE KEY" not in text and "eyJ" not in text and "AKIA" not in text:
        assert Redactor([HUB]).redact_text(text) == text


@dataclass(frozen=True)
class Sample:
    title: str
    facts: tuple[str, ...]


def test_tree_is_copied_with_clean_keys_values_and_dataclasses() -> None:
    tree = {HUB: [HUB, 3, None], "b": {"c": (HUB,)}, "d": Sample(HUB, ("x", HUB))}
    clean = Redactor().redact_tree(tree)
    assert clean == {
        PLACEHOLDER: [PLACEHOLDER, 3, None],
        "b": {"c": (PLACEHOLDER,)},
        "d": Sample(PLACEHOLDER, ("x", PLACEHOLDER)),
    }
    assert tree["b"] == {"c": (HUB,)}


def test_parameters_are_hidden_by_name_whatever_their_value() -> None:
    parameters = {
        "api_key": "abc",
        "pin": {"password": 17, "user": "ann"},
        "credentials": {"a": "b"},
        "hf_token": None,
        "token": True,
        "max_tokens": 8,
        "model": "bert",
    }
    assert Redactor().redact_parameters(parameters) == {
        "api_key": PLACEHOLDER,
        "pin": {"password": PLACEHOLDER, "user": "ann"},
        "credentials": PLACEHOLDER,
        "hf_token": None,
        "token": True,
        "max_tokens": 8,
        "model": "bert",
    }


def make_notebook(source: str, *outputs: Any, parameters: dict[str, Any]) -> Any:
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    cell.outputs = [nbformat.from_dict(output) for output in outputs]
    metadata = {"papermill": {"parameters": parameters}}
    return nbformat.v4.new_notebook(cells=[cell], metadata=metadata)


def test_notebook_is_redacted_in_a_copy() -> None:
    source = (
        "# Parameters\n"
        'api_key = "abc"\nhf_token: str = "plain-value-42"\npassword = None\n'
        'options = {"password": "x\\"y", "size": 3}\nname = "bert"\n'
    )
    parameters = {"api_key": "abc", "hf_token": "plain-value-42", "password": None}
    data = {
        "text/plain": "plain-value-42",
        "text/html": "<b>plain-value-42</b>",
        "application/json": {"deep": [{"plain-value-42": "plain-value-42"}]},
        "image/png": IMAGE,
    }
    outputs = [
        nbformat.v4.new_output("display_data", data),
        nbformat.v4.new_output(
            "error", ename="E", evalue="plain-value-42", traceback=["at plain-value-42"]
        ),
    ]
    nb = make_notebook(source, *outputs, parameters=parameters)
    before = nbformat.writes(nb)
    clean = Redactor().redact_notebook(nb)
    assert nbformat.writes(nb) == before
    assert "plain-value-42" not in nbformat.writes(clean)
    assert clean.cells[0].source == (
        "# Parameters\n"
        'api_key = "[redacted]"\nhf_token: str = "[redacted]"\npassword = None\n'
        'options = {"password": "[redacted]", "size": 3}\nname = "bert"\n'
    )
    assert clean.cells[0].outputs[0]["data"]["image/png"] == IMAGE
    assert type(clean) is type(nb)
    assert nbformat.writes(Redactor().redact_notebook(clean)) == nbformat.writes(clean)


def test_secret_printed_in_two_pieces_is_hidden() -> None:
    pieces = ["a " + HUB[:20], HUB[20:] + " b"]
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=piece) for piece in pieces]
    aside = nbformat.v4.new_output("stream", name="stderr", text="c")
    clean = Redactor([HUB]).redact_notebook(make_notebook("", *outputs, aside, parameters={}))
    assert [output.text for output in clean.cells[0].outputs] == ["a [redacted] b", "", "c"]


def files_with(folder: Path, *secrets: str) -> list[str]:
    return [
        f"{path.name}: {secret}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]


LEAKY = """\
import os
import pandas as pd
from IPython.display import HTML, display
assert api_key == 'plain-value-42' and os.environ['HF_TOKEN'].endswith('xxx')
saved = open(saved_at).read()
print('saved so far:', api_key in saved, os.environ['HF_TOKEN'] in saved, len(saved) > 100)
print(os.environ['HF_TOKEN'], api_key)
display(HTML(f"<a href='https://x.example/?token={api_key}'>{os.environ['HF_TOKEN']}</a>"))
display({'application/json': {'k': [os.environ['HF_TOKEN']]}, 'text/plain': ''}, raw=True)
pd.DataFrame({'secret': [os.environ['HF_TOKEN'], api_key]})"""
FAILING = "raise ValueError('no answer from https://ann:hunter2@db.example/x')"
SECRETS = (HUB, "plain-value-42", "hunter2")


def leaky_notebook(folder: Path, *cells: str) -> Path:
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    )
    nb.cells = [nbformat.v4.new_code_cell(cell) for cell in ("api_key = saved_at = ''", *cells)]
    nb.cells[0].metadata["tags"] = ["parameters"]
    folder.mkdir(exist_ok=True)
    path = folder / "in.ipynb"
    nbformat.write(nb, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("cells", [(LEAKY,), (LEAKY, FAILING)])
def test_no_secret_reaches_a_saved_notebook_or_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HF_TOKEN", HUB)
    source = leaky_notebook(tmp_path / "in", *cells)
    saved = tmp_path / "out" / "notebook.ipynb"
    saved.parent.mkdir()
    parameters = {"api_key": "plain-value-42", "saved_at": str(saved)}
    if FAILING in cells:
        with pytest.raises(NotebookFailedError, match=r"https://\[redacted\]@db\.example") as info:
            run_notebook(source, saved, parameters=parameters)
        assert "hunter2" not in str(info.value)
    else:
        run_notebook(source, saved, parameters=parameters)
    write_notebook_report(saved, saved.with_suffix(".html"), page_of_notebook(saved))
    text = saved.read_text()
    assert "saved so far: False False True" in text
    assert 'api_key = \\"[redacted]\\"' in text
    assert files_with(saved.parent, *SECRETS) == []


@pytest.mark.slow
def test_last_words_and_logged_output_hold_no_secret(tmp_path: Path) -> None:
    crash = "import os\nos.write(2, os.environ['HF_TOKEN'].encode())\nos._exit(134)"
    source = leaky_notebook(tmp_path / "in", LEAKY, crash)
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", "--engine", "nbutils", "--log-output"),
            *("--stdout-file", str(out / "stdout.txt"), "-p", "api_key", "plain-value-42"),
            *("-p", "saved_at", str(out / "nb.ipynb"), str(source), str(out / "nb.ipynb")),
        ],
        env={**os.environ, "HF_TOKEN": HUB},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode != 0
    assert PLACEHOLDER in (out / "stdout.txt").read_text()
    assert "last words" in (out / "nb.ipynb").read_text()
    assert files_with(out, *SECRETS) == []
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []


def test_report_folder_of_a_failed_study_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_PASSWORD", PASSWORD)
    study = Study.of(
        {
            "name": "leaky",
            "description": f"{'a long lead ' * 4} with {HUB} and {PASSWORD}",
            "data_prep": {"dataset": "https://ann:hunter2@host.example/a.csv"},
        }
    )
    command = f"nbutils run a.yaml -p x.token={HUB}"
    run = StudyRun(study, command, RunOptions(tmp_path / "runs", tmp_path / "reports"))
    run.fingerprints = {"data": "0", "checkpoint": "1"}
    run.status, run.failed_stage = "failed", "data_prep"
    run.problem = f"no answer from https://ann:hunter2@host.example with {PASSWORD}"
    publish(run, failed_folder=tmp_path)
    spelled = (PASSWORD, PASSWORD[:8], json.dumps(PASSWORD)[1:-1], html.escape(PASSWORD))
    assert files_with(tmp_path / "reports", HUB, "hunter2", *spelled) == []
    assert PLACEHOLDER in (tmp_path / "reports" / "leaky" / "params.yaml").read_text()


def test_message_of_the_command_line_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "nbutils.cli", "run", str(tmp_path / "a.yaml")),
            *("-p", "fine_tune.hf_token=plain-value-42"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "fine_tune.hf_token=[redacted]: unknown parameter" in done.stderr
    assert "plain-value-42" not in done.stderr + done.stdout
