"""RED through the whole plane (RFC 2198): negotiated, retyped for viewers who have it, unwrapped
for those who have not, and never two plaintexts under one number."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.network.conditions import Conditions
from loadtest.network.impairment import Impairment
from media.fanout import FanOutCounters, fan_out, fan_out_plain
from media.forwarder import Feed
from media.payload.red import parse_red_untrusted, primary
from media.resend import answer_nack
from media.ring import AUDIO_RING, RetransmissionRing
from media.rtp import RtpHeader, SourcePacket, parse_rtp_untrusted
from media.seam import CodecPolicy, SlotLive
from media.srtp import OutBuffer
from tests.support.plane_client import Publisher, Received
from tests.support.plane_client import Viewer as PlaneViewer
from tests.support.plane_offer import AUDIO_PT, RED_PT
from tests.support.plane_world import World
from tests.support.rtp_kit import KeepingSender, Viewer, red_payload, rtp_bytes, source_packet

AUDIO = "0"
WITH_RED = CodecPolicy(audio=("red", "opus"))
OTHER_OPUS_PT = 96


def room(*, policy: CodecPolicy = WITH_RED, publisher_has_red: bool = True) -> World:
    world = World(policy=policy)
    host = world.publish("host", red=publisher_has_red, video=0)
    host.sends_red = f"a=rtpmap:{RED_PT} red/48000/2" in host.answer
    world.run(0.5)
    return world


def host_of(world: World) -> Publisher:
    return next(each for each in world.clients.values() if isinstance(each, Publisher))


def listen(world: World, *, name: str = "ann", **text: object) -> PlaneViewer:
    viewer = world.play(name, video=0, **text)
    world.run(0.5)
    world.point(viewer, AUDIO, host_of(world).microphone_id, 1)
    world.run(0.5)
    return viewer


def newest(packet: Received, opus_pt: int) -> bytes:
    """The Opus of a packet, with or without RED around it."""
    if packet.header.payload_type == opus_pt:
        return packet.payload
    return primary(packet.payload, parse_red_untrusted(packet.payload, opus_pt))


def assert_every_number_once(packets: list[Received]) -> None:
    """Sequence numbers without a hole, each with its own Opus, timestamps 20 ms apart."""
    assert len(packets) > 20
    seqs = [packet.header.seq for packet in packets]
    assert seqs == [(seqs[0] + step) & 0xFFFF for step in range(len(seqs))]
    stamps = [packet.header.rtp_timestamp for packet in packets]
    assert all(900 <= (after - before) & 0xFFFFFFFF <= 1300 for before, after in pairwise(stamps))


# --- negotiated -----------------------------------------------------------------------------------


def test_a_publisher_is_answered_red_before_the_opus_of_its_blocks() -> None:
    answer = host_of(room()).answer
    assert f"UDP/TLS/RTP/SAVPF {RED_PT} {AUDIO_PT}\r\n" in answer
    assert f"a=fmtp:{RED_PT} {AUDIO_PT}/{AUDIO_PT}\r\n" in answer


@pytest.mark.parametrize(
    "policy", [CodecPolicy(), CodecPolicy(audio=("opus",)), CodecPolicy(audio=("opus", "red"))]
)
def test_opus_is_preferred_unless_the_room_says_otherwise(policy: CodecPolicy) -> None:
    assert "red/48000" not in host_of(room(policy=policy)).answer


# --- forwarded ------------------------------------------------------------------------------------


def test_a_viewer_with_red_gets_it_under_his_own_payload_types() -> None:
    world = room()
    viewer = listen(world, red=True, opus_pt=OTHER_OPUS_PT)
    packets = viewer.media(AUDIO)
    assert_every_number_once(packets)
    assert {packet.header.payload_type for packet in packets} == {RED_PT}
    layouts = [parse_red_untrusted(packet.payload, OTHER_OPUS_PT) for packet in packets]
    assert {layout.redundant for layout in layouts} == {1}
    for before, after in pairwise(packets):
        said = newest(before, OTHER_OPUS_PT)
        assert after.payload == red_payload(
            newest(after, OTHER_OPUS_PT), [(960, said)], payload_type=OTHER_OPUS_PT
        )


def test_a_viewer_without_red_gets_the_primary_as_opus() -> None:
    world = room()
    viewer = listen(world, opus_pt=OTHER_OPUS_PT)
    packets = viewer.media(AUDIO)
    assert_every_number_once(packets)
    assert {packet.header.payload_type for packet in packets} == {OTHER_OPUS_PT}
    said = [packet.source_seq for packet in packets]
    assert said == [(said[0] + step) & 0xFFFF for step in range(len(said))]


def test_a_sender_report_counts_what_that_viewer_was_sent() -> None:
    world = room()
    both = listen(world, red=True), listen(world, name="bob")
    world.run(6.0)
    for viewer in both:
        report = viewer.reports(AUDIO)[-1]
        arrived = viewer.media(AUDIO)[: report.sender_info.packet_count]
        assert report.sender_info.octet_count == sum(len(each.payload) for each in arrived)


def test_a_source_without_red_is_opus_to_everybody() -> None:
    world = room(publisher_has_red=False)
    viewer = listen(world, red=True, opus_pt=OTHER_OPUS_PT)
    packets = viewer.media(AUDIO)
    assert_every_number_once(packets)
    assert {packet.header.payload_type for packet in packets} == {OTHER_OPUS_PT}


def test_a_sender_may_go_to_opus_and_back() -> None:
    """Chromium sends plain Opus where RED would grow too large."""
    world = room()
    with_red, without = listen(world, red=True), listen(world, name="bob")
    for sends_red in (False, True, False):
        host_of(world).sends_red = sends_red
        world.run(0.3)
    for viewer in (with_red, without):
        assert_every_number_once(viewer.media(AUDIO))
    types = [packet.header.payload_type for packet in with_red.media(AUDIO)]
    runs = [each for each, before in zip(types, [None, *types], strict=False) if each != before]
    assert runs == [RED_PT, AUDIO_PT, RED_PT, AUDIO_PT]
    assert {packet.header.payload_type for packet in without.media(AUDIO)} == {AUDIO_PT}


def test_one_stream_goes_on_when_its_source_changes_from_red_to_opus() -> None:
    world = room()
    viewer = listen(world, red=True)
    guest = world.publish("guest", video=0)
    world.run(0.5)
    world.point(viewer, AUDIO, guest.microphone_id, 2)
    world.run(0.5)
    packets = viewer.media(AUDIO)
    seqs = [packet.header.seq for packet in packets]
    assert seqs == [(seqs[0] + step) & 0xFFFF for step in range(len(seqs))]
    assert {packet.header.payload_type for packet in packets} == {RED_PT, AUDIO_PT}
    assert len(world.of(SlotLive)) == 2


def test_malformed_red_is_dropped_and_counted() -> None:
    world = room()
    host = host_of(world)
    viewer = listen(world, red=True)
    before = len(viewer.media(AUDIO))
    host.microphone.is_on = False
    host.sends_red = False
    world.run(0.1)
    for offset, payload in enumerate([b"\xef", b"\xef\0\0\x09\x6fx", b"\x6e1", b"\xff" * 50]):
        host.send_rtp(
            rtp_bytes(
                host.microphone.seq + offset,
                ssrc=host.AUDIO_SSRC,
                payload_type=RED_PT,
                payload=payload,
            )
        )
    world.run(0.1)
    dropped = world.stats("host").peers[0].dropped
    assert dropped["red_header_truncated"] == 1
    assert dropped["red_block_truncated"] == 1
    assert dropped["red_payload_type"] == 2
    assert len(viewer.media(AUDIO)) - before <= 2


# --- never two plaintexts -------------------------------------------------------------------------

FEEDS = (
    Feed(1, 111, None, 48_000, "seat", 63),
    Feed(1, 111, None, 48_000, "seat"),
    Feed(1, 96, None, 48_000, "seat", 97),
    Feed(2, 111, None, 48_000, "seat", 63),
    Feed(2, 111, None, 48_000, "seat"),
)
steps = st.lists(
    st.tuples(
        st.integers(1, 2),  # source
        st.integers(-3, 3),  # where it comes relative to the next
        st.booleans(),  # RED or plain Opus
        st.integers(0, 12),  # another feed, or none
        st.lists(st.integers(0, 9), max_size=2),  # numbers asked for, back from the last
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_red_opus_late_packets_switches_and_resends_share_no_number(
    script: list[tuple[int, int, bool, int, list[int]]],
) -> None:
    fast, plain = Viewer(kind="audio", rtx=False), Viewer(kind="audio", rtx=False)
    sender, plain_sender, resent = KeepingSender(), KeepingSender(), KeepingSender()
    rings = {number: RetransmissionRing(AUDIO_RING) for number in (1, 2)}
    position = {1: 100, 2: 60_000}
    sent: dict[tuple[int, int], bytes] = {}
    for viewer in (fast, plain):
        viewer.stream.point(FEEDS[0])
    for number, (source, jump, is_red, choice, asked) in enumerate(script):
        if choice < len(FEEDS):
            for viewer in (fast, plain):
                viewer.stream.point(FEEDS[choice])
        position[source] += 1
        packet = _packet(source, position[source] + jump, is_red)
        if rings[source].get(packet.ext_seq) is not None:
            continue  # a duplicate: the track drops it
        rings[source].put(packet)
        streams = [fast.stream]
        fan_out(
            [packet], streams, sender=sender, buffer=OutBuffer(), stamp=0, counters=FanOutCounters()
        )
        fan_out_plain([packet], [plain.stream], sender=plain_sender, stamp=0)
        highest = max((seq for _, seq in sent), default=1000)
        answer_nack(
            fast.stream,
            [highest - back for back in asked],
            ring_of=rings.get,
            sender=resent,
            stamp=number,
            now=number * 0.02,
        )
        for data in sender.to(fast.address) + resent.to(fast.address):
            header = parse_rtp_untrusted(data)
            before = sent.setdefault((header.ssrc, header.seq), data)
            assert before == data, "one number, two plaintexts"
    assert sender.to(fast.address) == plain_sender.to(plain.address)


def _packet(source: int, ext_seq: int, is_red: bool) -> SourcePacket:
    said = f"{source}:{ext_seq}".encode()
    return source_packet(
        ext_seq,
        source_id=source,
        ext_timestamp=ext_seq * 960,
        payload=red_payload(said, [(960, b"before")]) if is_red else said,
        codec="red" if is_red else "opus",
    )


def test_rtx_repeats_the_primary_as_opus() -> None:
    viewer = Viewer(kind="audio")
    viewer.stream.point(Feed(1, 96, 98, 48_000, "seat", 97))
    packet = _packet(1, 50, is_red=True)
    ring = RetransmissionRing(AUDIO_RING)
    ring.put(packet)
    sender, buffer, counters = KeepingSender(), OutBuffer(), FanOutCounters()
    fan_out([packet], [viewer.stream], sender=sender, buffer=buffer, stamp=0, counters=counters)
    answer_nack(viewer.stream, [1000], ring_of=lambda _: ring, sender=sender, stamp=0, now=0.0)
    first, again = viewer.open(sender)
    assert _parts(first) == (97, red_payload(b"1:50", [(960, b"before")], payload_type=96))
    assert _parts(again) == (98, (1000).to_bytes(2, "big") + b"1:50")


def _parts(data: bytes) -> tuple[int, bytes]:
    header: RtpHeader = parse_rtp_untrusted(data)
    return header.payload_type, data[header.payload_start : header.payload_end]


# --- what it is good for --------------------------------------------------------------------------


def pieces_heard(packets: list[Received], loss: float, burst: float) -> float:
    """Share of the 20 ms pieces that come through a link, as themselves or repeated."""
    link: Impairment[Received] = Impairment(Conditions(loss=loss, burst=burst), random.Random(5))
    heard: set[bytes] = set()
    for packet in packets:
        link.take(packet, len(packet.plain), packet.at)
        for arrived in link.due(packet.at):
            heard.add(newest(arrived, AUDIO_PT))
            if arrived.header.payload_type == RED_PT:
                layout = parse_red_untrusted(arrived.payload, AUDIO_PT)
                heard.add(arrived.payload[5 : layout.primary_start])
    said = {newest(packet, AUDIO_PT) for packet in packets}
    return len(heard & said) / len(said)


@pytest.mark.parametrize(("burst", "least"), [(1.0, 0.94), (2.0, 0.87)])
def test_red_hides_most_of_20_percent_loss(burst: float, least: float) -> None:
    world = room()
    with_red, without = listen(world, red=True), listen(world, name="bob")
    world.run(40)
    assert pieces_heard(without.media(AUDIO), 0.2, burst) == pytest.approx(0.8, abs=0.03)
    assert pieces_heard(with_red.media(AUDIO), 0.2, burst) >= least
