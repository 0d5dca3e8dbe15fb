"""Simulcast through a whole plane in memory: three layers up, one continuous stream down."""

from __future__ import annotations

import itertools

import pytest

from media import rtcp
from media.seam import (
    LayerName,
    ShapeSlot,
    SlotLive,
    SlotSize,
    SlotStats,
    TrackEnded,
    TrackStarted,
)
from tests.support.plane_client import Client, Received, Viewer
from tests.support.plane_offer import RID_ID, VP8_PT, VP8_RTX_PT
from tests.support.plane_world import WALL_OFFSET_S, World
from tests.support.rtp_kit import rtp_bytes
from tests.support.simulcast_client import SimulcastPublisher, publish_simulcast

AUDIO, VIDEO = "0", "1"
FRAME_TICKS = 3000


def watching(world: World, **offer: object) -> tuple[SimulcastPublisher, Viewer]:
    host, viewer = publish_simulcast(world, **offer), world.play("ann")  # type: ignore[arg-type]  # a table of settings
    world.run(1.5)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.5)
    return host, viewer


def shape(
    world: World, viewer: Client, size: SlotSize = "big", max_layer: LayerName | None = None
) -> None:
    world.command(ShapeSlot(viewer.peer_id, VIDEO, size, max_layer))


def layer(viewer: Viewer) -> str:
    return viewer.media(VIDEO)[-1].source


def slot_stats(world: World, viewer: Viewer) -> SlotStats:
    stats = world.stats(viewer.name).peers[0].slots
    return next(each for each in stats if each.mid == VIDEO)


def stretches(packets: list[Received]) -> list[str]:
    return [name for name, _ in itertools.groupby(packets, key=lambda packet: packet.source)]


def assert_one_stream(
    host: SimulcastPublisher, packets: list[Received], most_ticks: int = 100
) -> None:
    """Numbers and picture ids without hole, timestamps that keep the captures' pace, at a switch
    within `most_ticks`."""
    assert packets
    for before, after in itertools.pairwise(packets):
        assert (after.header.seq - before.header.seq) & 0xFFFF == 1
        same_picture = after.header.rtp_timestamp == before.header.rtp_timestamp
        assert (after.picture_id - before.picture_id) & 0x7FFF == (0 if same_picture else 1)
        if before.source != after.source:
            assert after.is_keyframe_start
        elapsed_s = captured_at(host, after) - captured_at(host, before)
        step = (after.header.rtp_timestamp - before.header.rtp_timestamp) & 0xFFFFFFFF
        most = 1 if before.source == after.source else most_ticks
        assert step == pytest.approx(elapsed_s * 90_000, abs=most), (before.source, after.source)


def captured_at(host: SimulcastPublisher, packet: Received) -> float:
    return host.encodings[packet.source.rpartition("-")[2]].captured[packet.source_seq]


# --- what is agreed -------------------------------------------------------------------------------


def test_the_answer_takes_every_encoding_and_the_track_names_them_lowest_first() -> None:
    world = World()
    host = publish_simulcast(world, rids=("f", "h", "q"))
    assert "a=rid:f recv\r\na=rid:h recv\r\na=rid:q recv\r\n" in host.answer
    assert "a=simulcast:recv f;h;q\r\n" in host.answer
    world.run(1)
    started = [event.track for event in world.of(TrackStarted) if event.track.kind == "video"]
    assert [track.rids for track in started] == [("q", "h", "f")]


def test_one_encoding_alone_is_no_simulcast() -> None:
    world = World()
    host = publish_simulcast(world, rids=("q",))
    assert "simulcast" not in host.answer
    assert "a=rid" not in host.answer


# --- what a slot gets -----------------------------------------------------------------------------


def test_a_big_slot_gets_the_highest_layer_and_a_track_starts_and_ends_once() -> None:
    world = World()
    host, viewer = watching(world)
    assert layer(viewer) == "host-f"
    assert_one_stream(host, viewer.media(VIDEO))
    assert [event.track.kind for event in world.of(TrackStarted)].count("video") == 1
    assert len(world.of(SlotLive)) == 1
    world.close(host)
    assert [str(event.track_id) for event in world.of(TrackEnded)].count(host.camera_id) == 1


