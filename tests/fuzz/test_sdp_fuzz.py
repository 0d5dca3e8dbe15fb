"""Invariant: any text is an `Offer` (or fragment) or raises `RemoteProtocolError` or
`OfferRefused`; an accepted offer can be answered."""

import contextlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import OfferRefused, RemoteProtocolError
from media.sdp import parse_offer_untrusted, parse_trickle_fragment_untrusted
from tests.unit.media.test_sdp import answer_for

VECTORS = Path(__file__).parents[1] / "vectors" / "sdp"
TEXTS = [path.read_bytes().decode() for path in sorted(VECTORS.glob("*.sdp"))]
LINES = sorted({line for text in TEXTS for line in text.split("\r\n") if line})

edits = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["drop", "double", "replace", "insert", "cut"]),
        st.sampled_from(LINES) | st.text(max_size=30),
    ),
    min_size=1,
    max_size=6,
)


def edited(text: str, changes: list[tuple[int, str, str]]) -> str:
    lines = text.split("\r\n")
    for position, kind, line in changes:
        at = position % max(1, len(lines))
        match kind:
            case "drop":
                del lines[at : at + 1]
            case "double":
                lines[at:at] = lines[at : at + 1]
            case "replace":
                lines[at : at + 1] = [line]
            case "insert":
                lines[at:at] = [line]
            case _:
                lines[at : at + 1] = [each[: position % 20] for each in lines[at : at + 1]]
    return "\r\n".join(lines)


@settings(max_examples=150, deadline=None)
@given(text=st.sampled_from(TEXTS), changes=edits)
def test_edited_offers_are_read_or_refused(text: str, changes: list[tuple[int, str, str]]) -> None:
    with contextlib.suppress(RemoteProtocolError, OfferRefused):
        answer_for(parse_offer_untrusted(edited(text, changes)))


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=400) | st.lists(st.sampled_from(LINES), max_size=40).map("\n".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    for head in ("", "v=0\r\n"):
        with contextlib.suppress(RemoteProtocolError, OfferRefused):
            parse_offer_untrusted(head + text)
        with contextlib.suppress(RemoteProtocolError):
            parse_trickle_fragment_untrusted(text)
