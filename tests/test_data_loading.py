from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_from_disk

from nbutils.analysis.mistakes import texts_of
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.loading import load_labelled_texts
from nbutils.data.sources import check_source
from nbutils.data.split_files import save_splits
from nbutils.errors import DataError, NbutilsError, ParameterError
from nbutils.params.data_prep import DataPrepParams

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><b>{{ x }}</b> ${y}",
    "\u202egnihtemos si siht\u202c",
    "emoji 🙂 and family 👩‍👩‍👧",
    "a, comma; a \t tab, a \"quote\" and 'one'",
    "two\nlines\r\nand three",
    "nul \x00 inside" if sys.version_info >= (3, 11) else "the csv module of 3.10 has no NUL",
    "\x1b[31mred\x1b[0m",
    "NA",
    "null",
    "line\u2028separator",
    "megabyte " + "x" * 1_000_000,
]
LABELS = ["pos", "neg"] * 6


def load(dataset: Path | str, **given: Any) -> LabelledTexts:
    params = DataPrepParams.of({"dataset": str(dataset), **given})
    check_source(params)
    return load_labelled_texts(params)


def write_csv(path: Path, rows: list[tuple[Any, ...]], header: str = "text,label") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(
            [header.split(","), *rows]
        )
    return path


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def plain(n: int = 12, labels: tuple[str, ...] = ("pos", "neg")) -> list[tuple[str, str]]:
    return [(f"text number {i}", labels[i % len(labels)]) for i in range(n)]


def write(texts: list[str], labels: list[str], path: Path) -> Path:
    frame = pd.DataFrame({"text": texts, "label": labels})
    if path.suffix in (".csv", ".tsv"):
        return write_csv(path, list(zip(texts, labels, strict=True)))
    if path.suffix == ".jsonl":
        return write_jsonl(path, frame.to_dict("records"))
    if path.suffix == ".json":
        path.write_text(json.dumps(frame.to_dict("records")))
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        Dataset.from_dict(frame.to_dict("list")).save_to_disk(str(path))
    return path


@pytest.mark.parametrize("name", ["d.csv", "d.tsv", "d.jsonl", "d.json", "d.parquet", "saved"])
def test_every_format_gives_the_same_frame_and_hostile_texts_survive(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = load(write(HOSTILE, LABELS, tmp_path / name))
    assert texts.frame["text"].tolist() == HOSTILE
    assert texts.frame["label"].tolist() == [1, 0] * 6
    assert texts.frame["example_id"].tolist() == list(range(12))
    assert texts.frame["split"].unique().tolist() == [""]
    assert texts.frame.dtypes.astype(str)[["example_id", "label"]].tolist() == ["int64", "int64"]
    assert texts.label_names == ("neg", "pos")


def test_folder_per_class_is_read_in_order(tmp_path: Path) -> None:
    for i in range(12):
        path = tmp_path / ("b" if i % 2 else "a") / f"{i:02}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"\ufefftext {i} é", encoding="utf-8")
    texts = load(tmp_path)
    assert texts.label_names == ("a", "b")
    assert texts.frame["text"].tolist()[:2] == ["text 0 é", "text 2 é"]
    assert texts.frame["label"].tolist() == [0] * 6 + [1] * 6


def test_bbc_news_is_read_whole() -> None:
    texts = load("bbc-news")
    assert len(texts.frame) == 2225
    assert texts.label_names == ("business", "entertainment", "politics", "sports", "tech")
    assert texts.frame["text"].str.contains("£").any()


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["10", "9"], ("9", "10")),
        (["-1", "1"], ("-1", "1")),
        (["b", "A"], ("A", "b")),
        (["007", "8"], ("007", "8")),
        ([" pos ", "neg"], ("neg", "pos")),
    ],
)
def test_label_ids_follow_sorted_names(
    tmp_path: Path, labels: tuple[str, str], names: tuple[str, str]
) -> None:
    assert load(write_csv(tmp_path / "d.csv", plain(labels=labels))).label_names == names


