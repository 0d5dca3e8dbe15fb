"""What a viewer gets when his slots are pointed, paused, muted: through a whole plane in memory."""

from __future__ import annotations

import itertools

import pytest

from media import rtcp
from media.seam import SlotLive, SlotUnsupported, TrackEnded
from tests.support.plane_client import Publisher, Received, Viewer
from tests.support.plane_offer import SEND_TIME_ID
from tests.support.plane_world import WALL_OFFSET_S, World

AUDIO, VIDEO = "0", "1"
FRAME_TICKS = 3000


def assert_continuous(packets: list[Received], most_ticks: int) -> None:
    """No number missing or twice, timestamps never back and never further than `most_ticks`."""
    assert packets
    for before, after in itertools.pairwise(packets):
        assert (after.header.seq - before.header.seq) & 0xFFFF == 1
        step = (after.header.rtp_timestamp - before.header.rtp_timestamp) & 0xFFFFFFFF
        assert step <= most_ticks, (before.source, after.source)


def assert_whole(packets: list[Received]) -> None:
    """Within each stretch of one source no packet of that source is missing or twice."""
    for before, after in itertools.pairwise(packets):
        if before.source == after.source:
            assert (after.source_seq - before.source_seq) & 0xFFFF == 1


def stretches(packets: list[Received]) -> list[str]:
    """The sources in order, one entry for each run of theirs."""
    names: list[str] = []
    for packet in packets:
        if not names or names[-1] != packet.source:
            names.append(packet.source)
    return names


def watching(world: World, *names: str) -> tuple[list[Publisher], Viewer]:
    """Publishers, and a viewer who follows camera and microphone of the first."""
    publishers = [world.publish(name) for name in names]
    viewer = world.play("ann")
    world.run(1.5)
    world.point(viewer, AUDIO, publishers[0].microphone_id, 1)
    world.point(viewer, VIDEO, publishers[0].camera_id, 1)
    world.run(1.5)
    assert world.of(SlotLive)[-1].generation == 1
    return publishers, viewer


# --- pointing -------------------------------------------------------------------------------------


def test_a_slot_goes_live_with_a_key_frame_and_says_when() -> None:
    world = World()
    (host,), viewer = watching(world, "host")
    live = {event.mid: event for event in world.of(SlotLive)}
    assert set(live) == {AUDIO, VIDEO}
    first = viewer.media(VIDEO)[0]
    assert first.is_keyframe_start
    assert live[VIDEO].rtp_timestamp == first.header.rtp_timestamp
    captured_ms = (host.camera.captured[first.source_seq] + WALL_OFFSET_S) * 1000
    assert live[VIDEO].media_time_ms == pytest.approx(captured_ms, abs=60)
    assert_continuous(viewer.media(VIDEO), 2 * FRAME_TICKS)
    assert_whole(viewer.media(VIDEO))
    assert_whole(viewer.media(AUDIO))


def test_a_slot_pointed_before_its_viewer_is_connected_goes_live_right_after() -> None:
    world = World()
    host = world.publish("host")
    world.run(1.5)
    viewer = world.play("ann")
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    while not viewer.is_connected:
        world.step()
    connected = world.now
    world.run(0.2)
    assert {event.mid for event in world.of(SlotLive)} == {AUDIO, VIDEO}
    assert viewer.media(VIDEO)[0].at - connected < 0.15


def test_a_slot_pointed_before_its_publisher_is_connected_waits_without_spinning() -> None:
    world = World()
    viewer = world.play("ann")
    world.run(0.5)
    host = world.publish("host")
    host.up.is_cut = True
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(0.1)
    deadline = world.plane.next_deadline()
    assert deadline is not None
    assert deadline > world.now
    host.up.is_cut = False
    world.run(1.5)
    assert [event.mid for event in world.of(SlotLive)] == [VIDEO]


def test_pointing_at_what_is_followed_already_is_live_at_once_and_changes_nothing() -> None:
    world = World()
    (host,), viewer = watching(world, "host")
    world.point(viewer, VIDEO, host.camera_id, 2)
    live = world.of(SlotLive)[-1]
    assert live.generation == 2
    world.run(0.5)
    packets = viewer.media(VIDEO)
    assert_continuous(packets, 2 * FRAME_TICKS)
    nearest = min(
        abs((packet.header.rtp_timestamp - live.rtp_timestamp + 2**31) % 2**32 - 2**31)
        for packet in packets
    )
    assert nearest <= 2 * FRAME_TICKS


