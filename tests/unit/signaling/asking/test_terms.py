from __future__ import annotations

import pytest

from signaling.asking import RoomTerms
from signaling.asking.shipped import Asking
from signaling.asking.terms import MAX_TERMS


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("油性皮肤能用吗", ("油皮",)),
        ("02号还有吗", ("2号",)),
        ("二号还有吗", ("2号",)),
        ("M码还有吗", ("m",)),
        ("选m还是xl", ("m", "xl")),
        ("make it", ()),
        ("this one", ()),
        ("粉底液和粉底液", ("粉底液",)),
        ("卸妆水", ("卸妆水",)),
    ],
)
def test_terms(text: str, terms: tuple[str, ...], asking: Asking) -> None:
    detector = asking.detector
    assert detector.terms.find(detector.normaliser.normal(text)) == terms


def test_terms_can_be_taken_out(asking: Asking) -> None:
    assert (
        asking.detector.terms.without("。油皮m码能用吗。", frozenset({"油皮"})) == "。m码能用吗。"
    )


def test_their_number_is_bounded(asking: Asking) -> None:
    text = " ".join(str(number) for number in range(100, 180))
    assert len(asking.detector.terms.find(text)) == MAX_TERMS


def test_terms_of_a_room_are_bounded() -> None:
    room = RoomTerms(f"品{number}" for number in range(RoomTerms.MAX_WORDS + 5))
    assert room.index.at(f"品{RoomTerms.MAX_WORDS}", 0) is not None  # 品2, 品20, 品200, …
    assert RoomTerms(["", "  "]).index.at("x", 0) is None
    assert RoomTerms(["a" * 100]).index.at("a" * RoomTerms.MAX_CHARS, 0) is not None
