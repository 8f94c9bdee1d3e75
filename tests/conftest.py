"""A tiny random BERT with its own tokenizer, and a table of texts that it can learn."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

# Workers that use several threads each crawl on the same cores; read before torch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

WORDS = [
    "good",
    "great",
    "fine",
    "lovely",
    "superb",
    "bad",
    "awful",
    "poor",
    "dull",
    "dreadful",
    "film",
    "story",
    "actor",
    "plot",
    "music",
    "a",
    "the",
    "is",
    "was",
    "and",
    "very",
    "not",
    "it",
    "this",
]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, 32 wide, a vocabulary of words; saved like any checkpoint."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    vocabulary = {word: k for k, word in enumerate([*SPECIALS, *WORDS])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = ("pad", "unk", "cls", "sep", "mask")
    specials = {f"{name}_token": token for name, token in zip(names, SPECIALS, strict=True)}
    PreTrainedTokenizerFast(tokenizer_object=backend, **specials).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def make_reviews(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Return `n` made-up reviews: `text` and `label` (pos or neg), different from each other."""
    random = np.random.default_rng(seed)
    rows: dict[str, str] = {}
    while len(rows) < n:
        label = ("neg", "pos")[len(rows) % 2]
        tone = WORDS[:5] if label == "pos" else WORDS[5:10]
        words = [*random.choice(WORDS[10:], 8), *random.choice(tone, 3)]
        rows.setdefault(" ".join(random.permutation(words)), label)
    return pd.DataFrame({"text": rows.keys(), "label": rows.values()})


TOPICS = {"cast": WORDS[12:13], "music": WORDS[14:15], "praise": WORDS[:5], "scorn": WORDS[5:10]}


def make_topics(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Return `n` made-up reviews: `text` and `labels`, a list of any of four topics."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[str]] = {}
    while len(rows) < n:
        labels = [name for name in TOPICS if random.random() < 0.35]
        words = [*random.choice(WORDS[15:], 9)]
        words += [word for name in labels for word in random.choice(TOPICS[name], 2)]
        rows.setdefault(" ".join(random.permutation(words)), labels)
    return pd.DataFrame({"text": rows.keys(), "labels": rows.values()})


@pytest.fixture
def topics() -> pd.DataFrame:
    """Return 160 made-up reviews with any number of four labels."""
    return make_topics(160)


@pytest.fixture
def reviews() -> pd.DataFrame:
    """Return eighty made-up reviews of two classes."""
    return make_reviews(80)


@pytest.fixture
def study_file(tmp_path: Path, tiny_bert: Path, reviews: pd.DataFrame) -> Path:
    """Return a study on a CSV file with the tiny model: a run of it takes seconds."""
    reviews.to_csv(tmp_path / "reviews.csv", index=False)
    path = tmp_path / "study.yaml"
    path.write_text(
        json.dumps(
            {
                "name": "tiny",
                "data_prep": {"dataset": str(tmp_path / "reviews.csv"), "test_size": 0.3},
                "fine_tune": {
                    "model": str(tiny_bert),
                    "max_length": 16,
                    "epochs": 2,
                    "batch_size": 8,
                    "learning_rate": 1e-4,
                },
            }
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def finished_reviews(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a model fine-tuned on reviews, and its errors; what uses it leaves it as it is."""
    from finished import finish_reviews

    return finish_reviews(tmp_path_factory.mktemp("finished"), tiny_bert)


@pytest.fixture(scope="session")
def finished_topics(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a model fine-tuned on reviews with several labels, and its errors."""
    from finished import finish_topics

    return finish_topics(tmp_path_factory.mktemp("finished"), tiny_bert)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the notebooks folder of a project, as an open notebook does; return the project."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "01_data_prep.ipynb").touch()
    monkeypatch.chdir(folder)
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium; without one the test is skipped, or fails where it must run."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = f"no browser: none of {', '.join(BROWSERS)} is on PATH"
        if os.environ.get("NBUTILS_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield running
        running.close()