def test_an_older_generation_and_unknown_names_are_ignored() -> None:
    world = World()
    (host,), viewer = watching(world, "host")
    world.point(viewer, VIDEO, None, 0)
    world.point(viewer, "9", host.camera_id, 3)
    world.mute("nobody/s1/camera", True)
    world.run(0.3)
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    assert world.stats().totals["ignored"] == 2


def test_a_viewer_without_the_codec_is_told_and_gets_nothing() -> None:
    world = World()
    host = world.publish("host", video_codecs=("h264",))
    viewer = world.play("ann")
    world.run(0.5)
    world.point(viewer, VIDEO, host.camera_id, 4)
    world.point(viewer, AUDIO, host.camera_id, 5)
    world.run(0.5)
    unsupported = world.of(SlotUnsupported)
    assert [(each.mid, each.generation, each.codec) for each in unsupported] == [
        (VIDEO, 4, "h264"),
        (AUDIO, 5, "h264"),
    ]
    assert not viewer.media(VIDEO)
    assert not viewer.media(AUDIO)


# --- switching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_switch_happens_on_a_key_frame_and_the_stream_goes_on(seed: int) -> None:
    world = World(seed)
    (host, guest), viewer = watching(world, "host", "guest")
    for generation, source in enumerate((guest, host, guest), start=2):
        world.point(viewer, VIDEO, source.camera_id, generation)
        world.run(1.6)
    packets = viewer.media(VIDEO)
    assert stretches(packets) == ["host", "guest", "host", "guest"]
    for before, after in itertools.pairwise(packets):
        if before.source != after.source:
            assert after.is_keyframe_start
    assert_continuous(packets, 3 * FRAME_TICKS)
    assert_whole(packets)
    assert {(b.picture_id - a.picture_id) & 0x7FFF for a, b in itertools.pairwise(packets)} <= {
        0,
        1,
    }
    assert [event.generation for event in world.of(SlotLive) if event.mid == VIDEO] == [1, 2, 3, 4]


def test_the_old_picture_goes_on_until_the_new_key_frame() -> None:
    world = World()
    (_, guest), viewer = watching(world, "host", "guest")
    guest.camera.listens = False
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(0.8)
    assert viewer.media(VIDEO)[-1].source == "host"
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    guest.camera.keyframe_at = 0.0
    world.run(0.2)
    assert viewer.media(VIDEO)[-1].source == "guest"


def test_audio_switches_at_once() -> None:
    world = World()
    (_, guest), viewer = watching(world, "host", "guest")
    world.point(viewer, AUDIO, guest.microphone_id, 2)
    switched = world.now
    world.run(0.3)
    packets = viewer.media(AUDIO)
    assert stretches(packets) == ["host", "guest"]
    first = next(packet for packet in packets if packet.source == "guest")
    assert first.at - switched < 0.05
    assert_continuous(packets, 2 * 960)


def test_changing_ones_mind_before_the_key_frame_goes_back_without_a_trace() -> None:
    world = World()
    (host, guest), viewer = watching(world, "host", "guest")
    guest.camera.listens = False
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(0.3)
    world.point(viewer, VIDEO, host.camera_id, 3)
    guest.camera.keyframe_at = 0.0
    world.run(0.5)
    assert stretches(viewer.media(VIDEO)) == ["host"]
    assert_continuous(viewer.media(VIDEO), 2 * FRAME_TICKS)
    assert world.of(SlotLive)[-1].generation == 3


def test_an_emptied_slot_gets_nothing_even_when_a_switch_was_pending() -> None:
    world = World()
    (_, guest), viewer = watching(world, "host", "guest")
    guest.camera.listens = False
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(0.3)
    world.point(viewer, VIDEO, None, 3)
    guest.camera.keyframe_at = 0.0
    emptied = world.now
    world.run(0.5)
    assert viewer.media(VIDEO)[-1].at <= emptied + 0.02


# --- lip sync -------------------------------------------------------------------------------------


def presented(viewer: Viewer, mid: str, packet: Received, clock_rate: int) -> float:
    """The capture time that the last sender report gives to a packet, on the plane's wall clock."""
    report = viewer.reports(mid)[-1].sender_info
    ticks = (packet.header.rtp_timestamp - report.rtp_timestamp + 2**31) % 2**32 - 2**31
    return rtcp.ntp_to_unix_s(report.ntp_timestamp) + ticks / clock_rate


