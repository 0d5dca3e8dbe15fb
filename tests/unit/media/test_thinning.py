"""Temporal layers left out: what is sent can be decoded, and nobody sees a hole."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.forwarder import Forwarder, Segment
from media.payload.vp8 import parse_descriptor_untrusted, renumber
from media.rtp import SourcePacket
from tests.support.rtp_kit import SEQUENCE_STARTS, VIDEO_TICKS, feed, source_packet, vp8_payload

TIDS = (0, 2, 1, 2, 0, 2, 1, 2)
SYNCS = (False, True, True, False, False, False, False, False)
NEEDS = ((0,), (0,), (0,), (0, 1, 2), (0,), (0, 1, 2), (0, 1), (0, 1, 2))
"""Which layers' latest pictures each of the eight needs; the first one that of the base."""


class Source:
    """A VP8 stream with three temporal layers, as libvpx orders and marks them."""

    def __init__(self, start: int = 65_536, packets: int = 2) -> None:
        self.packets = packets
        self.start = start
        self.made: list[SourcePacket] = []
        self.tl0picidx = 0

    def picture(self, *, keyframe: bool = False) -> list[SourcePacket]:
        number = len(self.made) // self.packets
        position = number % 8
        tid = 0 if keyframe else TIDS[position]
        self.tl0picidx += tid == 0
        new = [
            source_packet(
                self.start + len(self.made) + index,
                ext_timestamp=number * VIDEO_TICKS,
                keyframe=keyframe and index == 0,
                codec="vp8",
                payload=vp8_payload(
                    keyframe=keyframe,
                    start=index == 0,
                    picture_id=number,
                    tl0picidx=self.tl0picidx,
                    tid=tid,
                    sync=SYNCS[position],
                ),
                arrival=number / 30,
            )
            for index in range(self.packets)
        ]
        self.made += new
        return new

    def number_of(self, packet: SourcePacket) -> int:
        return (packet.ext_seq - self.start) // self.packets


def descriptor_tid(packet: SourcePacket) -> int:
    assert packet.vp8 is not None
    return packet.vp8.tid


def followed(source: Source) -> tuple[Forwarder, list[tuple[SourcePacket, Segment]]]:
    """A forwarder that has sent the first picture, a key frame."""
    forwarder = Forwarder(kind="video", first_seq=1000, first_timestamp=0)
    forwarder.point(feed(1))
    return forwarder, offer(forwarder, source.picture(keyframe=True))


def offer(forwarder: Forwarder, packets: list[SourcePacket]) -> list[tuple[SourcePacket, Segment]]:
    sent = []
    for packet in packets:
        segment = forwarder.admit(packet)
        if segment is not None:
            sent.append((packet, segment))
    return sent


def tids(sent: list[tuple[SourcePacket, Segment]]) -> list[int]:
    """Of each picture."""
    return [descriptor_tid(p) for p, _ in sent if p.vp8 is not None and p.vp8.starts_picture]


def assert_continuous(sent: list[tuple[SourcePacket, Segment]]) -> None:
    numbers = [packet.ext_seq + segment.seq_offset for packet, segment in sent]
    assert [b - a for a, b in pairwise(numbers)] == [1] * (len(numbers) - 1)
    read = []
    for packet, segment in sent:
        assert packet.vp8 is not None
        payload = renumber(packet.payload, packet.vp8, segment.picture_id_offset, 0, 0)
        read.append(parse_descriptor_untrusted(payload).picture_id)
    steps = [(b - a) & 0x7FFF for a, b in pairwise(read)]
    starts = [packet.vp8.starts_picture for packet, _ in sent[1:] if packet.vp8 is not None]
    assert steps == [int(start) for start in starts]


def test_a_limit_leaves_out_what_is_above_from_the_next_picture_on() -> None:
    source = Source()
    forwarder, sent = followed(source)
    forwarder.limit(1)
    for _ in range(7):
        sent += offer(forwarder, source.picture())
    forwarder.limit(0)
    for _ in range(8):
        sent += offer(forwarder, source.picture())
    assert tids(sent) == [0, 1, 0, 1, 0, 0]
    assert_continuous(sent)
    assert forwarder.max_temporal == 0


def test_a_picture_that_was_begun_is_ended() -> None:
    source = Source()
    forwarder, sent = followed(source)
    first, second = source.picture()
    sent += offer(forwarder, [first])
    forwarder.limit(0)
    sent += offer(forwarder, [second])
    sent += offer(forwarder, source.picture())
    assert [source.number_of(packet) for packet, _ in sent] == [0, 0, 1, 1]


def test_up_again_one_layer_at_a_time_where_the_base_alone_is_needed() -> None:
    source = Source()
    forwarder, sent = followed(source)
    forwarder.limit(0)
    for _ in range(7):
        sent += offer(forwarder, source.picture())
    forwarder.limit(None)
    late = []
    for _ in range(16):
        late += offer(forwarder, source.picture())
    # A cycle begins: its first picture of layer 2 may not go before one of layer 1 has.
    assert tids(late) == [0, 1, 0, 1, 0, 2, 1, 2, 0, 2, 1, 2]
    assert_continuous(sent + late)
    assert forwarder.admit_run(source.picture()) is not None, "nothing is left out any more"


