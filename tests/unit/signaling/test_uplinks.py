from __future__ import annotations

from media.seam import Kind, PeerId, Source, TrackId, TrackInfo
from signaling.identity import Identity
from signaling.ids import RoomId, SeatNo, ShopId, Subject
from signaling.media_owner import MediaOwner
from signaling.uplinks import Hearing, Uplink, Uplinks


def uplink(peer: str, name: str, *sources: Source) -> Uplink:
    who = Identity(ShopId("s"), RoomId("r"), Subject(name), name, name, "viewer", frozenset())
    return Uplink(PeerId(peer), MediaOwner(who), frozenset(sources), 0)


def arrive(up: Uplink, source: Source) -> TrackId:
    kind: Kind = "audio" if source == "microphone" else "video"
    track = TrackInfo(TrackId(f"{up.subject}/{up.peer_id}/{source}"), "0", kind, source, "x")
    up.is_connected = True
    up.live[track.track_id] = track
    return track.track_id


def test_hearing_is_of_all_connected_transports() -> None:
    ups = Uplinks()
    assert ups.hearing("a") is Hearing.NONE
    one, two = uplink("1", "a", "camera"), uplink("2", "a", "screen")
    ups.add(one)
    ups.add(two)
    assert ups.hearing("a") is Hearing.NONE
    one.is_connected = True
    assert ups.hearing("a") is Hearing.HEARD
    one.is_silent = True
    assert ups.hearing("a") is Hearing.SILENT
    two.is_connected = True
    assert ups.hearing("a") is Hearing.HEARD
    ups.remove(PeerId("2"))
    assert ups.hearing("a") is Hearing.SILENT


def test_a_newer_uplink_replaces_older_ones_of_the_same_source_and_person() -> None:
    ups = Uplinks()
    camera, screen = uplink("1", "a", "camera", "microphone"), uplink("2", "a", "screen")
    other, again = uplink("3", "b", "camera"), uplink("4", "a", "camera")
    for up in (camera, screen, other, again):
        ups.add(up)
    assert ups.replaced_by(again) == [camera]
    assert ups.replaced_by(camera) == [], "its first packet comes late, and ends nothing newer"
    assert ups.replaced_by(other) == []


def test_live_tracks_are_those_of_seated_people_the_newest_of_a_source() -> None:
    ups = Uplinks()
    old, new, stranger = (
        uplink("1", "a", "camera"),
        uplink("2", "a", "camera"),
        uplink("3", "b", "camera"),
    )
    for up in (old, new, stranger):
        ups.add(up)
        arrive(up, "camera")
    microphone = arrive(old, "microphone")
    tracks = ups.live_tracks([(SeatNo(1), "a")])
    assert {t.track_id for t in tracks} == {"a/2/camera", microphone}
    assert ups.sending("a") == {"camera", "microphone"}
    assert ups.track_ids("a", "camera") == ["a/1/camera", "a/2/camera"]
    ups.remove(PeerId("2"))
    assert {t.track_id for t in ups.live_tracks([(SeatNo(1), "a")])} == {"a/1/camera", microphone}
    assert set(ups.peer_ids()) == {"1", "3"}
    assert len(ups) == 2