def test_lips_are_in_sync_after_a_switch() -> None:
    world = World()
    (_, guest), viewer = watching(world, "host", "guest")
    guest.up.reorder, guest.up.late_s = 0.2, 0.04
    world.run(1)
    world.point(viewer, AUDIO, guest.microphone_id, 2)
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(1.5)
    voice, picture = viewer.media(AUDIO)[-1], viewer.media(VIDEO)[-1]
    assert (voice.source, picture.source) == ("guest", "guest")
    voice_error = (
        presented(viewer, AUDIO, voice, 48_000) - guest.microphone.captured[voice.source_seq]
    )
    picture_error = (
        presented(viewer, VIDEO, picture, 90_000) - guest.camera.captured[picture.source_seq]
    )
    assert abs(voice_error - picture_error) < 0.060
    assert abs(picture_error - WALL_OFFSET_S) < 0.1


def test_a_switch_is_followed_by_a_sender_report_at_once() -> None:
    world = World()
    (_, guest), viewer = watching(world, "host", "guest")
    before = len(viewer.reports(VIDEO))
    world.point(viewer, VIDEO, guest.camera_id, 2)
    while viewer.media(VIDEO)[-1].source == "host":
        world.step()
    world.run(0.02)
    assert len(viewer.reports(VIDEO)) == before + 1


def test_the_send_time_is_ours() -> None:
    world = World()
    _, viewer = watching(world, "host")
    for packet in viewer.media(VIDEO):
        stamp = int.from_bytes(packet.extensions[SEND_TIME_ID], "big")
        sent = rtcp.ntp24(packet.at - viewer.down.delay_s + WALL_OFFSET_S)
        assert ((stamp - sent + 2**23) % 2**24 - 2**23) / 2**18 == pytest.approx(0, abs=0.006)


# --- mute and pause -------------------------------------------------------------------------------


def heard_of(viewer: Viewer, publisher: Publisher, since: float, until: float) -> list[int]:
    """Numbers of packets of the publisher's that the viewer got and that were captured then."""
    found = []
    for mid, track in ((AUDIO, publisher.microphone), (VIDEO, publisher.camera)):
        for packet in viewer.received[mid]:
            captured = track.captured[packet.source_seq]
            if packet.source == publisher.name and since < captured < until:
                found.append(packet.source_seq)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_what_was_captured_while_muted_reaches_nobody(seed: int) -> None:
    """Not live, not by NACK, not late, not out of the cache for newcomers who come after."""
    world = World(seed)
    (host,), viewer = watching(world, "host")
    host.camera.turn_deaf(keyframe_every_s=0.5)
    host.up.loss, host.up.reorder = 0.1, 0.1
    world.run(3)
    world.mute(host.camera_id, True)
    world.mute(host.microphone_id, True)
    muted = world.now
    newcomer = world.play("bob")
    world.point(newcomer, VIDEO, host.camera_id, 1)
    world.point(newcomer, AUDIO, host.microphone_id, 1)
    for _ in range(40):
        last = viewer.media(VIDEO)[-1].header.seq
        viewer.send_nack(VIDEO, [(last + n) & 0xFFFF for n in range(-10, 20)])
        world.run(0.05)
    unmuted = world.now
    world.mute(host.camera_id, False)
    world.mute(host.microphone_id, False)
    for _ in range(20):
        last = viewer.media(VIDEO)[-1].header.seq
        viewer.send_nack(VIDEO, [(last - n) & 0xFFFF for n in range(60)])
        world.run(0.1)
    latest = unmuted - host.up.delay_s - 0.01
    for each in (viewer, newcomer):
        assert heard_of(each, host, muted, latest) == []
        assert each.media(VIDEO)[-1].at > unmuted + 1
        assert each.media(AUDIO)[-1].at > unmuted + 1
    after = [packet for packet in newcomer.media(VIDEO) if packet.at > unmuted]
    assert after[0].is_keyframe_start


def test_a_muted_track_does_not_reach_slots_that_are_leaving_it() -> None:
    world = World()
    (host, guest), viewer = watching(world, "host", "guest")
    guest.camera.listens = False
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(0.2)
    world.mute(host.camera_id, True)
    muted = world.now
    world.run(0.5)
    assert [p for p in viewer.media(VIDEO) if p.at > muted + 0.03] == []