def test_numbers_and_strings_mixed_are_strings_and_said_to_be(tmp_path: Path) -> None:
    records = [{"text": f"t {i}", "label": [1, "one", 2.0][i % 3]} for i in range(12)]
    texts = load(write_jsonl(tmp_path / "d.jsonl", records))
    assert texts.label_names == ("1", "2", "one")
    assert any("mix numbers and strings" in note for note in texts.notes)


def test_booleans_and_floats_are_labels_too(tmp_path: Path) -> None:
    booleans = [{"text": f"t {i}", "label": i % 2 == 0} for i in range(12)]
    floats = [{"text": f"t {i}", "label": float(i % 2)} for i in range(12)]
    assert load(write_jsonl(tmp_path / "b.jsonl", booleans)).label_names == ("False", "True")
    assert load(write_jsonl(tmp_path / "f.jsonl", floats)).label_names == ("0", "1")


def test_empty_texts_are_dropped_and_ids_keep_counting(tmp_path: Path) -> None:
    records = [{"text": text, "label": 0} for text in ["", "  \n", None]]
    records += [{"text": f"t {i}", "label": i % 2} for i in range(12)]
    texts = load(write_jsonl(tmp_path / "d.jsonl", records))
    assert texts.counts == {"rows_read": 15, "dropped_empty": 3}
    assert texts.frame["example_id"].tolist() == list(range(3, 15))


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    lines = [f'{{"text": "t {i} \\ud83d", "label": {i % 2}}}' for i in range(12)]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    assert load(tmp_path / "d.jsonl").frame["text"][0] == "t 0 \ufffd"


def test_half_a_surrogate_pair_is_replaced_in_labels_and_metadata(tmp_path: Path) -> None:
    half = "\ud83d"
    records = [
        {"text": f"t {i}", "label": f"{half}{i % 2}", "many": [f"{half}{i % 2}"], "shop": half}
        for i in range(12)
    ]
    path = write_jsonl(tmp_path / "d.jsonl", records)
    for column in ("label", "many"):
        texts = load(path, label_column=column, metadata_columns=["shop"])
        assert texts.label_names == ("\ufffd0", "\ufffd1")
        assert set(texts.frame["meta_shop"]) == {"\ufffd"}


def test_labels_that_are_one_for_their_halves_of_surrogate_pairs_are_noted(tmp_path: Path) -> None:
    labels = ["a\ud83d", "a\ud83e", "b"] * 4
    records = [{"text": f"t {i}", "label": x, "many": [x]} for i, x in enumerate(labels)]
    path = write_jsonl(tmp_path / "d.jsonl", records)
    for column in ("label", "many"):
        found = load(path, label_column=column)
        assert found.label_names == ("a\ufffd", "b")
        assert ["halves of surrogate pairs only" in note for note in found.notes] == [True]
    records = [{"text": f"t {i}", "label": x} for i, x in enumerate(["a\ud83d", "b"] * 6)]
    assert load(write_jsonl(tmp_path / "d.jsonl", records)).notes == ()


def test_column_name_with_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    records = [{"text": f"t {i}", "label": i % 2, "\ud83d": i} for i in range(12)]
    path = write_jsonl(tmp_path / "d.jsonl", records)
    assert len(load(path).frame) == 12
    for given in ({"label_column": "\ud83d"}, {"metadata_columns": ["\ud83d"]}):
        with pytest.raises(ParameterError, match=r"_columns?: the name '\\ud83d' .*rename the col"):
            load(path, **given)


def test_pairs_are_read_and_half_empty_ones_dropped(tmp_path: Path) -> None:
    rows = [(f"premise {i}", "" if i == 3 else f"hypothesis {i}", i % 2) for i in range(13)]
    path = write_csv(tmp_path / "d.csv", rows, "premise,hypothesis,label")
    texts = load(path, text_column="premise", text_pair_column="hypothesis")
    assert texts.frame.columns.tolist() == ["example_id", "text", "text_pair", "label", "split"]
    assert len(texts.frame) == 12