def test_size_and_choice_move_the_slot_between_layers_within_one_stream() -> None:
    world = World()
    host, viewer = watching(world)
    for size, most, expected in (
        ("small", None, "host-h"),
        ("small", "low", "host-q"),
        ("big", "medium", "host-h"),
        ("big", "low", "host-q"),
        ("big", None, "host-f"),
    ):
        shape(world, viewer, size, most)  # type: ignore[arg-type]  # a table of settings
        world.run(1.2)
        assert layer(viewer) == expected
    assert stretches(viewer.media(VIDEO)) == [f"host-{rid}" for rid in "fhqhqf"]
    assert_one_stream(host, viewer.media(VIDEO))
    assert len(world.of(SlotLive)) == 1, "a switch of layer is no switch of track"
    gaps = [b.at - a.at for a, b in itertools.pairwise(viewer.media(VIDEO))]
    assert max(gaps) < 0.15


def test_a_report_right_after_a_switch_names_the_capture_times() -> None:
    world = World()
    host, viewer = watching(world)
    shape(world, viewer, "small")
    world.run(0.3)
    report = viewer.reports(VIDEO)[-1].sender_info
    packet = viewer.media(VIDEO)[-1]
    assert packet.source == "host-h"
    ahead = (packet.header.rtp_timestamp - report.rtp_timestamp + 2**31) % 2**32 - 2**31
    captured = rtcp.ntp_to_unix_s(report.ntp_timestamp) + ahead / 90_000
    assert captured - WALL_OFFSET_S == pytest.approx(captured_at(host, packet), abs=0.06)


def test_on_the_way_down_only_the_base_of_the_old_layer_goes_on() -> None:
    world = World()
    host, viewer = watching(world)
    host.encodings["q"].listens = False
    host.encodings["q"].keyframe_at = world.now + 0.8
    count = len(viewer.media(VIDEO))
    shape(world, viewer, "big", "low")
    world.run(1.2)
    meanwhile = [each for each in viewer.media(VIDEO)[count:] if each.source == "host-f"]
    settled = [each for each in meanwhile if each.at > meanwhile[0].at + 0.1]
    assert {host.encodings["f"].tid[each.source_seq] for each in settled} == {0}
    assert layer(viewer) == "host-q"
    assert_one_stream(host, viewer.media(VIDEO))


def test_a_layer_that_falls_silent_is_left_and_taken_again_when_it_is_back() -> None:
    world = World()
    host, viewer = watching(world)
    host.encodings["f"].is_on = False
    world.run(1.5)
    assert layer(viewer) == "host-h"
    assert slot_stats(world, viewer).limited_by == "nothing", "there is nothing better"
    host.encodings["f"].is_on = True
    host.encodings["f"].is_asked = True
    world.run(1.0)
    assert layer(viewer) == "host-f"
    packets = viewer.media(VIDEO)
    assert_one_stream(host, packets)
    assert max(b.at - a.at for a, b in itertools.pairwise(packets)) < 1.0


def test_picture_ids_go_on_over_a_switch_after_padding() -> None:
    world = World()
    host, viewer = watching(world)
    top = host.encodings["f"]
    shape(world, viewer, "small")
    top.is_on = False
    pad = rtp_bytes(top.seq, ssrc=top.ssrc, payload_type=VP8_PT, payload=b"", padding=50)
    host.send_rtp(pad)
    world.run(1.0)
    assert layer(viewer) == "host-h"
    packets = viewer.media(VIDEO)
    place = next(n for n, packet in enumerate(packets) if not packet.payload)
    assert packets[place + 1].is_keyframe_start
    assert (packets[place + 1].picture_id - packets[place - 1].picture_id) & 0x7FFF == 1


