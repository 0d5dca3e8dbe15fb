"""Two planes and a link between: a track published on one is a track like any other on both."""

from __future__ import annotations

import pytest

from media.relay_frames import FrameReader, Kind
from media.seam import (
    Answered,
    ExportTrack,
    ImportTrack,
    SlotLive,
    SlotUnsupported,
    StopRelay,
    TrackEnded,
    TrackStarted,
)
from tests.support.plane_client import Publisher, Viewer
from tests.support.plane_world import STEP_S, World
from tests.support.simulcast_client import publish_simulcast
from tests.unit.media.test_simulcast import shape

AUDIO, VIDEO = "0", "1"
A_FEW_STEPS_S = 5 * STEP_S


class Pair:
    """Workers A and B in lockstep, and the link from A to B. `frames` counts by kind."""

    def __init__(self) -> None:
        self._to_b: list[bytes] = []
        self._to_a: list[bytes] = []
        self._readers = FrameReader(), FrameReader()
        self.frames = dict.fromkeys(Kind, 0)
        self.a = World(1, send_frames=lambda link, data: self._to_b.append(data))
        self.b = World(2, send_frames=lambda link, data: self._to_a.append(data))
        self._channel = 0

    def cross(self, answered: Answered) -> dict[str, int]:
        """Every track of a publisher on A crosses to B; channels by kind."""
        channels: dict[str, int] = {}
        for info, form in zip(answered.tracks, answered.formats, strict=True):
            self._channel += 1
            self.b.command(ImportTrack(self._channel, info, form))
            self.a.command(ExportTrack(self._channel, info.track_id, "to b"))
            channels[info.kind] = self._channel
        return channels

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.a.step()
            self.b.step()
            self._carry(self._to_b, self._readers[0], self.b)
            self._carry(self._to_a, self._readers[1], self.a)

    def _carry(self, sent: list[bytes], reader: FrameReader, to: World) -> None:
        frames = [each for data in sent for each in reader.read_untrusted(data)]
        sent.clear()
        for each in frames:
            self.frames[Kind(each.kind)] += 1
        if frames:
            to.relayed("link", frames)


def publish(pair: Pair, **changes: object) -> tuple[Publisher, Answered]:
    host = pair.a.publish("host", **changes)
    answered = pair.a.of(Answered)[-1]
    pair.run(0.5)
    return host, answered


def watch(pair: Pair, host: Publisher, name: str = "ann") -> Viewer:
    viewer = pair.b.play(name)
    pair.run(0.5)
    pair.b.point(viewer, AUDIO, host.microphone_id, 1)
    pair.b.point(viewer, VIDEO, host.camera_id, 1)
    return viewer


def live(pair: Pair) -> tuple[Publisher, Viewer, dict[str, int]]:
    host, answered = publish(pair)
    channels = pair.cross(answered)
    viewer = watch(pair, host)
    pair.run(2)
    return host, viewer, channels


def test_a_viewer_elsewhere_sees_and_hears_without_a_hole() -> None:
    pair = Pair()
    host, viewer, _ = live(pair)
    for mid in (AUDIO, VIDEO):
        received = viewer.media(mid)
        numbers = [each.source_seq for each in received]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert received[-1].at > pair.b.now - 0.1
        assert {each.source for each in received} == {"host"}
    assert viewer.media(VIDEO)[0].is_keyframe_start
    assert {event.mid for event in pair.b.of(SlotLive)} == {AUDIO, VIDEO}
    assert not pair.b.of(TrackStarted), "that is told where it is published"
    assert host.plis <= 3, "requests of both workers are merged and throttled"


def test_capture_times_are_those_of_the_publishers_worker() -> None:
    pair = Pair()
    host, answered = publish(pair)
    pair.cross(answered)
    here = pair.a.play("here")
    there = watch(pair, host)
    pair.a.point(here, AUDIO, host.microphone_id, 1)
    pair.a.point(here, VIDEO, host.camera_id, 1)
    pair.run(3)
    for mid in (AUDIO, VIDEO):
        captured: dict[str, float] = {}
        for name, viewer in (("here", here), ("there", there)):
            report, packet = viewer.reports(mid)[-1], viewer.media(mid)[-1]
            info = report.sender_info
            behind = (packet.header.rtp_timestamp - info.rtp_timestamp + 2**31) % 2**32 - 2**31
            rate = 48_000 if mid == AUDIO else 90_000
            captured[name] = info.ntp_timestamp / 2**32 + behind / rate
        newest = {viewer.media(mid)[-1].source_seq for viewer in (here, there)}
        assert len(newest) == 1
        assert abs(captured["here"] - captured["there"]) < 2 * STEP_S, "lips stay in sync"


def test_what_the_publishers_worker_mended_crosses_late_and_nothing_is_asked_for_twice() -> None:
    pair = Pair()
    host, viewer, _ = live(pair)
    host.up.loss = 0.1
    pair.run(3)
    host.up.loss = 0.0
    pair.run(1)
    numbers = {each.source_seq for each in viewer.media(VIDEO)}
    assert host.nacked, "something was lost"
    missing = set(range(min(numbers), max(numbers))) - numbers
    assert not missing, "A asked again, and B got the late copies"


def test_a_lost_picture_is_asked_for_across() -> None:
    pair = Pair()
    host, viewer, _ = live(pair)
    pair.run(1.5)
    plis, asked = host.plis, pair.frames[Kind.KEYFRAME]
    viewer.send_pli(VIDEO)
    before = len(viewer.media(VIDEO))
    pair.run(0.5)
    assert host.plis == plis + 1
    assert pair.frames[Kind.KEYFRAME] == asked + 1
    assert any(each.is_keyframe_start for each in viewer.media(VIDEO)[before:])


