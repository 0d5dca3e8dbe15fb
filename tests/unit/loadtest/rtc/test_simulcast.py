"""What a simulcast publisher is told by its peer, without a connection."""

from __future__ import annotations

import pytest
from aiortc.rtp import unpack_header_extensions

from loadtest.rtc.header_extension import ABS_SEND_TIME, MID, REPAIRED_RID, RID
from loadtest.rtc.light_peer import LightPeer, PeerError
from loadtest.rtc.sdp import parse_untrusted

TRANSPORT = (
    "a=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:sha-256 AB\na=setup:passive\n"
    "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\n"
)
VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 102 103
{TRANSPORT}a=mid:1
a=recvonly
a=rtpmap:102 H264/90000
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=extmap:4 {MID}
a=extmap:5 {RID}
a=extmap:6 {REPAIRED_RID}
a=rid:q recv
a=rid:f recv
a=simulcast:recv q;f
"""


async def test_layers_have_their_own_streams_and_extensions() -> None:
    peer = LightPeer("sendonly", video_codecs=("H264",), rids=("q", "h", "f"))
    try:
        offer = parse_untrusted(peer.offer("127.0.0.1"), "offer")
        assert offer.candidates[0][0] == "127.0.0.1"
        with pytest.raises(PeerError, match="takes no video"):
            peer.payload_type_of("video")
        peer.accept(f"v=0\nm=audio 0 UDP/TLS/RTP/SAVPF 111\na=mid:0\n{VIDEO}")
        assert (peer.rids, peer.video_codec) == (("q", "f"), "H264")
        assert peer.payload_type_of("video") == 102
        with pytest.raises(PeerError, match="takes no audio"):
            peer.payload_type_of("audio")
        numbers = [peer.ssrc_of("audio")]
        for rid in ("q", "h", "f"):
            numbers += [peer.ssrc_of("video", rid), peer.rtx_ssrc_of("video", rid)]
        assert len(set(numbers)) == 7
        block = peer.header_extension("video", "f", send_time_s=1.0)
        assert peer.extension_id(ABS_SEND_TIME) is None
        assert unpack_header_extensions(0xBEDE, block[4:]) == [(4, b"1"), (5, b"f")]
        assert unpack_header_extensions(0xBEDE, peer.header_extension("video")[4:]) == [(4, b"1")]
        assert peer.header_extension("audio") == b""
        sent = peer._sending.streams
        assert set(sent) == {peer.ssrc_of("video", "q"), peer.ssrc_of("video", "f")}
        repaired = sent[peer.ssrc_of("video", "f")].rtx_extension
        assert repaired is not None
        assert unpack_header_extensions(0xBEDE, repaired[4:]) == [(4, b"1"), (6, b"f")]
    finally:
        await peer.close()


async def test_a_server_without_simulcast_gets_one_stream() -> None:
    peer = LightPeer("sendonly", audio=0, video_codecs=("H264",), rids=("q", "f"))
    try:
        peer.offer()
        plain = "\n".join(
            line for line in VIDEO.splitlines() if "rid:" not in line and "simulcast" not in line
        )
        peer.accept(f"v=0\n{plain}\n")
        assert peer.rids == ()
        assert set(peer._sending.streams) == {peer.ssrc_of("video")}
    finally:
        await peer.close()


async def test_a_sending_peer_has_one_of_each_kind() -> None:
    with pytest.raises(ValueError, match="one audio and one video"):
        LightPeer("sendonly", video=2)
