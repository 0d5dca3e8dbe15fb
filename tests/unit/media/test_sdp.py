"""SDP: real offers of three makes read right, every cut is an error, answers are accepted."""

from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription

from media.certificate import Fingerprint
from media.codecs import choose_play_codecs, choose_publish_codec
from media.errors import LocalProtocolError, OfferRefused, RemoteProtocolError
from media.sdp import (
    ABS_SEND_TIME,
    MID,
    STREAM_ID,
    AnswerSection,
    Extension,
    LocalTransport,
    Offer,
    OfferedSsrc,
    OfferSection,
    OutStream,
    TrickleFragment,
    build_answer,
    candidate_values,
    parse_offer_untrusted,
    parse_trickle_fragment_untrusted,
    publisher_extensions,
    viewer_extensions,
)
from media.sdp.extensions import TRANSPORT_WIDE_CC

VECTORS = Path(__file__).parents[2] / "vectors" / "sdp"
NAMES = sorted(path.stem for path in VECTORS.glob("*.sdp"))
POLICY = ("opus", "vp8", "h264", "vp9", "av1")
LOCAL = LocalTransport(
    ufrag="serverUfrag1",
    pwd="server-password-0123456789ABCDEF",
    fingerprint=Fingerprint("sha-256", ":".join(["AB"] * 32)),
    addresses=(("192.0.2.10", 7882), ("2001:db8::10", 7882)),
)


def vector(name: str) -> str:
    return (VECTORS / f"{name}.sdp").read_bytes().decode()


def answer_for(offer: Offer) -> str:
    """What the plane does: publishers get recvonly, viewers sendonly with streams."""
    sections = {}
    for section in offer.media_sections:
        if section.sends and not section.receives:
            codec = choose_publish_codec(section.codecs, POLICY)
            has_twcc = "transport-cc" in codec.feedback
            sections[section.mid] = AnswerSection(
                "recvonly", (codec,), publisher_extensions(section.extensions, has_twcc=has_twcc)
            )
        elif codecs := choose_play_codecs(section.codecs, POLICY):
            sections[section.mid] = AnswerSection(
                "sendonly",
                codecs,
                viewer_extensions(section.extensions),
                OutStream(
                    stream_id=f"slot{section.index % 4}",
                    track_id=f"track{section.index}",
                    cname="seat0",
                    ssrc=1000 + section.index,
                    rtx_ssrc=2000 + section.index if section.kind == "video" else None,
                ),
            )
    if not sections:
        raise OfferRefused("unsupported_codec")
    return build_answer(offer, session_id=42, transport=LOCAL, sections=sections)


