"""From `Offer` and our decisions to the text of an answer (RFC 3264 §6, RFC 8829 §5.3).

m-lines mirror the offer in number and order; whatever is not wanted gets port 0. All live
sections are one BUNDLE: transport attributes stand in each (some parsers look only there),
candidates once, in the first live section, whose transport is the one used (RFC 9143 §7.3).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from media.certificate import DtlsRole, Fingerprint
from media.codecs import Codec
from media.errors import LocalProtocolError
from media.sdp.candidates import candidate_values
from media.sdp.extensions import TRANSPORT_WIDE_CC, Extension
from media.sdp.offer import Direction, Offer, OfferSection

ANSWERED_FEEDBACK: Final = frozenset({"nack", "nack pli", "ccm fir", "goog-remb"})
"""rtcp-fb that is implemented, and `TWCC` towards publishers; others are left out."""
TWCC: Final = "transport-cc"
"""The rtcp-fb that goes with the extension `TRANSPORT_WIDE_CC`: answered only together."""

_SETUP: Final[dict[DtlsRole, str]] = {"client": "active", "server": "passive"}
_REJECTED_HOST: Final = "IN IP4 0.0.0.0"


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of the transport. `addresses` are (ip, port), the most preferred first."""

    ufrag: str
    pwd: str
    fingerprint: Fingerprint
    addresses: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class OutStream:
    """What we send in a section. Sections of the same `stream_id` are played in lip sync."""

    stream_id: str
    track_id: str
    cname: str
    ssrc: int
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerSection:
    """Our decision on one live m-line.

    `direction` is seen from us: `recvonly` to a publisher, `sendonly` to a viewer. `codecs` are
    the accepted ones, first preferred; a codec's `rtx_payload_type` is answered too, so set it
    to None where RTX is not wanted. `stream` is required exactly when we send.
    """

    direction: Direction
    codecs: tuple[Codec, ...]
    extensions: tuple[Extension, ...] = ()
    stream: OutStream | None = None
    rids: tuple[str, ...] = ()
    """Encodings of simulcast that we receive (RFC 8853 §5.3), in the order of the offer."""


def build_answer(
    offer: Offer,
    *,
    session_id: int,
    transport: LocalTransport,
    sections: Mapping[str, AnswerSection],
) -> str:
    """The answer's text, CRLF lines. `sections` is keyed by mid; a mid left out is rejected.

    `session_id` is the number of the `o=` line (any positive one below 2**63). Raises
    `LocalProtocolError` when nothing is accepted, or a decision is inconsistent.
    """
    live = [each for each in offer.media_sections if each.mid in sections]
    if not live or not transport.addresses:
        raise LocalProtocolError("an answer needs an accepted section and an address")
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(each.mid for each in live)}",
    ]
    if offer.extmap_allow_mixed:
        lines.append("a=extmap-allow-mixed")
    lines.append("a=msid-semantic: WMS *")
    for section in offer.sections:
        decision = None if section.is_rejected else sections.get(section.mid)
        if decision is None:
            lines += _rejected(section)
            continue
        lines += _accepted(section, decision, transport)
        lines += _transport(transport, offer.dtls_role)
        if section is live[0]:
            lines += [f"a=candidate:{each}" for each in candidate_values(transport.addresses)]
            lines.append("a=end-of-candidates")
    return "\r\n".join(lines) + "\r\n"


def _rejected(section: OfferSection) -> Iterator[str]:
    yield f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
    yield f"c={_REJECTED_HOST}"
    if section.mid:
        yield f"a=mid:{section.mid}"
    yield "a=inactive"


def _accepted(
    section: OfferSection, decision: AnswerSection, transport: LocalTransport
) -> Iterator[str]:
    sends = decision.direction in ("sendonly", "sendrecv")
    if not decision.codecs or sends != (decision.stream is not None):
        raise LocalProtocolError("an accepted section needs codecs, and a stream iff it sends")
    host, port = transport.addresses[0]
    family = f"IP{ipaddress.ip_address(host).version}"
    yield f"m={section.kind} {port} {section.protocol} {' '.join(_formats(decision.codecs))}"
    yield f"c=IN {family} {host}"
    yield f"a=mid:{section.mid}"
    yield f"a={decision.direction}"
    yield "a=rtcp-mux"
    if section.rtcp_rsize:
        yield "a=rtcp-rsize"
    for extension in decision.extensions:
        yield f"a=extmap:{extension.id} {extension.uri}"
    numbers = any(extension.uri == TRANSPORT_WIDE_CC for extension in decision.extensions)
    feedback = ANSWERED_FEEDBACK | {TWCC} if numbers else ANSWERED_FEEDBACK
    for codec in decision.codecs:
        yield from _codec(section.kind, codec, feedback)
    for rid in decision.rids:
        yield f"a=rid:{rid} recv"
    if decision.rids:
        yield f"a=simulcast:recv {';'.join(decision.rids)}"
    if decision.stream is not None:
        yield from _stream(decision.stream)


def _formats(codecs: Sequence[Codec]) -> Iterator[str]:
    for codec in codecs:
        yield str(codec.payload_type)
        if codec.rtx_payload_type is not None:
            yield str(codec.rtx_payload_type)


def _codec(kind: str, codec: Codec, answered: frozenset[str]) -> Iterator[str]:
    payload_type = codec.payload_type
    channels = f"/{codec.channels}" if kind == "audio" and codec.channels != 1 else ""
    yield f"a=rtpmap:{payload_type} {_spelling(codec.name)}/{codec.clock_rate}{channels}"
    for feedback in codec.feedback:
        if feedback in answered:
            yield f"a=rtcp-fb:{payload_type} {feedback}"
    if codec.fmtp:
        yield f"a=fmtp:{payload_type} {codec.fmtp}"
    if codec.rtx_payload_type is not None:
        yield f"a=rtpmap:{codec.rtx_payload_type} rtx/{codec.clock_rate}"
        yield f"a=fmtp:{codec.rtx_payload_type} apt={payload_type}"


def _spelling(name: str) -> str:
    """The registered spelling: names are case-insensitive, but not every parser knows."""
    return name.upper() if name in ("vp8", "vp9", "h264", "av1") else name


def _stream(stream: OutStream) -> Iterator[str]:
    yield f"a=msid:{stream.stream_id} {stream.track_id}"
    ssrcs = [stream.ssrc]
    if stream.rtx_ssrc is not None:
        ssrcs.append(stream.rtx_ssrc)
        yield f"a=ssrc-group:FID {stream.ssrc} {stream.rtx_ssrc}"
    for ssrc in ssrcs:
        yield f"a=ssrc:{ssrc} cname:{stream.cname}"
        yield f"a=ssrc:{ssrc} msid:{stream.stream_id} {stream.track_id}"


def _transport(transport: LocalTransport, role: DtlsRole) -> Iterator[str]:
    yield f"a=ice-ufrag:{transport.ufrag}"
    yield f"a=ice-pwd:{transport.pwd}"
    yield f"a=fingerprint:{transport.fingerprint.algorithm} {transport.fingerprint.value}"
    yield f"a=setup:{_SETUP[role]}"
