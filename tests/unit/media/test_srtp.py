"""SRTP for every profile: round trips, the in-place call, replay, forgery."""

import struct

import pytest
from pylibsrtp import Policy, Session

from media.srtp import (
    AEAD_AES_128_GCM,
    PROFILES,
    OutBuffer,
    SrtpProfile,
    SrtpReceiver,
    SrtpSender,
    supported_profiles,
)

KEY = bytes(range(64))
every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda each: each.name)


def rtp(seq: int, payload: bytes = b"payload", ssrc: int = 0x01020304) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, 1000 + seq, ssrc) + payload


def rtcp_report(ssrc: int = 0x01020304) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


def key(profile: SrtpProfile) -> bytes:
    return KEY[: profile.master_bytes]


def pair(profile: SrtpProfile) -> tuple[SrtpSender, SrtpReceiver]:
    return SrtpSender(profile, key(profile)), SrtpReceiver(profile, key(profile))


def oracle(profile: SrtpProfile) -> Session:
    policy = Policy(
        key=key(profile), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_id
    )
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return Session(policy)


def test_this_build_has_every_profile() -> None:
    assert supported_profiles() == PROFILES
    assert PROFILES[0] is AEAD_AES_128_GCM


@every_profile
def test_rtp_round_trip(profile: SrtpProfile) -> None:
    sender, receiver = pair(profile)
    for seq in (0, 1, 32767, 32768, 65534, 65535, 65536):
        protected = sender.protect_rtp(rtp(seq))
        assert len(protected) == len(rtp(seq)) + profile.tag_bytes
        assert receiver.unprotect_rtp(protected) == rtp(seq)
    assert (receiver.auth_failed, receiver.replayed, sender.refused) == (0, 0, 0)


@every_profile
def test_rtcp_round_trip(profile: SrtpProfile) -> None:
    sender, receiver = pair(profile)
    first, second = sender.protect_rtcp(rtcp_report()), sender.protect_rtcp(rtcp_report())
    assert len(first) == len(rtcp_report()) + profile.rtcp_trailer_bytes
    assert first != second, "SRTCP numbers its packets itself"
    assert receiver.unprotect_rtcp(first) == rtcp_report()
    assert receiver.unprotect_rtcp(second) == rtcp_report()


@every_profile
def test_protect_into_writes_what_session_protect_returns(profile: SrtpProfile) -> None:
    sender, session, buffer = SrtpSender(profile, key(profile)), oracle(profile), OutBuffer()
    payloads = [b"", b"x", bytes(1100), bytes(range(256)) * 4, bytes(997)]
    offset = 0
    expected = b""
    for seq, payload in enumerate(payloads, start=65533):
        packet = rtp(seq, payload)
        buffer.view[offset : offset + len(packet)] = packet
        length = sender.protect_into(buffer, offset, len(packet))
        assert length == len(packet) + sender.tag_bytes
        expected += session.protect(packet)
        offset += length
    assert bytes(buffer.view[:offset]) == expected, "a run lies contiguous, untouched by neighbours"


def test_protect_into_works_up_to_the_end_of_the_buffer() -> None:
    sender, buffer = SrtpSender(AEAD_AES_128_GCM, key(AEAD_AES_128_GCM)), OutBuffer()
    packet = rtp(7, bytes(100))
    offset = buffer.capacity - len(packet) - sender.tag_bytes
    buffer.view[offset : offset + len(packet)] = packet
    assert sender.protect_into(buffer, offset, len(packet)) == len(packet) + sender.tag_bytes


@every_profile
def test_a_resend_is_bit_identical(profile: SrtpProfile) -> None:
    sender = SrtpSender(profile, key(profile))
    first = sender.protect_rtp(rtp(1))
    sender.protect_rtp(rtp(2))
    assert sender.protect_rtp(rtp(1)) == first
    assert sender.refused == 0


def test_a_resend_older_than_the_window_is_refused() -> None:
    sender, buffer = SrtpSender(AEAD_AES_128_GCM, key(AEAD_AES_128_GCM)), OutBuffer()
    for seq in range(1, 1100):
        sender.protect_rtp(rtp(seq))
    assert sender.protect_rtp(rtp(1)) == b""
    buffer.view[: len(rtp(1))] = rtp(1)
    assert sender.protect_into(buffer, 0, len(rtp(1))) == 0
    assert sender.refused == 2


@every_profile
def test_a_replay_is_counted_and_dropped(profile: SrtpProfile) -> None:
    sender, receiver = pair(profile)
    protected = sender.protect_rtp(rtp(5))
    assert receiver.unprotect_rtp(protected) is not None
    assert receiver.unprotect_rtp(protected) is None
    assert (receiver.replayed, receiver.auth_failed) == (1, 0)


@every_profile
def test_reordered_packets_are_accepted(profile: SrtpProfile) -> None:
    sender, receiver = pair(profile)
    packets = [sender.protect_rtp(rtp(seq)) for seq in range(65500, 65600)]
    assert receiver.unprotect_rtp(packets[0]) is not None
    for packet in reversed(packets[1:]):
        assert receiver.unprotect_rtp(packet) is not None


@every_profile
def test_every_flipped_bit_fails_authentication(profile: SrtpProfile) -> None:
    sender, receiver = pair(profile)
    protected = sender.protect_rtp(rtp(5, b"abc"))
    # The version, the CSRC count and the X bit change how the rest is read; all must fail.
    for index in range(len(protected) * 8):
        forged = bytearray(protected)
        forged[index // 8] ^= 1 << (index % 8)
        assert receiver.unprotect_rtp(bytes(forged)) is None
    assert receiver.unprotect_rtp(protected) == rtp(5, b"abc"), "forgeries did not spoil the window"


@every_profile
def test_cut_packets_are_dropped(profile: SrtpProfile) -> None:
    sender, receiver = pair(profile)
    media, control = sender.protect_rtp(rtp(5)), sender.protect_rtcp(rtcp_report())
    for length in range(len(media)):
        assert receiver.unprotect_rtp(media[:length]) is None
    for length in range(len(control)):
        assert receiver.unprotect_rtcp(control[:length]) is None


def test_oversized_input_is_dropped_without_a_copy() -> None:
    sender, receiver = pair(AEAD_AES_128_GCM)
    assert receiver.unprotect_rtp(bytes(4000)) is None
    assert receiver.auth_failed == 1
    assert sender.protect_rtp(bytes(4000)) == b""
    assert sender.refused == 1


def test_keys_are_cut_as_rfc_5764_says() -> None:
    profile = AEAD_AES_128_GCM
    material = b"C" * 16 + b"S" * 16 + b"c" * 12 + b"s" * 12
    assert profile.split_keys(material) == (b"C" * 16 + b"c" * 12, b"S" * 16 + b"s" * 12)