def test_what_a_viewer_lost_is_mended_where_he_is() -> None:
    pair = Pair()
    host, viewer, _ = live(pair)
    nacked = len(host.nacked)
    lost = viewer.media(VIDEO)[-5].seq
    viewer.send_nack(VIDEO, [lost])
    pair.run(A_FEW_STEPS_S)
    again = [each for each in viewer.received[VIDEO] if each.seq == lost]
    assert len(again) == 2
    assert len(host.nacked) == nacked


@pytest.mark.parametrize("viewers", [1, 5])
def test_a_track_crosses_once_however_many_watch(viewers: int) -> None:
    pair = Pair()
    host, answered = publish(pair)
    pair.cross(answered)
    crowd = [watch(pair, host, f"v{number}") for number in range(viewers)]
    pair.run(1)
    before = pair.frames[Kind.PACKET], [len(each.media(VIDEO)) for each in crowd]
    pair.run(1)
    crossed = pair.frames[Kind.PACKET] - before[0]
    sent = host.camera.fps * host.camera.packets + host.microphone.fps
    assert crossed == pytest.approx(sent, rel=0.1)
    assert all(len(each.media(VIDEO)) > was for each, was in zip(crowd, before[1], strict=True))


def test_a_muted_track_does_not_cross_and_comes_back_on_a_key_frame() -> None:
    pair = Pair()
    host, viewer, _ = live(pair)
    for world in (pair.a, pair.b):
        world.mute(host.camera_id, True)
    pair.run(A_FEW_STEPS_S)
    seen, crossed = len(viewer.media(VIDEO)), pair.frames[Kind.PACKET]
    heard = len(viewer.media(AUDIO))
    pair.run(1)
    assert len(viewer.media(VIDEO)) == seen
    assert pair.frames[Kind.PACKET] - crossed == pytest.approx(host.microphone.fps, abs=3)
    assert len(viewer.media(AUDIO)) > heard
    for world in (pair.a, pair.b):
        world.mute(host.camera_id, False)
    pair.run(1.5)
    assert viewer.media(VIDEO)[seen].is_keyframe_start


def test_a_stopped_channel_is_silent_and_its_slots_empty() -> None:
    pair = Pair()
    _, viewer, channels = live(pair)
    for world in (pair.b, pair.a):
        world.command(StopRelay(channels["video"]))
    pair.run(A_FEW_STEPS_S)
    seen = len(viewer.media(VIDEO))
    heard = len(viewer.media(AUDIO))
    pair.run(1)
    assert len(viewer.media(VIDEO)) == seen
    assert len(viewer.media(AUDIO)) > heard
    assert not pair.b.of(TrackEnded)
    totals = pair.b.stats().totals
    assert (totals["imports"], totals["tracks"]) == (1, 0)
    pair.b.command(StopRelay(channels["video"]))
    assert pair.b.stats().totals["ignored"] == totals["ignored"] + 1


def test_a_publisher_who_leaves_leaves_no_export_behind() -> None:
    pair = Pair()
    host, _, _ = live(pair)
    pair.a.close(host)
    crossed = pair.frames[Kind.PACKET]
    pair.run(1)
    assert pair.frames[Kind.PACKET] == crossed
    assert pair.a.stats().totals["exports"] == 0


def test_a_source_that_ignores_requests_shows_its_cached_pictures_elsewhere() -> None:
    pair = Pair()
    host = pair.a.publish("host")
    host.camera.turn_deaf(keyframe_every_s=3.0)
    answered = pair.a.of(Answered)[-1]
    pair.run(8)  # A has learnt that asking is of no use
    pair.cross(answered)
    viewer = watch(pair, host)
    pointed = pair.b.now
    pair.run(2)
    first = viewer.media(VIDEO)[0]
    assert first.is_keyframe_start
    assert first.at - pointed < 0.5, "not at the next key frame, up to 3 s later"


def test_simulcast_crosses_with_all_its_layers_and_viewers_choose_where_they_are() -> None:
    pair = Pair()
    host = publish_simulcast(pair.a, rids=("q", "h", "f"))
    answered = pair.a.of(Answered)[-1]
    pair.run(1)
    pair.cross(answered)
    viewer = watch(pair, host)
    pair.run(2)
    assert viewer.media(VIDEO)[-1].source == "host-f"
    for most, expected in (("low", "host-q"), ("medium", "host-h"), (None, "host-f")):
        shape(pair.b, viewer, "big", most)  # type: ignore[arg-type]  # a table of settings
        pair.run(1.5)
        assert viewer.media(VIDEO)[-1].source == expected
    assert len([event for event in pair.b.of(SlotLive) if event.mid == VIDEO]) == 1


def test_a_viewer_who_lacks_the_codec_is_told_where_he_is() -> None:
    pair = Pair()
    host, answered = publish(pair)
    pair.cross(answered)
    viewer = pair.b.play("ann", video_codecs=("h264",))
    pair.run(0.5)
    pair.b.point(viewer, VIDEO, host.camera_id, 1)
    assert [event.codec for event in pair.b.of(SlotUnsupported)] == ["vp8"]


def test_frames_of_channels_unknown_are_counted_and_nothing_else() -> None:
    pair = Pair()
    _, answered = publish(pair)
    pair.a.command(ExportTrack(9, answered.tracks[1].track_id, "to b"))
    pair.run(1)
    totals = pair.b.stats().totals
    assert totals["relayed_dropped"] > 0
    assert totals["relayed_in"] == 0
    pair.a.command(ExportTrack(10, "no/such/track", "to b"))  # type: ignore[arg-type]  # an id
    assert pair.a.stats().totals["exports"] == 1
