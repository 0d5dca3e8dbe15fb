"""What the docs point at exists: files by path, other pages by link, make targets by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]

_FILE = re.compile(
    r"`((?:server|signaling|media|loadtest|tests|docs)/[\w./-]+\.(?:py|js|lua|md|sh))`"
)
_LINK = re.compile(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)")
_MAKE = re.compile(r"`?\bmake ([a-z]+)\b`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_link_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    paths = [ROOT / path for path in _FILE.findall(text)]
    paths += [page.parent / link for link in _LINK.findall(text)]
    assert [str(path.relative_to(ROOT)) for path in paths if not path.exists()] == []


def test_make_knows_every_target_that_the_docs_name() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {name for page in PAGES for name in _MAKE.findall(page.read_text("utf-8"))}
    assert named <= targets


def test_the_readme_quotes_measured_figures() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "@@" not in text, "a placeholder waits for its figure"
    assert "make bench" in text
