"""RED payloads (RFC 2198 §3): read, unwrapped, and moved to other payload types."""

from __future__ import annotations

import pytest

from media.errors import RemoteProtocolError
from media.payload.red import parse_red_untrusted, primary, retype
from tests.support.rtp_kit import red_payload

OPUS = 111


def test_the_primary_is_the_last_block() -> None:
    payload = red_payload(b"newest", [(1920, b"oldest"), (960, b"older")])
    layout = parse_red_untrusted(payload, OPUS)
    assert layout.redundant == 2
    assert primary(payload, layout) == b"newest"


def test_a_primary_alone_and_empty_blocks_are_fine() -> None:
    alone = red_payload(b"newest", [])
    assert alone == b"\x6fnewest"
    assert primary(alone, parse_red_untrusted(alone, OPUS)) == b"newest"
    empty = red_payload(b"", [(960, b"")])
    layout = parse_red_untrusted(empty, OPUS)
    assert (layout.redundant, primary(empty, layout)) == (1, b"")


def test_every_block_is_retyped_and_nothing_else() -> None:
    # Lengths and offsets at their limits: 10 and 14 bits.
    blocks = [(0x3FFF, b"a" * 0x3FF), (1, b""), (960, b"b")]
    payload = red_payload(b"newest", blocks)
    layout = parse_red_untrusted(payload, OPUS)
    assert retype(payload, layout, 96) == red_payload(b"newest", blocks, payload_type=96)
    assert retype(payload, layout, OPUS) is payload


def test_cut_anywhere_it_is_refused_until_the_primary_begins() -> None:
    payload = red_payload(b"newest", [(1920, b"oldest"), (960, b"older")])
    begins = len(payload) - len(b"newest")
    for length in range(begins):
        with pytest.raises(RemoteProtocolError, match=r"red_(header|block)_truncated"):
            parse_red_untrusted(payload[:length], OPUS)
    assert parse_red_untrusted(payload[:begins], OPUS).primary_start == begins


@pytest.mark.parametrize(
    "payload",
    [red_payload(b"x", [(960, b"y")], payload_type=110), b"\x6ex", b"\xef\x03\xc0\x01\x6eyx"],
)
def test_other_formats_in_the_blocks_are_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="red_payload_type"):
        parse_red_untrusted(payload, OPUS)
