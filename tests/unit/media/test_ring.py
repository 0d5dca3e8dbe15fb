"""The retransmission ring is bounded in time, packets and bytes."""

from __future__ import annotations

from media.ring import RetransmissionRing, RingLimits
from tests.support.rtp_kit import source_packet


def test_packets_are_found_by_number() -> None:
    ring = RetransmissionRing()
    packets = [source_packet(n, arrival=n * 0.01) for n in (5, 7, 6)]
    for packet in packets:
        ring.put(packet)
    assert ring.get(6) is packets[2]
    assert ring.get(8) is None
    assert ring.payload_bytes == 60


def test_the_first_packet_of_a_number_stays() -> None:
    ring = RetransmissionRing()
    first = source_packet(5)
    ring.put(first)
    ring.put(source_packet(5, payload=b"another"))
    assert ring.get(5) is first
    assert ring.payload_bytes == 20


def test_packets_leave_when_they_are_too_old() -> None:
    ring = RetransmissionRing(RingLimits(span_s=1.5))
    ring.put(source_packet(1, arrival=0.0))
    ring.put(source_packet(2, arrival=1.0))
    ring.put(source_packet(3, arrival=1.6))
    assert ring.get(1) is None
    assert ring.get(2) is not None


def test_packets_and_bytes_are_bounded() -> None:
    by_count = RetransmissionRing(RingLimits(max_packets=10))
    by_size = RetransmissionRing(RingLimits(max_bytes=100))
    for number in range(1000):
        by_count.put(source_packet(number))
        by_size.put(source_packet(number))
    assert len(by_count) == 10
    assert len(by_size) == 5
    assert by_size.payload_bytes == 100
    assert by_size.get(999) is not None


def test_clear_forgets_everything() -> None:
    ring = RetransmissionRing()
    ring.put(source_packet(1))
    ring.clear()
    assert len(ring) == 0
    assert ring.payload_bytes == 0


def test_the_newest_come_first() -> None:
    ring = RetransmissionRing()
    for number in (5, 7, 6):
        ring.put(source_packet(number))
    assert [packet.ext_seq for packet in ring.newest(2)] == [6, 7]
    assert [packet.ext_seq for packet in ring.newest(9)] == [6, 7, 5]
