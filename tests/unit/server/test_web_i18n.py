"""The pages' texts: both languages have the same keys, every used key exists, every key is used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

import pytest

from server.pages import WEB_DIR
from signaling.close_codes import CloseCode
from signaling.errors import REFUSALS
from signaling.views import MediaChoice, Role, ShowPhase

LANG_DIR: Final = WEB_DIR / "js" / "ui" / "lang"
ENTRY: Final = re.compile(r"^  '([^']+)': '((?:[^'\\]|\\.)*)',$", re.MULTILINE)
VARIABLE: Final = re.compile(r"\{(\w+)\}")
LITERAL: Final = re.compile(r"'([a-z0-9]+(?:\.[a-z0-9_]+)+)'")
TEMPLATE: Final = re.compile(r"`([^`]*\$\{[^`]*)`")
IN_HTML: Final = re.compile(r'data-i18n(?:-[a-z-]+)?="([^"]+)"')


def texts(lang: str) -> dict[str, str]:
    source = (LANG_DIR / f"{lang}.js").read_text(encoding="utf-8")
    pairs = ENTRY.findall(source)
    assert len(pairs) == len({key for key, _ in pairs}), f"{lang}.js names a key twice"
    assert len(pairs) == len(re.findall(r"^  '", source, re.MULTILINE)), f"{lang}.js: odd line"
    return dict(pairs)


def sources(pattern: str) -> dict[Path, str]:
    return {
        path: path.read_text(encoding="utf-8")
        for path in sorted(WEB_DIR.rglob(pattern))
        if LANG_DIR not in path.parents
    }


ZH: Final = texts("zh")
EN: Final = texts("en")
SPACES: Final = {key.split(".")[0] for key in EN}


def used_literally() -> set[str]:
    used = {key for text in sources("*.html").values() for key in IN_HTML.findall(text)}
    for text in sources("*.js").values():
        used |= {key for key in LITERAL.findall(text) if key.split(".")[0] in SPACES}
    return used


def used_by_pattern() -> list[re.Pattern[str]]:
    """`error.${code}` may name any key that begins so."""
    patterns = []
    for text in sources("*.js").values():
        for template in TEMPLATE.findall(text):
            fixed = re.split(r"\$\{[^}]*\}", template)
            if any(part.strip("._") and re.fullmatch(r"[a-z0-9_.]*", part) for part in fixed):
                patterns.append(re.compile(".+".join(re.escape(part) for part in fixed)))
    return patterns


def test_both_languages_have_the_same_keys() -> None:
    assert ZH.keys() == EN.keys()


@pytest.mark.parametrize("key", sorted(EN))
def test_both_languages_use_the_same_variables(key: str) -> None:
    assert set(VARIABLE.findall(ZH[key])) == set(VARIABLE.findall(EN[key]))


def test_every_used_key_exists() -> None:
    # A blocker is named by the prefix of its title and fix.
    prefixes = {key.removesuffix(".title") for key in EN if key.endswith(".title")}
    assert used_literally() - EN.keys() - prefixes == set()


def test_every_key_is_used() -> None:
    patterns = used_by_pattern()
    literal = used_literally()
    unused = {
        key
        for key in EN
        if key not in literal and not any(pattern.fullmatch(key) for pattern in patterns)
    }
    assert unused == set()


def test_every_refusal_has_words() -> None:
    assert {f"error.{code}" for code in REFUSALS} <= EN.keys()


def test_local_codes_of_the_sdk_have_words() -> None:
    source = (WEB_DIR / "js" / "sdk" / "errors.js").read_text(encoding="utf-8")
    codes = re.findall(r"^  '(\w+)', //", source, re.MULTILINE)
    assert codes
    assert {f"error.{code}" for code in codes} <= EN.keys()


@pytest.mark.parametrize("code", [code for code in CloseCode if not code.may_return])
def test_every_final_close_code_has_words(code: CloseCode) -> None:
    assert {f"close.{code.reason}.title", f"close.{code.reason}.fix"} <= EN.keys()


def test_device_problems_have_title_and_fix() -> None:
    source = (WEB_DIR / "js" / "ui" / "media-access.js").read_text(encoding="utf-8")
    codes = set(re.findall(r"^  \w+Error: '(\w+)',$", source, re.MULTILINE))
    codes |= {"insecure_context", "no_webrtc", "device_failed", "unsupported_codec"}
    assert len(codes) > 5
    wanted = {f"problem.{code}.{part}" for code in codes for part in ("title", "fix")}
    assert wanted <= EN.keys()


def test_words_of_the_protocol_have_words() -> None:
    phases: set[str] = {*get_args(ShowPhase), "joining"}
    wanted = {f"phase.{phase}" for phase in phases}
    wanted |= {f"cover.{phase}.{part}" for phase in phases for part in ("title", "text")}
    wanted |= {f"role.{role}" for role in get_args(Role)}
    wanted |= {f"setup.{media}" for media in get_args(MediaChoice)}
    wanted |= {
        f"stage.left.{reason}" for reason in ("left", "removed", "grace_expired", "show_ended")
    }
    wanted |= {f"invite.ended.{outcome}" for outcome in ("expired", "cancelled")}
    assert wanted <= EN.keys()
