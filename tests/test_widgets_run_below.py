"""The script that runs the cells below: made anew for each click, and taken away again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from browsing import Visit

from nbutils.widgets import run_below
from nbutils.widgets.run_below import BY_HAND, RunBelow, make_script


def test_each_click_has_a_script_of_its_own() -> None:
    assert make_script() != make_script()
    assert "__" not in make_script()


def test_words_stand_in_place_of_a_script_that_does_not_run() -> None:
    below = RunBelow()
    below.run()
    (output,) = below.view.outputs
    assert output["data"]["text/plain"] == BY_HAND


def test_script_is_taken_away_so_that_no_later_view_runs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_below, "SECONDS", 0.01)
    below = RunBelow()
    below.run()
    limit = time.monotonic() + 10
    while "application/javascript" in below.view.outputs[0]["data"] and time.monotonic() < limit:
        time.sleep(0.01)
    (output,) = below.view.outputs
    assert set(output["data"]) == {"text/plain", "text/html"}
    assert output["data"]["text/plain"].startswith("If nothing ran: select the next cell")


def test_page_that_is_no_jupyterlab_says_how_to_do_it_by_hand(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>x</title><div id=out></div>", encoding="utf-8")
    with Visit(browser, page) as visit:
        visit.ask(
            f"const element = document.getElementById('out'); eval({json.dumps(make_script())})"
        )
        assert visit.page.inner_text("#out") == BY_HAND
        assert visit.page.get_attribute("#out", "role") == "status"
        assert visit.said == []
