"""What we agree to: from an offer to accepted m-lines, before any SDP text or peer exists.

A publisher's offer is taken whole or refused whole (RFC 9725 §4.2: never one m-line alone); of a
viewer's offer every receive-only m-line becomes a slot that keeps all formats it can take,
because its source may change codec without a new offer (DESIGN 3.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from media.codecs import Codec, choose_play_codecs, choose_publish_codec, red_blocks
from media.errors import OfferRefused
from media.layer import MAX_LAYERS
from media.sdp import Extension, Offer, OfferSection, publisher_extensions, viewer_extensions
from media.sdp.answer import TWCC
from media.sdp.extensions import STREAM_ID, TRANSPORT_WIDE_CC
from media.seam import CodecPolicy, Kind, Source

MAX_PUBLISHED: Final[dict[Kind, int]] = {"audio": 1, "video": 1}
_RID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")  # RFC 8851 §10; see `stream_id.MAX_RID_BYTES`


@dataclass(frozen=True, slots=True)
class PublishedSection:
    """One m-line that a publisher sends on."""

    section: OfferSection
    kind: Kind
    source: Source
    codec: Codec
    extensions: tuple[Extension, ...]
    rids: tuple[str, ...] = ()
    """The encodings of simulcast that we take, in the order of the offer; empty without."""


@dataclass(frozen=True, slots=True)
class PlayedSection:
    """One m-line that a viewer receives on; `codecs` is never empty."""

    section: OfferSection
    kind: Kind
    codecs: tuple[Codec, ...]
    extensions: tuple[Extension, ...]

    @property
    def has_rtx(self) -> bool:
        return any(codec.rtx_payload_type is not None for codec in self.codecs)

    @property
    def can_nack(self) -> bool:
        return any("nack" in codec.feedback for codec in self.codecs)


def negotiate_publish(
    offer: Offer, sources: Mapping[str, Source], policy: CodecPolicy
) -> tuple[PublishedSection, ...]:
    """`sources` maps `mid`, or else kind, to the source. Raises `OfferRefused`."""
    accepted: list[PublishedSection] = []
    for section in offer.media_sections:
        if not section.sends:
            continue
        kind = _kind(section)
        source = sources.get(section.mid) or sources.get(kind)
        if source is None:
            raise OfferRefused("bad_sdp", f"m-line {section.mid!r} has no source")
        codec = choose_publish_codec(section.codecs, _allowed(policy, kind))
        blocks = red_blocks(codec, section.codecs)  # browsers state the feedback of Opus only
        formats = (codec,) if blocks is None else (codec, blocks)
        has_twcc = any(TWCC in each.feedback for each in formats)
        extensions = publisher_extensions(section.extensions, has_twcc=has_twcc)
        rids = choose_rids(section)
        accepted.append(PublishedSection(section, kind, source, codec, extensions, rids))
    if not accepted:
        raise OfferRefused("bad_sdp", "The offer sends nothing.")
    for kind, most in MAX_PUBLISHED.items():
        if sum(each.kind == kind for each in accepted) > most:
            raise OfferRefused("too_many_tracks")
    if len({each.source for each in accepted}) < len(accepted):
        raise OfferRefused("bad_sdp", "Two m-lines name the same source.")
    return tuple(accepted)


def choose_rids(section: OfferSection) -> tuple[str, ...]:
    """The encodings to take of an offer of simulcast (RFC 8853 §5.3): the first `MAX_LAYERS` that
    have an `a=rid`. What an answer leaves out a browser does not send. Empty when there are not two
    of them, or when packets could not say which they are: then one stream comes, as without."""
    uris = {each.uri for each in section.extensions}
    if section.kind != "video" or STREAM_ID not in uris:
        return ()
    declared = set(section.rids)
    rids = [rid for rid in dict.fromkeys(section.simulcast_send) if rid in declared]
    taken = [rid for rid in rids if _RID.fullmatch(rid)][:MAX_LAYERS]
    return tuple(taken) if len(taken) > 1 else ()


def twcc_id(accepted: Iterable[PublishedSection]) -> int | None:
    """Under which id a publisher numbers the packets of its transport; None: it does not.

    One for all m-lines: a bundle is one RTP session (RFC 9143 §9.1), where an id has one meaning.
    """
    for section in accepted:
        for extension in section.extensions:
            if extension.uri == TRANSPORT_WIDE_CC:
                return extension.id
    return None


def negotiate_play(
    offer: Offer, *, max_audio: int, max_video: int, policy: CodecPolicy
) -> tuple[PlayedSection, ...]:
    """Raises `OfferRefused`. An m-line without any common format is left out (answered with
    port 0): a viewer without a camera codec still hears the room."""
    accepted: list[PlayedSection] = []
    for section in offer.media_sections:
        if not section.receives:
            continue
        kind = _kind(section)
        codecs = choose_play_codecs(section.codecs, _allowed(policy, kind))
        if codecs:
            extensions = viewer_extensions(section.extensions)
            accepted.append(PlayedSection(section, kind, codecs, extensions))
    if not accepted:
        raise OfferRefused("unsupported_codec")
    for kind, most in (("audio", max_audio), ("video", max_video)):
        if sum(each.kind == kind for each in accepted) > most:
            raise OfferRefused("too_many_slots")
    return tuple(accepted)


def _kind(section: OfferSection) -> Kind:
    if section.kind == "audio":
        return "audio"
    if section.kind == "video":
        return "video"
    raise OfferRefused("bad_sdp", f"m={section.kind} is neither audio nor video")


def _allowed(policy: CodecPolicy, kind: Kind) -> tuple[str, ...]:
    return policy.audio if kind == "audio" else policy.video