def test_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "d.csv", plain())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path).columns.text == "text"


def test_unquoted_tsv_keeps_its_quotation_marks(tmp_path: Path) -> None:
    rows = "".join(f'"open {i}\t{i % 2}\n' for i in range(13))
    (tmp_path / "d.tsv").write_text(f"text\tlabel\n{rows}")
    texts = load(tmp_path / "d.tsv")
    assert len(texts.frame) == 13
    assert texts.frame["text"][0] == '"open 0'
    assert "without quoting" in texts.notes[0]


def as_csv(text: str) -> bytes:
    return text.encode()


TWELVE = "".join(f"text number {i},{i % 2}\n" for i in range(12))
REFUSED = [
    (b"text,label\nfine,1\ncaf\xe9,0\n", r"line 3: byte 0xe9 is not UTF-8; save .*iconv"),
    (as_csv(f"text,label\n{TWELVE}a,b,c\n"), r"line 14: expected 2 fields .*found 3; put double"),
    (as_csv(f"text,label\n{TWELVE}lonely\n"), r"line 14: expected 2 fields .*found 1"),
    (as_csv(f'text,label\n"two\nlines",1\n{TWELVE}"open,1\n'), r"line 16: broken quoting"),
    (as_csv(f'text,label\n"a" b,1\n{TWELVE}'), r"line 2: broken quoting"),
    (as_csv(f"text,label\n{TWELVE}x,\ny, \n"), r"no label in column 'label' in row 13, 14 "),
    (as_csv("text,label\n" + "x,\n" * 20), r"row 1, 2, 3, 4, 5 and 15 more"),
    (as_csv("text,label\n"), r"expected at least 10 texts .*found 0"),
    (as_csv("text,label\n" + "a,1\n" * 9), r"expected at least 10 texts .*found 9"),
    (as_csv("text,label\n" + "a,1\n" * 12), r"every example has the label '1'.* two classes"),
    (as_csv(f"text,label\n{TWELVE}x,2\ny,2\n"), r"class '2' has 2 examples; it needs at least 3"),
    (
        as_csv("text,label\n" + "".join(f"t,{i / 7:.5f}\n" for i in range(90))),
        r"column 'label' has 90 different values in 90 examples",
    ),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_broken_table_is_refused_by_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [{"text": "t", "label": ["a", "b"]}] * 12,
            "every example has the labels 'a', 'b'; a classif",
        ),
        ([{"text": ["a", "b"], "label": 1}] * 12, "expected text in column 'text', found list"),
        ([{"text": "t", "label": 1}] * 30 + [[1]], "line 31: expected an object like"),
        ([{"text": "t", "label": None}] * 12, "no label in column 'label'"),
        ([{"text": "t", "label": float("nan")}] * 12, "no label in column 'label'"),
    ],
)
def test_broken_records_are_refused(tmp_path: Path, records: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write_jsonl(tmp_path / "d.jsonl", records))


def test_field_size_limit_of_the_csv_module_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    load(write(HOSTILE, LABELS, tmp_path / "d.csv"))
    assert csv.field_size_limit() == before


