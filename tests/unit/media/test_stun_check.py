"""Connectivity checks as bytes, with `aioice.stun` as the oracle."""

from __future__ import annotations

import hmac

import pytest
from aioice import stun

from media.errors import RemoteProtocolError
from media.ice import Address
from media.stun_check import (
    Signer,
    binding_request,
    binding_response,
    parse_binding_request_untrusted,
    stun_answer_untrusted,
    stun_local_ufrag_untrusted,
)
from tests.unit.media.test_ice import PWD, REMOTE, UFRAG, check


@pytest.mark.parametrize(
    ("address", "mapped"),
    [
        (("203.0.113.9", 65535), ("203.0.113.9", 65535)),
        (("2001:db8::5", 4000, 0, 0), ("2001:db8::5", 4000)),
        (("::ffff:192.0.2.33", 80, 0, 0), ("192.0.2.33", 80)),
        (("fe80::1%eth0", 9, 0, 3), ("fe80::1", 9)),
    ],
)
def test_response_equals_the_oracle(address: Address, mapped: tuple[str, int]) -> None:
    oracle = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=b"t" * 12)
    oracle.attributes["XOR-MAPPED-ADDRESS"] = mapped
    oracle.add_message_integrity(PWD.encode())
    assert binding_response(b"t" * 12, address, Signer(PWD)) == bytes(oracle)


def test_integrity_without_fingerprint_is_incomplete() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{UFRAG}:{REMOTE}"
    message.add_message_integrity(PWD.encode())
    data = bytes(message)[:-8]
    data = data[:2] + (len(data) - 20).to_bytes(2, "big") + data[4:]
    with pytest.raises(RemoteProtocolError, match="stun_incomplete"):
        parse_binding_request_untrusted(data)


def test_a_request_cut_at_every_length_is_dropped() -> None:
    whole = check()
    for length in range(len(whole)):
        with pytest.raises(RemoteProtocolError):
            parse_binding_request_untrusted(whole[:length])


def test_attributes_of_wrong_length_are_bad_stun() -> None:
    # PRIORITY with two bytes: aioice raises struct.error, not ValueError.
    body = b"\x00\x24\x00\x02\x00\x01\x00\x00"
    data = b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + body
    with pytest.raises(RemoteProtocolError, match="bad_stun"):
        parse_binding_request_untrusted(data)


def test_peeking_finds_the_ufrag_without_checking_anything() -> None:
    assert stun_local_ufrag_untrusted(check(pwd="wrong")) == UFRAG
    assert stun_local_ufrag_untrusted(check(username=None)) is None
    assert stun_local_ufrag_untrusted(check(username="nocolon")) is None
    assert stun_local_ufrag_untrusted(check(username="ü:x")) is None
    assert stun_local_ufrag_untrusted(b"") is None
    whole = check()
    for length in range(len(whole)):
        assert stun_local_ufrag_untrusted(whole[:length]) in (None, UFRAG)


@pytest.mark.parametrize("length", [0, 1, 22, 63, 64, 65, 256])
def test_signatures_equal_the_oracle(length: int) -> None:
    pwd = "p" * length
    signer = Signer(pwd)
    for data in (b"", b"x", bytes(100)):
        assert signer.sign(data) == hmac.digest(pwd.encode(), data, "sha1")


def with_attributes(*attributes: tuple[int, bytes], behind: bytes = b"") -> bytes:
    """A signed check with these attributes too, and others behind MESSAGE-INTEGRITY."""
    body = check(pwd=None)[20:-8]
    for kind, value in attributes:
        body += kind.to_bytes(2, "big") + len(value).to_bytes(2, "big")
        body += value + bytes(-len(value) % 4)
    head = check()[4:20]
    signed = b"\0\x01" + (len(body) + 24).to_bytes(2, "big") + head + body
    body += b"\0\x08\0\x14" + hmac.digest(PWD.encode(), signed, "sha1") + behind
    data = b"\0\x01" + (len(body) + 8).to_bytes(2, "big") + head + body
    crc = stun.message_fingerprint(data)
    return data + b"\x80\x28\0\x04" + crc.to_bytes(4, "big")


CHROMIUM = with_attributes((0xC057, bytes(4)), (0x0025, b""), (0xC070, b"odd"))
BEHIND = with_attributes(behind=b"\0\x25\0\0" + b"\0\x06\0\x04evil")


@pytest.mark.parametrize("data", [check(), check(use_candidate=True), CHROMIUM, BEHIND])
def test_requests_equal_the_oracle(data: bytes) -> None:
    oracle = stun.parse_message(data)
    request = parse_binding_request_untrusted(data)
    assert request is not None
    assert request.transaction_id == oracle.transaction_id
    assert f"{request.local_ufrag}:{request.remote_ufrag}" == oracle.attributes["USERNAME"]
    assert request.use_candidate == ("USE-CANDIDATE" in oracle.attributes)
    assert request.is_signed_by(Signer(PWD))
    assert oracle.check_message_integrity(PWD.encode())
    assert not request.is_signed_by(Signer(PWD + "x"))


def test_what_follows_the_signature_counts_for_nothing() -> None:
    request = parse_binding_request_untrusted(BEHIND)
    assert request is not None
    assert not request.use_candidate
    assert (request.local_ufrag, request.remote_ufrag) == (UFRAG, REMOTE)


def test_a_fingerprint_is_the_last_attribute() -> None:
    whole = check()
    more = whole[:2] + (len(whole) - 20 + 4).to_bytes(2, "big") + whole[4:] + b"\xc0\x57\0\0"
    with pytest.raises(RemoteProtocolError, match="bad_stun"):
        parse_binding_request_untrusted(more)


def test_a_name_that_is_no_text() -> None:
    broken = check().replace(UFRAG.encode(), b"\xff\xfe\xfd\xfc")[:-8]
    crc = stun.message_fingerprint(broken)
    with pytest.raises(RemoteProtocolError, match="bad_stun"):
        parse_binding_request_untrusted(broken + b"\x80\x28\0\x04" + crc.to_bytes(4, "big"))


def test_our_question_equals_the_oracle() -> None:
    oracle = stun.parse_message(binding_request(b"q" * 12, "you:me", PWD, 7))
    assert oracle.check_message_integrity(PWD.encode())
    assert oracle.attributes["USERNAME"] == "you:me"
    assert oracle.attributes["ICE-CONTROLLED"] == 7


def test_answers_are_known_by_their_number() -> None:
    for kind in (stun.Class.RESPONSE, stun.Class.ERROR):
        data = bytes(stun.Message(stun.Method.BINDING, kind, b"n" * 12))
        assert stun_answer_untrusted(data) == b"n" * 12
    assert stun_answer_untrusted(check()) is None
    assert stun_answer_untrusted(b"\x01\x01") is None
