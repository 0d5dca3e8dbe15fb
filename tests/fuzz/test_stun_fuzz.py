"""Invariant: any bytes are answered as an authenticated check or dropped; nothing else raises,
nothing unauthenticated is answered, and memory stays bounded."""

import contextlib
import struct

from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import RemoteProtocolError
from media.ice import (
    MAX_VALID_ADDRESSES,
    IceCredentials,
    IceLite,
)
from media.stun_check import Signer, parse_binding_request_untrusted, stun_local_ufrag_untrusted

PWD = "server-password-0123456789"
REMOTE = IceCredentials("cliU", "client-password-0123456789")


def valid_request() -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=b"0" * 12)
    message.attributes.update({"USERNAME": "srvU:cliU", "PRIORITY": 1, "ICE-CONTROLLING": 2})
    message.add_message_integrity(PWD.encode())
    return bytes(message)


VALID = valid_request()
attributes = st.builds(
    lambda kind, length, value: kind.to_bytes(2, "big") + length.to_bytes(2, "big") + value,
    st.sampled_from([1, 6, 8, 9, 0x12, 0x20, 0x24, 0x25, 0x8028, 0x8029, 0x802A, 0xC057]),
    st.integers(0, 40),
    st.binary(max_size=40),
)
stun_shaped = st.builds(
    lambda kind, body: kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + VALID[4:20] + body,
    st.integers(0, 0x3FFF),
    st.lists(attributes, max_size=6).map(b"".join),
)
mutated = st.builds(
    lambda index, byte: VALID[:index] + bytes([byte]) + VALID[index + 1 :],
    st.integers(0, len(VALID) - 1),
    st.integers(0, 255),
)


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(st.binary(max_size=200), stun_shaped, mutated))
def test_any_datagram_is_answered_or_dropped(data: bytes) -> None:
    stun_local_ufrag_untrusted(data)
    with contextlib.suppress(RemoteProtocolError):
        parse_binding_request_untrusted(data)
    ice = IceLite("srvU", PWD, 0.0, remote=REMOTE)
    ice.handle_datagram(data, ("192.0.2.1", 1), 0.0)
    if data != VALID:
        assert ice.poll_transmit() is None
        assert ice.selected is None


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(mutated, stun_shaped, st.binary(max_size=40).map(lambda more: VALID + more)))
def test_requests_mean_what_the_oracle_reads(data: bytes) -> None:
    """What is taken for a request, the oracle takes for the same, or finds fault with an attribute
    that nobody reads."""
    try:
        request = parse_binding_request_untrusted(data)
    except RemoteProtocolError:
        request = None
    try:
        oracle = stun.parse_message(data)
    except (ValueError, struct.error):
        return
    attributes = oracle.attributes
    if request is not None:
        assert attributes["USERNAME"] == f"{request.local_ufrag}:{request.remote_ufrag}"
        assert request.use_candidate == ("USE-CANDIDATE" in attributes)
        assert request.transaction_id == oracle.transaction_id
        is_signed = request.is_signed_by(Signer(PWD))
        assert is_signed == oracle.check_message_integrity(PWD.encode())
    else:
        assert data != VALID


answers = st.builds(
    lambda head, number, tail: head + b"\0\0" + VALID[4:8] + number + tail,
    st.sampled_from([b"\x01\x01", b"\x01\x11"]),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=40),
)


@settings(max_examples=100, deadline=None)
@given(data=st.one_of(answers, stun_shaped), cuts=st.integers(0, 20))
def test_no_answer_but_the_right_one_moves_media(data: bytes, cuts: int) -> None:
    ice = IceLite("srvU", PWD, 0.0, remote=REMOTE)
    ice.handle_datagram(VALID, ("192.0.2.1", 1), 0.0)
    ice.handle_datagram(VALID, ("192.0.2.1", 2), 10.0)
    ice.handle_datagram(data[: len(data) - cuts], ("192.0.2.1", 2), 10.0)
    assert ice.selected == ("192.0.2.1", 1)


@settings(max_examples=50, deadline=None)
@given(ports=st.lists(st.integers(1, 65535), max_size=100))
def test_memory_is_bounded_however_a_peer_roams(ports: list[int]) -> None:
    ice = IceLite("srvU", PWD, 0.0, remote=REMOTE)
    for port in ports:
        ice.handle_datagram(VALID, ("192.0.2.1", port), 0.0)
    assert len(ice._valid) <= MAX_VALID_ADDRESSES