def minimal(*, replace: dict[str, str] | None = None, drop: tuple[str, ...] = ()) -> str:
    lines = vector("ffmpeg_whip").split("\r\n")
    lines = [line for line in lines if not line.startswith(drop)] if drop else lines
    text = "\r\n".join(lines)
    for old, new in (replace or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    return text


# --- reading ---


@pytest.mark.parametrize("name", NAMES)
def test_every_real_offer_is_read(name: str) -> None:
    offer = parse_offer_untrusted(vector(name))
    assert offer.media_sections
    assert 4 <= len(offer.remote.ufrag) <= 256
    assert any(each.is_supported for each in offer.remote.fingerprints)
    for section in offer.media_sections:
        codecs = choose_play_codecs(section.codecs, POLICY)
        assert codecs, "every captured m-line has something we forward"
        assert section.sends is ("publish" in name or "whip" in name)


def test_chromiums_publish_offer() -> None:
    offer = parse_offer_untrusted(vector("chromium_publish"))
    audio, video = offer.sections
    assert (audio.kind, audio.mid, audio.direction) == ("audio", "0", "sendonly")
    assert (video.kind, video.mid, video.direction) == ("video", "1", "sendonly")
    assert offer.setup == "actpass"
    assert offer.dtls_role == "server"
    assert offer.extmap_allow_mixed
    assert len(offer.candidates) == 8
    assert not offer.end_of_candidates
    opus = choose_publish_codec(audio.codecs, ("opus",))
    assert opus.payload_type == 111
    assert opus.parameter("useinbandfec") == "1"
    vp8 = choose_publish_codec(video.codecs, ("vp8",))
    assert (vp8.payload_type, vp8.rtx_payload_type) == (96, 97)
    assert vp8.feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert choose_publish_codec(video.codecs, ("h264",)).payload_type == 108
    assert audio.ssrcs == (OfferedSsrc(1910366490, "UrI1giT4thXqeDgc", None),)
    (stream,) = video.ssrcs
    assert stream.rtx_ssrc is not None
    assert Extension(4, MID) in video.extensions
    assert video.rtcp_rsize
    assert len(video.msid.split()) == 2


def test_simulcast_is_read_though_not_yet_answered() -> None:
    offer = parse_offer_untrusted(vector("chromium_publish_simulcast"))
    assert offer.sections[1].rids == ("q", "h", "f")
    assert offer.sections[1].simulcast_send == ("q", "h", "f")
    assert any(each.uri == STREAM_ID for each in offer.sections[1].extensions)
    assert "simulcast" not in answer_for(offer)


def test_ffmpegs_whip_offer_makes_us_the_dtls_client() -> None:
    offer = parse_offer_untrusted(vector("ffmpeg_whip"))
    assert offer.setup == "passive"
    assert offer.dtls_role == "client"
    assert offer.candidates == ()
    codec = choose_publish_codec(offer.sections[1].codecs, ("vp8", "h264"))
    assert codec.parameter("profile-level-id") == "42000d"
    assert codec.rtx_payload_type == 105
    assert offer.sections[1].ssrcs == (OfferedSsrc(2475213995, "FFmpeg", 2475213996),)
    assert offer.sections[1].extensions == ()


def test_slots_of_one_offer() -> None:
    offer = parse_offer_untrusted(vector("chromium_play_slots"))
    assert [each.kind for each in offer.sections] == ["audio"] * 4 + ["video"] * 4
    assert [each.mid for each in offer.sections] == [str(index) for index in range(8)]
    assert all(each.receives and not each.sends for each in offer.sections)


@pytest.mark.parametrize(
    ("setup", "role"), [("actpass", "server"), ("active", "server"), ("passive", "client")]
)
def test_setup_decides_the_role(setup: str, role: str) -> None:
    offer = parse_offer_untrusted(minimal(replace={"setup:passive": f"setup:{setup}"}))
    assert offer.dtls_role == role


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_line_endings_do_not_matter(ending: str) -> None:
    assert len(parse_offer_untrusted(minimal().replace("\r\n", ending)).sections) == 2


def test_bundle_only_and_port_zero() -> None:
    rejected = minimal(replace={"m=video 9 ": "m=video 0 "})
    assert [each.is_rejected for each in parse_offer_untrusted(rejected).sections] == [False, True]
    bundled = rejected.replace("a=mid:1", "a=bundle-only\r\na=mid:1")
    assert [each.is_rejected for each in parse_offer_untrusted(bundled).sections] == [False, False]


def test_session_level_credentials_are_inherited() -> None:
    text = minimal(drop=("a=ice-", "a=fingerprint", "a=setup"))
    session = (
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:active\r\n"
        "a=fingerprint:SHA-256 aa:bb\r\n"
    )
    offer = parse_offer_untrusted(text.replace("m=audio", session + "m=audio"))
    assert offer.remote.ufrag == "abcd"
    assert offer.remote.fingerprints == (Fingerprint("sha-256", "AA:BB"),)


def test_blanks_in_fmtp_are_forgiven() -> None:
    text = minimal(replace={"1;packetization-mode=1;": "1; packetization-mode=1; "})
    codec = parse_offer_untrusted(text).sections[1].codecs[0]
    assert codec.parameter("packetization-mode") == "1"
    assert codec.parameter("profile-level-id") == "42000d"


# --- refusing ---


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 0", "not_bundled"),
        ("a=group:BUNDLE 0 1", "a=x", "not_bundled"),
        ("a=rtcp-mux\r\n", "", "not_bundled"),
        ("a=ice-ufrag:7071f08e", "a=ice-ufrag:abc", "bad_sdp"),
        ("a=ice-ufrag:7071f08e", "a=ice-ufrag:ab cd", "bad_sdp"),
        ("a=ice-ufrag:7071f08e", "a=x", "bad_sdp"),
        ("a=ice-pwd:fb66f20c0ff6a87880bda59769c07501", "a=ice-pwd:short", "bad_sdp"),
        ("a=ice-pwd:fb66f20c0ff6a87880bda59769c07501", "a=ice-pwd:" + "x" * 257, "bad_sdp"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "bad_sdp"),
        ("a=fingerprint:sha-256 59", "a=fingerprint:sha-256 zz", "bad_sdp"),
        ("a=setup:passive", "a=x", "bad_sdp"),
        ("a=mid:1", "a=mid:0", "bad_sdp"),
        ("a=mid:1", "a=x", "bad_sdp"),
        ("a=mid:1", "a=mid:a b", "bad_sdp"),
        ("a=mid:1", "a=mid:" + "m" * 17, "bad_sdp"),
    ],
)
def test_offers_that_break_a_rule_are_refused(old: str, new: str, code: str) -> None:
    with pytest.raises(OfferRefused) as refusal:
        parse_offer_untrusted(minimal(replace={old: new}))
    assert refusal.value.code == code


