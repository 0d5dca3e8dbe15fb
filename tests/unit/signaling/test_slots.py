"""Slots: nobody sees themselves, nothing moves without need, the host comes first."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from media.seam import Kind, SlotInfo, TrackId
from signaling.ids import SeatNo, Subject
from signaling.slots import LiveTrack, assign, changes, empty_map
from signaling.views import SlotMap, SourceName

ME = Subject("me")


def track(seat: int, source: SourceName = "camera", session: str = "1") -> LiveTrack:
    subject = f"p{seat}"
    kind: Kind = "audio" if source in ("microphone", "screen_audio") else "video"
    return LiveTrack(
        track_id=TrackId(f"{subject}/{session}/{source}"),
        seat=SeatNo(seat),
        subject=Subject(subject),
        source=source,
        kind=kind,
    )


def slots(audio: int, video: int) -> list[SlotInfo]:
    kinds: list[Kind] = ["audio" for _ in range(audio)]
    kinds += ["video" for _ in range(video)]
    return [SlotInfo(mid=str(n), kind=kind, codecs=()) for n, kind in enumerate(kinds)]


def feeding(entries: Sequence[SlotMap]) -> dict[str, str]:
    return {entry.mid: entry.track_id for entry in entries if entry.track_id is not None}


def test_a_guest_fills_the_next_free_slot_and_moves_nobody() -> None:
    offered = slots(2, 2)
    host = [track(0), track(0, "microphone")]
    first = assign(offered, host, empty_map(offered), ME)
    assert feeding(first) == {"0": "p0/1/microphone", "2": "p0/1/camera"}
    assert [entry.generation for entry in first] == [1, 0, 1, 0]
    guest = [track(1), track(1, "microphone")]
    second = assign(offered, [*guest, *host], first, ME)
    assert changes(first, second) == (second[1], second[3])
    assert feeding(second)["3"] == "p1/1/camera"
    third = assign(offered, host, second, ME)
    assert changes(second, third) == (
        SlotMap(mid="1", generation=2),
        SlotMap(mid="3", generation=2),
    )


def test_voice_and_face_of_a_seat_share_a_place_whoever_came_first() -> None:
    """Browsers keep the n-th audio and the n-th video slot in lip sync."""
    offered = slots(4, 4)
    voices = assign(offered, [track(2, "microphone"), track(1)], empty_map(offered), ME)
    both = assign(
        offered,
        [track(seat, source) for seat in (1, 2) for source in ("camera", "microphone")],
        voices,
        ME,
    )
    assert feeding(both) == {
        "1": "p1/1/microphone",
        "2": "p2/1/microphone",
        "5": "p1/1/camera",
        "6": "p2/1/camera",
    }


def test_own_tracks_never_come_back() -> None:
    offered = slots(1, 2)
    entries = assign(offered, [track(0), track(1)], empty_map(offered), Subject("p1"))
    assert feeding(entries) == {"1": "p0/1/camera"}


def test_with_one_slot_pair_the_host_is_served() -> None:
    offered = slots(1, 1)
    guests = [track(1), track(1, "microphone")]
    entries = assign(offered, guests, empty_map(offered), None)
    assert feeding(entries) == {"0": "p1/1/microphone", "1": "p1/1/camera"}
    host = [track(0), track(0, "microphone"), track(0, "screen")]
    entries = assign(offered, [*guests, *host], entries, None)
    assert feeding(entries) == {"0": "p0/1/microphone", "1": "p0/1/camera"}


def test_who_reconnects_comes_back_into_the_same_slot() -> None:
    offered = slots(0, 3)
    entries = assign(offered, [track(0), track(1), track(2)], empty_map(offered), ME)
    again = [track(0), track(1, session="2"), track(2)]
    after = assign(offered, again, entries, ME)
    assert changes(entries, after) == (
        SlotMap(
            mid="1", generation=2, track_id="p1/2/camera", seat=1, subject="p1", source="camera"
        ),
    )


def test_an_unknown_current_map_counts_as_empty() -> None:
    offered = slots(0, 1)
    assert assign(offered, [track(0)], (), ME)[0].generation == 1


_sources = st.sampled_from(["camera", "microphone", "screen", "screen_audio"])
_tracks = st.lists(
    st.builds(track, st.integers(0, 4), _sources, st.sampled_from(["1", "2"])),
    max_size=12,
    unique_by=lambda t: (t.seat, t.source),
)
_histories = st.lists(_tracks, min_size=1, max_size=8)
_counts = st.integers(0, 5)
_own = st.sampled_from([None, Subject("p0"), Subject("p2"), Subject("nobody")])


@settings(max_examples=150, deadline=None)
@given(_counts, _counts, _own, _histories)
def test_properties_over_histories(
    audio: int, video: int, own: Subject | None, history: list[list[LiveTrack]]
) -> None:
    offered = slots(audio, video)
    kinds = {slot.mid: slot.kind for slot in offered}
    current = empty_map(offered)
    for live in history:
        after = assign(offered, live, current, own)
        fed = feeding(after)
        by_id = {t.track_id: t for t in live if t.subject != own}
        assert len(set(fed.values())) == len(fed), "a track feeds two slots"
        assert set(fed.values()) <= set(by_id), "own or dead track"
        for kind, count in (("audio", audio), ("video", video)):
            of_kind = [t for t in by_id.values() if t.kind == kind]
            served = [mid for mid in fed if kinds[mid] == kind]
            assert len(served) == min(count, len(of_kind)), "a slot idles while a track waits"
            assert all(by_id[TrackId(fed[mid])].kind == kind for mid in served)
            if count and any(t.seat == 0 for t in of_kind):
                assert any(by_id[TrackId(fed[mid])].seat == 0 for mid in served), "host first"
        for old, new in zip(current, after, strict=True):
            kept = old.track_id is not None and old.track_id in fed.values()
            if kept:
                assert new.track_id == old.track_id, "moved without need"
            assert new.generation == old.generation + (new != old)
        assert assign(offered, list(reversed(live)), after, own) == after, "settles at once"
        assert assign(offered, list(reversed(live)), current, own) == after, (
            "order of tracks matters"
        )
        current = after
