"""The pages refer only to what exists, and to nothing that their security policy forbids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from server.pages import PAGES, WEB_DIR
from signaling.close_codes import CloseCode

HTML: Final = sorted(WEB_DIR.glob("*.html"))
MODULES: Final = sorted((WEB_DIR / "js").rglob("*.js"))
IMPORT: Final = re.compile(
    r"^(?:import|export)\s+(?:(\w+)|\{([^}]*)\})\s+from\s+'([^']+)';", re.MULTILINE
)
EXPORT: Final = re.compile(r"^export\s+(?:async\s+)?(?:class|function|const)\s+(\w+)", re.MULTILINE)
FORBIDDEN: Final = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
)  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(WEB_DIR).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def symbols() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', read(WEB_DIR / "img" / "icons.svg")))


def test_every_page_of_the_router_is_there() -> None:
    assert {path.name for path in HTML} == set(PAGES.values())


@pytest.mark.parametrize("path", HTML, ids=name_of)
def test_page_refers_to_existing_files_and_icons(path: Path) -> None:
    references = re.findall(r'(?:src|href)="/static/([^"]+)"', read(path))
    assert references
    for reference in references:
        file, _, symbol = reference.partition("#")
        assert (WEB_DIR / file).is_file(), reference
        assert not symbol or symbol in symbols(), reference


@pytest.mark.parametrize("path", HTML, ids=name_of)
def test_page_has_each_id_once_and_labels_that_exist(path: Path) -> None:
    text = read(path)
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:for|data-copy)="([^"]+)"', text):
        assert target in ids
    for target in re.findall(r'href="#([^"]+)"', text):
        assert target in ids


@pytest.mark.parametrize("path", HTML, ids=name_of)
def test_page_has_nothing_inline(path: Path) -> None:
    """The content security policy allows scripts and styles from files of ours only."""
    text = read(path)
    assert not re.search(r"\sstyle=|<style|\son\w+=", text)
    assert all(re.search(r"\ssrc=", tag) for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize("path", HTML, ids=name_of)
def test_page_script_asks_only_for_ids_of_its_page(path: Path) -> None:
    scripts = re.findall(r'<script type="module" src="/static/([^"]+)"', read(path))
    assert len(scripts) == 1
    ids = set(re.findall(r'\sid="([^"]+)"', read(path)))
    asked = set(re.findall(r"(?:byId|badge)\('([^']+)'", read(WEB_DIR / scripts[0])))
    assert asked <= ids, asked - ids


@pytest.mark.parametrize("path", HTML, ids=name_of)
def test_every_button_and_field_has_a_name(path: Path) -> None:
    """Text, a label, or an aria-label; filled-in text counts through `data-i18n`."""
    text = read(path)
    for match in re.finditer(r"<button([^>]*)>(.*?)</button>", text, re.DOTALL):
        attributes, inside = match.groups()
        is_switch = "lang-switch" in attributes  # named by the script, in both languages
        words = re.sub(r"<[^>]+>", "", inside).strip()
        is_named = "aria-label" in attributes or "data-i18n" in attributes + inside or words
        assert is_named or is_switch or "btn-label" in inside or "my-name" in attributes
    for field in re.findall(r"<input([^>]*)>", text):
        known = re.search(r'\sid="([^"]+)"', field)
        has_label = known is not None and f'for="{known[1]}"' in text
        assert "aria-label" in field or has_label


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_what_exists(path: Path) -> None:
    for default, names, target in IMPORT.findall(read(path)):
        assert target.startswith("."), f"{target}: only files of ours"
        file = (path.parent / target).resolve()
        assert file.is_file(), target
        if default:
            assert "export default" in read(file)
        exported = set(EXPORT.findall(read(file)))
        for again in re.findall(r"^export \{([^}]*)\} from", read(file), re.MULTILINE):
            exported |= {name.strip() for name in again.split(",")}
        assert {name.strip() for name in names.split(",") if name.strip()} <= exported


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_uses_every_import(path: Path) -> None:
    text = read(path)
    for _, names, _ in IMPORT.findall(re.sub(r"^export \{.*$", "", text, flags=re.MULTILINE)):
        for name in (name.strip() for name in names.split(",") if name.strip()):
            assert len(re.findall(rf"\b{re.escape(name)}\b", text)) > 1, name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_never_makes_markup_of_text(path: Path) -> None:
    assert not [word for word in FORBIDDEN if word in read(path)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_names_icons_that_exist(path: Path) -> None:
    for name in re.findall(r"\bicon\('([^']+)'\)", read(path)):
        assert name in symbols(), name


def test_sdk_knows_every_close_code() -> None:
    source = read(WEB_DIR / "js" / "sdk" / "errors.js")
    known = {int(code): name for code, name in re.findall(r"^  (\d{4}): '(\w+)',", source, re.M)}
    assert known == {int(code): code.reason for code in CloseCode}


def test_sdk_imports_nothing_of_the_pages() -> None:
    """Others use the SDK without our texts and widgets."""
    for path in [WEB_DIR / "js" / "lianmai.js", *(WEB_DIR / "js" / "sdk").glob("*.js")]:
        assert not re.search(r"from '[^']*(?:ui|viewer|console|pages)/", read(path)), path.name


def test_documented_test_hooks_exist() -> None:
    document = read(WEB_DIR.parents[1] / "docs" / "sdk.md").partition("## Test hooks")[2]
    rows = re.findall(r"^\| \w+ \| (.+?) \| .*\|$", document, re.MULTILINE)
    hooks = {hook for row in rows for hook in re.findall(r"`([^`]+)`", row)}
    code = "\n".join(read(path) for path in [*HTML, *MODULES])
    assert len(hooks) > 60
    for hook in hooks:
        # `seat-<seat>` is built as `seat-${seat}` somewhere; a select as `${source}-select`.
        start = hook.partition("<")[0]
        is_select = hook.endswith("-select") or hook.startswith(("self-", "setup-"))
        assert is_select or re.search(rf"['\"`]{re.escape(start)}", code), hook