def test_an_offer_without_media_is_refused() -> None:
    text = vector("ffmpeg_whip").split("m=audio")[0]
    with pytest.raises(OfferRefused, match="bad_sdp"):
        parse_offer_untrusted(text)
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n"
    with pytest.raises(OfferRefused, match="bad_sdp"):
        parse_offer_untrusted(text + data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{}",
        "v=1\r\n",
        "v=0",
        "v=0\r\n" + "a=x\r\n" * 50_000,
        "v=0\r\na=" + "x" * 3000,
        "v=0\r\ns=a\x00b\r\n",
        "v=0\r\ns=a\u2028m=audio 9 RTP 0\r\n",
        "v=0\r\n" + "m=audio 9 RTP/SAVPF 0\r\n" * 33,
        "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF x\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=setup:holdconn\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=fmtp:5 x=1\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=candidate:1\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=fingerprint\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=extmap:x y\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=rtpmap:96\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\na=rtpmap:96 a/1\r\na=rtpmap:96 b/1\r\n",
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\n" + "a=rtcp-fb:* nack\r\n" * 17,
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\n" + "a=ssrc:1 cname:x\r\n" * 257,
        "v=0\r\nm=audio 9 RTP/SAVPF 0\r\n"
        + "".join(f"a=rtpmap:{number} x/1\r\n" for number in range(97)),
    ],
    ids=range(22),
)
def test_what_is_no_sdp_is_a_protocol_error(text: str) -> None:
    with pytest.raises((RemoteProtocolError, OfferRefused), match="bad_sdp"):
        parse_offer_untrusted(text)


@pytest.mark.parametrize("name", ["chromium_publish", "ffmpeg_whip", "aiortc_play"])
def test_offers_cut_at_each_line_are_read_or_refused(name: str) -> None:
    lines = vector(name).split("\r\n")
    for end in range(len(lines)):
        try:
            offer = parse_offer_untrusted("\r\n".join(lines[:end]))
        except (RemoteProtocolError, OfferRefused):
            continue
        assert offer.media_sections


@pytest.mark.parametrize("name", ["chromium_publish_simulcast", "ffmpeg_whip"])
def test_offers_without_any_one_line_are_read_or_refused(name: str) -> None:
    lines = vector(name).split("\r\n")
    for missing in range(len(lines)):
        try:
            offer = parse_offer_untrusted("\r\n".join(lines[:missing] + lines[missing + 1 :]))
        except (RemoteProtocolError, OfferRefused):
            continue
        assert offer.media_sections


# --- answering ---


@pytest.mark.parametrize("name", NAMES)
def test_answers_mirror_the_offer(name: str) -> None:
    offer = parse_offer_untrusted(vector(name))
    text = answer_for(offer)
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    answer = SessionDescription.parse(text)
    assert [each.kind for each in answer.media] == [each.kind for each in offer.sections]
    assert [each.rtp.muxId for each in answer.media] == [each.mid for each in offer.sections]
    for section, media in zip(offer.sections, answer.media, strict=True):
        if section.is_rejected:
            assert media.port == 0
            continue
        assert media.port == 7882
        assert media.rtcp_mux
        assert media.direction == ("recvonly" if section.sends else "sendonly")
        offered_ids = {(each.id, each.uri) for each in section.extensions}
        assert {(each.id, each.uri) for each in media.rtp.headerExtensions} <= offered_ids
        offered_types = {int(each) for each in section.formats}
        assert set(media.fmt) <= offered_types
        assert media.dtls is not None
        assert media.dtls.role == ("client" if offer.setup == "passive" else "server")
        assert media.ice is not None
        assert media.ice.iceLite
    assert answer.group[0].items == [each.mid for each in offer.media_sections]


@pytest.mark.parametrize("name", NAMES)
def test_only_publishers_are_answered_transport_wide_feedback(name: str) -> None:
    offer = parse_offer_untrusted(vector(name))
    text = answer_for(offer)
    numbers = TRANSPORT_WIDE_CC in text
    assert numbers == ("transport-cc\r\n" in text), "the extension and the feedback go together"
    assert numbers == name.startswith("chromium_publish")


