"""Reading a server's SDP (RFC 8866, RFC 8829): what a light peer needs of an offer or an answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from loadtest.rtc.errors import PeerError

Kind = Literal["audio", "video"]
VideoCodec = Literal["VP8", "H264"]
Setup = Literal["active", "passive", "actpass"]
Address = tuple[str, int]

AUDIO_PT: Final = 111
VIDEO_PT: Final = 96
H264_PT: Final = 102
OFFERED_PT: Final[dict[str, int]] = {"opus": AUDIO_PT, "VP8": VIDEO_PT, "H264": H264_PT}
RTX_PT: Final[dict[str, int]] = {"VP8": 97, "H264": 103}
RTPMAP: Final = {"opus": "opus/48000/2", "VP8": "VP8/90000", "H264": "H264/90000"}
FMTP: Final = {
    "opus": "minptime=10;useinbandfec=1",
    "H264": "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
}
CLOCK_RATE: Final[dict[str, int]] = {"audio": 48_000, "video": 90_000}
BELIEVED_HASHES: Final = ("sha-256", "sha-384", "sha-512")
MAX_CANDIDATES: Final = 8


@dataclass(slots=True)
class Section:
    """One m-line. `codecs` maps payload types to names ("opus", "VP8", "H264", "rtx" ...)."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    mid: str = ""
    direction: str = "sendrecv"
    rsize: bool = False
    codecs: dict[int, str] = field(default_factory=dict)
    rtpmap: dict[int, str] = field(default_factory=dict)
    fmtp: dict[int, str] = field(default_factory=dict)
    feedback: dict[int, set[str]] = field(default_factory=dict)
    extensions: dict[str, int] = field(default_factory=dict)
    """URI -> id."""
    ssrcs: list[int] = field(default_factory=list)
    rtx_ssrcs: dict[int, int] = field(default_factory=dict)
    """SSRC of the retransmissions -> SSRC of the media (ssrc-group FID, RFC 5576 §4.2)."""
    rids: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    """The transport attributes that stand in this section."""

    @property
    def is_rejected(self) -> bool:
        return self.port == 0

    @property
    def media_formats(self) -> list[int]:
        """Payload types of real codecs, in order of preference."""
        return [pt for pt in map(int, self.formats) if self.codecs.get(pt) in OFFERED_PT]

    def rtx_of(self, payload_type: int) -> int | None:
        """The RTX format whose `apt` is this one (RFC 4588 §8.1)."""
        for pt, name in self.codecs.items():
            if name == "rtx" and _parameter(self.fmtp.get(pt, ""), "apt") == str(payload_type):
                return pt
        return None

    @property
    def apt(self) -> dict[int, int]:
        """RTX payload type -> the one it repeats."""
        pairs = ((self.rtx_of(pt), pt) for pt in self.media_formats)
        return {rtx: pt for rtx, pt in pairs if rtx is not None}


@dataclass(slots=True)
class Description:
    """An offer or an answer of a server."""

    sections: list[Section]
    ufrag: str
    pwd: str
    fingerprint: tuple[str, bytes]
    """(SDP's name of the hash, digest)."""
    setup: Setup
    is_ice_lite: bool
    candidates: list[Address]
    """UDP over IPv4, the preferred first; at most `MAX_CANDIDATES`."""

    @property
    def live(self) -> list[Section]:
        return [each for each in self.sections if not each.is_rejected]


def parse_untrusted(sdp: str, what: str = "answer") -> Description:
    """`what` names it in messages. Raises `PeerError`."""
    session: dict[str, str] = {}
    sections: list[Section] = []
    candidates: dict[Address, int] = {}
    try:
        for name, value in _lines(sdp):
            if name == "m":
                sections.append(_m_line(value))
            elif name == "a=candidate":
                _take_candidate(candidates, value)
            elif not sections:
                _take_transport(session, name, value)
            else:
                _take_attribute(sections[-1], name, value)
    except (ValueError, IndexError) as error:
        raise PeerError(f"the {what} is no SDP that can be read: {error}") from error
    # All of a BUNDLE share the transport of its first m-line (RFC 9143 §7.3).
    transport = session | next((each.attributes for each in sections if not each.is_rejected), {})
    for each in ("a=ice-ufrag", "a=ice-pwd", "a=fingerprint"):
        if each not in transport:
            raise PeerError(f"the {what} has no {each[2:]}")
    return Description(
        sections=sections,
        ufrag=transport["a=ice-ufrag"],
        pwd=transport["a=ice-pwd"],
        fingerprint=_fingerprint(transport["a=fingerprint"], what),
        setup=_setup(transport.get("a=setup", "actpass")),
        is_ice_lite="a=ice-lite" in session,
        candidates=sorted(candidates, key=lambda one: -candidates[one])[:MAX_CANDIDATES],
    )


