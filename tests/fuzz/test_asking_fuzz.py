"""Invariant: any text is detected, folded and explained without an exception, with bounded results
that can be sent on; and what a text costs grows no faster than its length."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.asking import DetectionContext, QuestionIndex, RoomTerms
from signaling.asking.cluster import MAX_COMPARED_CHARS
from signaling.asking.matcher import Matcher, places_of
from signaling.asking.normal import MAX_CHARS
from signaling.asking.shipped import shipped_asking
from signaling.asking.terms import MAX_TERMS

ASKING = shipped_asking()
CHARACTERS = "不没吗呢么？?！，。 啊几哪谁的了＊~…()[]{}|^$\\\u200d😍ﷺ\ud800"
WORDS = [
    *(
        "什么",
        "怎么",
        "这么",
        "多少",
        "都",
        "还是",
        "有没有",
        "能不能",
        "知道",
        "不知道",
        "加",
        "02号",
        "M码",
    ),
    *("how ", "is ", "so ", "what ", "wx", "how\xa0much"),
]
pieces = st.sampled_from([*CHARACTERS, *WORDS])
texts = st.one_of(
    st.text(max_size=700),
    st.lists(pieces, max_size=300).map("".join),
    st.builds(lambda piece, count: piece * count, pieces, st.integers(1, 600)),
)


@settings(max_examples=300, deadline=None)
@given(text=texts, products=st.lists(st.text(max_size=20), max_size=5))
def test_any_text_is_detected_and_folded(text: str, products: list[str]) -> None:
    context = DetectionContext(RoomTerms(products))
    found = ASKING.detector.detect(text, context)
    assert 0.0 <= found.score <= 1.0
    assert found.is_question == (found.score >= 0.5)
    assert len(found.terms) <= MAX_TERMS
    assert all(len(reason) < 120 for reason in found.reasons)
    fingerprint = ASKING.fingerprints.of(text, found, context)
    assert len(fingerprint.grams) <= 2 * MAX_COMPARED_CHARS
    index = QuestionIndex()
    assert index.fold("q1", fingerprint).is_new
    assert not index.fold("q2", fingerprint).is_new


class CountingMatcher(Matcher):
    """Counts the attempts to match instead of timing them."""

    def attempts(self, text: str) -> int:
        return sum(len(self._by_first.get(text[place], ())) for place in places_of(text))


@pytest.mark.parametrize("piece", ["什么", "怎么", "不", "几", "能不", "how ", "is ", "啊，"])
def test_attempts_grow_with_the_length_and_end(piece: str) -> None:
    cues = ASKING.detector.lexicon.cues
    matcher = CountingMatcher([cue.forms for cue in (*cues.covers, *cues.cues)], cues.sets)
    normal = ASKING.detector.normaliser.normal
    short = normal(piece + "好" + piece)
    longest = normal("".join(f"{piece}{'好看呀'[n % 3]}" for n in range(10_000)))
    assert len(longest) <= 2 * MAX_CHARS
    each = max(1, matcher.attempts(short)) / len(short)
    assert matcher.attempts(longest) <= 3 * each * len(longest)
