"""The cached group of pictures: bounded, and replayed without holes or repeats."""

from __future__ import annotations

import pytest

from media.forwarder import Forwarder
from media.gop_cache import GopCache, GopLimits, GopReplay
from media.rtp import SourcePacket
from tests.support.rtp_kit import feed, source_packet


def numbers(packets: list[SourcePacket] | None) -> list[int] | None:
    return None if packets is None else [packet.ext_seq for packet in packets]


def test_nothing_before_the_first_key_frame() -> None:
    cache = GopCache()
    cache.put(source_packet(1))
    assert cache.packets is None
    assert GopReplay(cache).is_done
    assert GopReplay(cache).take(10) == []


def test_a_key_frame_begins_a_new_group() -> None:
    cache = GopCache()
    for number in range(10):
        cache.put(source_packet(number, keyframe=number in (2, 7)))
    assert numbers(cache.packets) == [7, 8, 9]


def test_a_group_is_as_old_as_its_key_frame() -> None:
    cache = GopCache()
    assert not cache.is_younger(1.0, now=5.0), "there is none"
    cache.put(source_packet(1, keyframe=True, arrival=5.0))
    cache.put(source_packet(2, arrival=5.75))
    assert cache.is_younger(1.0, now=5.75)
    assert not cache.is_younger(1.0, now=6.0)


def test_late_packets_of_the_group_before_are_left_out() -> None:
    cache = GopCache()
    cache.put(source_packet(5, keyframe=True))
    cache.put(source_packet(4))
    cache.put(source_packet(3, keyframe=True))
    cache.put(source_packet(7))
    cache.put(source_packet(6))
    assert numbers(cache.packets) == [5, 7, 6]


@pytest.mark.parametrize(
    "limits", [GopLimits(span_s=0.5), GopLimits(max_packets=5), GopLimits(max_bytes=100)]
)
def test_over_a_limit_it_closes_until_the_next_key_frame(limits: GopLimits) -> None:
    cache = GopCache(limits)
    for number in range(8):
        cache.put(source_packet(number, keyframe=number == 0, arrival=number * 0.1))
    assert cache.packets is None
    cache.put(source_packet(9, keyframe=True, arrival=1.0))
    assert numbers(cache.packets) == [9]


def test_a_replay_catches_up_with_a_growing_group() -> None:
    cache = GopCache()
    for number in range(5):
        cache.put(source_packet(number, keyframe=number == 0))
    replay = GopReplay(cache)
    assert numbers(replay.take(3)) == [0, 1, 2]
    cache.put(source_packet(5))
    assert not replay.is_done
    assert numbers(replay.take(3)) == [3, 4, 5]
    assert replay.is_done


def test_a_replay_goes_on_into_the_next_group() -> None:
    cache = GopCache()
    for number in range(5):
        cache.put(source_packet(number, keyframe=number == 0))
    replay = GopReplay(cache)
    replay.take(3)
    cache.put(source_packet(5, keyframe=True))
    assert numbers(replay.take(10)) == [3, 4]
    assert not replay.is_done
    assert numbers(replay.take(10)) == [5]
    assert replay.is_done


def test_a_replay_ends_when_the_cache_closes() -> None:
    cache = GopCache(GopLimits(max_packets=3))
    for number in range(3):
        cache.put(source_packet(number, keyframe=number == 0))
    replay = GopReplay(cache)
    replay.take(1)
    cache.put(source_packet(3))
    assert cache.packets is None
    assert numbers(replay.take(10)) == [1, 2, 3]
    assert replay.is_done
    assert replay.take(10) == []


def test_replayed_and_live_packets_are_one_stream() -> None:
    """A batch that is in the cache already and is then sent live as well does no harm."""
    cache = GopCache()
    forwarder = Forwarder(kind="video", first_seq=100, first_timestamp=0)
    forwarder.point(feed(1))
    for number in range(5):
        cache.put(source_packet(number, keyframe=number == 0))
    replay = GopReplay(cache)
    sent = []
    while not replay.is_done:
        sent += [forwarder.rewrite(packet) for packet in replay.take(2)]
    live = [source_packet(number) for number in range(3, 8)]
    sent += [forwarder.rewrite(packet) for packet in live]
    assert [each[0] for each in sent if each is not None] == list(range(100, 108))
