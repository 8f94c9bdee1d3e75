"""Attributes and slices on texts whose truth is known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_topics
from scipy.stats import binom, fisher_exact

from nbutils.analysis import slices
from nbutils.analysis.attributes import describe_column, describe_texts
from nbutils.analysis.errors import Errors, find_errors
from nbutils.analysis.slice_tests import Judged, chance_of, score_slices
from nbutils.analysis.slices import find_slices
from nbutils.analysis.topics import find_topics
from nbutils.analysis.words import count_words
from nbutils.errors import NotApplicableError

NAMES = ("a", "b", "c", "d")
WORDS = [f"word{place}" for place in range(120)]


def make_texts(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Return `n` texts of made-up words, frequent and rare ones, with two metadata columns."""
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(2, len(WORDS) + 2)
    texts = [
        " ".join(random.choice(WORDS, size, p=weights / weights.sum()))
        for size in random.integers(5, 40, n)
    ]
    return pd.DataFrame(
        {
            "example_id": np.arange(n),
            "text": texts,
            "meta_source": random.choice(["web", "mail", "phone"], n),
            "meta_price": random.random(n).round(4),
        }
    )


def make_errors(
    texts: pd.DataFrame, wrong: Any, *, names: tuple[str, ...] = NAMES, seed: int = 0
) -> Errors:
    """Return errors of a model that is wrong on just these texts."""
    labels = np.random.default_rng(seed).integers(len(names), size=len(texts))
    predicted = np.where(wrong, (labels + 1) % len(names), labels)
    return make_predictions(texts, labels, predicted, names=names)


def make_predictions(
    texts: pd.DataFrame, labels: np.ndarray, predicted: Any, *, names: tuple[str, ...] = NAMES
) -> Errors:
    """Return errors of a model that says `predicted` of texts that have `labels`."""
    n, k = len(texts), len(names)
    pred_probs = np.full((n, k), 0.1 / (k - 1))
    pred_probs[np.arange(n), predicted] = 0.9
    table = pd.DataFrame(
        {
            "example_id": texts["example_id"],
            "split": "test",
            "label": labels,
            "predicted": predicted,
            **{f"prob_{name}": pred_probs[:, place] for place, name in enumerate(names)},
        }
    )
    return find_errors(table, texts, label_names=names)


def slice_rows(texts: pd.DataFrame, name: str) -> np.ndarray:
    """Return which texts are in a slice."""
    described = describe_texts(texts.assign(label=0), label_names=("a",))
    (found,) = [
        attribute.members[:, [attribute.names.index(name)]].toarray().ravel() > 0
        for attribute in described
        if name in attribute.names
    ]
    return found


def test_words_are_counted_whatever_their_case_and_script() -> None:
    words = count_words(["The cat, the CAT's hat", "日本 don't", "", "!?", "हिन्दी don't"])
    counts = pd.DataFrame(words.counts.toarray(), columns=words.vocabulary)
    assert counts.loc[0].to_dict() | {} == {
        **dict.fromkeys(words.vocabulary, 0), "the": 2, "cat": 1, "cat's": 1, "hat": 1
    }  # fmt: skip
    assert counts.loc[1, ["日", "本", "don't"]].tolist() == [1, 1, 1]
    assert counts.loc[4, ["हिन्दी", "don't"]].tolist() == [1, 1]
    assert words.sizes.tolist() == [5, 3, 0, 0, 2]
    assert words.texts_with[words.vocabulary.get_loc("don't")] == 2


@pytest.mark.parametrize(
    ("text", "name", "inside"),
    [
        ("He paid 3 pounds.", "with a digit", True),
        ("Er zahlte ٣.", "with a digit", True),
        ("no digits", "without a digit", True),
        ("I don\u2019t know", "with a negation", True),
        ("I know nothings", "with a negation", False),
        ("BUY NOW", "all capitals", True),
        ("123!", "all capitals", False),
        ("Buy NOW", "with capitals in a row", True),
        ("Well... yes", "with an ellipsis", True),
        ("He left.”", "without a full stop at the end", False),
        ("He left", "without a full stop at the end", True),
        ("終わり。", "without a full stop at the end", False),
        ("see https://example.org", "with a web address", True),
        ("write to a.b@example.org", "with an e-mail address", True),
        ("thanks @you", "with a mention or hashtag", True),
        ("a <br /> b", "with markup", True),
        ("fine 🙂", "with an emoji or symbol", True),
        ("naïve", "with a sign beyond ASCII", True),
    ],
)
def test_attributes_say_what_a_text_looks_like(text: str, name: str, inside: bool) -> None:
    texts = pd.DataFrame({"example_id": [0, 1], "text": [text, "plain"]})
    assert slice_rows(texts, name).tolist()[0] == inside


