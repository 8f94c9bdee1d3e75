"""Bad input of every kind: exit code 2, one line that says what, where and how to mend it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Dataset

from nbutils import cli, exits
from nbutils.data.preparing import prepare_data
from nbutils.params.study import Study, load_study
from nbutils.study import check_study

Make = Callable[[Path], Any]
ROWS = [(f"text number {n} of many", ("pos", "neg")[n % 2]) for n in range(24)]
EXAMPLES = pd.DataFrame(ROWS, columns=["text", "label"])
CSV = EXAMPLES.to_csv(index=False)


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Return what is in a folder: mode and content of every file, links and folders included."""
    found = {}
    for path in sorted(folder.rglob("*")):
        readable = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
        content = path.read_bytes() if readable else b""
        name = path.relative_to(folder).as_posix()
        found[name] = (path.lstat().st_mode, hashlib.sha256(content).hexdigest())
    return found


def refuse(
    call: Callable[[], Any], folder: Path, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Check that a call ends as a refusal does, and leaves the folder as it was."""
    before = tree(folder)
    capfd.readouterr()
    assert exits.exit_code_of(call) == exits.REFUSED
    printed = capfd.readouterr().err
    assert tree(folder) == before
    assert printed.startswith("nbutils: ")
    assert printed.endswith("\n")
    assert len(printed.splitlines()) == 1, printed
    assert "Traceback" not in printed
    assert len(printed) < 1000
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(printed)


def run(*words: object) -> Callable[[], Any]:
    return lambda: cli.app(["run", *map(str, words)], standalone_mode=False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def good(place: Path, tiny_bert: Path) -> Path:
    """Return a study file that nothing is wrong with, beside its data `d.csv`."""
    (place / "d.csv").write_text(CSV, encoding="utf-8")
    return write_study(place, tiny_bert, dataset="d.csv")


def write_study(place: Path, model: Path, **data_prep: Any) -> Path:
    tune = {"model": str(model), "max_length": 16}
    path = place / "study.yaml"
    path.write_text(yaml.safe_dump({"data_prep": data_prep, "fine_tune": tune}), encoding="utf-8")
    return path


# Study files

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: *c\n"
STUDIES: dict[str, tuple[bytes, str]] = {
    "not YAML": (b"name: [a, b\nseed: 1\n", r"study\.yaml: not valid YAML.*line 2"),
    "tabs": (b"data_prep:\n\tdataset: d.csv\n", r"not valid YAML.*'\\t'.*line 2"),
    "not UTF-8": (b"name: caf\xe9\n", r"study\.yaml: cannot be read as UTF-8 text.*0xe9"),
    "binary": (b"name: a\x00b\n", r"study\.yaml: not valid YAML.*special characters"),
    "duplicate keys": (b"seed: 1\nseed: 2\n", r"key 'seed' stands twice \(line 2\)"),
    "duplicate keys below": (
        b"fine_tune:\n  epochs: 1\n  epochs: 2\n",
        r"key 'epochs' stands twice \(line 3\)",
    ),
    "alias bomb": (LAUGHS.encode(), r"aliases are not read in a study file \(line 2\)"),
    "endless alias": (b"name: &a [*a]\n", r"aliases are not read .*line 1"),
    "merge keys": (
        b"data_prep: &x {test_size: 0.3}\nfine_tune:\n  <<: *x\n",
        r"aliases are not read in a study file \(line 3\)",
    ),
    "merge key of a mapping": (
        b"fine_tune:\n  <<: {epochs: 1}\n",
        r"merge keys are not read in a study file \(line 2\)",
    ),
    "python tag": (b"name: !!python/object/apply:os.system [ls]\n", r"not valid YAML.*python"),
    "own tag": (b"name: !secret x\n", r"not valid YAML.*!secret"),
    "a list": (b"- name: a\n", r"expected `name: ...` and sections data_prep.*found list"),
    "a word": (b"bbc-news\n", r"expected `name: ...` and sections.*found str"),
    "empty": (b"", r"study\.yaml: expected `name: ...` .*found an empty file"),
    "two documents": (b"name: a\n---\nname: b\n", r"not valid YAML.*single document"),
    "huge": (b"# " + b"x" * 2_000_000, r"expected a study file of at most .*found 2000002 bytes"),
    "deeply nested": (b"name: " + b"[" * 5000, r"study\.yaml: .*nested too deeply"),
    "unknown section": (b"finetune:\n  epochs: 1\n", r"finetune: unknown.*mean 'fine_tune'"),
    "section that is a list": (b"fine_tune: [1]\n", r"fine_tune: expected a section with keys"),
    "section that is a number": (b"data_prep: 3\n", r"data_prep: expected a section .*found 3"),
    "name with slash": (b"name: a/b\n", r"name: expected a name that can be a folder.*'a/b'"),
    "name that leads out": (b"name: ..\n", r"name: expected a name that can be a folder"),
    "name that is a number": (b"name: 3\n", r"name: should be a string .*quotes.*found 3"),
    "empty name": (b"name: ''\n", r"name: .*at least 1 character"),
    "seed of words": (b"seed: today\n", r"seed: should be a valid integer, found 'today'"),
    "key that is a list": (b"? [a, b]\n: 1\n", r"a key must be a word \(line 1\)"),
    "plumbing": (b"fine_tune:\n  data_dir: x\n", r"fine_tune\.data_dir: set by the runner"),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_unusable_study_file_is_refused(
    place: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content, message = STUDIES[kind]
    (place / "study.yaml").write_bytes(content)
    refuse(run("study.yaml"), place, message, capfd)


def test_section_without_keys_takes_its_defaults(place: Path) -> None:
    (place / "study.yaml").write_text("data_prep:\nfine_tune: null\n", encoding="utf-8")
    assert load_study(place / "study.yaml").fine_tune == Study(name="study").fine_tune


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.yaml"], r"nowhere\.yaml: no such study file; did you mean|known"),
        (["."], r"\.: expected a study file, found a folder"),
        (["x" * 300], r"no such study file|cannot be read"),
        (["good.yaml", "--nmae", "x"], r"No such option: --nmae.*see nbutils --help"),
        ([], r"Missing argument 'params'; see nbutils --help"),
        (
            ["good.yaml", "--cell-timeout", "0"],
            r"'--cell-timeout': .*greater than or equal to 1; see",
        ),
        (["good.yaml", "--name", "a/b"], r"name: expected a name that can be a folder"),
    ],
)
def test_unusable_command_is_refused(
    place: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "good.yaml").write_text("name: good\n", encoding="utf-8")
    refuse(run(*words), place, message, capfd)


# Parameters

PARAMETERS = {
    "fine_tune.epoch=2": r"fine_tune\.epoch=2: unknown parameter; did you mean 'epochs'",
    "finetune.epochs=2": r"finetune\.epochs=2: unknown section; did you mean 'fine_tune'",
    "epochs=2": r"epochs=2: unknown parameter; did you mean|known: .*fine_tune\.epochs",
    "fine_tune.epochs": r"fine_tune\.epochs: expected section\.key=value",
    "fine_tune=x": r"fine_tune=x: unknown parameter",
    "=": r"-p =: expected section\.key=value",
    "fine_tune.epochs=many": r"fine_tune\.epochs: should be a valid integer, found 'many'",
    "fine_tune.epochs=2.5": r"fine_tune\.epochs: should be a valid integer, found '2\.5'",
    "fine_tune.epochs=": r"fine_tune\.epochs: should be a valid integer, found ''",
    "fine_tune.epochs=0": r"fine_tune\.epochs: should be greater than or equal to 1, found '0'",
    "fine_tune.epochs=101": r"fine_tune\.epochs: should be less than or equal to 100",
    "fine_tune.epochs=9e99": r"fine_tune\.epochs: should be",
    "fine_tune.learning_rate=-1": r"fine_tune\.learning_rate: should be greater than 0",
    "fine_tune.learning_rate=1": r"fine_tune\.learning_rate: should be less than or equal to 0\.01",
    "fine_tune.learning_rate=nan": r"fine_tune\.learning_rate: should be a finite number",
    "fine_tune.learning_rate=inf": r"fine_tune\.learning_rate: should be a finite number",
    "fine_tune.batch_size=-8": r"fine_tune\.batch_size: should be greater than or equal to 1",
    "fine_tune.precision=fp8": r"fine_tune\.precision: should be 'auto', 'fp32' or 'bf16'",
    "fine_tune.class_weights=yes": r"fine_tune\.class_weights: should be 'none' or 'balanced'",
    "fine_tune.class_weights={a: -1}": r"class_weights: weight of 'a': expected a number",
    "fine_tune.attention_dropout=1": r"attention_dropout: should be less than or equal to 0\.9",
    "fine_tune.max_length=4": r"fine_tune\.max_length: should be greater than or equal to 8",
    "fine_tune.max_length=512": r"max_length: expected at most 64, the positions .*found 512",
    "fine_tune.freeze_layers=3": r"freeze_layers: expected at most 2, the layers .*found 3",
    "fine_tune.seed=-1": r"fine_tune\.seed: should be greater than or equal to 0",
    "fine_tune.output_dir=x": r"fine_tune\.output_dir: set by the runner; use --runs-dir",
    "data_prep.task=multilabel": r"task: should be 'auto', 'single_label' or 'multi_label'",
    "data_prep.test_size=1": r"data_prep\.test_size: should be less than 1",
    "data_prep.test_size=20%": r"data_prep\.test_size: should be a valid number, found '20%'",
    "data_prep.test_size=0.85": r"test_size \+ validation_size: expected below 0\.9.*0\.95",
    "data_prep.baseline=perhaps": r"data_prep\.baseline: should be a valid boolean.*'perhaps'",
    "data_prep.max_examples=3": r"data_prep\.max_examples: should be greater than or equal to 10",
    "data_prep.near_duplicate_threshold=70": r"near_duplicate_threshold: should be less .*1",
    "data_prep.dataset=": r"data_prep\.dataset: .*at least 1 character",
    "data_prep.dataset_config=sst2": r"dataset_config: only hub datasets have .*leave it out",
    "data_prep.test_dataset=d.csv": r"test_dataset: the same file as dataset.*leave it out",
    "data_prep.test_dataset=t.csv": r"test_dataset 't\.csv': no such file or folder",
    "data_prep.validation_dataset=dev": r"validation_dataset 'dev': no such file or folder",
    "data_prep.label_corrections=c.csv": r"label_corrections 'c\.csv': no such file or folder",
    "data_prep.label_corrections=d.csv": r"d\.csv: expected the column 'example_id' of label_sus",
    "data_prep.label_corrections=bbc-news": r"label_corrections 'bbc-news': expected a CSV or TSV",
    "data_prep.text_column=body": r"text_column: no column 'body'.* in d\.csv; columns: label, te",
    "data_prep.label_column=lable": r"label_column: no column 'lable'.*did you mean 'label'",
    "data_prep.label_column=text": r"d\.csv: no column .*besides 'text', which .*set text_column",
    "data_prep.text_pair_column=text": r"d\.csv: no column .*besides 'text', which .*set text_col",
    "error_analysis.worst_examples=-1": r"error_analysis\.worst_examples: should be greater than",
    "error_analysis.label_issues=all": r"label_issues: should be 'held_out', 'cross_validate' or ",
    "error_analysis.label_issue_folds=1": r"label_issue_folds: should be greater than or equal",
    "error_analysis.target_error=1": r"error_analysis\.target_error: should be less than 1",
    "error_analysis.calibration_bins=1": r"error_analysis\.calibration_bins: should be greater",
}


@pytest.mark.parametrize("override", PARAMETERS)
def test_unusable_parameter_is_refused(
    good: Path, override: str, capfd: pytest.CaptureFixture[str]
) -> None:
    refuse(run(good.name, "-p", override), good.parent, PARAMETERS[override], capfd)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("fine_tune: {epochs: yes}", r"fine_tune\.epochs: expected int, found True"),
        ("fine_tune: {epochs: [1]}", r"fine_tune\.epochs: should be a valid integer, found \[1\]"),
        ("fine_tune: {epochs: null}", r"fine_tune\.epochs: should be a valid integer, found None"),
        ("fine_tune: {model: 7}", r"fine_tune\.model: should be a string .*found 7"),
        ("data_prep: {dataset: [a, b]}", r"data_prep\.dataset: should be a string .*found \["),
        ("data_prep: {deduplicate: 2}", r"data_prep\.deduplicate: should be a valid boolean"),
        ("data_prep: {label_column: 1}", r"data_prep\.label_column: should be a string"),
    ],
)
def test_value_of_the_wrong_type_is_refused(
    place: Path, section: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "study.yaml").write_text(section, encoding="utf-8")
    refuse(run("study.yaml"), place, message, capfd)


# Data


def put(name: str, content: str | bytes, encoding: str = "utf-8") -> Make:
    """Return a maker of a file with that content, which is the dataset."""
    raw = content if isinstance(content, bytes) else content.encode(encoding)

    def make(folder: Path) -> dict[str, Any]:
        (folder / name).write_bytes(raw)
        return {"dataset": name}

    return make


def table(name: str, labels: list[Any], texts: list[Any] | None = None, **given: Any) -> Make:
    """Return a maker of a table whose labels or texts are the case."""
    frame = {"text": texts or [f"text number {n}" for n in range(len(labels))], "label": labels}

    def make(folder: Path) -> dict[str, Any]:
        if name.endswith(".parquet"):
            pq.write_table(pa.table(frame), folder / name)
        elif name.endswith(".jsonl"):
            rows = [dict(zip(frame, row, strict=True)) for row in zip(*frame.values(), strict=True)]
            (folder / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        else:
            pd.DataFrame(frame).to_csv(folder / name, index=False)
        return {"dataset": name, **given}

    return make


def given_split(split: str, rows: list[tuple[str, str]]) -> Make:
    def make(folder: Path) -> dict[str, Any]:
        (folder / "d.csv").write_text(CSV, encoding="utf-8")
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(folder / "t.csv", index=False)
        return {"dataset": "d.csv", f"{split}_dataset": "t.csv"}

    return make


def folders(**files: list[str]) -> Make:
    def make(folder: Path) -> dict[str, Any]:
        (folder / "texts").mkdir()
        for name, texts in files.items():
            (folder / "texts" / name).mkdir()
            for number, text in enumerate(texts):
                (folder / "texts" / name / f"{number}.txt").write_bytes(text.encode("latin-1"))
        return {"dataset": "texts"}

    return make


def truncated_parquet(folder: Path) -> dict[str, Any]:
    EXAMPLES.to_parquet(folder / "d.parquet")
    content = (folder / "d.parquet").read_bytes()
    (folder / "d.parquet").write_bytes(content[: len(content) // 2])
    return {"dataset": "d.parquet"}


def damaged_parquet(folder: Path) -> dict[str, Any]:
    """Overwrite the pages and leave the footer, which is all that the quick check sees."""
    pq.write_table(pa.table(EXAMPLES.to_dict("list")), folder / "d.parquet", compression="zstd")
    content = (folder / "d.parquet").read_bytes()
    (folder / "d.parquet").write_bytes(content[:4] + b"\xff" * 200 + content[204:])
    return {"dataset": "d.parquet"}


def dangling(folder: Path) -> dict[str, Any]:
    (folder / "d.csv").symlink_to("nowhere.csv")
    return {"dataset": "d.csv"}


def circular(folder: Path) -> dict[str, Any]:
    (folder / "d.csv").symlink_to("d.csv")
    return {"dataset": "d.csv"}


def folder_named_csv(folder: Path) -> dict[str, Any]:
    (folder / "d.csv").mkdir()
    return {"dataset": "d.csv"}


def pipe(folder: Path) -> dict[str, Any]:
    os.mkfifo(folder / "d.csv")
    return {"dataset": "d.csv"}


def broken_saved(folder: Path) -> dict[str, Any]:
    Dataset.from_dict(EXAMPLES.to_dict("list")).save_to_disk(str(folder / "saved"))
    for path in (folder / "saved").glob("*.arrow"):
        path.write_bytes(b"")
    return {"dataset": "saved"}


def saved_without_json(folder: Path) -> dict[str, Any]:
    (folder / "saved").mkdir()
    (folder / "saved" / "dataset_dict.json").write_text("{", encoding="utf-8")
    return {"dataset": "saved"}


def corrected(rows: str, header: str = "example_id,text,corrected_label") -> Make:
    """Return a maker of good data and of a file with these rows of corrected labels."""

    def make(folder: Path) -> dict[str, Any]:
        (folder / "d.csv").write_text(CSV, encoding="utf-8")
        (folder / "c.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")
        return {"dataset": "d.csv", "label_corrections": "c.csv"}

    return make


TWENTY = ["pos", "neg"] * 10
ALL_POSITIVE = "\n".join(f"{n},{text},pos" for n, (text, _) in enumerate(ROWS))
DATA: dict[str, tuple[Make, str]] = {
    "missing file": (
        lambda _: {"dataset": "reviews.csv"},
        r"dataset 'reviews\.csv': no such file or folder",
    ),
    "missing folder": (
        lambda _: {"dataset": "nowhere/reviews.csv"},
        r"'nowhere/reviews\.csv': no such file.*folder 'nowhere' does not exist either",
    ),
    "misspelt name": (
        lambda _: {"dataset": "bbc-new"},
        r"dataset 'bbc-new': no such dataset; did you mean 'bbc-news'",
    ),
    "no name of any kind": (
        lambda _: {"dataset": "my data!"},
        r"dataset 'my data!': expected bbc-news, an existing file or folder, or a hub id",
    ),
    "NUL in the name": (lambda _: {"dataset": "a\0b"}, r"dataset 'a\\x00b': expected bbc-news"),
    "endless name": (lambda _: {"dataset": "x" * 600 + ".csv"}, r"dataset 'xx.*no such file"),
    "kind of file": (put("d.xlsx", b"PK"), r"'d\.xlsx': expected a file ending in \.csv.*'\.xlsx'"),
    "compressed": (put("d.csv.gz", b"\x1f\x8b"), r"expected a file ending in .*found '\.gz'"),
    "folder named csv": (folder_named_csv, r"d\.csv: expected one sub-folder per class"),
    "dangling link": (dangling, r"dataset 'd\.csv': .*link.*nowhere\.csv"),
    "circular link": (circular, r"dataset 'd\.csv': .*link"),
    "pipe": (pipe, r"dataset 'd\.csv': expected a file"),
    "empty file": (put("d.csv", ""), r"d\.csv: the file is empty \(0 bytes\)"),
    "blank lines only": (put("d.csv", "\n\n"), r"d\.csv: expected a header line with column names"),
    "header only": (put("d.csv", "text,label\n"), r"d\.csv: expected at least 10 texts.*found 0"),
    "few rows": (put("d.csv", "text,label\na,b\n"), r"d\.csv: expected at least 10 texts.*found 1"),
    "no header": (
        put("d.csv", "a b c,pos\nd e f,neg\n"),
        r"d\.csv: no column has a usual name for the text.*set text_column to one of 'a b c'",
    ),
    "wrong columns": (
        put("d.csv", "text,stars\na,1\n"),
        r"d\.csv: no column has a usual name for the label.*set label_column to one of 'text', 'st",
    ),
    "one column for text and label": (
        table("d.csv", TWENTY, text_column="text", label_column="text"),
        r"label_column, metadata_columns: expected different columns, found text, te",
    ),
    "semicolons": (
        put("d.csv", "text;label\na;b\n"),
        r"d\.csv: no column.*separated by ';'; expected ','",
    ),
    "column twice": (
        put("d.csv", "text,label,text\na,b,c\n"),
        r"two columns are called 'text'; re",
    ),
    "one class": (
        table("d.csv", ["pos"] * 20),
        r"d\.csv: every example has the label 'pos' in column 'label'.*set label_column",
    ),
    "all duplicates": (
        table("d.csv", TWENTY, ["the same"] * 20),
        r"d\.csv: the validation split is left .*copies were dropped there are 1 .*add examples",
    ),
    "every text with both labels": (
        table("d.csv", ["pos"] * 20 + ["neg"] * 20, [f"text number {n}" for n in range(20)] * 2),
        r"d\.csv: class 'neg' is left without examples: all .* copies .* give copies the same la",
    ),
    "class of copies alone": (
        table(
            "d.csv",
            [*TWENTY, *["gone"] * 4],
            [f"text number {n}" for n in [*range(20), *range(4)]],
        ),
        r"d\.csv: class 'gone' is left without examples: all of them were dropped as copies",
    ),
    "class of copies alone among those drawn": (
        table(
            "d.csv",
            [*TWENTY, *["gone"] * 4],
            [f"text number {n}" for n in [*range(20), *range(4)]],
            max_examples=22,
        ),
        r"class 'gone' is left without .*: all of those among the 22 that max_examples left were "
        r"dropped as copies .*; raise max_examples, give copies",
    ),
    "class of copies alone among all": (
        table(
            "d.csv",
            [*TWENTY, *["gone"] * 4],
            [f"text number {n}" for n in [*range(20), *range(4)]],
            max_examples=24,
        ),
        r"class 'gone' is left without .*: all of them were dropped as copies .*labels; give",
    ),
    "class of copies of test texts": (
        given_split("test", [row for row in ROWS if row[1] == "neg"] + [("another", "pos")]),
        r"d\.csv: class 'neg' is left without training examples: all of them stand in another",
    ),
    "label of copies alone": (
        table(
            "d.jsonl",
            [*[["pos"], ["pos", "neg"]] * 10, *[["gone"], ["lost", "pos"]] * 4],
            [f"text number {n}" for n in [*range(20), *range(8)]],
        ),
        r"d\.jsonl: class 'gone' is left without examples \(and 1 more classes like it\): all",
    ),
    "class with one example": (
        table("d.csv", [*TWENTY, "neutral"]),
        r"d\.csv: class 'neutral' has 1 example; it needs at least 3.*add examples, or merge",
    ),
    "empty labels": (
        table("d.csv", ["pos", "", *TWENTY]),
        r"d\.csv: no label in column 'label' in row 2 .*fill the labels in, or remove",
    ),
    "NaN labels": (
        table("d.parquet", [1.0, 0.0] * 10 + [float("nan")]),
        r"d\.parquet: no label in column 'label' in row 21 .*fill the labels in",
    ),
    "null labels": (
        table("d.jsonl", [None, "pos", "neg", None] * 6),
        r"d\.jsonl: no label in column 'label' in row 1, 4, 5, 8, 9 and 7 more",
    ),
    "labels with a part": (
        table("d.csv", [n / 8 for n in range(8)] * 5),
        r"d\.csv: column 'label' holds the label 0\.125, which looks like a number to predict",
    ),
    "infinite labels": (table("d.parquet", [1.0, float("inf")] * 10), r"d\.parquet.*'label'.*inf"),
    "list labels": (
        table("d.jsonl", [["pos"], "neg"] * 10),
        r"d\.jsonl, row 1 holds a list of labels, .*row 2 a plain one; set task to multi_label",
    ),
    "lists with nothing in them": (
        table("d.jsonl", [["pos", None], ["neg"]] * 10),
        r"d\.jsonl, row 1: expected a list of labels.*found nothing in it; take it out",
    ),
    "a 0 or a 1 per label": (
        table("d.parquet", [[1, 0, 0], [0, 1, 1]] * 10),
        r"d\.parquet: column 'label' holds a 0 or a 1 for each of 3 labels; list the labels",
    ),
    "the same labels everywhere": (
        table("d.jsonl", [["pos", "neg"]] * 20),
        r"d\.jsonl: every example has the labels 'neg', 'pos'.*set label_column",
    ),
    "nested labels in Parquet": (
        table("d.parquet", [{"name": "pos"}, {"name": "neg"}] * 10),
        r"d\.parquet, row 1: expected one label.*found dict.*set label_column",
    ),
    "mixed types of labels": (
        table("d.jsonl", ["pos", 1, True, {"a": 1}] * 5),
        r"d\.jsonl, row 4: expected one label, .*found dict",
    ),
    "more classes than sense": (
        table("d.csv", [f"id{n}" for n in range(120)]),
        r"d\.csv: column 'label' has 120 different values in 120 examples.*set label_column",
    ),
    "texts that are lists": (
        table("d.jsonl", TWENTY, [["a", "b"]] * 20),
        r"d\.jsonl, row 1: expected text in column 'text', found list; join it",
    ),
    "empty texts": (table("d.csv", TWENTY, [" "] * 20), r"d\.csv: expected at least 10 .*found 0"),
    "unseen label": (
        given_split("test", [("a new text", "good"), ("another", "neg")]),
        r"t\.csv: label 'good' of the test split never occurs in training.*correct the label",
    ),
    "empty validation": (
        given_split("validation", []),
        r"t\.csv: the validation split holds no text",
    ),
    "test set that is the training set": (
        given_split("test", ROWS),
        r"d\.csv: the training split is left without .*copies of test .*texts of their own",
    ),
    "broken UTF-8": (
        put("d.csv", CSV.encode() + b"caf\xe9,pos\n"),
        r"d\.csv, line 26: byte 0xe9 is not UTF-8; save the file as UTF-8 .*iconv",
    ),
    "UTF-16": (put("d.csv", CSV, "utf-16"), r"d\.csv: .*UTF-16.*save it as 'CSV UTF-8'"),
    "UTF-16 without its mark": (put("d.csv", CSV, "utf-16-le"), r"d\.csv.*UTF-16.*'CSV UTF-8'"),
    "NUL bytes": (put("d.csv", b"\0" * 500), r"d\.csv: expected text, found NUL .*copy the file"),
    "gzip called CSV": (
        put("my d.csv", gzip.compress(CSV.encode())),
        r"a gzip archive; unpack it: gunzip < 'my d\.csv' > 'my d-unpacked\.csv'",
    ),
    "gzip called JSON Lines": (put("d.jsonl", gzip.compress(b"{}")), r"found a gzip archive; unp"),
    "workbook called CSV": (
        put("d.csv", b"PK\x03\x04" + b"\0" * 60),
        r"d\.csv: expected text, found a ZIP archive or an Excel workbook; .*as 'CSV UTF-8'",
    ),
    "ZIP archive called JSON Lines": (
        put("d.jsonl", b"PK\x03\x04" + b"\0" * 60),
        r"d\.jsonl: expected text, found a ZIP archive; unpack it$",
    ),
    "UTF-16 called JSON Lines": (
        put("d.jsonl", '{"text": "t", "label": 1}', "utf-16"),
        r"d\.jsonl: expected UTF-8, found UTF-16; save it as UTF-8$",
    ),
    "open quote": (
        put("d.csv", CSV + '"never closed,pos\n' + "a,b\n" * 3),
        r"d\.csv, line 26: broken quoting",
    ),
    "text after a quote": (
        put("d.csv", CSV + '"a "word" here",pos\n'),
        r"d\.csv, line 26: broken quoting .*inner one doubled",
    ),
    "ragged row": (
        put("d.csv", CSV + "one, two, three,pos\n"),
        r"d\.csv, line 26: expected 2 fields as in the header, found 4; put double quotes",
    ),
    "short row": (put("d.csv", CSV + "one\n"), r"d\.csv, line 26: expected 2 fields.*found 1"),
    "gigantic row": (
        put("d.csv", CSV + "x," * 500_000 + "\n"),
        r"d\.csv, line 26: expected 2 fields as in the header, found 500001",
    ),
    "zero-byte Parquet": (put("d.parquet", b""), r"d\.parquet: the file is empty \(0 bytes\)"),
    "text called Parquet": (put("d.parquet", CSV), r"d\.parquet: not a readable Parquet file"),
    "truncated Parquet": (truncated_parquet, r"d\.parquet: not a readable Parquet file .*again"),
    "damaged Parquet": (damaged_parquet, r"d\.parquet: not a readable Parquet file .*again"),
    "broken line of JSON": (
        put("d.jsonl", '{"text": "a", "label": "b"}\n' * 30 + '{"text": "a", "la'),
        r"d\.jsonl, line 31: not valid JSON .*one object per line",
    ),
    "list within an object": (
        put("d.json", '{\n "data": [\n  {"text": "a", "label": "b"}\n ]\n}\n'),
        r"d\.json, line 1: not valid JSON .*one list of objects and nothing around it, like \[",
    ),
    "lines that are no objects": (
        put("d.jsonl", '["a", "b"]\n["c", "d"]\n', "utf-8"),
        r"d\.jsonl: not valid JSON .*expected one list of objects, or one object per line",
    ),
    "numbers for lines": (
        put("d.jsonl", "1\n2\n"),
        r'd\.jsonl, line 1: expected an object like \{"text".*found int',
    ),
    "key missing in some rows": (
        put("d.jsonl", '{"text": "a", "label": "b"}\n' * 12 + '{"text": "a"}\n'),
        r"d\.jsonl: no label in column 'label' in row 13",
    ),
    "deeply nested JSON": (put("d.json", "[" * 100_000), r"d\.json: not valid JSON"),
    "array of numbers": (put("d.json", "[1, 2]"), r"d\.json: expected a list of objects"),
    "folder without classes": (folders(), r"texts: expected one sub-folder per class"),
    "class without texts": (folders(a=["x"] * 9, b=[]), r"sub-folder 'b' holds no \.txt file"),
    "folders of splits": (folders(train=["x"], test=["y"]), r"are splits, not classes; name one"),
    "text that is not UTF-8": (
        folders(a=["caf\xe9"] * 9, b=["x"] * 9),
        r"texts/a/0\.txt, line 1: byte 0xe9 is not UTF-8",
    ),
    "saved dataset, torn": (broken_saved, r"saved: not a readable saved `datasets` folder"),
    "saved dataset, not JSON": (saved_without_json, r"dataset_dict\.json: not a readable saved"),
    "corrections without their column": (
        corrected("0,pos", header="example_id,label"),
        r"c\.csv: expected the column 'text' of label_suspects\.csv, found 'example_id', 'label'",
    ),
    "correction of a text that is not there": (
        corrected("1,text number 1 of many,pos\n99,no such text,pos"),
        r"c\.csv, row 2: there is no example 99 in d\.csv; the file is of other data",
    ),
    "correction of another text": (
        corrected("2,text number 3 of many,pos"),
        r"row 1: expected the text of example 2, 'text number 2 of many', found 'text number 3 of",
    ),
    "correction without its number": (
        corrected("two,text number 2 of many,pos"),
        r"c\.csv, row 1: expected a whole number in column 'example_id', found 'two'; copy it",
    ),
    "correction to an unknown label": (
        corrected("2,text number 2 of many,postive"),
        r"row 1: 'postive' in column 'corrected_label' is no label .*did you mean 'pos",
    ),
    "two corrections of one text": (
        corrected("2,text number 2 of many,pos\n2,text number 2 of many,neg"),
        r"c\.csv, row 2: example 2 has another corrected_label in a row above; keep one",
    ),
    "corrections that empty a class": (
        corrected(ALL_POSITIVE),
        r"c\.csv: the corrections leave class 'neg' without training examples; keep some",
    ),
    "corrections that empty a split": (
        corrected(ALL_POSITIVE.replace(",pos", ",delete")),
        r"c\.csv: all texts of the .* split are left out; keep some of them",
    ),
    "corrections with broken quoting": (
        corrected('2,"text number 2,pos'),
        r"c\.csv, line 2: broken quoting",
    ),
    "too few to keep": (
        table("d.csv", [f"c{n % 8}" for n in range(40)], max_examples=10),
        r"max_examples: expected at least 24, so that each class .*found 10",
    ),
}


def prepare(place: Path, study: Path) -> None:
    """Do what a run does with the data, without its kernels."""
    loaded = load_study(study)
    check_study(loaded)
    prepare_data(loaded.data_prep, place)


@pytest.mark.parametrize("kind", DATA)
def test_unusable_data_is_refused(
    place: Path, tiny_bert: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, message = DATA[kind]
    study = write_study(place, tiny_bert, **make(place))
    (place / "made").mkdir()
    refuse(lambda: prepare(place / "made", study), place, message, capfd)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_file_without_the_right_to_read_is_refused(
    good: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (good.parent / "secret.csv").write_text(CSV, encoding="utf-8")
    (good.parent / "secret.csv").chmod(0o000)
    message = r"dataset 'secret\.csv': there is no right to read it; run: chmod u\+r secret\.csv"
    refuse(run(good.name, "-p", "data_prep.dataset=secret.csv"), good.parent, message, capfd)


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.parquet"])
def test_gigantic_row_is_read(place: Path, tiny_bert: Path, name: str) -> None:
    make = table(name, TWENTY, ["x" * 3_000_000, *(f"text number {n}" for n in range(19))])
    study = write_study(place, tiny_bert, **make(place))
    (place / "made").mkdir()
    prepare(place / "made", study)
    card = json.loads((place / "made" / "data_card.json").read_text(encoding="utf-8"))
    assert card["counts"]["examples"] == 20


@pytest.mark.parametrize(
    "name",
    ["with spaces.csv", "{braces} {}.csv", "quo'te\".csv", "Größe 数据 🙂.csv", "%s & $HOME;.csv"],
)
def test_path_of_any_name_works(place: Path, tiny_bert: Path, name: str) -> None:
    folder = place / name.removesuffix(".csv")
    folder.mkdir()
    (folder / name).write_text(CSV, encoding="utf-8")
    study = write_study(place, tiny_bert, dataset=str(folder / name))
    prepare(folder, study)
    card = json.loads((folder / "data_card.json").read_text(encoding="utf-8"))
    assert card["source"] == str(folder / name)
    assert card["counts"]["examples"] == len(EXAMPLES)


@pytest.mark.parametrize("name", ["with spaces.csv", "{x}.csv", "quo'te\".csv", "数据.csv"])
def test_refusal_quotes_the_path_as_it_is(
    place: Path, tiny_bert: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / name).write_text("text,label\n", encoding="utf-8")
    study = write_study(place, tiny_bert, dataset=name)
    (place / "made").mkdir()
    message = re.escape(f"nbutils: {name}: expected at least 10 texts")
    refuse(lambda: prepare(place / "made", study), place, message, capfd)


# Checkpoints


def change(file: str, **values: Any) -> Make:
    """Return an edit of a JSON file of a checkpoint; None takes a key away."""

    def edit(model: Path) -> None:
        found = json.loads((model / file).read_text(encoding="utf-8")) | values
        kept = {key: value for key, value in found.items() if value is not None}
        (model / file).write_text(json.dumps(kept), encoding="utf-8")

    return edit


def rewrite(file: str, content: bytes) -> Make:
    return lambda model: (model / file).write_bytes(content)


def remove(file: str) -> Make:
    return lambda model: (model / file).unlink()


def cut(file: str, kept: float) -> Make:
    def edit(model: Path) -> None:
        content = (model / file).read_bytes()
        (model / file).write_bytes(content[: int(len(content) * kept)])

    return edit


def pickled(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def vocabulary(words: int) -> Make:
    def edit(model: Path) -> None:
        backend = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
        known = backend["model"]["vocab"]
        more = {f"word{n}": n for n in range(len(known), len(known) + words)}
        kept = {word: n for word, n in known.items() if n < len(known) + min(words, 0)}
        backend["model"]["vocab"] = kept | more
        (model / "tokenizer.json").write_text(json.dumps(backend), encoding="utf-8")

    return edit


VISION = {"model_type": "vit", "vocab_size": None, "architectures": ["ViTForImageClassification"]}
CHECKPOINTS: dict[str, tuple[Make, str]] = {
    "missing": (
        shutil.rmtree,
        r"model '\./model': no such checkpoint folder; expected .*or a hub id",
    ),
    "a file": (
        lambda model: (shutil.rmtree(model), model.touch()),
        r"model '\./model': no such checkpoint folder",
    ),
    "no config": (remove("config.json"), r"model '.*model': expected a config\.json in it.*save"),
    "config not JSON": (rewrite("config.json", b"{"), r"config\.json is not JSON.*copy it again"),
    "config not UTF-8": (rewrite("config.json", b"\xff"), r"config\.json is not JSON.*again"),
    "config that is a list": (
        rewrite("config.json", b"[]"),
        r"expected a JSON object in config\.json, found list",
    ),
    "config without model_type": (
        change("config.json", model_type=None),
        r"config\.json has no model_type.*save the model again",
    ),
    "vision": (
        change("config.json", **VISION),
        r"expected a model that reads text, found a vit model.*choose a text encoder",
    ),
    "text generation": (
        change("config.json", model_type="gpt2", architectures=["GPT2LMHeadModel"]),
        r"expected a text encoder, found GPT2LMHeadModel, which generates text; choose",
    ),
    "no weights": (
        remove("model.safetensors"),
        r"expected \*\.safetensors in it, found none.*save",
    ),
    "pickled weights only": (pickled, r"only pickled weights, which can run code.*save it again"),
    "truncated weights": (
        cut("model.safetensors", 0.5),
        r"safetensors file is broken: model\.safetensors: expected \d+ bytes, found \d+; download",
    ),
    "weights cut in the header": (
        cut("model.safetensors", 0.01),
        r"safetensors file is broken: .*too few for its header; download",
    ),
    "empty weights": (rewrite("model.safetensors", b"\0"), r"safetensors file is broken.*copy it"),
    "a page in place of weights": (
        rewrite("model.safetensors", b"<html>not found</html>" * 9),
        r"safetensors file is broken.*too few for its header; download or copy it again",
    ),
    "weights kept elsewhere": (
        rewrite("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        r"safetensors file is broken.*download or copy it again",
    ),
    "no tokenizer": (
        remove("tokenizer.json"),
        r"expected its tokenizer beside the weights.*save both into the same folder",
    ),
    "tokenizer not JSON": (cut("tokenizer.json", 0.5), r"tokenizer\.json is not JSON.*again"),
    "larger vocabulary": (
        vocabulary(5),
        r"do not match: the tokenizer knows \d+ tokens, model .* has embeddings for \d+; load both",
    ),
    "smaller vocabulary": (
        vocabulary(-15),
        r"do not match: the tokenizer knows only \d+ tokens of the \d+ that model.*load both",
    ),
    "too few positions": (
        change("config.json", max_position_embeddings=8),
        r"max_length: expected at most 8, the positions .*found 16",
    ),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_unusable_checkpoint_is_refused(
    good: Path, tiny_bert: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    edit, message = CHECKPOINTS[kind]
    edit(Path(shutil.copytree(tiny_bert, good.parent / "model")))
    refuse(run(good.name, "-p", "fine_tune.model=./model"), good.parent, message, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one class", "damaged Parquet"])
def test_data_that_only_the_notebook_can_refuse_ends_the_same(
    place: Path, tiny_bert: Path, kind: str
) -> None:
    make, message = DATA[kind]
    study = write_study(place, tiny_bert, **make(place))
    before = tree(place)
    command = [sys.executable, "-m", "nbutils.cli", "run", str(study)]
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == exits.REFUSED
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    left = {name for name in tree(place) if (place / name).is_file()} - set(before)
    assert {name for name in left if not name.startswith("runs/.locks/")} == set()
