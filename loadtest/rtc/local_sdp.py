"""Writing our offer, or our answer to a server that offers (RFC 8829 §5.2, §5.3; RFC 8853)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtest.rtc.header_extension import ABS_SEND_TIME, MID, OFFERED_IDS, REPAIRED_RID, RID
from loadtest.rtc.sdp import (
    FMTP,
    OFFERED_PT,
    RTPMAP,
    RTX_PT,
    Address,
    Description,
    Kind,
    Section,
    Setup,
    VideoCodec,
    packetization_mode,
)

Direction = Literal["sendonly", "recvonly"]
CANDIDATE_PRIORITY = 2_130_706_431
"""RFC 8445 §5.1.2.1 for the only host candidate: 126 << 24 | 65535 << 8 | 255."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of the transport, as it stands in each section."""

    ufrag: str
    pwd: str
    fingerprint: str
    candidate: Address


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """What we want of it."""

    direction: Direction
    kinds: Sequence[Kind]
    video_codecs: Sequence[VideoCodec]
    rids: Sequence[str]
    feedback: bool
    """As a receiver: ask for retransmissions by RTX, and send REMB."""

    def codecs(self, kind: Kind) -> Sequence[str]:
        return ("opus",) if kind == "audio" else self.video_codecs

    @property
    def has_rtx(self) -> bool:
        return self.feedback or self.direction == "sendonly"


@dataclass(frozen=True, slots=True)
class LocalStream:
    """What we announce to send in a section."""

    ssrc: int
    rtx_ssrc: int | None


def build_offer(
    media: LocalMedia, transport: LocalTransport, streams: dict[Kind, LocalStream]
) -> str:
    """`streams` is used when we send without simulcast (whose streams the rid tells apart)."""
    mids = [str(number) for number in range(len(media.kinds))]
    lines = _session(mids)
    for mid, kind in zip(mids, media.kinds, strict=True):
        lines += _offered(media, kind, mid, transport, streams.get(kind))
    return "\r\n".join(lines) + "\r\n"


def build_answer(offer: Description, media: LocalMedia, transport: LocalTransport) -> str:
    """Take opus and the first video codec that we know of each section the server sends on; turn
    down the rest (port 0). Same mids, same payload types, same extension ids."""
    taken = [accepted_format(each, media) for each in offer.sections]
    mids = [each.mid for each, pt in zip(offer.sections, taken, strict=True) if pt is not None]
    lines = _session(mids)
    setup: Setup = "passive" if offer.setup == "active" else "active"
    for section, pt in zip(offer.sections, taken, strict=True):
        if pt is None:
            lines += _turned_down(section)
        else:
            lines += _answered(section, pt, setup, media, transport)
    return "\r\n".join(lines) + "\r\n"


def accepted_format(section: Section, media: LocalMedia) -> int | None:
    """The payload type that our answer takes, or None."""
    if section.is_rejected or section.direction not in ("sendonly", "sendrecv"):
        return None
    names = {"audio": ("opus",), "video": tuple(media.video_codecs)}.get(section.kind, ())
    if section.kind not in media.kinds:
        return None
    known = [pt for pt in section.media_formats if section.codecs[pt] in names]
    # H.264 in mode 0 cuts no picture over packets; only the few that have nothing else use it.
    usable = [pt for pt in known if _is_usable(section, pt)]
    return next(iter(usable or known), None)


def _is_usable(section: Section, pt: int) -> bool:
    return section.codecs[pt] != "H264" or packetization_mode(section.fmtp.get(pt, "")) == "1"


def _session(mids: Sequence[str]) -> list[str]:
    return [
        "v=0",
        f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(mids)}",
    ]


def _transport(transport: LocalTransport, setup: Setup) -> Iterator[str]:
    address, port = transport.candidate
    yield f"a=ice-ufrag:{transport.ufrag}"
    yield f"a=ice-pwd:{transport.pwd}"
    yield f"a=fingerprint:sha-256 {transport.fingerprint}"
    yield f"a=setup:{setup}"
    yield f"a=candidate:1 1 udp {CANDIDATE_PRIORITY} {address} {port} typ host"
    yield "a=end-of-candidates"


