"""RFC 7983 §7: every first byte belongs to at most one protocol."""

import pytest

from media.demux import is_dtls, is_rtcp, is_rtp_or_rtcp, is_stun


def stun_like(first: int) -> bytes:
    return bytes([first, 1, 0, 0]) + b"\x21\x12\xa4\x42" + bytes(12)


@pytest.mark.parametrize("first", range(256))
def test_first_byte_decides(first: int) -> None:
    data = stun_like(first)
    assert is_stun(data) == (first <= 3)
    assert is_dtls(data) == (20 <= first <= 63)
    assert is_rtp_or_rtcp(data) == (128 <= first <= 191)


def test_stun_needs_its_cookie_and_header() -> None:
    assert is_stun(stun_like(0))
    assert not is_stun(stun_like(0)[:19])
    assert not is_stun(bytes(20))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x16"])
def test_short_datagrams_are_nothing_but_maybe_dtls(data: bytes) -> None:
    assert not is_stun(data)
    assert not is_rtp_or_rtcp(data)
    assert not is_rtcp(data)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(191, False), (192, True), (200, True), (206, True), (223, True), (224, False), (96, False)],
)
def test_rtcp_by_packet_type(second: int, expected: bool) -> None:
    assert is_rtcp(bytes([0x80, second])) is expected