def test_layers_come_one_by_one_as_an_encoder_ramps_up() -> None:
    world = World()
    host, viewer = publish_simulcast(world), world.play("ann")
    host.encodings["h"].is_on = host.encodings["f"].is_on = False
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.0)
    for rid in "hf":
        host.encodings[rid].is_on = True
        world.run(1.0)
    assert stretches(viewer.media(VIDEO)) == ["host-q", "host-h", "host-f"]
    # No sender report of the new layer has come by then: arrivals serve, a frame at least.
    assert_one_stream(host, viewer.media(VIDEO), most_ticks=FRAME_TICKS + 1)


def test_hidden_costs_nothing_and_comes_back_on_the_layer_of_its_size() -> None:
    world = World()
    _, viewer = watching(world)
    shape(world, viewer, "hidden")
    world.run(0.1)
    count = len(viewer.media(VIDEO))
    world.run(1.0)
    assert len(viewer.media(VIDEO)) == count
    assert slot_stats(world, viewer).layer is None
    shape(world, viewer, "small")
    world.run(1.2)
    assert layer(viewer) == "host-h"
    assert len(world.of(SlotLive)) == 1
    sequence = [packet.header.seq for packet in viewer.media(VIDEO)]
    assert all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(sequence))


def test_muted_layers_reach_nobody_and_come_back() -> None:
    world = World()
    host, viewer = watching(world)
    world.mute(host.camera_id, True)
    world.run(0.1)
    since = world.now
    world.run(0.6)
    shape(world, viewer, "small")
    world.run(0.2)
    until = world.now
    world.mute(host.camera_id, False)
    world.run(1.2)
    assert layer(viewer) == "host-h"
    captured = [captured_at(host, packet) for packet in viewer.media(VIDEO)]
    assert not [time for time in captured if since < time < until]


# --- encoders that ignore PLIs --------------------------------------------------------------------


def test_deaf_layers_switch_on_their_own_key_frames_without_playing_the_past() -> None:
    world = World()
    host = publish_simulcast(world)
    for encoding in host.encodings.values():
        encoding.listens = False
        encoding.keyframe_every_s = 2.0
    viewer = world.play("ann")
    world.run(6)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(0.2)
    assert layer(viewer) == "host-f", "out of the cache"
    world.run(2)
    shape(world, viewer, "big", "low")
    world.run(2.5)
    assert layer(viewer) == "host-q"
    captured = [captured_at(host, packet) for packet in viewer.media(VIDEO)]
    assert captured == sorted(captured)


# --- loss and feedback ----------------------------------------------------------------------------


def test_loss_of_any_layer_is_asked_for_on_its_own_stream() -> None:
    world = World(5)
    host, viewer = watching(world)
    host.up.loss = 0.05
    world.run(3)
    host.up.loss = 0.0
    world.run(1)
    assert all(encoding.nacked for encoding in host.encodings.values())
    stats = world.stats("host").peers[0]
    (track,) = (each for each in stats.tracks if each.codec == "vp8")
    assert all(each.recovered > 0 for each in track.layers)
    assert [each.lost for each in track.layers] == [0, 0, 0]
    numbers = sorted(packet.header.seq for packet in viewer.media(VIDEO))
    assert len(set(numbers)) == len(numbers)
    assert (numbers[-1] - numbers[0]) & 0xFFFF == len(numbers) - 1


def test_a_viewer_gets_again_what_was_lost_before_and_after_a_switch() -> None:
    world = World()
    _, viewer = watching(world)
    shape(world, viewer, "small")
    while layer(viewer) != "host-h":
        world.step()
    world.run(0.2)
    wanted = [packet.header.seq for packet in viewer.media(VIDEO)[-30:]]
    viewer.send_nack(VIDEO, wanted)
    world.run(0.2)
    again = [packet for packet in viewer.received[VIDEO] if packet.original is not None]
    assert [packet.original for packet in again] == wanted
    assert {packet.source for packet in again} == {"host-f", "host-h"}
    first = {packet.header.seq: packet.payload for packet in viewer.media(VIDEO)}
    assert all(packet.payload == first[packet.seq] for packet in again)