def _offered(
    media: LocalMedia,
    kind: Kind,
    mid: str,
    transport: LocalTransport,
    stream: LocalStream | None,
) -> Iterator[str]:
    codecs = media.codecs(kind)
    has_rtx = kind == "video" and media.has_rtx
    formats = [OFFERED_PT[name] for name in codecs]
    formats += [RTX_PT[name] for name in codecs if has_rtx]
    yield f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, formats))}"
    yield "c=IN IP4 0.0.0.0"
    yield "a=rtcp:9 IN IP4 0.0.0.0"
    yield from _transport(transport, "actpass")
    yield f"a=mid:{mid}"
    is_simulcast = kind == "video" and bool(media.rids)
    for uri in (ABS_SEND_TIME, MID, *((RID, REPAIRED_RID) if is_simulcast else ())):
        yield f"a=extmap:{OFFERED_IDS[uri]} {uri}"
    yield f"a={media.direction}"
    yield "a=rtcp-mux"
    yield "a=rtcp-rsize"
    for name in codecs:
        yield from _offered_codec(media, kind, name)
    if is_simulcast:
        yield from (f"a=rid:{rid} send" for rid in media.rids)
        yield f"a=simulcast:send {';'.join(media.rids)}"
    if media.direction == "sendonly":
        yield f"a=msid:light light-{kind}"
        if stream is not None and not is_simulcast:
            yield from _announced(stream)


def _offered_codec(media: LocalMedia, kind: Kind, name: str) -> Iterator[str]:
    pt = OFFERED_PT[name]
    yield f"a=rtpmap:{pt} {RTPMAP[name]}"
    if name in FMTP:
        yield f"a=fmtp:{pt} {FMTP[name]}"
    if kind == "audio":
        return
    for feedback in _wanted_feedback(media):
        yield f"a=rtcp-fb:{pt} {feedback}"
    if media.has_rtx:
        yield f"a=rtpmap:{RTX_PT[name]} rtx/90000"
        yield f"a=fmtp:{RTX_PT[name]} apt={pt}"


def _wanted_feedback(media: LocalMedia) -> tuple[str, ...]:
    if media.direction == "sendonly":
        return ("nack", "nack pli", "ccm fir", "goog-remb")
    return ("nack", "nack pli", "goog-remb") if media.feedback else ("nack", "nack pli")


def _announced(stream: LocalStream) -> Iterator[str]:
    if stream.rtx_ssrc is not None:
        yield f"a=ssrc-group:FID {stream.ssrc} {stream.rtx_ssrc}"
    yield f"a=ssrc:{stream.ssrc} cname:light"
    if stream.rtx_ssrc is not None:
        yield f"a=ssrc:{stream.rtx_ssrc} cname:light"


def _turned_down(section: Section) -> Iterator[str]:
    yield f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
    yield "c=IN IP4 0.0.0.0"
    if section.mid:
        yield f"a=mid:{section.mid}"
    yield "a=inactive"


def _answered(
    section: Section, pt: int, setup: Setup, media: LocalMedia, transport: LocalTransport
) -> Iterator[str]:
    rtx = section.rtx_of(pt) if media.feedback else None
    formats = str(pt) if rtx is None else f"{pt} {rtx}"
    yield f"m={section.kind} 9 {section.protocol} {formats}"
    yield "c=IN IP4 0.0.0.0"
    yield from _transport(transport, setup)
    yield f"a=mid:{section.mid}"
    for uri in (ABS_SEND_TIME, MID):
        if uri in section.extensions:
            yield f"a=extmap:{section.extensions[uri]} {uri}"
    yield "a=recvonly"
    yield "a=rtcp-mux"
    if section.rsize:
        yield "a=rtcp-rsize"
    yield f"a=rtpmap:{pt} {section.rtpmap[pt]}"
    if pt in section.fmtp:
        yield f"a=fmtp:{pt} {section.fmtp[pt]}"
    for feedback in _wanted_feedback(media) if section.kind == "video" else ():
        if feedback in section.feedback.get(pt, ()):
            yield f"a=rtcp-fb:{pt} {feedback}"
    if rtx is not None:
        yield f"a=rtpmap:{rtx} {section.rtpmap[rtx]}"
        yield f"a=fmtp:{rtx} {section.fmtp[rtx]}"
