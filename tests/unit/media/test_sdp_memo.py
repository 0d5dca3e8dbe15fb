"""An offer read by way of a template means what the parser says, for everybody and each time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import OfferRefused, RemoteProtocolError
from media.sdp import Offer, parse
from media.sdp.memo import MAX_TEMPLATE_CHARS, parse_offer_untrusted

VECTORS = sorted((Path(__file__).parents[2] / "vectors/sdp").glob("*.sdp"))
CANDIDATE = "a=candidate:{} 1 udp {} 192.0.2.{} 5{:04} typ host generation 0 network-id 1\r\n"


def outcome(parser: Callable[[str], Offer], text: str) -> object:
    """The offer, or how it was refused."""
    try:
        return parser(text)
    except OfferRefused as error:
        return "refused", error.code
    except RemoteProtocolError as error:
        return "malformed", error.reason


def personal(text: str, chance: random.Random) -> str:
    """The offer as another client with the same browser would make it."""

    def other(match: re.Match[str]) -> str:
        return match[1] + "".join(chance.choices("abcdefXYZ0189", k=len(match[2])))

    text = re.sub(r"(a=ice-ufrag:|a=ice-pwd:)([^\r\n]+)", other, text)
    digest = chance.randbytes(32).hex(":").upper()
    text = re.sub(r"(a=fingerprint:sha-256 )[^\r\n]+", lambda match: match[1] + digest, text)
    text = re.sub(r"o=- \d+", f"o=- {chance.getrandbits(60)}", text)
    numbers = [chance.getrandbits(16), chance.getrandbits(31), chance.randrange(1, 255)]
    return text + CANDIDATE.format(*numbers, chance.randrange(10_000))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_client_of_a_browser_is_read_as_the_parser_reads_it(path: Path) -> None:
    text = path.read_bytes().decode()
    assert parse_offer_untrusted(text) == parse.parse_offer_untrusted(text)
    chance = random.Random(1)
    for _ in range(5):
        other = personal(text, chance)
        assert parse_offer_untrusted(other) == parse.parse_offer_untrusted(other)


def test_what_is_the_same_is_one_object() -> None:
    text = (VECTORS[0].parent / "chromium_play.sdp").read_bytes().decode()
    chance = random.Random(2)
    one, other = (parse_offer_untrusted(personal(text, chance)) for _ in range(2))
    assert one.remote != other.remote
    assert one.candidates != other.candidates
    assert one.sections is other.sections


def test_a_value_that_looks_like_a_placeholder_is_kept() -> None:
    text = (VECTORS[0].parent / "chromium_play.sdp").read_bytes().decode()
    spelt = re.sub(r"a=ice-pwd:[^\r\n]+", "a=ice-pwd:placeholder-of-personal-0", text)
    offer = parse_offer_untrusted(spelt)
    assert offer == parse.parse_offer_untrusted(spelt)
    assert offer.remote.pwd == "placeholder-of-personal-0"


def test_a_long_offer_leaves_no_template() -> None:
    text = (VECTORS[0].parent / "chromium_play.sdp").read_bytes().decode()
    long = text + "a=x-something:else\r\n" * 200 + "a=y-something:" + "y" * 2000 + "\r\n"
    long += "".join(f"a=z{number}:{'z' * 2000}\r\n" for number in range(15))
    assert len(long) > MAX_TEMPLATE_CHARS
    one, other = (parse_offer_untrusted(long) for _ in range(2))
    assert one == other == parse.parse_offer_untrusted(long)
    assert one.sections is not other.sections


LINES = (
    "a=ice-ufrag:abc", "a=ice-ufrag:abcd ", "a=ice-ufrag:", "a=ice-ufrag:other", "a=ice-pwd:short",
    "a=ice-pwd:0123456789012345678901\u2028", "a=ice-pwd", "a=fingerprint:sha-256 00", "o=",
    "a=fingerprint:sha-1 00:11", "a=fingerprint:sha-256", "a=fingerprint:SHA-256 aa:bb:cc",
    "a=candidate:1 1 udp x 192.0.2.1 9 typ host", "a=candidate:", "a=candidate:nonsense",
    "a=candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 192.0.2.9 rport 9", "o=a\x00b",
    "a=fingerprint:sha-512 aa:bb:cc", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=end-of-candidates",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(VECTORS),
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from(LINES), st.booleans()), max_size=4),
    st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_odd_lines_are_judged_by_the_parser(
    path: Path, changes: list[tuple[int, str, bool]], ending: str
) -> None:
    lines = path.read_bytes().decode().splitlines()
    for place, line, replaces in changes:
        at = place % len(lines)
        lines[at : at + replaces] = [line]
    text = ending.join(lines) + ending
    assert outcome(parse_offer_untrusted, text) == outcome(parse.parse_offer_untrusted, text)
