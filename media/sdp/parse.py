"""From the text of an offer to `Offer`.

aiortc's parser reads the lines; it raises whatever comes (AssertionError, KeyError,
StopIteration, ValueError ...) and drops some attributes that we need. So the text is bounded
first (its work grows with the product of some line counts), its exceptions become one, and what
it drops is read here: rid, simulcast, extmap direction, bundle-only, rtcp-rsize,
extmap-allow-mixed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import MediaDescription, SessionDescription

from media.certificate import Fingerprint
from media.codecs import Codec
from media.errors import OfferRefused, RemoteProtocolError
from media.sdp.extensions import Extension
from media.sdp.offer import Direction, Offer, OfferedSsrc, OfferSection, Setup
from media.transport import RemoteTransport

MAX_SDP_CHARS: Final = 131_072  # Chromium 156 with four video and four audio slots: 24 kB
MAX_LINE_CHARS: Final = 2_048
MAX_SECTIONS: Final = 32
MAX_SAME_ATTRIBUTE: Final = 256  # per section; Chromium's video has about 60 rtcp-fb lines
MAX_FORMATS: Final = 96  # per section; as many dynamic payload types as there are in use
MAX_FEEDBACK_WILDCARDS: Final = 16  # each costs a value per format
MAX_MID_CHARS: Final = 16  # what a one-byte header extension carries (RFC 9143 §15.1)
MAX_CANDIDATES: Final = 64

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")  # RFC 8866 §9, token
_ICE_CHARS: Final = re.compile(r"[A-Za-z0-9+/=_-]+")  # `_` and `-` are not ice-char, yet in use
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})+")
_DIRECTIONS: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_SETUPS: Final[dict[str, Setup]] = {"auto": "actpass", "client": "active", "server": "passive"}


def parse_offer_untrusted(text: str) -> Offer:
    """Parse and check an offer.

    Raises `RemoteProtocolError("bad_sdp")` when the text is no SDP, `OfferRefused` with
    `bad_sdp` (no ICE credentials, no usable fingerprint, no media, doubled mid) or
    `not_bundled` (several transports, or RTCP on a port of its own).
    """
    lines = _bounded_lines(text)
    groups = list(_section_lines(lines))
    try:
        session = SessionDescription.parse("\r\n".join(lines))
    except Exception as error:
        # Not narrowed: aiortc asserts, indexes and casts on peer bytes without a common type.
        raise RemoteProtocolError("bad_sdp", f"{type(error).__name__}: {error}") from error
    sections = tuple(
        _section(index, media, group)
        for index, (media, group) in enumerate(zip(session.media, groups, strict=True))
    )
    first = next((index for index, each in enumerate(sections) if not each.is_rejected), None)
    if first is None:
        raise OfferRefused("bad_sdp", "The offer has no audio or video m-line.")
    _check_mids(sections)
    _check_bundle(session, sections)
    media = session.media[first]
    _check_mux(session, sections)
    candidates = tuple(
        line[len("a=candidate:") :]
        for group in groups
        for line in group
        if line.startswith("a=candidate:")
    )
    return Offer(
        remote=_remote_transport(media),
        setup=_setup(media),
        sections=sections,
        candidates=candidates[:MAX_CANDIDATES],
        end_of_candidates=any("a=end-of-candidates" in group for group in groups),
        extmap_allow_mixed="a=extmap-allow-mixed" in lines,
    )


# --- bounds -------------------------------------------------------------------------------------


def _bounded_lines(text: str) -> list[str]:
    if len(text) > MAX_SDP_CHARS:
        raise RemoteProtocolError("bad_sdp", "too long")
    # Only CR and LF end a line here; str.splitlines would also cut at U+2028 and friends.
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line]
    if not lines or lines[0].rstrip() != "v=0":
        raise RemoteProtocolError("bad_sdp", "does not begin with v=0")
    if any(len(line) > MAX_LINE_CHARS or not line.isprintable() for line in lines):
        raise RemoteProtocolError("bad_sdp", "a line is too long or has control characters")
    if sum(line.startswith("m=") for line in lines) > MAX_SECTIONS:
        raise RemoteProtocolError("bad_sdp", "too many m-lines")
    return lines


def _section_lines(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines of each m-section, bounded per attribute name."""
    group: list[str] | None = None
    for line in lines:
        if line.startswith("m="):
            if group is not None:
                yield _bounded_section(group)
            group = []
        if group is not None:
            group.append(line)
    if group is not None:
        yield _bounded_section(group)