def test_a_paused_slot_is_silent_and_resumes_with_a_key_frame() -> None:
    world = World()
    _, viewer = watching(world, "host")
    world.pause(viewer, VIDEO, True)
    paused = world.now
    world.run(1.5)
    assert viewer.media(VIDEO)[-1].at <= paused + 0.02
    assert viewer.media(AUDIO)[-1].at > world.now - 0.1
    world.pause(viewer, VIDEO, False)
    world.run(1.5)
    resumed = next(packet for packet in viewer.media(VIDEO) if packet.at > paused + 1)
    assert resumed.is_keyframe_start
    assert resumed.at < paused + 1.7
    assert_continuous(viewer.media(VIDEO), 90_000 * 2)


def test_a_pause_outlasts_unmuting_and_pointing() -> None:
    world = World()
    (host, guest), viewer = watching(world, "host", "guest")
    world.pause(viewer, VIDEO, True)
    paused = world.now
    world.mute(host.camera_id, True)
    world.mute(host.camera_id, False)
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(1.5)
    assert viewer.media(VIDEO)[-1].at <= paused + 0.02
    world.pause(viewer, VIDEO, False)
    world.run(1.5)
    assert viewer.media(VIDEO)[-1].source == "guest"


# --- key frames -----------------------------------------------------------------------------------


def test_many_viewers_at_once_cost_one_pli() -> None:
    world = World()
    host = world.publish("host")
    world.run(2.5)
    viewers = [world.play(f"v{number}") for number in range(20)]
    world.run(0.3)
    before = host.plis
    for viewer in viewers:
        world.point(viewer, VIDEO, host.camera_id, 1)
    asked = world.now
    world.run(0.3)
    assert host.plis == before + 1
    assert len(world.of(SlotLive)) == 20
    assert all(viewer.media(VIDEO)[0].at - asked < 0.1 for viewer in viewers)
    for viewer in viewers:
        viewer.send_pli(VIDEO)
    world.run(1.5)
    assert host.plis == before + 2


def test_a_key_frame_is_asked_for_while_its_viewer_still_connects() -> None:
    """It needs a round trip to the publisher; so does the handshake, several times."""
    world = World()
    host = world.publish("host")
    world.run(3)
    before = host.plis
    viewer = world.play("ann")
    viewer.up.delay_s = viewer.down.delay_s = 0.05
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(0.1)
    assert host.plis == before + 1
    while not viewer.is_connected:
        world.step()
    connected = world.now
    world.run(2)
    packets = viewer.media(VIDEO)
    assert packets[0].is_keyframe_start
    assert packets[0].at - connected < 0.05, "it was here already"
    assert_whole(packets)
    assert_continuous(packets, 2 * FRAME_TICKS)
    assert host.plis == before + 1


def test_a_newcomer_right_after_a_key_frame_gets_that_one() -> None:
    """The next one could only be asked for at the end of the second."""
    world = World()
    host = world.publish("host")
    viewers = [world.play("ann"), world.play("ben")]
    world.run(3)
    before = host.plis
    world.point(viewers[0], VIDEO, host.camera_id, 1)
    world.run(0.5)
    world.point(viewers[1], VIDEO, host.camera_id, 1)
    pointed = world.now
    world.run(2)
    packets = viewers[1].media(VIDEO)
    assert packets[0].is_keyframe_start
    assert packets[0].at - pointed < 0.05
    assert_whole(packets)
    assert_continuous(packets, 2 * FRAME_TICKS)
    assert len({packet.source_seq for packet in packets}) == len(packets)
    assert (packets[-1].source_seq - host.camera.seq) & 0xFFFF > 65_500, "live at the end"
    assert host.plis == before + 1


def deaf(world: World) -> Publisher:
    """A publisher with a key frame every 3 s, whatever is asked of it (OBS)."""
    host = world.publish("host")
    host.camera.turn_deaf(keyframe_every_s=3.0)
    return host


@pytest.mark.parametrize("moment", [0.1, 0.7, 1.3, 2.9])
def test_newcomers_of_a_source_that_ignores_plis_get_its_cached_pictures(moment: float) -> None:
    world = World()
    host = deaf(world)
    world.run(6)
    while host.camera.keyframe_at - world.now < 3.0 - moment - 0.05:
        world.step()
    while host.camera.keyframe_at - world.now > 3.0 - moment:
        world.step()
    viewer = world.play("ann")
    world.run(0.1)
    world.point(viewer, VIDEO, host.camera_id, 1)
    pointed = world.now
    world.run(4)
    packets = viewer.media(VIDEO)
    assert packets[0].is_keyframe_start
    assert packets[0].at - pointed < 0.05
    assert_whole(packets)
    assert len({packet.source_seq for packet in packets}) == len(packets)
    assert (packets[-1].source_seq - host.camera.seq) & 0xFFFF > 65_500, "live at the end"
    assert_continuous(packets, 2 * FRAME_TICKS)