def test_given_files_become_their_splits(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", plain(12))
    test = write_csv(tmp_path / "test.csv", plain(4))
    valid = write_jsonl(tmp_path / "valid.jsonl", [{"text": "v", "label": "pos"}])
    texts = load(train, test_dataset=str(test), validation_dataset=str(valid))
    assert texts.frame["split"].tolist() == ["train"] * 12 + ["validation"] + ["test"] * 4
    assert texts.frame["example_id"].tolist() == list(range(17))
    assert load(train, test_dataset=str(test)).frame["split"].tolist() == [""] * 12 + ["test"] * 4


def test_label_unseen_in_training_is_refused(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", plain(12))
    test = write_csv(tmp_path / "test.csv", [("t", "neutral")])
    with pytest.raises(DataError, match="label 'neutral' of the test split never occurs in train"):
        load(train, test_dataset=str(test))


FEATURES = Features(
    {"sentence": Value("string"), "label": ClassLabel(names=["no", "yes", "never"])}
)


def part(n: int, label: int | None = None) -> Dataset:
    rows = {
        "sentence": [f"sentence {n} {i}" for i in range(n)],
        "label": [i % 2 if label is None else label for i in range(n)],
    }
    return Dataset.from_dict(rows, features=FEATURES)


def test_unlabelled_test_split_is_replaced_by_validation(tmp_path: Path) -> None:
    glue = DatasetDict(train=part(20), validation=part(6), test=part(5, label=-1))
    glue.save_to_disk(str(tmp_path / "glue"))
    texts = load(tmp_path / "glue")
    assert texts.frame["split"].value_counts().to_dict() == {"": 20, "test": 6}
    assert texts.label_names == (
        "no",
        "yes",
    )  # in their own order; a class without rows is left out
    assert "has no labels" in texts.notes[0]
    assert "serves as the test split" in texts.notes[1]
    with pytest.raises(DataError, match=r"test_dataset: split 'test' of .* has no labels"):
        load(tmp_path / "glue", test_dataset="test")


def test_usual_split_names_are_used_unasked(tmp_path: Path) -> None:
    both = DatasetDict(train=part(20), dev=part(6), test=part(5), unsupervised=part(4, label=-1))
    both.save_to_disk(str(tmp_path / "both"))
    texts = load(tmp_path / "both")
    assert texts.split_sizes() == {"train": 20, "validation": 6, "test": 5}
    assert texts.notes == ("Splits that are not used: unsupervised.",)


def test_named_splits_are_used(tmp_path: Path) -> None:
    mnli = DatasetDict(train=part(20), validation_matched=part(6), test_matched=part(5))
    mnli.save_to_disk(str(tmp_path / "mnli"))
    texts = load(
        tmp_path / "mnli", test_dataset="test_matched", validation_dataset="validation_matched"
    )
    assert texts.split_sizes() == {"train": 20, "validation": 6, "test": 5}
    misspelt = DataPrepParams.of({"dataset": str(tmp_path / "mnli"), "test_dataset": "test_mat"})
    with pytest.raises(ParameterError, match=r"no split 'test_mat'.*did you mean 'test_matched'"):
        load_labelled_texts(misspelt)


def test_dataset_without_splits_is_read_in_its_own_order(tmp_path: Path) -> None:
    part(40).select(range(39, 19, -1)).save_to_disk(str(tmp_path / "one"))
    texts = load(tmp_path / "one")
    assert texts.frame["text"].tolist()[:2] == ["sentence 40 39", "sentence 40 38"]
    assert texts.split_sizes() == {"": 20}


def test_dataset_too_small_to_be_cut_is_refused(tmp_path: Path) -> None:
    part(4).save_to_disk(str(tmp_path / "four"))
    with pytest.raises(DataError, match="at least 10 texts"):
        load(tmp_path / "four")


def test_dataset_without_a_training_split_says_how_to_make_one(tmp_path: Path) -> None:
    DatasetDict(foo=part(20), bar=part(6)).save_to_disk(str(tmp_path / "d"))
    message = r"no split is called 'train'; found bar, foo; load it with .*call the one to train on"
    with pytest.raises(DataError, match=message):
        load(tmp_path / "d")


def test_class_names_in_parquet_metadata_are_used(tmp_path: Path) -> None:
    part(12).to_parquet(str(tmp_path / "d.parquet"))
    assert load(tmp_path / "d.parquet").label_names == ("no", "yes")


def test_hub_that_cannot_be_reached_is_one_readable_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach\nthe hub")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    params = DataPrepParams.of({"dataset": "glue", "dataset_config": "sst2"})
    with pytest.raises(NbutilsError, match=r"'glue/sst2' could not be loaded .*Couldn't reach the"):
        load_labelled_texts(params)


def test_hub_dataset_takes_a_file_as_its_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = DatasetDict(train=part(20), test=part(5))
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: hub)
    path = write_csv(tmp_path / "t.csv", [("mine", "yes"), ("too", "0")], "sentence,label")
    texts = load("owner/name", test_dataset=str(path))
    test = texts.frame[texts.frame["split"] == "test"]
    assert test["text"].tolist() == ["mine", "too"]
    assert test["label"].tolist() == [1, 0]


METADATA = [(f"text number {i}", "pn"[i % 2], ["web", "", "mail"][i % 3], i / 2) for i in range(12)]
RECORDS = [dict(zip(("text", "label", "source", "size"), row, strict=True)) for row in METADATA]


def write_saved(path: Path, records: list[dict[str, Any]]) -> Path:
    Dataset.from_list(records).save_to_disk(str(path))
    return path


def write_parquet(path: Path, records: list[dict[str, Any]]) -> Path:
    pd.DataFrame(records).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "write_file"),
    [
        ("d.csv", lambda path: write_csv(path, METADATA, "text,label,source,size")),
        ("d.jsonl", lambda path: write_jsonl(path, RECORDS)),
        ("d.parquet", lambda path: write_parquet(path, RECORDS)),
        ("saved", lambda path: write_saved(path, RECORDS)),
    ],
)
def test_named_metadata_are_kept_as_categories_and_numbers(
    tmp_path: Path, name: str, write_file: Any
) -> None:
    texts = load(write_file(tmp_path / name), metadata_columns=["source", "size"])
    assert texts.columns.metadata == ("source", "size")
    frame = texts.frame
    assert frame["meta_source"].head(3).fillna("?").tolist() == ["web", "?", "mail"]
    assert frame["meta_size"].tolist() == [i / 2 for i in range(12)]
    assert "meta_source" not in load(tmp_path / name).frame