def test_metadata_become_values_quarters_and_what_is_missing() -> None:
    source = describe_column(pd.Series(["web", "mail", None, "web"], name="meta_source"))
    assert source.names == ("source: web", "source: mail", "source is missing")
    assert source.members.toarray().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    price = describe_column(pd.Series([*range(100), np.nan], name="meta_price"))
    assert price.members.sum(axis=0).A1.tolist() == [25, 25, 25, 25, 1]
    assert price.names[0] == "price at most 24"
    assert price.names[-1] == "price is missing"
    constant = describe_column(pd.Series([1.0] * 5, name="same"))
    assert constant.names[0] == "same: 1"


def test_topics_are_found_and_named() -> None:
    random = np.random.default_rng(0)
    subjects = {"sea": "wave ship sail salt", "farm": "cow barn hay plough"}
    common = [f"common{place}" for place in range(60)]
    texts, truth = [], []
    for place in range(400):
        name = list(subjects)[place % 2]
        texts.append(
            " ".join([*random.choice(subjects[name].split(), 4), *random.choice(common, 6)])
        )
        truth.append(name)
    topics = find_topics(count_words(texts), seed=0)
    assert topics is not None
    table = pd.crosstab(topics.topic, np.array(truth))
    assert table.max(axis=1).sum() >= 0.95 * len(texts)
    named = " ".join(topics.names)
    assert {"wave", "cow"} & set(named.replace(",", "").split())


def test_too_few_texts_have_no_topics() -> None:
    assert find_topics(count_words(["one text", "two texts"]), seed=0) is None


def test_slice_is_tested_as_by_hand() -> None:
    texts = make_texts(300)
    wrong = np.random.default_rng(1).random(300) < 0.2
    attributes = describe_texts(texts.assign(label=0), label_names=("a",))
    table = score_slices(attributes, Judged(wrong), smallest=20).table
    for row in table.sample(12, random_state=0).to_dict("records"):
        hits, n = row["mistakes"], row["n"]
        rest = [wrong.sum() - hits, (~wrong).sum() - (n - hits)]
        by_hand = fisher_exact([[hits, n - hits], rest], alternative="greater")
        assert row["p"] == pytest.approx(by_hand.pvalue, rel=1e-6)
        assert row["rest_rate"] == pytest.approx(rest[0] / (300 - n))
        assert row["low"] <= row["rate"] <= row["high"]
    assert (table["q"] >= table["p"]).all()
    assert table["p"].is_monotonic_increasing


@pytest.mark.parametrize("rates", [[0.15] * 4, [0.02, 0.1, 0.3, 0.6]], ids=["equal", "unequal"])
def test_nothing_is_found_where_mistakes_are_random(rates: list[float]) -> None:
    texts = make_texts(600)
    classes = texts["example_id"].to_numpy() % 4
    # one word marks the hardest class, more or less
    texts.loc[(classes == 3) & (texts["example_id"] % 5 > 0), "text"] += " zebra"
    attributes = describe_texts(texts.assign(label=classes), label_names=NAMES)
    attributes = [each for each in attributes if each.family != "class"]
    random, draws, found = np.random.default_rng(0), 80, 0
    for _ in range(draws):
        judged = Judged(random.random(600) < np.array(rates)[classes], classes)
        found += bool((score_slices(attributes, judged, smallest=20).table["q"] <= 0.05).any())
    assert found <= binom.ppf(0.99, draws, 0.05)


@pytest.mark.parametrize("reads", [False, True], ids=["blind", "by length"])
def test_random_labels_have_no_slices_whatever_the_model_prefers(reads: bool) -> None:
    found, of_classes = [], []
    for seed in range(12):
        random = np.random.default_rng(100 + seed)
        texts = make_texts(500, seed=seed)
        lengths = texts["text"].str.len()
        predicted = random.choice(4, 500, p=[0.55, 0.25, 0.15, 0.05])
        if reads:
            predicted = np.digitize(lengths, lengths.quantile([0.55, 0.8, 0.95]))
        slices = find_slices(make_predictions(texts, random.integers(4, size=500), predicted))
        found.append(len(slices.table) > 0)
        of_classes.append(len(slices.classes) > 0)
    assert sum(found) <= binom.ppf(0.99, 12, 0.05)
    assert all(of_classes)  # those that it seldom says do fail more


