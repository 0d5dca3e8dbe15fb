"""What we write is read by aiortc, by our server, and by ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription

from loadtest.rtc.errors import PeerError
from loadtest.rtc.local_sdp import (
    Direction,
    LocalMedia,
    LocalStream,
    LocalTransport,
    build_answer,
    build_offer,
)
from loadtest.rtc.negotiation import agreed_by_answer, agreed_by_offer
from loadtest.rtc.sdp import Kind, VideoCodec, parse_untrusted

VECTORS = Path(__file__).parents[3] / "vectors" / "sdp"
FINGERPRINT = ":".join(["AB"] * 32)
TRANSPORT = LocalTransport("user", "password" * 3, FINGERPRINT, ("192.0.2.1", 1234))
STREAMS: dict[Kind, LocalStream] = {"audio": LocalStream(1, None), "video": LocalStream(2, 3)}


def media(
    direction: Direction = "recvonly",
    *,
    kinds: Sequence[Kind] = ("audio", "video"),
    codecs: Sequence[VideoCodec] = ("VP8", "H264"),
    rids: Sequence[str] = (),
    feedback: bool = False,
) -> LocalMedia:
    return LocalMedia(direction, kinds, codecs, rids, feedback)


def test_a_viewers_offer() -> None:
    sdp = build_offer(media(feedback=True, kinds=("audio", "video", "video")), TRANSPORT, {})
    found = parse_untrusted(sdp, "offer")
    assert [each.mid for each in found.sections] == ["0", "1", "2"]
    assert found.candidates == [("192.0.2.1", 1234)]
    assert found.setup == "actpass"
    video = found.sections[1]
    assert video.direction == "recvonly"
    assert video.apt == {97: 96, 103: 102}
    assert video.feedback[96] == {"nack", "nack pli", "goog-remb"}
    assert video.ssrcs == []
    theirs = SessionDescription.parse(sdp)
    assert [each.kind for each in theirs.media] == ["audio", "video", "video"]
    assert theirs.media[1].dtls is not None
    assert theirs.media[1].dtls.fingerprints[0].value == FINGERPRINT


def test_without_feedback_it_asks_for_no_retransmissions_by_rtx() -> None:
    video = parse_untrusted(build_offer(media(), TRANSPORT, {})).sections[1]
    assert video.apt == {}
    assert "goog-remb" not in video.feedback[96]


def test_a_publishers_offer_announces_its_streams() -> None:
    sdp = build_offer(media("sendonly", codecs=("H264",)), TRANSPORT, STREAMS)
    audio, video = parse_untrusted(sdp).sections
    assert (audio.ssrcs, video.ssrcs, video.rtx_ssrcs) == ([1], [2, 3], {3: 2})
    assert video.formats == ("102", "103")
    assert "ccm fir" in video.feedback[102]
    assert video.direction == "sendonly"


def test_a_simulcast_offer_names_layers_instead_of_ssrcs() -> None:
    sdp = build_offer(media("sendonly", rids=("q", "h", "f")), TRANSPORT, STREAMS)
    _, video = parse_untrusted(sdp).sections
    assert video.rids == ["q", "h", "f"]
    assert "a=simulcast:send q;h;f\r\n" in sdp
    assert video.ssrcs == []
    assert {uri.rpartition(":")[2] for uri in video.extensions} >= {
        "mid",
        "rtp-stream-id",
        "repaired-rtp-stream-id",
    }


def test_an_answer_takes_what_we_know_and_turns_down_the_rest() -> None:
    offer = (VECTORS / "chromium_publish_h264.sdp").read_text()
    offer += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"
    theirs = parse_untrusted(offer, "offer")
    sdp = build_answer(theirs, media(feedback=True), TRANSPORT)
    ours = parse_untrusted(sdp)
    assert [each.mid for each in ours.sections] == [each.mid for each in theirs.sections]
    audio, video, data = ours.sections
    assert data.is_rejected
    assert audio.codecs == {111: "opus"}
    assert len(video.media_formats) == 1
    assert list(video.apt.values()) == video.media_formats
    assert (audio.direction, video.direction) == ("recvonly", "recvonly")
    assert ours.setup == "active"
    assert set(video.extensions.items()) <= set(theirs.sections[1].extensions.items())
    assert f"a=group:BUNDLE {audio.mid} {video.mid}\r\n" in sdp
    agreement = agreed_by_offer(media(feedback=True), theirs)
    assert agreement.chosen == {"audio": 111, "video": video.media_formats[0]}
    assert agreement.rtx == video.apt


def test_an_answer_prefers_h264_that_spans_packets() -> None:
    offer = (VECTORS / "chromium_publish.sdp").read_text()
    theirs = parse_untrusted(offer, "offer")
    video = parse_untrusted(build_answer(theirs, media(codecs=("H264",)), TRANSPORT)).sections[1]
    (pt,) = video.media_formats
    assert "packetization-mode=1" in video.fmtp[pt]


def test_an_offer_of_an_active_server_gets_a_passive_answer() -> None:
    offer = (VECTORS / "chromium_publish.sdp").read_text().replace("actpass", "active")
    sdp = build_answer(parse_untrusted(offer), media(), TRANSPORT)
    assert parse_untrusted(sdp).setup == "passive"


def test_an_offer_without_anything_for_us() -> None:
    offer = (VECTORS / "chromium_play.sdp").read_text()  # it receives, as we do
    with pytest.raises(PeerError, match="no audio or video that we can take"):
        agreed_by_offer(media(), parse_untrusted(offer, "offer"))


def answer_to(video: str, audio: str = "111") -> str:
    transport = "a=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:sha-256 AB\na=setup:passive\n"
    return (
        f"v=0\nm=audio 9 UDP/TLS/RTP/SAVPF {audio}\n{transport}a=mid:0\n"
        f"a=rtpmap:111 opus/48000/2\nm={video}{transport}a=mid:1\n"
    )


H264_ANSWER = """video 9 UDP/TLS/RTP/SAVPF 102 103
a=rtpmap:102 H264/90000
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtcp-rsize
a=rid:q recv
a=rid:h recv
a=simulcast:recv q;h
"""


def test_the_answer_decides_codec_layers_and_ids() -> None:
    wanted = media("sendonly", rids=("q", "h", "f"))
    agreement = agreed_by_answer(wanted, parse_untrusted(answer_to(H264_ANSWER)))
    assert agreement.chosen == {"audio": 111, "video": 102}
    assert agreement.formats[102].codec == "H264"
    assert agreement.rtx == {103: 102}
    assert agreement.rtx_of(102) == 103
    assert agreement.rids == ("q", "h")
    assert agreement.mids == {"audio": "0", "video": "1"}
    assert not agreement.rsize, "the audio section has none"


def test_a_section_that_was_turned_down_is_missing() -> None:
    answer = parse_untrusted(answer_to("video 0 UDP/TLS/RTP/SAVPF 96\n"))
    assert agreed_by_answer(media("sendonly"), answer).chosen == {"audio": 111}
    with pytest.raises(PeerError, match="takes none of the m-lines"):
        agreed_by_answer(
            media("sendonly", kinds=("video",)),
            parse_untrusted(
                answer_to("video 9 UDP/TLS/RTP/SAVPF 45\na=rtpmap:45 AV1/90000\n", audio="0")
            ),
        )