def test_who_waits_while_a_source_turns_out_to_ignore_plis_gets_the_cached_pictures() -> None:
    world = World()
    host = deaf(world)
    host.camera.keyframe_every_s = 3.9
    viewer = world.play("ann")
    world.run(0.5)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(2.5)
    assert viewer.media(VIDEO)
    assert_whole(viewer.media(VIDEO))


def test_a_source_without_pli_serves_newcomers_from_the_cache() -> None:
    world = World()
    host = world.publish("host", pli=False)
    host.camera.keyframe_every_s = 3.0
    viewer = world.play("ann")
    world.run(1)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(0.2)
    assert viewer.media(VIDEO)[0].is_keyframe_start
    assert_whole(viewer.media(VIDEO))
    assert host.plis == 0


def test_who_lost_the_picture_of_a_deaf_source_gets_it_again_but_not_at_will() -> None:
    world = World()
    host = world.publish("host", pli=False)
    host.camera.keyframe_every_s = 3.0
    viewer = world.play("ann")
    world.run(0.5)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.5)

    def keyframes() -> int:
        return sum(packet.is_keyframe_start for packet in viewer.media(VIDEO))

    assert keyframes() == 1, "a PLI within two seconds of the first replay is too soon"
    viewer.send_pli(VIDEO)
    world.run(0.3)
    assert keyframes() == 1
    world.run(0.3)
    for _ in range(5):
        viewer.send_pli(VIDEO)
        world.run(0.02)
    assert keyframes() == 2, "five PLIs are one replay"
    sequence = [packet.header.seq for packet in viewer.media(VIDEO)]
    assert len(set(sequence)) == len(sequence), "the replay has numbers of its own"
    assert host.plis == 0


def test_pointing_again_in_the_middle_of_a_replay_leaves_no_hole() -> None:
    world = World()
    host = deaf(world)
    host.camera.packets = 10
    world.run(8.5)
    viewer = world.play("ann")
    world.run(0.1)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.step()
    world.point(viewer, VIDEO, host.camera_id, 2)
    world.run(1)
    assert_whole(viewer.media(VIDEO))
    assert_continuous(viewer.media(VIDEO), 2 * FRAME_TICKS)
    assert world.of(SlotLive)[-1].generation == 2


# --- departures -----------------------------------------------------------------------------------


def test_a_dead_publisher_ends_its_tracks_and_empties_its_slots() -> None:
    world = World()
    (host, guest), viewer = watching(world, "host", "guest")
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(1.5)
    guest.goodbye()
    world.run(0.1)
    ended = [event.track_id for event in world.of(TrackEnded)]
    assert sorted(ended) == sorted([guest.camera_id, guest.microphone_id])
    left = world.now
    world.run(0.5)
    assert viewer.media(VIDEO)[-1].at < left
    world.point(viewer, VIDEO, host.camera_id, 3)
    world.run(1.5)
    assert viewer.media(VIDEO)[-1].source == "host"
    assert_continuous(viewer.media(VIDEO), 90_000 * 2)


def test_when_the_awaited_publisher_dies_the_old_picture_stops_too() -> None:
    world = World()
    (_, guest), viewer = watching(world, "host", "guest")
    guest.camera.listens = False
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(0.2)
    world.close(guest)
    gone = world.now
    world.run(0.5)
    assert viewer.media(VIDEO)[-1].at <= gone + 0.02


def test_when_the_old_publisher_dies_the_pending_switch_still_happens() -> None:
    world = World()
    (host, guest), viewer = watching(world, "host", "guest")
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.close(host)
    world.run(1.5)
    assert viewer.media(VIDEO)[-1].source == "guest"


def test_a_publisher_who_comes_back_under_the_same_track_wins() -> None:
    world = World()
    (old,), viewer = watching(world, "host")
    new = world.publish("host#2")
    assert new.camera_id == old.camera_id
    world.run(1.5)
    world.point(viewer, VIDEO, old.camera_id, 2)
    world.run(1.5)
    assert viewer.media(VIDEO)[-1].source == "host#2"
    world.close(old, "replaced")
    world.run(1)
    assert viewer.media(VIDEO)[-1].source == "host#2"
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    newcomer = world.play("bob")
    world.point(newcomer, VIDEO, new.camera_id, 1)
    world.run(1.5)
    assert newcomer.media(VIDEO)[-1].source == "host#2"
    assert {event.peer_id for event in world.of(TrackEnded)} == {"host"}