def test_the_answers_lines() -> None:
    text = answer_for(parse_offer_untrusted(vector("chromium_play")))
    lines = text.split("\r\n")
    assert lines[:3] == ["v=0", "o=- 42 1 IN IP4 127.0.0.1", "s=-"]
    assert "a=ice-lite" in lines
    assert lines.count("a=candidate:1 1 udp 2130706431 192.0.2.10 7882 typ host") == 1
    assert lines.count("a=candidate:2 1 udp 2130706175 2001:db8::10 7882 typ host") == 1
    assert lines.count("a=end-of-candidates") == 1
    assert "a=rtpmap:96 VP8/90000" in lines
    assert "a=rtcp-fb:96 goog-remb" in lines
    assert "a=rtcp-fb:96 nack pli" in lines
    assert "a=fmtp:97 apt=96" in lines
    assert "a=rtpmap:111 opus/48000/2" in lines
    assert "a=fmtp:111 minptime=10;useinbandfec=1" in lines
    assert "a=ssrc-group:FID 1001 2001" in lines
    assert "a=ssrc:2001 cname:seat0" in lines
    assert "a=msid:slot1 track1" in lines
    assert any(line.startswith("a=extmap:") and line.endswith(ABS_SEND_TIME) for line in lines)
    assert "transport-cc" not in text, "not implemented, so not answered"
    assert "transport-wide" not in text
    assert "rtp-stream-id" not in text, "for publishers only"


def test_what_is_left_out_is_rejected_and_leaves_the_bundle() -> None:
    offer = parse_offer_untrusted(vector("chromium_play"))
    video: OfferSection = offer.sections[1]
    decision = AnswerSection("sendonly", video.codecs[:1], (), OutStream("s", "t", "c", 1))
    text = build_answer(offer, session_id=1, transport=LOCAL, sections={"1": decision})
    answer = SessionDescription.parse(text)
    assert answer.media[0].port == 0
    assert answer.group[0].items == ["1"]
    assert len(answer.media[1].ice_candidates) == 2, "candidates follow the first live section"


def test_inconsistent_decisions_are_our_mistake() -> None:
    offer = parse_offer_untrusted(vector("chromium_play"))
    codecs = offer.sections[0].codecs[:1]
    stream = OutStream("s", "t", "c", 1)
    for sections in (
        {},
        {"0": AnswerSection("sendonly", codecs)},
        {"0": AnswerSection("recvonly", codecs, stream=stream)},
        {"0": AnswerSection("sendonly", (), stream=stream)},
    ):
        with pytest.raises(LocalProtocolError):
            build_answer(offer, session_id=1, transport=LOCAL, sections=sections)


def test_candidates_are_ordered_by_preference() -> None:
    values = candidate_values((("203.0.113.5", 7882), ("192.0.2.1", 7882), ("2001:db8::1", 9)))
    priorities = [int(each.split()[3]) for each in values]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == 3


@pytest.mark.parametrize("direction", ["recvonly", "sendonly"])
async def test_aiortc_takes_our_answer(direction: str) -> None:
    connection = RTCPeerConnection()
    connection.addTransceiver("audio", direction=direction)
    connection.addTransceiver("video", direction=direction)
    await connection.setLocalDescription(await connection.createOffer())
    text = answer_for(parse_offer_untrusted(connection.localDescription.sdp))
    await connection.setRemoteDescription(RTCSessionDescription(sdp=text, type="answer"))
    assert connection.signalingState == "stable"
    await connection.close()


# --- fragments ---

FRAGMENT = (
    "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"
    "a=end-of-candidates\r\n"
)


def test_a_fragment_of_the_rfc() -> None:
    assert parse_trickle_fragment_untrusted(FRAGMENT) == TrickleFragment(
        "EsAw",
        "P2uYro0UCOQ4zxjKXaWCBui1",
        ("1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0",),
        True,
    )


def test_a_fragment_for_a_restart_has_credentials_only() -> None:
    text = "a=ice-ufrag:ysXw\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\n"
    assert parse_trickle_fragment_untrusted(text).candidates == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "a=ice-ufrag:EsAw\r\n",
        FRAGMENT.replace("EsAw", "E"),
        FRAGMENT.replace("a=mid:0", "a=ice-ufrag:Othr"),
        FRAGMENT + "\x00",
        FRAGMENT + "a=candidate:x\r\n" * 65,
        FRAGMENT + "a=" + "x" * 3000,
        FRAGMENT * 200,
    ],
    ids=range(9),
)
def test_other_fragments_are_protocol_errors(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="bad_sdp"):
        parse_trickle_fragment_untrusted(text)
