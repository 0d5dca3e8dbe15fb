"""The forwarder: continuous, injective, and reversible, whatever arrives in whatever order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.forwarder import MAX_HOLE, MAX_SEGMENTS, Forwarder
from media.payload.vp8 import parse_descriptor_untrusted, renumber
from media.rtp import SourcePacket
from tests.support.rtp_kit import (
    AUDIO_TICKS,
    SEQUENCE_STARTS,
    VIDEO_TICKS,
    feed,
    source_packet,
    vp8_payload,
)


def video(first_seq: int = 1000, first_timestamp: int = 50_000) -> Forwarder:
    return Forwarder(kind="video", first_seq=first_seq, first_timestamp=first_timestamp)


def audio() -> Forwarder:
    return Forwarder(kind="audio", first_seq=1000, first_timestamp=50_000)


def awaited(forwarder: Forwarder) -> int | None:
    """Asked anew each time, so that mypy does not take the last answer for granted."""
    return forwarder.awaited_source


def test_video_starts_on_a_key_frame() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    assert awaited(forwarder) == 1
    assert forwarder.rewrite(source_packet(9)) is None
    assert forwarder.rewrite(source_packet(10, keyframe=True)) == (1000, 50_000)
    assert awaited(forwarder) is None
    assert forwarder.rewrite(source_packet(11)) == (1001, 50_000 + VIDEO_TICKS)


def test_audio_starts_with_the_first_packet_and_switches_at_once() -> None:
    forwarder = audio()
    forwarder.point(feed(1, clock_rate=48_000))
    assert forwarder.rewrite(source_packet(5, arrival=1.0)) == (1000, 50_000)
    forwarder.point(feed(2, clock_rate=48_000))
    assert forwarder.rewrite(source_packet(6, arrival=1.02)) is None
    rewritten = forwarder.rewrite(source_packet(900, source_id=2, arrival=1.1))
    assert rewritten == (1001, 50_000 + round(0.1 * 48_000))


def test_video_goes_on_with_the_old_source_until_the_new_key_frame() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(feed(2))
    assert awaited(forwarder) == 2
    assert forwarder.wants(1)
    assert forwarder.wants(2)
    assert forwarder.rewrite(source_packet(500, source_id=2)) is None
    assert forwarder.rewrite(source_packet(11)) is not None
    assert forwarder.rewrite(source_packet(501, source_id=2, keyframe=True)) is not None
    assert not forwarder.wants(1)
    assert forwarder.rewrite(source_packet(12)) is None


def test_removing_the_old_source_stops_it_before_the_key_frame() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(feed(2))
    forwarder.remove_source(1)
    assert forwarder.rewrite(source_packet(11)) is None
    assert awaited(forwarder) == 2


def test_removing_the_awaited_source_keeps_the_old_one() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(feed(2))
    forwarder.remove_source(2)
    assert awaited(forwarder) is None
    assert forwarder.rewrite(source_packet(11)) is not None


def test_pointing_back_cancels_a_pending_switch() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(feed(2))
    forwarder.point(feed(1))
    assert awaited(forwarder) is None
    assert forwarder.rewrite(source_packet(500, source_id=2, keyframe=True)) is None
    assert forwarder.rewrite(source_packet(11)) == (1001, 50_000 + VIDEO_TICKS)


def test_pointing_at_nothing_stops() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(None)
    assert forwarder.target is None
    assert forwarder.rewrite(source_packet(11, keyframe=True)) is None


def test_pause_and_resume_keep_numbers_contiguous() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    assert forwarder.rewrite(source_packet(10, keyframe=True, arrival=0.0)) == (1000, 50_000)
    forwarder.pause()
    assert forwarder.is_paused
    assert awaited(forwarder) is None
    assert forwarder.rewrite(source_packet(11, keyframe=True)) is None
    forwarder.resume()
    assert awaited(forwarder) == 1
    assert forwarder.rewrite(source_packet(40, arrival=2.0)) is None
    resumed = forwarder.rewrite(source_packet(41, keyframe=True, arrival=2.0))
    assert resumed == (1001, 50_000 + 180_000)


def test_restart_begins_again_with_packets_sent_before() -> None:
    """How a viewer who lost the picture gets the cached group of pictures once more."""
    forwarder = video()
    forwarder.point(feed(1))
    for ext_seq in (10, 11):
        forwarder.rewrite(source_packet(ext_seq, keyframe=ext_seq == 10))
    forwarder.restart()
    assert awaited(forwarder) == 1
    again = [forwarder.rewrite(source_packet(n, keyframe=n == 10)) for n in (10, 11)]
    assert [each[0] for each in again if each is not None] == [1002, 1003]


def test_restart_leaves_a_pending_switch_alone() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(feed(2))
    forwarder.restart()
    assert forwarder.rewrite(source_packet(11)) is not None


def test_a_packet_before_the_switch_point_is_dropped() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    assert forwarder.rewrite(source_packet(9)) is None
    assert forwarder.late_drops == 1


def test_a_late_packet_fills_its_hole_once() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.rewrite(source_packet(13))
    assert forwarder.rewrite(source_packet(12)) == (1002, 50_000 + 2 * VIDEO_TICKS)
    assert forwarder.rewrite(source_packet(12)) is None
    assert forwarder.rewrite(source_packet(13)) is None
    assert forwarder.rewrite(source_packet(11)) is not None


def test_a_hole_too_wide_waits_for_a_key_frame_and_closes_up() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    far = 11 + MAX_HOLE + 1
    assert forwarder.rewrite(source_packet(far)) is None
    assert awaited(forwarder) == 1
    opened = forwarder.rewrite(source_packet(far + 5, keyframe=True))
    assert opened is not None
    assert opened[0] == 1001


def test_audio_steps_over_a_wide_hole_at_once() -> None:
    forwarder = audio()
    forwarder.point(feed(1, clock_rate=48_000))
    forwarder.rewrite(source_packet(10))
    opened = forwarder.rewrite(source_packet(60_000))
    assert opened == (1001, 50_000 + AUDIO_TICKS)


def test_another_payload_type_of_the_same_source_waits_for_its_key_frame() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True))
    forwarder.point(feed(1, cname="other"))
    assert forwarder.rewrite(source_packet(11)) == (1001, 50_000 + VIDEO_TICKS)
    segment = forwarder.admit(source_packet(12, keyframe=True))
    assert segment is not None
    assert segment.feed.cname == "other"
    assert awaited(forwarder) is None


def test_a_run_is_admitted_whole_only_when_it_continues() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    assert forwarder.admit_run([source_packet(10, keyframe=True)]) is None
    segment = forwarder.admit(source_packet(10, keyframe=True))
    assert forwarder.admit_run([source_packet(11), source_packet(12)]) is segment
    assert forwarder.admit_run([source_packet(14)]) is None
    assert forwarder.admit_run([source_packet(13, source_id=2)]) is None
    assert forwarder.rewrite(source_packet(13)) == (1003, 50_000 + 3 * VIDEO_TICKS)


def test_timestamps_go_on_by_the_time_that_passed() -> None:
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True, ext_timestamp=7, arrival=1.0))
    forwarder.point(feed(2))
    switched = forwarder.rewrite(
        source_packet(1, source_id=2, keyframe=True, ext_timestamp=10**9, arrival=1.5)
    )
    assert switched == (1001, 50_000 + 45_000)


def test_timestamps_step_at_least_one_frame_and_from_the_peak() -> None:
    """With B-frames the last packet is not the latest picture."""
    forwarder = video()
    forwarder.point(feed(1))
    forwarder.rewrite(source_packet(10, keyframe=True, ext_timestamp=90_000, arrival=1.0))
    last = source_packet(11, ext_timestamp=96_000, arrival=1.0)
    last.peak_timestamp = 99_000
    forwarder.rewrite(last)
    forwarder.point(feed(2))
    switched = forwarder.rewrite(source_packet(1, source_id=2, keyframe=True, arrival=0.2))
    assert switched == (1002, 50_000 + 9_000 + VIDEO_TICKS)


def test_locate_finds_the_packet_behind_a_number_across_switches() -> None:
    forwarder = video(first_seq=65_534)
    forwarder.point(feed(1))
    for ext_seq in range(10, 14):
        forwarder.rewrite(source_packet(ext_seq, keyframe=ext_seq == 10))
    forwarder.point(feed(2))
    forwarder.rewrite(source_packet(700, source_id=2, keyframe=True))
    located = [forwarder.locate(seq & 0xFFFF) for seq in range(65_534, 65_539)]
    found = [(place[0].source_id, place[1]) for place in located if place is not None]
    assert found == [(1, 10), (1, 11), (1, 12), (1, 13), (2, 700)]
    assert forwarder.locate(65_533) is None
    assert forwarder.locate(100) is None


def test_locate_knows_nothing_before_the_first_packet() -> None:
    assert video().locate(5) is None


def test_old_segments_are_forgotten() -> None:
    forwarder = audio()
    for number in range(MAX_SEGMENTS + 3):
        forwarder.point(feed(number, clock_rate=48_000))
        forwarder.rewrite(source_packet(10, source_id=number))
    assert forwarder.locate(1002) is None
    found = forwarder.locate(1003)
    assert found is not None
    assert found[0].source_id == 3


@pytest.mark.parametrize("start", SEQUENCE_STARTS)
def test_numbers_go_on_over_every_wrap(start: int) -> None:
    """Outgoing and incoming counters start where they are about to wrap, and a switch follows."""
    forwarder = video(first_seq=start, first_timestamp=0xFFFFFFFF - VIDEO_TICKS)
    forwarder.point(feed(1))
    out = [
        forwarder.rewrite(
            source_packet(65_536 + start + n, keyframe=n == 0, ext_timestamp=n * VIDEO_TICKS)
        )
        for n in range(5)
    ]
    forwarder.point(feed(2))
    out.append(forwarder.rewrite(source_packet(start, source_id=2, keyframe=True)))
    sent = [each for each in out if each is not None]
    assert [number for number, _ in sent] == list(range(start, start + 6))
    steps = [(after - before) & 0xFFFFFFFF for (_, before), (_, after) in pairwise(sent)]
    assert steps == [VIDEO_TICKS] * 5


@pytest.mark.parametrize("start", [*SEQUENCE_STARTS])
@pytest.mark.parametrize("long_id", [True, False])
def test_vp8_counters_go_on_over_a_switch(start: int, long_id: bool) -> None:
    def packet(ext_seq: int, source_id: int, number: int, keyframe: bool) -> SourcePacket:
        payload = vp8_payload(
            keyframe=keyframe,
            picture_id=number,
            long_id=long_id,
            tl0picidx=number,
            keyidx=number,
        )
        return source_packet(
            ext_seq, source_id=source_id, payload=payload, codec="vp8", keyframe=keyframe
        )

    forwarder = video()
    forwarder.point(feed(1))
    incoming = [packet(10 + n, 1, start + n, n == 0) for n in range(3)]
    incoming += [packet(90 + n, 2, 3 * start + n, n == 0) for n in range(3)]
    outgoing = []
    for number, each in enumerate(incoming):
        if number == 3:
            forwarder.point(feed(2))
        segment = forwarder.admit(each)
        assert segment is not None
        assert each.vp8 is not None
        offsets = (segment.picture_id_offset, segment.tl0picidx_offset, segment.keyidx_offset)
        outgoing.append(parse_descriptor_untrusted(renumber(each.payload, each.vp8, *offsets)))
    first = outgoing[0]
    for number, descriptor in enumerate(outgoing):
        if long_id:
            assert descriptor.picture_id == (first.picture_id + number) & 0x7FFF
        assert descriptor.picture_id_bits == 15
        assert descriptor.tl0picidx == (first.tl0picidx + number) & 0xFF
        assert descriptor.keyidx == (first.keyidx + number) & 0x1F


# What may happen to a forwarder, as a script: (what, source, number).
steps = st.lists(
    st.one_of(
        st.tuples(st.just("next"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("next"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("run"), st.integers(1, 3), st.integers(1, 6)),
        st.tuples(st.just("late"), st.integers(1, 3), st.integers(0, 30)),
        st.tuples(st.just("jump"), st.integers(1, 3), st.sampled_from([200, 511, 600, 40_000])),
        st.tuples(st.just("point"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("pause"), st.just(0), st.just(0)),
        st.tuples(st.just("resume"), st.just(0), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("remove"), st.integers(1, 3), st.just(0)),
    ),
    max_size=120,
)


class World:
    """Three sources and one forwarder; checks the promises after each step."""

    def __init__(self, kind: str, start: int) -> None:
        self.forwarder = Forwarder(
            kind="audio" if kind == "audio" else "video",
            first_seq=start,
            first_timestamp=(start * 65_537) & 0xFFFFFFFF,
        )
        self.clock_rate = 48_000 if kind == "audio" else 90_000
        self.next = {1: start + 65_536, 2: 65_536, 3: 2 * 65_536 - 3}
        self.now = 0.0
        self.out: dict[int, tuple[int, int]] = {}
        self.highest = -1
        self.newest: int | None = None

    def packet(self, source: int, ext_seq: int) -> SourcePacket:
        return source_packet(
            ext_seq,
            source_id=source,
            arrival=self.now,
            keyframe=ext_seq % 4 == 0,
            ext_timestamp=ext_seq * 700,
        )

    def offer(self, source: int, ext_seq: int) -> None:
        self.now += 0.001
        packet = self.packet(source, ext_seq)
        rewritten = self.forwarder.rewrite(packet)
        if rewritten is not None:
            self.note(packet, *rewritten)

    def note(self, packet: SourcePacket, out_seq: int, timestamp: int) -> None:
        assert out_seq not in self.out, "an outgoing number was used twice"
        self.out[out_seq] = (packet.source_id, packet.ext_seq)
        if out_seq > self.highest:
            if self.newest is not None:
                ahead = (timestamp - self.newest) & 0xFFFFFFFF
                assert 0 < ahead < 1 << 31, "the outgoing timestamp went back"
                assert out_seq - self.highest <= MAX_HOLE + 1, "the outgoing numbers jumped"
            self.highest, self.newest = out_seq, timestamp

    def run(self, source: int, count: int) -> None:
        first = self.next[source]
        packets = [self.packet(source, first + n) for n in range(count)]
        self.next[source] += count
        segment = self.forwarder.admit_run(packets)
        if segment is None:
            for packet in packets:
                self.offer(source, packet.ext_seq)
            return
        for packet in packets:
            out_timestamp = (packet.ext_timestamp + segment.timestamp_offset) & 0xFFFFFFFF
            self.note(packet, packet.ext_seq + segment.seq_offset, out_timestamp)

    def step(self, what: str, source: int, number: int) -> None:
        forwarder = self.forwarder
        match what:
            case "next" | "jump":
                self.next[source] += number
                self.offer(source, self.next[source] - 1)
            case "late":
                self.offer(source, self.next[source] - 1 - number)
            case "run":
                self.run(source, number)
            case "point":
                forwarder.point(feed(source, clock_rate=self.clock_rate) if source else None)
            case "pause":
                forwarder.pause()
            case "resume":
                forwarder.resume()
            case "restart":
                forwarder.restart()
            case _:
                forwarder.remove_source(source)

    def check_reversible(self) -> None:
        """Every number of late is translated back to what was sent under it."""
        for out_seq, sent in self.out.items():
            if out_seq <= self.highest - 0x8000:
                continue
            found = self.forwarder.locate(out_seq & 0xFFFF)
            if found is not None:
                assert (found[0].source_id, found[1]) == sent


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["audio", "video"]), st.sampled_from(SEQUENCE_STARTS), steps)
def test_never_two_packets_under_one_number(
    kind: str, start: int, script: list[tuple[str, int, int]]
) -> None:
    """The invariant that SRTP rests on (DESIGN 3.7), with all that may happen."""
    world = World(kind, start)
    world.forwarder.point(feed(1, clock_rate=world.clock_rate))
    for step in script:
        world.step(*step)
    world.check_reversible()