def _bounded_section(group: list[str]) -> list[str]:
    counts = Counter(line.partition(":")[0] for line in group)
    formats = Counter(line.partition(" ")[0] for line in group if line.startswith("a=rtpmap:"))
    wildcards = sum(line.startswith("a=rtcp-fb:*") for line in group)
    if (
        counts.most_common(1)[0][1] > MAX_SAME_ATTRIBUTE
        or len(formats) > MAX_FORMATS
        or wildcards > MAX_FEEDBACK_WILDCARDS
    ):
        raise RemoteProtocolError("bad_sdp", "too many lines of one attribute")
    if any(count > 1 for count in formats.values()):
        raise RemoteProtocolError("bad_sdp", "a payload type is mapped twice")
    return group


# --- sections -----------------------------------------------------------------------------------


def _section(index: int, media: MediaDescription, group: list[str]) -> OfferSection:
    bundle_only = "a=bundle-only" in group
    is_media = media.kind in ("audio", "video") and "RTP" in media.profile
    is_rejected = not is_media or (media.port == 0 and not bundle_only)
    mid = media.rtp.muxId or ""
    if not is_rejected or mid:
        _check_mid(mid)
    section = OfferSection(
        index=index,
        kind=media.kind,
        mid=mid,
        direction=_DIRECTIONS[media.direction or "sendrecv"],
        protocol=media.profile,
        formats=tuple(str(each) for each in media.fmt),
        is_rejected=is_rejected,
    )
    if is_rejected:
        return section
    return replace(
        section,
        codecs=_codecs(media),
        extensions=tuple(_extensions(group)),
        ssrcs=_ssrcs(media),
        rids=tuple(_rids(group)),
        simulcast_send=_simulcast_send(group),
        msid=media.msid or "",
        rtcp_rsize="a=rtcp-rsize" in group,
    )


def _check_mid(mid: str) -> None:
    if len(mid) > MAX_MID_CHARS or not _TOKEN.fullmatch(mid):
        raise OfferRefused("bad_sdp", "Every m-line needs a mid of 1 to 16 token characters.")


def _codecs(media: MediaDescription) -> tuple[Codec, ...]:
    """Known formats in the m-line's order; RTX is folded in by its `apt`."""
    by_type: dict[int, RTCRtpCodecParameters] = {}
    rtx_of: dict[int, int] = {}
    for codec in media.rtp.codecs:
        payload_type = codec.payloadType
        if payload_type is None or not 0 <= payload_type < 128:
            continue
        by_type[payload_type] = codec
        if codec.name.lower() == "rtx":
            apt = codec.parameters.get("apt")
            if isinstance(apt, int):
                rtx_of.setdefault(apt, payload_type)
    return tuple(
        _codec(payload_type, by_type[payload_type], rtx_of.get(payload_type))
        for payload_type in dict.fromkeys(media.fmt)
        if payload_type in by_type and by_type[payload_type].name.lower() != "rtx"
    )


def _codec(payload_type: int, parsed: RTCRtpCodecParameters, rtx: int | None) -> Codec:
    return Codec(
        name=parsed.name.lower(),
        payload_type=payload_type,
        clock_rate=parsed.clockRate,
        channels=parsed.channels or 1,
        parameters=tuple(
            (key.strip(), "" if value is None else str(value).strip())
            for key, value in parsed.parameters.items()
            if key.strip()
        ),
        feedback=tuple(
            dict.fromkeys(
                f"{each.type} {each.parameter}" if each.parameter else each.type
                for each in parsed.rtcpFeedback
            )
        ),
        rtx_payload_type=rtx,
    )


def _extensions(group: Sequence[str]) -> Iterator[Extension]:
    seen: set[int] = set()
    for line in group:
        if not line.startswith("a=extmap:"):
            continue
        # aiortc accepted "id[/direction] uri", both parts without blanks.
        id_text, uri = line[len("a=extmap:") :].split()
        number, _, direction = id_text.partition("/")
        extension_id = int(number)
        if 1 <= extension_id <= 255 and extension_id not in seen:
            seen.add(extension_id)
            yield Extension(extension_id, uri, direction)