def test_metadata_reach_the_error_analysis(tmp_path: Path) -> None:
    texts = load(
        write_csv(tmp_path / "d.csv", METADATA, "text,label,source,size"),
        metadata_columns=["source", "size"],
    )
    splits = ["train", "validation", "test"] * 4
    save_splits(texts.with_frame(texts.frame.assign(split=splits)), tmp_path / "dataset")
    found = texts_of(load_from_disk(tmp_path / "dataset"), splits=["validation", "test"])
    assert list(found.columns) == ["example_id", "text", "meta_source", "meta_size"]
    assert found["meta_size"].tolist() == [0.5, 2, 3.5, 5, 1, 2.5, 4, 5.5]
    assert found["meta_source"].isna().tolist() == [True] * 4 + [False] * 4


def test_metadata_of_given_splits_become_of_one_kind(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "a.csv", METADATA, "text,label,source,size")
    others = [(f"other {text}", label, source, "large") for text, label, source, _ in METADATA]
    test = write_csv(tmp_path / "b.csv", others, "text,label,source,size")
    texts = load(train, test_dataset=str(test), metadata_columns="size")
    assert set(texts.frame.loc[texts.frame["split"] == "test", "meta_size"]) == {"large"}
    assert texts.frame["meta_size"].tolist()[:2] == ["0.0", "0.5"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["sauce"], "metadata_columns: no column 'sauce'.*did you mean 'source'"),
        (
            ["source", "source"],
            "metadata_columns: expected different columns, found source, source",
        ),
    ],
)
def test_metadata_column_that_does_not_exist_is_refused(
    tmp_path: Path, columns: list[str], message: str
) -> None:
    path = write_csv(tmp_path / "a.csv", METADATA, "text,label,source,size")
    with pytest.raises(ParameterError, match=message):
        load(path, metadata_columns=columns)


def test_bundled_data_has_no_metadata() -> None:
    with pytest.raises(ParameterError, match="metadata_columns: no column 'source'"):
        load("bbc-news", metadata_columns=["source"])
