"""Questions are found, with their reasons; how well, on labelled messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.asking import DetectionContext, RoomTerms
from signaling.asking.shipped import Asking, shipped_asking
from tests.unit.signaling.asking.conftest import CORPORA, SAMPLE, rows_of

DETECTOR = shipped_asking().detector


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("多少钱", "price"),
        ("这个适合油皮吗", "suitability"),
        ("M码还有没有", "stock"),
        ("防水不", "spec"),
        ("几号链接呀", "how_to_buy"),
        ("粉底液和气垫有什么区别", "comparison"),
        ("先用水乳还是先涂精华", "usage"),
        ("怎么这么好看 多少钱啊", "price"),
        ("怎么这么好看多少钱", "price"),
        ("怎么这么好看 M码还有没有", "stock"),
        ("is this ok for oily skin", "suitability"),
        ("can i return it", "aftersales"),
        ("does it run small", "suitability"),
        ("這個還有貨嗎", "stock"),
    ],
)
def test_questions(text: str, intent: str) -> None:
    found = DETECTOR.detect(text)
    assert found.is_question
    assert found.intent == intent
    assert found.reasons
    assert found.score >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "怎么这么好看",
        "怎么这么好看?",
        "不知道怎么选干脆都拍了",
        "谁用谁知道",
        "不管多少钱我都要",
        "什么颜色都好看",
        "omg how is it so pretty",
        "what a deal",
        "缺钱吗 加微信领红包 wx_886",
        "要不是没钱我就买了",
        "差不多用了半年",
        "666",
        "？？？",
        "",
        "😍",
    ],
)
def test_other_messages(text: str) -> None:
    found = DETECTOR.detect(text)
    assert not found.is_question
    assert found.intent is None
    assert found.score < 0.5


def test_reasons_say_what_was_found_and_what_it_weighs() -> None:
    (particle, mark) = DETECTOR.detect("M码还有吗？").reasons
    assert particle == "ends with 吗 or 么: 吗 (+3.2)"
    assert mark == "has a question mark (+2.4)"


def test_products_of_the_room_are_terms() -> None:
    context = DetectionContext(RoomTerms(["云朵 霜", "小云朵"]))
    assert DETECTOR.detect("小云朵适合油皮吗", context).terms == ("小云朵", "油皮")
    assert DETECTOR.detect("小云朵适合油皮吗").terms == ("油皮",)


@pytest.mark.parametrize(
    ("path", "f1", "precision"),
    [
        (SAMPLE, 0.97, 0.97),
        (CORPORA / "development.jsonl", 0.97, 0.97),
        (CORPORA / "held_out.jsonl", 0.95, 0.95),
    ],
    ids=["sample", "development", "held out"],
)
def test_how_well_questions_are_found(path: Path, f1: float, precision: float) -> None:
    """Bars a little under the figures of docs/questions.md: data that gets worse is noticed."""
    rows = rows_of(path)
    for chosen in (rows, [row for row in rows if row.get("hard")] or rows):
        outcomes = [(is_labelled(row), DETECTOR.detect(row["text"]).is_question) for row in chosen]
        right = outcomes.count((True, True))
        taken, missed = outcomes.count((False, True)), outcomes.count((True, False))
        assert 2 * right / (2 * right + taken + missed) >= f1
        assert right / (right + taken) >= precision


def is_labelled(row: dict[str, object]) -> bool:
    return row["label"] == "question" if "label" in row else bool(row["is_question"])


def test_the_two_files_share_no_message() -> None:
    one, other = (
        {row["text"] for row in rows_of(CORPORA / f"{name}.jsonl")}
        for name in ("development", "held_out")
    )
    assert not one & other


@given(st.text(max_size=80))
def test_the_same_text_is_detected_the_same(text: str) -> None:
    assert DETECTOR.detect(text) == DETECTOR.detect(text)


def test_a_question_stays_one_among_compliments(asking: Asking) -> None:
    for before in ("好好看 ", "哈哈哈，", "来了来了！"):
        assert asking.detector.detect(before + "M码还有吗").is_question
