"""The SDP offer of a test client: a few lines, as a browser would spell them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from media.certificate import Certificate
from media.rtp import ABS_SEND_TIME_URI, AUDIO_LEVEL_URI, MID_URI
from media.sdp.extensions import REPAIRED_STREAM_ID, STREAM_ID, TRANSPORT_WIDE_CC
from tests.support.dtls_pair import ANY_DAY

AUDIO_PT, VP8_PT, VP8_RTX_PT, H264_PT, H264_RTX_PT = 111, 96, 97, 102, 103
RED_PT = 63
MID_ID, AUDIO_LEVEL_ID, SEND_TIME_ID, TWCC_ID, RID_ID, REPAIRED_RID_ID = 1, 2, 3, 5, 6, 7

# A key costs milliseconds and says nothing about the plane: all clients show one certificate.
CLIENT_CERTIFICATE: Final = Certificate.generate(ANY_DAY)


@dataclass(slots=True, kw_only=True)
class OfferText:
    """What a client offers; `str` of it is the SDP. `ssrcs` maps mid to media and RTX SSRC."""

    direction: str
    audio: int = 1
    video: int = 1
    video_codecs: tuple[str, ...] = ("vp8",)
    red: bool = False
    """Offer RED (RFC 2198) beside Opus, as Chromium does."""
    opus_pt: int = AUDIO_PT
    audio_nack: bool = False
    """Offer to ask for lost sound again, as our SDK does; browsers do not by themselves."""
    rtx: bool = True
    pli: bool = True
    send_time: bool = True
    twcc: bool = False
    """Offer transport-wide numbers and their feedback, in each m-line."""
    announces: bool = True
    """Name SSRCs, as browsers do; FFmpeg does not."""
    setup: str = "actpass"
    ufrag: str = "clientUfrag"
    pwd: str = "clientPassword0123456789"
    ssrcs: dict[str, tuple[int, int]] = field(default_factory=dict)
    rids: tuple[str, ...] = ()
    """Offer simulcast of video with these encodings (RFC 8853)."""
    names_streams: bool = True
    """With `rids`: offer the header extensions that tell packets of one from those of another."""

    def __str__(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
        kinds = ["audio"] * self.audio + ["video"] * self.video
        lines.append("a=group:BUNDLE " + " ".join(str(mid) for mid in range(len(kinds))))
        for mid, kind in enumerate(kinds):
            lines += self._section(str(mid), kind)
        return "\r\n".join(lines) + "\r\n"

    def _section(self, mid: str, kind: str) -> Iterable[str]:
        formats = list(self._audio_formats() if kind == "audio" else self._video_formats())
        yield f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(formats)}"
        yield "c=IN IP4 0.0.0.0"
        yield "a=rtcp-mux"
        yield f"a=mid:{mid}"
        yield f"a={self.direction}"
        yield f"a=ice-ufrag:{self.ufrag}"
        yield f"a=ice-pwd:{self.pwd}"
        yield f"a=fingerprint:sha-256 {CLIENT_CERTIFICATE.fingerprint.value}"
        yield f"a=setup:{self.setup}"
        yield f"a=extmap:{MID_ID} {MID_URI}"
        if kind == "audio":
            yield f"a=extmap:{AUDIO_LEVEL_ID} {AUDIO_LEVEL_URI}"
            yield f"a=rtpmap:{self.opus_pt} opus/48000/2"
            if self.audio_nack:
                yield f"a=rtcp-fb:{self.opus_pt} nack"
            if self.twcc:
                yield f"a=rtcp-fb:{self.opus_pt} transport-cc"
            if self.red:
                yield f"a=rtpmap:{RED_PT} red/48000/2"
                yield f"a=fmtp:{RED_PT} {self.opus_pt}/{self.opus_pt}"
        else:
            yield from self._video_lines()
        if self.send_time:
            yield f"a=extmap:{SEND_TIME_ID} {ABS_SEND_TIME_URI}"
        if self.twcc:
            yield f"a=extmap:{TWCC_ID} {TRANSPORT_WIDE_CC}"
        media, rtx = self.ssrcs.get(mid, (0, 0))
        if media and kind == "video" and self.rtx:
            yield f"a=ssrc-group:FID {media} {rtx}"
            yield f"a=ssrc:{media} cname:x"
            yield f"a=ssrc:{rtx} cname:x"
        elif media:
            yield f"a=ssrc:{media} cname:x"

    def _audio_formats(self) -> Iterable[str]:
        yield str(self.opus_pt)
        if self.red:
            yield str(RED_PT)

    def _video_formats(self) -> Iterable[str]:
        for name in self.video_codecs:
            media, rtx = (VP8_PT, VP8_RTX_PT) if name == "vp8" else (H264_PT, H264_RTX_PT)
            yield str(media)
            if self.rtx:
                yield str(rtx)

    def _video_lines(self) -> Iterable[str]:
        for name in self.video_codecs:
            media, rtx = (VP8_PT, VP8_RTX_PT) if name == "vp8" else (H264_PT, H264_RTX_PT)
            yield f"a=rtpmap:{media} {name.upper()}/90000"
            yield f"a=rtcp-fb:{media} nack"
            yield f"a=rtcp-fb:{media} goog-remb"
            if self.twcc:
                yield f"a=rtcp-fb:{media} transport-cc"
            if self.pli:
                yield f"a=rtcp-fb:{media} nack pli"
            if name == "h264":
                yield f"a=fmtp:{media} packetization-mode=1;profile-level-id=42e01f"
            if self.rtx:
                yield f"a=rtpmap:{rtx} rtx/90000"
                yield f"a=fmtp:{rtx} apt={media}"
        if self.rids and self.names_streams:
            yield f"a=extmap:{RID_ID} {STREAM_ID}"
            yield f"a=extmap:{REPAIRED_RID_ID} {REPAIRED_STREAM_ID}"
        for rid in self.rids:
            yield f"a=rid:{rid} send"
        if self.rids:
            yield f"a=simulcast:send {';'.join(self.rids)}"
