"""What both descriptions agree on, as the sending and the receiving side need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from loadtest.rtc.errors import PeerError
from loadtest.rtc.local_sdp import LocalMedia, accepted_format
from loadtest.rtc.sdp import CLOCK_RATE, Description, Kind, Section


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type that was agreed on."""

    kind: Kind
    codec: str
    clock_rate: int
    feedback: frozenset[str]


@dataclass(slots=True)
class Agreement:
    """Of the whole BUNDLE; per kind the first section's values."""

    formats: dict[int, Format] = field(default_factory=dict)
    chosen: dict[Kind, int] = field(default_factory=dict)
    """The payload type to send."""
    mids: dict[Kind, str] = field(default_factory=dict)
    rtx: dict[int, int] = field(default_factory=dict)
    """RTX payload type -> the one it repeats."""
    rtx_ssrcs: dict[int, int] = field(default_factory=dict)
    """As the server announced: SSRC of the retransmissions -> SSRC of the media."""
    extensions: dict[str, int] = field(default_factory=dict)
    rids: tuple[str, ...] = ()
    """The simulcast layers that the server takes; empty: it takes one stream."""
    rsize: bool = True

    def rtx_of(self, payload_type: int) -> int | None:
        return next((rtx for rtx, pt in self.rtx.items() if pt == payload_type), None)


def agreed_by_answer(media: LocalMedia, answer: Description) -> Agreement:
    """We offered. Raises `PeerError` when every m-line was turned down."""
    agreement = Agreement()
    for section in answer.live:
        if section.kind in ("audio", "video"):
            names = media.codecs(_kind(section))
            formats = [pt for pt in section.media_formats if section.codecs[pt] in names]
            _add(agreement, section, formats, section.apt)
    if not agreement.formats:
        raise PeerError("the answer takes none of the m-lines that we offered")
    taken = {rid for section in answer.live for rid in section.rids}
    agreement.rids = tuple(rid for rid in media.rids if rid in taken)
    return agreement


def agreed_by_offer(media: LocalMedia, offer: Description) -> Agreement:
    """The server offered, and we answer. Raises `PeerError` when we can take nothing of it."""
    agreement = Agreement()
    for section in offer.sections:
        pt = accepted_format(section, media)
        if pt is not None:
            rtx = section.rtx_of(pt) if media.feedback else None
            _add(agreement, section, [pt], {} if rtx is None else {rtx: pt})
    if not agreement.formats:
        raise PeerError("the server's offer has no audio or video that we can take")
    return agreement


def _add(agreement: Agreement, section: Section, formats: list[int], rtx: dict[int, int]) -> None:
    kind = _kind(section)
    for pt, found in _formats(section, kind, formats):
        agreement.formats.setdefault(pt, found)
        agreement.chosen.setdefault(kind, pt)
    if formats:
        agreement.mids.setdefault(kind, section.mid)
    agreement.rtx |= {pt: apt for pt, apt in rtx.items() if apt in formats}
    agreement.rtx_ssrcs |= section.rtx_ssrcs
    agreement.extensions = section.extensions | agreement.extensions
    agreement.rsize = agreement.rsize and section.rsize


def _formats(section: Section, kind: Kind, formats: list[int]) -> Iterator[tuple[int, Format]]:
    for pt in formats:
        feedback = frozenset(section.feedback.get(pt, ()))
        yield pt, Format(kind, section.codecs[pt], CLOCK_RATE[kind], feedback)


def _kind(section: Section) -> Kind:
    return "audio" if section.kind == "audio" else "video"
