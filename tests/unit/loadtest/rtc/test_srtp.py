"""Keys and contexts of both profiles."""

from __future__ import annotations

import pytest

from loadtest.rtc.srtp import CM_SHA1, GCM, SrtpContext, SrtpKeys, SrtpProfile

RTP = b"\x80\x60\x00\x01\x00\x00\x00\x02\x00\x00\x00\x07payload"
RTCP = b"\x81\xc9\x00\x01\x00\x00\x00\x07"


def pair(profile: SrtpProfile) -> tuple[SrtpContext, SrtpContext]:
    ours, theirs = profile.split(bytes(range(profile.material_bytes)))
    return (
        SrtpContext(SrtpKeys(profile, ours, theirs)),
        SrtpContext(SrtpKeys(profile, theirs, ours)),
    )


def test_exported_material_holds_both_keys_and_then_both_salts() -> None:
    # RFC 5764 §4.2: client key, server key, client salt, server salt.
    material = b"C" * 16 + b"S" * 16 + b"c" * 14 + b"s" * 14
    assert CM_SHA1.material_bytes == len(material)
    assert CM_SHA1.split(material) == (b"C" * 16 + b"c" * 14, b"S" * 16 + b"s" * 14)
    # RFC 7714 §12: a salt of 12 bytes.
    material = b"C" * 16 + b"S" * 16 + b"c" * 12 + b"s" * 12
    assert GCM.material_bytes == len(material)
    assert GCM.split(material) == (b"C" * 16 + b"c" * 12, b"S" * 16 + b"s" * 12)


@pytest.mark.parametrize(("profile", "tag_bytes"), [(GCM, 16), (CM_SHA1, 10)])
def test_what_one_protects_the_other_opens(profile: SrtpProfile, tag_bytes: int) -> None:
    ours, theirs = pair(profile)
    protected = ours.protect(RTP)
    assert len(protected) == len(RTP) + tag_bytes
    assert theirs.open_untrusted(protected) == RTP
    assert theirs.open_rtcp_untrusted(ours.protect_rtcp(RTCP)) == RTCP
    assert theirs.unopened == 0


@pytest.mark.parametrize("profile", [GCM, CM_SHA1])
def test_what_is_forged_is_counted_and_what_is_doubled_is_not(profile: SrtpProfile) -> None:
    ours, theirs = pair(profile)
    protected = ours.protect(RTP)
    assert theirs.open_untrusted(protected[:-1] + bytes([protected[-1] ^ 1])) is None
    assert theirs.open_untrusted(b"\x80") is None
    assert theirs.open_untrusted(bytes(3000)) is None
    assert theirs.open_rtcp_untrusted(protected) is None
    assert theirs.unopened == 4
    assert theirs.open_untrusted(protected) == RTP
    assert theirs.open_untrusted(protected) is None
    assert theirs.unopened == 4


def test_the_same_packet_may_be_protected_again() -> None:
    ours, _ = pair(GCM)
    assert ours.protect(RTP) == ours.protect(RTP)