def test_a_lost_picture_is_asked_for_on_the_layer_that_is_shown() -> None:
    world = World()
    host, viewer = watching(world)
    before = {rid: encoding.plis for rid, encoding in host.encodings.items()}
    world.run(1.0)
    viewer.send_pli(VIDEO)
    world.run(0.2)
    after = {rid: encoding.plis - before[rid] for rid, encoding in host.encodings.items()}
    assert after == {"q": 0, "h": 0, "f": 1}


# --- whose packet is it ---------------------------------------------------------------------------


def test_probes_before_the_first_picture_name_the_retransmission_stream() -> None:
    world = World()
    host, viewer = publish_simulcast(world), world.play("ann")
    for encoding in host.encodings.values():
        encoding.is_on = False
    world.run(0.5)
    for encoding in host.encodings.values():
        host.probe(encoding, 5)
    world.run(0.2)
    assert world.stats("host").peers[0].dropped == {"rtx_early": 15}
    assert not [event for event in world.of(TrackStarted) if event.track.kind == "video"]
    for encoding in host.encodings.values():
        encoding.is_on = True
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1)
    assert layer(viewer) == "host-f"


def test_the_rid_is_needed_only_until_the_stream_is_known() -> None:
    world = World()
    host, viewer = watching(world)
    for encoding in host.encodings.values():
        encoding.names_rid = False
    shape(world, viewer, "small")
    world.run(1)
    assert layer(viewer) == "host-h"
    assert world.stats("host").peers[0].dropped == {}


@pytest.mark.parametrize("extensions", [None, {RID_ID: b"x"}, {RID_ID: b"\xff"}, {RID_ID: b"q"}])
@pytest.mark.parametrize("payload_type", [VP8_PT, VP8_RTX_PT])
def test_strange_streams_are_dropped_and_take_nobodys_place(
    extensions: dict[int, bytes] | None, payload_type: int
) -> None:
    world = World()
    host, viewer = watching(world)
    for ssrc in range(0x9000, 0x9100):
        host.send_rtp(rtp_bytes(1, ssrc=ssrc, payload_type=payload_type, extensions=extensions))
    world.run(0.5)
    dropped = world.stats("host").peers[0].dropped
    assert sum(dropped.values()) == 256
    assert dropped["unknown_ssrc"] >= 256 - 16
    assert layer(viewer) == "host-f"


# --- what is told ---------------------------------------------------------------------------------


def test_statistics_name_layers_with_their_bitrates_and_what_limits_a_slot() -> None:
    world = World()
    host, viewer = watching(world)
    world.run(3)
    tracks = {str(track.track_id): track for track in world.stats("host").peers[0].tracks}
    layers = tracks[host.camera_id].layers
    assert [each.rid for each in layers] == ["q", "h", "f"]
    for count, each in enumerate(layers, 1):
        assert each.bitrate_bps == pytest.approx(30 * count * 407 * 8, rel=0.1)
    slot = slot_stats(world, viewer)
    assert (slot.track_id, slot.layer, slot.limited_by) == (host.camera_id, "high", "nothing")
    assert slot.bitrate_bps == pytest.approx(layers[2].bitrate_bps, rel=0.1)
    shape(world, viewer, "small")
    world.run(1.2)
    assert (slot_stats(world, viewer).layer, slot_stats(world, viewer).limited_by) == (
        "medium",
        "size",
    )
    shape(world, viewer, "big", "low")
    world.run(1.2)
    assert (slot_stats(world, viewer).layer, slot_stats(world, viewer).limited_by) == (
        "low",
        "choice",
    )
    host.encodings["q"].is_on = False
    world.run(1.5)
    (video,) = (each for each in world.stats("host").peers[0].tracks if each.codec == "vp8")
    assert video.layers[0].bitrate_bps == 0
    assert layer(viewer) == "host-h", "too much of a picture is better than none"
