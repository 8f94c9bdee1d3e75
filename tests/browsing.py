"""A page opened in a real browser, with all that it did there."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Visit:
    """One page opened from the disk, with all that it did."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1280, scheme: str = "light"):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append("dialog") or dialog.dismiss())
        self.uri = path.as_uri()
        self.page.goto(self.uri)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def accessibility_faults(self) -> str:
        """Return axe's report on WCAG 2.1 A and AA; empty: nothing was found."""
        from axe_playwright_python.sync_playwright import Axe

        levels = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
        result = Axe().run(self.page, options={"runOnly": levels})
        return str(result.generate_report()) if result.violations_count else ""

    @property
    def foreign_requests(self) -> list[str]:
        """What the page asked for besides itself."""
        return [url for url in self.requests if url not in {self.uri, "data:,"}]
