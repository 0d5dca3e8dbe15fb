"""The files of the web folder keep to the policy under which they are sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.pages import PAGES, WEB_DIR


@pytest.mark.parametrize("name", sorted(set(PAGES.values())))
def test_no_page_breaks_its_own_policy(name: str) -> None:
    """Inline scripts, styles and handlers would be blocked by the policy, silently."""
    html = (WEB_DIR / name).read_text()
    for script in re.findall(r"<script\b[^>]*>", html):
        assert "src=" in script, script
    assert not re.search(r"<style\b", html)
    assert not re.search(r"\sstyle=", html)
    assert not re.search(r"\son[a-z]+=", html)


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in Path(WEB_DIR).rglob("*.*"):
        if path.suffix in (".html", ".css"):
            assert not re.search(r"(?:src|href)=\"https?://|url\(['\"]?https?:", path.read_text())
