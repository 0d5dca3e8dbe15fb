"""What people type is cleaned the same way everywhere."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import Refusal
from signaling.texts import clean_text, has_control, is_blank


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("  这个 适合\n油皮吗？\t", "这个 适合 油皮吗？"),
        ("a\u3000b", "a b"),
        ("e\u0301", "é"),
        ("e\x00\u0301", "é"),
        ("a\x00b\x1b[31mc\x85", "ab[31mc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u200b\ufeff b", "a b"),
        ("👩\u200d🚀 ok", "👩\u200d🚀 ok"),
        ("", ""),
        (" \u200d\ufe0f\u3164 ", ""),
    ],
)
def test_texts_come_out_as_one_visible_line(typed: str, cleaned: str) -> None:
    assert clean_text(typed, "text", 500) == cleaned


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(Refusal, match="text: not a valid Unicode") as refused:
        clean_text("a\ud800", "text", 500)
    assert refused.value.code == "bad_message"


def test_a_text_that_grows_by_normalising_is_measured_after_it() -> None:
    with pytest.raises(Refusal, match="title: more than 3") as refused:
        clean_text("\u0958\u0958", "title", 3)
    assert refused.value.code == "too_large"


@given(st.text(max_size=80))
def test_cleaning_twice_changes_nothing_more(typed: str) -> None:
    once = clean_text(typed, "text", 1000)
    assert clean_text(once, "text", 1000) == once
    assert not has_control(once)
    assert unicodedata.is_normalized("NFC", once)
    assert once == "" or not is_blank(once)