def test_slice_of_hard_classes_is_told_only_where_it_fails_more_than_they_do() -> None:
    random = np.random.default_rng(7)
    labels = random.integers(8, size=2000)
    texts = make_texts(2000, seed=5)
    hard, old = labels < 3, random.random(2000) < 0.1
    texts.loc[hard & (random.random(2000) < 0.7), "text"] += " zebra"
    texts["meta_device"] = np.where(old, "old", "new")
    wrong = random.random(2000) < np.where(hard, 0.36, 0.05)
    names = tuple("abcdefgh")
    found = find_slices(make_predictions(texts, labels, (labels + wrong) % 8, names=names))
    assert found.table.empty
    assert found.classes["slice"].str[-1].isin(["a", "b", "c"]).all()
    wrong |= old & (random.random(2000) < 0.3)
    found = find_slices(make_predictions(texts, labels, (labels + wrong) % 8, names=names))
    first = found.table.iloc[0]
    assert first["slice"] == "device: old"
    others = [wrong[(labels == k) & ~old].mean() for k in range(8)]
    expected = np.array(others)[labels[old]].mean()
    assert first["expected"] == pytest.approx(expected)
    assert first["worth"] == pytest.approx((wrong & old).sum() / 2000 - expected * old.mean())
    assert f"{100 * expected:.1f} % of other texts of the same" in found.advice()[0].evidence


def test_chance_over_classes_is_at_least_the_true_one() -> None:
    random = np.random.default_rng(0)
    texts, mistakes, sizes = np.array([60, 40, 30]), np.array([6, 12, 20]), np.array([15, 5, 8])
    drawn = random.hypergeometric(mistakes, texts - mistakes, sizes, size=(200_000, 3)).sum(axis=1)
    for hits in (11, 13, 15):
        p, later = chance_of(
            np.array([hits, hits + 2]), np.stack([sizes] * 2), texts=texts, mistakes=mistakes
        )
        # and with two mistakes more it is below
        assert later < (drawn >= hits).mean() <= p


@pytest.mark.parametrize("seed", range(5))
def test_injected_slice_of_five_percent_is_found_first(seed: int) -> None:
    random = np.random.default_rng(seed)
    texts = make_texts(1000, seed=seed)
    texts["meta_device"] = random.choice(["old", *["new"] * 19], 1000)
    inside = (texts["meta_device"] == "old").to_numpy()
    wrong = random.random(1000) < np.where(inside, 0.5, 0.08)
    found = find_slices(make_errors(texts, wrong))
    first = found.table.iloc[0]
    assert first["slice"] == "device: old"
    assert (first["n"], first["mistakes"]) == (inside.sum(), (wrong & inside).sum())
    assert first["worth"] == pytest.approx(0.42 * 0.05, abs=0.01)
    assert [advice.section for advice in found.advice()] == ["slices"] * len(found.advice())
    assert "device: old" in found.advice()[0].action
    assert set(found.examples["slice"]) <= set(found.table["slice"])
    assert found.tags_of_texts()["device: old"].tolist() == np.flatnonzero(inside).tolist()
    own = found.examples[found.examples["slice"] == "device: old"]
    assert set(own["example_id"]) <= set(texts.loc[inside & wrong, "example_id"])


def test_injected_word_is_found_and_its_companions_are_told_with_it() -> None:
    texts = make_texts(1000)
    inside = np.arange(1000) % 20 == 0
    texts.loc[inside, "text"] += " Zebra crossing?"
    wrong = np.random.default_rng(0).random(1000) < np.where(inside, 0.7, 0.05)
    first = find_slices(make_errors(texts, wrong)).table.iloc[0]
    assert "with a question mark" in first["slice"]
    assert "with the word “zebra”, with the word “crossing”" in first["slice"]
    assert first["n"] == 50