def test_a_key_frame_lets_everything_through_at_once() -> None:
    source = Source()
    forwarder, sent = followed(source)
    forwarder.limit(0)
    for _ in range(3):
        sent += offer(forwarder, source.picture())
    forwarder.limit(None)
    sent += offer(forwarder, source.picture(keyframe=True))
    for _ in range(3):
        sent += offer(forwarder, source.picture())
    assert tids(sent) == [0, 0, 2, 1, 2]
    assert_continuous(sent)


def test_a_stream_without_temporal_layers_is_sent_whole() -> None:
    forwarder = Forwarder(kind="video", first_seq=0, first_timestamp=0)
    forwarder.point(feed(1))
    forwarder.limit(0)
    packets = [source_packet(10 + n, keyframe=n == 0) for n in range(5)]
    assert len(offer(forwarder, packets)) == 5


def test_what_was_missing_keeps_its_number_whatever_it_turns_out_to_be() -> None:
    source = Source(packets=1)
    forwarder, sent = followed(source)
    forwarder.limit(0)
    pictures = [source.picture()[0] for _ in range(8)]
    late = pictures[2]
    sent += offer(forwarder, pictures[:2] + pictures[3:] + [late])
    numbers = {packet.ext_seq: packet.ext_seq + segment.seq_offset for packet, segment in sent}
    assert sorted(numbers.values()) == list(range(1000, 1000 + len(sent)))
    for ext_seq, number in numbers.items():
        found = forwarder.locate(number)
        assert found is not None
        assert found[1] == ext_seq


class Viewer:
    """Counts what a viewer sees: numbers, and whether each picture has what it needs."""

    def __init__(self, source: Source, first_seq: int) -> None:
        self.source = source
        self.by_number: dict[int, SourcePacket] = {}
        self.first_seq = first_seq

    def take(self, packet: SourcePacket, segment: Segment) -> None:
        number = packet.ext_seq + segment.seq_offset
        assert number not in self.by_number, "a number was used twice"
        self.by_number[number] = packet

    def check(self, forwarder: Forwarder, received: set[int]) -> None:
        ordered = [self.by_number[number] for number in sorted(self.by_number)]
        assert all(a.ext_seq < b.ext_seq for a, b in pairwise(ordered))
        for before, after in pairwise(sorted(self.by_number)):
            between = range(self.by_number[before].ext_seq + 1, self.by_number[after].ext_seq)
            lost = sum(number not in received for number in between)
            assert after - before - 1 == lost, "a hole without a loss"
        newest = max(self.by_number)
        for number, packet in self.by_number.items():
            found = forwarder.locate(number & 0xFFFF) if newest - number < 0x8000 else None
            if found is not None:
                assert found[1] == packet.ext_seq

    def check_decodable(self) -> None:
        """With nothing lost: every picture sent has all that it needs (see `NEEDS`)."""
        sent = {self.source.number_of(packet) for packet in self.by_number.values()}
        for number in sent:
            cycle = number % 8
            for tid in NEEDS[cycle]:
                needed = next((n for n in range(number - 1, -1, -1) if TIDS[n % 8] == tid), 0)
                assert needed in sent or number == 0, (number, tid)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SEQUENCE_STARTS),
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0, 1, 2, None])), max_size=12),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.integers(0, 2**16),
)
def test_whatever_is_lost_late_or_left_out(
    start: int,
    packets: int,
    script: list[tuple[int, int | None]],
    loss: float,
    seed: int,
) -> None:
    """No number twice, no hole but for what was lost, every number traced back."""
    chance = random.Random(seed)
    source = Source(65_536 + start, packets)
    forwarder = Forwarder(kind="video", first_seq=start, first_timestamp=7)
    forwarder.point(feed(1))
    viewer = Viewer(source, start)
    received: set[int] = set()
    late: list[SourcePacket] = []

    def arrive(packet: SourcePacket) -> None:
        received.add(packet.ext_seq)
        segment = forwarder.admit(packet)
        if segment is not None:
            viewer.take(packet, segment)

    for packet in source.picture(keyframe=True):
        arrive(packet)
    for count, limit in script:
        forwarder.limit(limit)
        for _ in range(count):
            for packet in source.picture():
                if chance.random() < loss:
                    late.append(packet)
                else:
                    arrive(packet)
            if late and chance.random() < 0.5:
                arrive(late.pop(chance.randrange(len(late))))
    viewer.check(forwarder, received)
    if not loss:
        viewer.check_decodable()


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_everything_wanted_comes_within_a_cycle(wanted: int) -> None:
    source = Source()
    forwarder, _ = followed(source)
    forwarder.limit(0)
    for _ in range(11):
        offer(forwarder, source.picture())
    forwarder.limit(wanted)
    for _ in range(16):
        offer(forwarder, source.picture())
    sent = [offer(forwarder, source.picture()) for _ in range(8)]
    assert sum(bool(each) for each in sent) == (2, 4, 8)[wanted]