def _lines(sdp: str) -> Iterator[tuple[str, str]]:
    """("m", value) and ("a=name", value); other lines do not matter here."""
    for line in sdp.splitlines():
        if line.startswith("m="):
            yield "m", line[2:].strip()
        elif line.startswith("a="):
            name, _, value = line.strip().partition(":")
            yield name, value.strip()


def _m_line(value: str) -> Section:
    kind, port, protocol, *formats = value.split()
    return Section(kind, int(port.partition("/")[0]), protocol, tuple(formats))


def _take_attribute(section: Section, name: str, value: str) -> None:
    match name:
        case "a=mid":
            section.mid = value
        case "a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive":
            section.direction = name[2:]
        case "a=rtcp-rsize":
            section.rsize = True
        case "a=rtpmap":
            pt, encoding = value.split(None, 1)
            section.rtpmap[int(pt)] = encoding
            section.codecs[int(pt)] = _codec_name(encoding)
        case "a=fmtp":
            pt, parameters = value.split(None, 1)
            section.fmtp[int(pt)] = parameters
        case "a=rtcp-fb":
            pt, feedback = value.split(None, 1)
            for each in section.formats if pt == "*" else (pt,):
                section.feedback.setdefault(int(each), set()).add(feedback.lower())
        case "a=extmap":
            number, uri = value.split()[:2]
            section.extensions[uri] = int(number.partition("/")[0])
        case "a=ssrc":
            ssrc = int(value.split()[0])
            if ssrc not in section.ssrcs:
                section.ssrcs.append(ssrc)
        case "a=ssrc-group":
            semantics, *ssrcs = value.split()
            if semantics == "FID":
                section.rtx_ssrcs[int(ssrcs[1])] = int(ssrcs[0])
        case "a=rid":
            section.rids.append(value.split()[0])
        case "a=ice-ufrag" | "a=ice-pwd" | "a=fingerprint" | "a=setup":
            _take_transport(section.attributes, name, value)


def _take_transport(attributes: dict[str, str], name: str, value: str) -> None:
    """Of several fingerprints the first whose hash is believed counts (RFC 8122 §5)."""
    if name == "a=fingerprint" and _is_believed(attributes.get(name, "")):
        return
    attributes[name] = value


def _is_believed(fingerprint: str) -> bool:
    return fingerprint.partition(" ")[0].lower() in BELIEVED_HASHES


def _codec_name(encoding: str) -> str:
    """Our spelling of a known one: names are case-insensitive (RFC 8866 §6.6)."""
    name = encoding.partition("/")[0]
    known = {each.lower(): each for each in (*OFFERED_PT, "rtx")}
    return known.get(name.lower(), name)


def _take_candidate(candidates: dict[Address, int], value: str) -> None:
    """RFC 8839 §5.1: foundation component transport priority address port typ ..."""
    _, component, transport, priority, address, port, *_ = value.split()
    if transport.lower() != "udp" or component != "1":
        return
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return  # IPv6, or a name that hides an address (mDNS)
    candidates.setdefault((address, int(port)), int(priority))


def _fingerprint(value: str, what: str) -> tuple[str, bytes]:
    name, _, digits = value.partition(" ")
    try:
        return name.lower(), bytes.fromhex(digits.replace(":", ""))
    except ValueError as error:
        raise PeerError(f"the {what}'s fingerprint is no hex") from error


def _setup(value: str) -> Setup:
    return cast("Setup", value) if value in ("active", "passive") else "actpass"


def _parameter(fmtp: str, name: str) -> str | None:
    for each in fmtp.split(";"):
        key, _, value = each.strip().partition("=")
        if key.lower() == name:
            return value
    return None


def packetization_mode(fmtp: str) -> str:
    """RFC 6184 §8.1: 0 unless stated."""
    return _parameter(fmtp, "packetization-mode") or "0"
