"""Reading SDP of others: browsers' offers that the project keeps, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.rtc.errors import PeerError
from loadtest.rtc.sdp import parse_untrusted

VECTORS = Path(__file__).parents[3] / "vectors" / "sdp"
TRANSPORT = """a=ice-ufrag:user
a=ice-pwd:password
a=fingerprint:sha-256 AA:BB
a=setup:passive
"""
ANSWER = f"""v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=ice-lite
m=audio 9 UDP/TLS/RTP/SAVPF 111
{TRANSPORT}a=mid:0
a=rtpmap:111 OPUS/48000/2
a=candidate:1 1 UDP 100 192.0.2.1 1000 typ srflx raddr 0.0.0.0 rport 0
a=candidate:2 1 udp 200 192.0.2.2 2000 typ host
a=candidate:2 2 udp 200 192.0.2.2 2001 typ host
a=candidate:3 1 tcp 300 192.0.2.3 9 typ host tcptype passive
a=candidate:4 1 udp 300 2001:db8::1 3000 typ host
a=candidate:5 1 udp 300 1f4712db.local 3000 typ host
m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103
a=mid:1
a=rtcp-rsize
a=sendonly
a=rtpmap:96 vp8/90000
a=rtpmap:97 RTX/90000
a=fmtp:97 apt=96
a=rtpmap:102 H264/90000
a=fmtp:102 packetization-mode=1
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=rtcp-fb:96 NACK PLI
a=rtcp-fb:* goog-remb
a=extmap:3/sendonly urn:some
a=ssrc-group:FID 5 6
a=ssrc:5 cname:x
a=ssrc:5 msid:a b
a=ssrc:6 cname:x
m=application 0 UDP/DTLS/SCTP webrtc-datachannel
a=mid:2
"""


def test_all_that_is_needed_is_read() -> None:
    found = parse_untrusted(ANSWER)
    assert (found.ufrag, found.pwd, found.setup) == ("user", "password", "passive")
    assert found.fingerprint == ("sha-256", b"\xaa\xbb")
    assert found.is_ice_lite
    assert found.candidates == [("192.0.2.2", 2000), ("192.0.2.1", 1000)]
    audio, video, data = found.sections
    assert audio.codecs == {111: "opus"}
    assert video.codecs == {96: "VP8", 97: "rtx", 102: "H264", 103: "rtx"}
    assert video.media_formats == [96, 102]
    assert video.apt == {97: 96, 103: 102}
    assert (video.direction, video.rsize) == ("sendonly", True)
    assert video.feedback[96] == {"nack pli", "goog-remb"}
    assert video.feedback[102] == {"goog-remb"}
    assert video.extensions == {"urn:some": 3}
    assert (video.ssrcs, video.rtx_ssrcs) == ([5, 6], {6: 5})
    assert data.is_rejected
    assert found.live == [audio, video]


@pytest.mark.parametrize("weak_first", [True, False])
def test_of_several_fingerprints_one_that_is_believed_counts(weak_first: bool) -> None:
    strong, weak = "a=fingerprint:sha-256 AA:BB\n", "a=fingerprint:sha-1 CC\n"
    sdp = ANSWER.replace(strong, weak + strong if weak_first else strong + weak)
    assert parse_untrusted(sdp).fingerprint == ("sha-256", b"\xaa\xbb")


def test_the_transport_may_stand_before_the_sections() -> None:
    sdp = f"v=0\n{TRANSPORT}m=audio 9 UDP/TLS/RTP/SAVPF 111\n"
    assert parse_untrusted(sdp).ufrag == "user"


@pytest.mark.parametrize("name", ["chromium_publish_simulcast", "chromium_play", "aiortc_publish"])
def test_offers_of_others_are_read(name: str) -> None:
    found = parse_untrusted((VECTORS / f"{name}.sdp").read_text(), "offer")
    assert found.setup == "actpass"
    assert [each.kind for each in found.live[:2]] == ["audio", "video"]
    assert all(each.media_formats for each in found.live[:2])


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        ("", "the answer has no ice-ufrag"),
        ("<html>not found</html>", "the answer has no ice-ufrag"),
        (ANSWER.replace("a=ice-pwd:password\n", ""), "the answer has no ice-pwd"),
        (ANSWER.replace("AA:BB", "XX"), "fingerprint is no hex"),
        (ANSWER.replace("m=audio 9", "m=audio nine"), "cannot|no SDP that can be read"),
        (ANSWER.replace("a=rtpmap:111 OPUS/48000/2", "a=rtpmap:111"), "no SDP that can be read"),
        (ANSWER.replace("a=ssrc-group:FID 5 6", "a=ssrc-group:FID"), "no SDP that can be read"),
        (ANSWER.replace("a=ssrc:5 cname", "a=ssrc: cname"), "no SDP that can be read"),
    ],
)
def test_what_is_wrong_is_said(sdp: str, words: str) -> None:
    with pytest.raises(PeerError, match=words):
        parse_untrusted(sdp)


@given(st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER)), st.text(max_size=5))
def test_damaged_ones_are_refused_or_read(begin: int, end: int, middle: str) -> None:
    damaged = ANSWER[: min(begin, end)] + middle + ANSWER[max(begin, end) :]
    try:
        found = parse_untrusted(damaged)
    except PeerError:
        return
    # Whoever uses it may ask each section for its formats.
    assert len(found.candidates) <= 8
    assert all(len(each.media_formats) <= len(each.formats) for each in found.live)
