"""What is evened out before anything is looked for, and what is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.asking.normal import HEAD_CHARS, MAX_CHARS, key_of
from signaling.asking.shipped import Asking, shipped_asking

NORMAL = shipped_asking().detector.normaliser.normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("", "。"),
        ("   ", "。"),
        ("？？？", "。"),
        ("😍😍", "。"),
        ("多少钱", "。多少钱。"),
        ("多少钱?", "。多少钱？"),
        ("多少钱？！！", "。多少钱？"),
        ("ＨＯＷ　ＭＵＣＨ", "。how much。"),
        ("這個還有嗎", "。这个还有吗。"),
        ("好好好好好看", "。好看。"),
        ("好好看", "。好好看。"),
        ("1000块", "。1000块。"),
        ("多少钱啊主播", "。多少钱。"),
        ("主播 多少钱", "。主播。多少钱。"),
        ("主播多少钱", "。多少钱。"),
        ("主播", "。主播。"),
        ("有 M size 吗", "。有m size吗。"),
        ("好看 M码还有吗", "。好看。m码还有吗。"),
        ("link 在哪", "。link。在哪。"),
        ("成分安全吗孕妇能用不", "。成分安全吗。孕妇能用不。"),
        ("你干吗呢", "。你干吗呢。"),
        ("50%棉 170/65 1.5", "。50%棉。170/65 1.5。"),
        ("isn't it", "。is not it。"),
        ("@小雨 [笑哭]有货吗", "。有货吗。"),
        ("有货ma", "。有货吗。"),
        ("omg, how much", "。omg。how much。"),
        ("so how much please", "。how much。"),
        ("sos", "。sos。"),
    ],
)
def test_normal_texts(text: str, normal: str) -> None:
    assert NORMAL(text) == normal


def test_the_key_is_the_same_for_ways_to_type_one_question(asking: Asking) -> None:
    keys = {
        key_of(asking.detector.normaliser.normal(t)) for t in ("多少钱", "多少钱？", "多少钱 呀")
    }
    assert keys <= {"多少钱", "多少钱呀"}


def test_of_a_long_text_beginning_and_end_are_read() -> None:
    text = "头" + "好看" * 400 + "多少钱"
    normal = NORMAL(text)
    assert normal.startswith("。头好看")
    assert normal.endswith("多少钱。")
    assert len(normal) <= MAX_CHARS + 3
    assert HEAD_CHARS < MAX_CHARS


@given(st.text(max_size=600))
def test_any_text_becomes_clauses(text: str) -> None:
    normal = NORMAL(text)
    assert normal.startswith("。")
    assert normal[-1] in "。？"
    assert "？？" not in normal
    # Each character may get a stop of its own, no more.
    assert len(normal) <= 4 * MAX_CHARS
