"""Which live track feeds which slot of a viewer (DESIGN 3.3, 7.4). A pure function.

Goal: everybody on stage is seen and heard without a new offer, and nothing moves without need.
Rules, in this order:

1. A viewer's own tracks never come back; a track feeds one slot, of its own kind.
2. When slots are short the host is served first, then guests by seat; of one person camera and
   microphone before screen.
3. A slot keeps its track while that track is served at all. A new track of the same seat and
   source (somebody reconnected) goes where the old one was. Camera and microphone of seat n
   prefer the n-th slot of their kind, because browsers keep the n-th audio and the n-th video
   slot in lip sync; what is left fills free slots in slot order.
4. `generation` grows by one with every change of a slot, and only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from media.seam import Kind, SlotInfo, TrackId
from signaling.ids import SeatNo, Subject
from signaling.views import SlotMap, SourceName

_SOURCE_RANK: Final[dict[SourceName, int]] = {
    "microphone": 0,
    "camera": 0,
    "screen_audio": 1,
    "screen": 1,
}


class LiveTrack(msgspec.Struct, frozen=True):
    """A track of a seated person that sends now."""

    track_id: TrackId
    seat: SeatNo
    subject: Subject
    source: SourceName
    kind: Kind


def empty_map(slots: Iterable[SlotInfo]) -> tuple[SlotMap, ...]:
    """The map right after `play`: every slot empty, generation 0."""
    return tuple(SlotMap(mid=slot.mid, generation=0) for slot in slots)


def assign(
    slots: Sequence[SlotInfo],
    tracks: Iterable[LiveTrack],
    current: Sequence[SlotMap],
    own: Subject | None,
) -> tuple[SlotMap, ...]:
    """The full next map, in the order of `slots`; unchanged entries are equal to their old ones.

    `current` may lack slots (they count as empty, generation 0). `own` is the viewer's subject,
    None for an anonymous player.
    """
    was = {entry.mid: entry for entry in current}
    entries = [was.get(slot.mid) or SlotMap(mid=slot.mid, generation=0) for slot in slots]
    candidates = [track for track in tracks if track.subject != own]
    feeds: dict[str, LiveTrack] = {}
    for kind in _kinds(slots):
        of_kind = [e for slot, e in zip(slots, entries, strict=True) if slot.kind == kind]
        feeds |= _feed(of_kind, [track for track in candidates if track.kind == kind])
    return tuple(_next_entry(entry, feeds.get(entry.mid)) for entry in entries)


def changes(before: Iterable[SlotMap], after: Iterable[SlotMap]) -> tuple[SlotMap, ...]:
    """The entries of `after` that differ: what has to be told and pointed."""
    was = {entry.mid: entry for entry in before}
    return tuple(entry for entry in after if was.get(entry.mid) != entry)


def _kinds(slots: Iterable[SlotInfo]) -> list[Kind]:
    return list(dict.fromkeys(slot.kind for slot in slots))


def _feed(entries: list[SlotMap], tracks: list[LiveTrack]) -> dict[str, LiveTrack]:
    """Slot `mid` -> track for the slots of one kind."""
    unique = {track.track_id: track for track in tracks}
    wanted = {t.track_id: t for t in sorted(unique.values(), key=_rank)[: len(entries)]}
    feeds: dict[str, LiveTrack] = {}
    for entry in entries:
        if entry.track_id is not None and TrackId(entry.track_id) in wanted:
            feeds[entry.mid] = wanted.pop(TrackId(entry.track_id))
    for entry in entries:
        heir = _heir(entry, wanted.values()) if entry.mid not in feeds else None
        if heir is not None:
            feeds[entry.mid] = wanted.pop(heir.track_id)
    for track in list(wanted.values()):
        if _SOURCE_RANK[track.source] == 0 and track.seat < len(entries):
            mid = entries[track.seat].mid
            if mid not in feeds:
                feeds[mid] = wanted.pop(track.track_id)
    free = [entry.mid for entry in entries if entry.mid not in feeds]
    feeds.update(zip(free, wanted.values(), strict=False))
    return feeds


def _heir(entry: SlotMap, tracks: Iterable[LiveTrack]) -> LiveTrack | None:
    """The track that continues what the slot showed: same seat, person and source."""
    showed = (entry.seat, entry.subject, entry.source)
    return next((t for t in tracks if (t.seat, t.subject, t.source) == showed), None)


def _rank(track: LiveTrack) -> tuple[int, int, str]:
    """Lower is served first; the id breaks ties so that every node decides alike."""
    return (track.seat, _SOURCE_RANK[track.source], track.track_id)


def _next_entry(entry: SlotMap, track: LiveTrack | None) -> SlotMap:
    if track is None:
        if entry.track_id is None:
            return entry
        return SlotMap(mid=entry.mid, generation=entry.generation + 1)
    feed = (track.track_id, track.seat, track.subject, track.source)
    if feed == (entry.track_id, entry.seat, entry.subject, entry.source):
        return entry
    return SlotMap(
        mid=entry.mid,
        generation=entry.generation + 1,
        track_id=track.track_id,
        seat=track.seat,
        subject=track.subject,
        source=track.source,
    )