def test_overlapping_slice_is_told_with_the_one_that_explains_it() -> None:
    texts = make_texts(2000)
    random = np.random.default_rng(0)
    inside = np.arange(2000) % 10 == 0
    texts["meta_device"] = np.where(inside, "old", "new")
    texts["meta_shop"] = np.where(inside & (random.random(2000) < 0.9), "corner", "town")
    wrong = random.random(2000) < np.where(inside, 0.6, 0.05)
    table = find_slices(make_errors(texts, wrong)).table
    assert table["slice"].tolist() == ["device: old"]
    assert "shop: corner" in table.loc[0, "also"]


def test_weak_class_is_told_but_is_no_advice() -> None:
    texts = make_texts(1000)
    labels = np.random.default_rng(3).integers(4, size=1000)
    wrong = np.random.default_rng(0).random(1000) < np.where(labels == 2, 0.6, 0.05)
    found = find_slices(make_errors(texts, wrong, seed=3))
    assert found.classes["slice"].tolist() == ["labelled c"]
    assert found.classes.loc[0, "rate"] == pytest.approx(wrong[labels == 2].mean())
    assert found.table.empty
    assert found.advice() == []
    assert found.findings()["classes"][0]["expected"] is None
    assert found.tags_of_texts() == {}


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("n_classes", [2, 150])
def test_perfect_and_hopeless_models_have_no_slices(rate: float, n_classes: int) -> None:
    texts = make_texts(300)
    names = tuple(f"class {k}" for k in range(n_classes))
    found = find_slices(make_errors(texts, np.full(300, rate == 1), names=names))
    assert found.table.empty
    assert found.examples.empty
    assert found.advice() == []
    assert found.tried > 50
    assert found.detectable is None
    assert json.loads(json.dumps(found.findings()))["slices"] == []


def test_detectable_rate_is_the_lowest_that_would_be_told() -> None:
    texts = make_texts(1000)
    wrong = np.zeros(1000, bool)
    wrong[::10] = True
    found = find_slices(make_errors(texts, wrong))
    assert found.detectable is not None
    labels = np.random.default_rng(0).integers(4, size=1000)
    count = np.bincount(labels)
    of = {"texts": count, "mistakes": np.bincount(labels, wrong)}
    hits = round(found.detectable * 100) + np.array([-1, 0])
    p = [chance_of(np.array([k]), count[None] / 10, **of)[0] for k in hits]
    assert p[1] <= 0.05 / found.tried < p[0]


def test_several_labels_and_pairs_of_texts_have_slices() -> None:
    topics = make_topics(120)
    texts = pd.DataFrame(
        {
            "example_id": range(120),
            "text": topics["text"],
            "text_pair": topics["text"][::-1].tolist(),
        }
    )
    ids = [
        tuple(sorted(("cast", "music", "praise", "scorn").index(x) for x in own))
        for own in topics["labels"]
    ]
    table = pd.DataFrame({"example_id": range(120), "split": "test"})
    table["label"] = pd.Series(ids, dtype=object)
    table["predicted"] = pd.Series([own[:1] for own in ids], dtype=object)
    for name in ("cast", "music", "praise", "scorn"):
        table[f"prob_{name}"] = 0.5
    found = find_slices(find_errors(table, texts, label_names=("cast", "music", "praise", "scorn")))
    assert found.mistakes == sum(len(own) > 1 for own in ids)
    assert found.classes["slice"].str.startswith("labelled").any()
    assert found.table["expected"].isna().all()
    json.dumps(found.findings(), allow_nan=False)


def test_few_texts_make_no_slices() -> None:
    with pytest.raises(NotApplicableError, match=r"expected at least 40 test texts .* found 30"):
        find_slices(make_errors(make_texts(30), np.zeros(30, bool)))


def test_slices_of_large_data_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = make_texts(400)
    monkeypatch.setattr(slices, "MOST_ROWS", 200)
    found = find_slices(make_errors(texts, np.arange(400) % 9 == 0))
    assert found.sampled
    assert found.texts == 200


def test_texts_that_are_all_alike_have_no_slices() -> None:
    texts = pd.DataFrame({"example_id": range(60), "text": "same"})
    found = find_slices(make_errors(texts, np.arange(60) % 2 == 0, names=("a", "b", "c", "d", "e")))
    assert found.tried == 0
    assert found.table.empty
    json.dumps(found.findings(), allow_nan=False)