def _ssrcs(media: MediaDescription) -> tuple[OfferedSsrc, ...]:
    rtx_of: dict[int, int] = {}
    for group in media.ssrc_group:
        if group.semantic == "FID" and len(group.items) == 2:
            primary, rtx = (int(item) for item in group.items)
            rtx_of[primary] = rtx
    repairs = set(rtx_of.values())
    return tuple(
        OfferedSsrc(each.ssrc, each.cname or "", rtx_of.get(each.ssrc))
        for each in media.ssrc
        if each.ssrc not in repairs and 0 <= each.ssrc <= 0xFFFFFFFF
    )


def _rids(group: Sequence[str]) -> Iterator[str]:
    for line in group:
        if line.startswith("a=rid:"):
            parts = line[len("a=rid:") :].split()
            if len(parts) >= 2 and parts[1] == "send":
                yield parts[0]


def _simulcast_send(group: Sequence[str]) -> tuple[str, ...]:
    """The first alternative of each encoding in `a=simulcast:send a,b;~c` (RFC 8853 §5.1)."""
    for line in group:
        if line.startswith("a=simulcast:"):
            parts = line[len("a=simulcast:") :].split()
            if "send" in parts[:-1]:
                encodings = parts[parts.index("send") + 1].split(";")
                return tuple(each.split(",")[0].lstrip("~") for each in encodings)
    return ()


# --- transport ----------------------------------------------------------------------------------


def _check_mids(sections: Sequence[OfferSection]) -> None:
    mids = [section.mid for section in sections if section.mid]
    if len(set(mids)) != len(mids):
        raise OfferRefused("bad_sdp", "Two m-lines have the same mid.")


def _check_bundle(session: SessionDescription, sections: Sequence[OfferSection]) -> None:
    live = [section.mid for section in sections if not section.is_rejected]
    bundles = [set(map(str, each.items)) for each in session.group if each.semantic == "BUNDLE"]
    if len(live) > 1 and not any(set(live) <= bundle for bundle in bundles):
        raise OfferRefused("not_bundled")


def _check_mux(session: SessionDescription, sections: Sequence[OfferSection]) -> None:
    for media, section in zip(session.media, sections, strict=True):
        if not section.is_rejected and not media.rtcp_mux:
            raise OfferRefused("not_bundled", "Every m-line needs a=rtcp-mux (RFC 5761).")


def _remote_transport(media: MediaDescription) -> RemoteTransport:
    ice = media.ice
    ufrag, pwd = check_ice_credentials(
        ice.usernameFragment if ice else None, ice.password if ice else None
    )
    if media.dtls is None:
        raise OfferRefused("bad_sdp", "The offer has no a=setup (RFC 5763).")
    fingerprints = tuple(
        Fingerprint(each.algorithm.lower(), each.value.upper()) for each in media.dtls.fingerprints
    )
    usable = [each for each in fingerprints if each.is_supported]
    if not usable or not all(_FINGERPRINT.fullmatch(each.value) for each in usable):
        raise OfferRefused("bad_sdp", "The offer has no fingerprint of SHA-256 or stronger.")
    return RemoteTransport(ufrag, pwd, fingerprints)


def check_ice_credentials(ufrag: str | None, pwd: str | None) -> tuple[str, str]:
    """RFC 8839 §5.4: 4..256 and 22..256 ice-chars. Raises `OfferRefused("bad_sdp")`."""
    if ufrag is None or pwd is None:
        raise OfferRefused("bad_sdp", "ICE credentials are missing.")
    for value, least in ((ufrag, 4), (pwd, 22)):
        if not least <= len(value) <= 256 or not _ICE_CHARS.fullmatch(value):
            raise OfferRefused("bad_sdp", "ICE credentials are of a wrong length or alphabet.")
    return ufrag, pwd


def _setup(media: MediaDescription) -> Setup:
    assert media.dtls is not None, "_remote_transport checked it"
    return _SETUPS[media.dtls.role]
