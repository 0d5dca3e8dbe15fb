"""The fan-out sends byte for byte what the plain version sends, in well-formed GSO runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.downlink import OutStream, Protector
from media.fanout import (
    MAX_RUN_SEGMENTS,
    FanOutCounters,
    fan_out,
    fan_out_plain,
    fan_out_replay,
)
from media.gop_cache import GopCache
from media.ice import Address
from media.rtp import (
    ABS_SEND_TIME_URI,
    AUDIO_LEVEL_URI,
    MID_URI,
    VIDEO_ORIENTATION_URI,
    SourcePacket,
    parse_rtp_untrusted,
    read_extensions_untrusted,
)
from media.srtp import AEAD_AES_128_GCM, AES128_CM_SHA1_80, OutBuffer, SrtpSender
from tests.support.rtp_kit import KeepingSender, Viewer, feed, source_packet, vp8_payload

IDS = {MID_URI: 1, ABS_SEND_TIME_URI: 2, VIDEO_ORIENTATION_URI: 3}
STAMP = 0x123456


def send(
    packets: Sequence[SourcePacket], streams: Sequence[OutStream], stamp: int = STAMP
) -> tuple[KeepingSender, list[OutStream], FanOutCounters]:
    sender, counters = KeepingSender(), FanOutCounters()
    switched = fan_out(
        packets, streams, sender=sender, buffer=OutBuffer(), stamp=stamp, counters=counters
    )
    return sender, switched, counters


def a_protector() -> Protector:
    """The real sender fits the protocol (checked by mypy)."""
    return SrtpSender(AEAD_AES_128_GCM, bytes(28))


def viewers(count: int) -> list[Viewer]:
    """Viewers of different makes: ids, profiles and RTX differ, and so do their histories."""
    made = []
    for number in range(1, count + 1):
        ids = [IDS, {}, {MID_URI: 15, ABS_SEND_TIME_URI: 3}][number % 3]
        profile = AES128_CM_SHA1_80 if number % 4 == 0 else AEAD_AES_128_GCM
        viewer = Viewer(number, profile=profile, extension_ids=ids, first_seq=65530 + number)
        viewer.stream.point(feed(1))
        made.append(viewer)
    return made


def test_first_batch_reports_streams_that_went_live() -> None:
    viewer = Viewer(extension_ids=IDS)
    viewer.stream.point(feed(1))
    batch = [source_packet(10, keyframe=True), source_packet(11)]
    sender, switched, counters = send(batch, [viewer.stream])
    assert switched == [viewer.stream]
    assert counters.packets == 2
    assert viewer.stream.packets == 2
    assert viewer.stream.payload_bytes == 40
    assert [parse_rtp_untrusted(data).seq for data in viewer.open(sender)] == [1000, 1001]
    segment = viewer.stream.forwarder.segment
    assert segment is not None
    assert segment.first_timestamp == 500_000
    assert send([source_packet(12)], [viewer.stream])[1] == []


def test_header_of_a_delivered_packet() -> None:
    viewer = Viewer(extension_ids=IDS)
    viewer.stream.point(feed(1))
    packet = source_packet(10, keyframe=True, marker=True, video_orientation=3, payload=b"picture")
    sender, _, _ = send([packet], [viewer.stream])
    (data,) = viewer.open(sender)
    header = parse_rtp_untrusted(data)
    assert header.ssrc == viewer.stream.ssrc
    assert header.payload_type == 102
    assert header.marker
    assert header.rtp_timestamp == 500_000
    assert data[header.payload_start : header.payload_end] == b"picture"
    elements = read_extensions_untrusted(data, header)
    assert elements == {1: b"0", 2: STAMP.to_bytes(3, "big"), 3: b"\x03"}


def test_audio_level_is_passed_on() -> None:
    viewer = Viewer(kind="audio", extension_ids={AUDIO_LEVEL_URI: 4}, rtx=False)
    viewer.stream.point(feed(1, clock_rate=48_000))
    sender, _, _ = send([source_packet(5, audio_level=0x85)], [viewer.stream])
    (data,) = viewer.open(sender)
    assert read_extensions_untrusted(data, parse_rtp_untrusted(data)) == {4: b"\x85"}


def test_streams_without_keys_or_without_the_source_get_nothing() -> None:
    waiting, elsewhere = Viewer(1), Viewer(2)
    waiting.stream.point(feed(1))
    waiting.downlink.protector = None
    elsewhere.stream.point(feed(2))
    sender, switched, counters = send(
        [source_packet(1, keyframe=True)], [waiting.stream, elsewhere.stream]
    )
    assert sender.datagrams == []
    assert switched == []
    assert counters.packets == 0


def test_an_empty_batch_sends_nothing() -> None:
    assert send([], [Viewer().stream])[0].datagrams == []


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([100, 100, 100], [3]),
        ([100, 100, 60], [3]),
        ([100, 60, 60], [2, 1]),
        ([60, 100], [1, 1]),
        ([100, 60, 100, 100], [2, 2]),
        ([10] * 130, [64, 64, 2]),
        ([1180] * 60, [54, 6]),
    ],
)
def test_runs_are_equal_sizes_with_one_shorter_last(sizes: list[int], runs: list[int]) -> None:
    viewer = Viewer()
    viewer.stream.point(feed(1))
    batch = [
        source_packet(seq, keyframe=seq == 0, payload=bytes(size)) for seq, size in enumerate(sizes)
    ]
    sender, _, counters = send(batch, [viewer.stream])
    assert [count for _, _, count in sender.runs] == runs
    assert counters.runs == len(runs)
    for _, segment_bytes, count in sender.runs:
        assert count <= MAX_RUN_SEGMENTS
        assert segment_bytes * count <= 65_507
    assert len(viewer.open(sender)) == len(sizes)


def test_viewers_of_one_make_share_the_bodies() -> None:
    """What DESIGN 3.9 wants flat: the block and payload are the same bytes for both."""
    first, second = Viewer(1, extension_ids=IDS), Viewer(2, extension_ids=IDS)
    assert first.stream.layout is second.stream.layout


def test_a_refused_packet_leaves_the_rest_of_the_run_whole() -> None:
    """libsrtp refuses numbers behind its replay window: here those of a second stream that starts
    just below the window of a first one with the same key and SSRC."""
    ahead, behind = Viewer(first_seq=1), Viewer(first_seq=2970)
    for viewer in (ahead, behind):
        viewer.stream.point(feed(1))
        viewer.downlink.protector = ahead.downlink.protector
    batch = [source_packet(n, keyframe=n == 0) for n in range(4000)]
    for start in range(0, 4000, 50):
        send(batch[start : start + 50], [ahead.stream])
    sender, _, counters = send(batch[:10], [behind.stream])
    assert 0 < counters.refused < 10
    opened = [parse_rtp_untrusted(data).seq for data in behind.open(sender)]
    assert opened == list(range(2970 + counters.refused, 2980))


def test_nothing_is_left_allocated_per_packet() -> None:
    """10,000 deliveries in the steady state keep no memory (counted in blocks, not in time)."""
    made = [Viewer(number, extension_ids=IDS) for number in range(1, 21)]
    streams = [viewer.stream for viewer in made]
    for stream in streams:
        stream.point(feed(1))
    sender, buffer, counters = Devnull(), OutBuffer(), FanOutCounters()

    def deliver(batch: list[SourcePacket]) -> None:
        fan_out(batch, streams, sender=sender, buffer=buffer, stamp=STAMP, counters=counters)

    batches = [
        [source_packet(start + n, keyframe=start + n == 0) for n in range(10)]
        for start in range(0, 600, 10)
    ]
    for batch in batches[:10]:
        deliver(batch)
    gc.collect()
    before = sys.getallocatedblocks()
    for batch in batches[10:]:
        deliver(batch)
    gc.collect()
    assert sys.getallocatedblocks() - before < 100
    assert counters.packets == 20 * 600


class Devnull:
    """A `RunSender` that keeps nothing."""

    def send(self, data: bytes | memoryview, address: Address, /) -> None:
        return

    def send_run(self, view: memoryview, segment_bytes: int, address: Address, /) -> None:
        return


def test_a_newcomer_gets_the_cached_group_and_then_what_is_live() -> None:
    """Slices of the cache between live batches: one continuous stream, each packet once."""
    viewer = Viewer()
    viewer.stream.point(feed(1))
    cache = GopCache()
    for number in range(10):
        cache.put(source_packet(number, keyframe=number == 0))
    sender, buffer, counters = KeepingSender(), OutBuffer(), FanOutCounters()

    def send_live(number: int) -> None:
        packet = source_packet(number)
        cache.put(packet)
        fan_out([packet], [viewer.stream], sender=sender, buffer=buffer, stamp=0, counters=counters)

    def send_cached() -> list[OutStream]:
        return fan_out_replay(
            viewer.stream, 4, sender=sender, buffer=buffer, stamp=0, counters=counters
        )

    assert viewer.stream.begin_replay(cache)
    assert send_cached() == [viewer.stream]
    send_live(10)
    assert len(sender.datagrams) == 4
    while viewer.stream.replay is not None:
        send_cached()
    send_live(11)
    assert send_cached() == []
    assert [parse_rtp_untrusted(data).seq for data in viewer.open(sender)] == list(
        range(1000, 1012)
    )


def test_a_viewer_who_lost_the_picture_starts_again_from_the_cache() -> None:
    viewer = Viewer()
    viewer.stream.point(feed(1))
    cache = GopCache()
    assert not viewer.stream.begin_replay(cache)
    batch = [source_packet(number, keyframe=number == 0) for number in range(3)]
    for packet in batch:
        cache.put(packet)
    sender, buffer, counters = KeepingSender(), OutBuffer(), FanOutCounters()
    fan_out(batch, [viewer.stream], sender=sender, buffer=buffer, stamp=0, counters=counters)
    assert viewer.stream.begin_replay(cache)
    switched = fan_out_replay(
        viewer.stream, 9, sender=sender, buffer=buffer, stamp=0, counters=counters
    )
    assert switched == [viewer.stream]
    seqs = [parse_rtp_untrusted(data).seq for data in viewer.open(sender)]
    assert seqs == list(range(1000, 1006))


def test_pointing_elsewhere_or_pausing_ends_a_replay() -> None:
    ends: list[Callable[[OutStream], None]] = [
        lambda stream: stream.point(feed(2)),
        lambda stream: stream.point(None),
        lambda stream: stream.remove_source(1),
        OutStream.pause,
    ]
    for end in ends:
        stream = Viewer().stream
        stream.point(feed(1))
        cache = GopCache()
        cache.put(source_packet(0, keyframe=True))
        stream.begin_replay(cache)
        stream.point(feed(1))
        assert stream.replay is not None
        end(stream)
        assert stream.replay is None


packet_kinds = st.lists(
    st.tuples(
        st.integers(1, 2),  # source
        st.integers(-3, 3),  # where it comes relative to the next
        st.sampled_from([0, 1, 40, 40, 40, 1180]),  # payload size beyond the descriptor
        st.booleans(),  # key frame
        st.sampled_from([None, 0, 2]),  # orientation
        st.integers(1, 4),  # packets a batch
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(packet_kinds, st.integers(1, 7), st.integers(0, 2**32))
def test_fan_out_equals_the_plain_version(
    script: list[tuple[int, int, int, bool, int | None, int]], count: int, switch_bits: int
) -> None:
    fast, plain = viewers(count), viewers(count)
    fast_sender, plain_sender = KeepingSender(), KeepingSender()
    buffer, counters = OutBuffer(), FanOutCounters()
    position = {1: 100, 2: 60_000}
    batch: list[SourcePacket] = []
    for step, (source, jump, size, keyframe, orientation, wanted) in enumerate(script):
        position[source] += 1
        ext_seq = position[source] + jump
        payload = vp8_payload(
            keyframe=keyframe,
            picture_id=ext_seq & 0x7FFF,
            long_id=source == 1,
            tl0picidx=ext_seq & 0xFF,
            body=bytes(size),
        )
        if batch and batch[0].source_id != source:
            batch = []
        batch.append(
            source_packet(
                ext_seq,
                source_id=source,
                payload=payload,
                codec="vp8",
                keyframe=keyframe,
                arrival=step * 0.01,
                video_orientation=orientation,
            )
        )
        if len(batch) < wanted:
            continue
        for number in range(count):
            if (switch_bits >> ((step * 5 + number) % 32)) & 7 == 0:
                fast[number].stream.point(feed(source))
                plain[number].stream.point(feed(source))
        fan_out(
            batch,
            [viewer.stream for viewer in fast],
            sender=fast_sender,
            buffer=buffer,
            stamp=step,
            counters=counters,
        )
        fan_out_plain(batch, [viewer.stream for viewer in plain], sender=plain_sender, stamp=step)
        batch = []
    for viewer in fast:
        assert fast_sender.to(viewer.address) == plain_sender.to(viewer.address)
    assert counters.packets == len(fast_sender.datagrams) + counters.refused
    assert counters.bytes == sum(len(data) for _, data in fast_sender.datagrams)
