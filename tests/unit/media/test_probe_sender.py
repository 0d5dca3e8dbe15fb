"""What a probe is made of: repeats of what was sent, else padding, each under a new number."""

from __future__ import annotations

from media.fanout import FanOutCounters, fan_out
from media.probe_sender import MAX_PORTION_PACKETS, RECENT_PACKETS, can_probe, send_probe
from media.ring import RetransmissionRing
from media.rtp import ABS_SEND_TIME_URI, MID_URI, parse_rtp_untrusted, read_extensions_untrusted
from media.srtp import OutBuffer
from tests.support.rtp_kit import KeepingSender, Viewer, feed, source_packet

IDS = {MID_URI: 1, ABS_SEND_TIME_URI: 2}
RTX_PT = 103


class Scene:
    """One viewer who was sent `count` packets of source 1."""

    def __init__(self, count: int = 30) -> None:
        self.viewer = Viewer(extension_ids=IDS)
        self.ring = RetransmissionRing()
        self.viewer.stream.point(feed(1))
        self.sent: dict[int, bytes] = {}
        self._sender = KeepingSender()
        self.send(50, count, keyframe=True)

    def send(self, first: int, count: int, *, keyframe: bool = False) -> None:
        packets = [
            source_packet(first + n, keyframe=keyframe and n == 0, payload=b"%04d" % n * 100)
            for n in range(count)
        ]
        for packet in packets:
            self.ring.put(packet)
        fan_out(
            packets, [self.viewer.stream], sender=self._sender, buffer=OutBuffer(), stamp=1,
            counters=FanOutCounters(),
        )  # fmt: skip

    def probe(self, wanted_bytes: int) -> tuple[tuple[int, int], list[bytes]]:
        sender = KeepingSender()
        sent = send_probe(
            self.viewer.stream, self.ring, RTX_PT, wanted_bytes, sender=sender, stamp=9
        )
        opened = [self.viewer.receiver.unprotect_rtp(data) for _, data in sender.datagrams]
        assert None not in opened, "a number was used twice"
        return sent, [each for each in opened if each is not None]


def numbers(datagrams: list[bytes]) -> list[int]:
    return [parse_rtp_untrusted(data).seq for data in datagrams]


def originals(datagrams: list[bytes]) -> list[int]:
    starts = [(data, parse_rtp_untrusted(data).payload_start) for data in datagrams]
    return [int.from_bytes(data[start : start + 2], "big") for data, start in starts]


def test_the_newest_packets_are_sent_again_with_a_fresh_stamp() -> None:
    (packets, sent_bytes), datagrams = Scene().probe(1_000)
    assert (packets, sent_bytes) == (3, 1_200)
    assert originals(datagrams) == [1029, 1028, 1027]
    header = parse_rtp_untrusted(datagrams[0])
    assert header.payload_type == RTX_PT
    assert read_extensions_untrusted(datagrams[0], header)[2] == b"\0\0\x09"


def test_portions_go_on_with_the_numbers() -> None:
    scene = Scene()
    _, first = scene.probe(800)
    _, second = scene.probe(800)
    assert numbers(first + second) == [7, 8, 9, 10]


def test_few_packets_are_repeated_more_than_once() -> None:
    (packets, _), datagrams = Scene(2).probe(2_000)
    assert packets == 5
    assert originals(datagrams) == [1001, 1000, 1001, 1000, 1001]


def test_only_recent_packets_are_repeated() -> None:
    _, datagrams = Scene(60).probe(400 * (RECENT_PACKETS + 1))
    assert originals(datagrams)[-2:] == [1059 - RECENT_PACKETS + 1, 1059]


def test_a_paused_picture_is_probed_for_by_padding() -> None:
    scene = Scene()
    scene.viewer.stream.pause()
    (packets, sent_bytes), datagrams = scene.probe(500)
    assert (packets, sent_bytes) == (2, 510)
    for data in datagrams:
        header = parse_rtp_untrusted(data)
        assert header.payload_start == header.payload_end
        assert header.ssrc == scene.viewer.stream.rtx_ssrc
        assert data[-1] == 255
        assert read_extensions_untrusted(data, header)[2] == b"\0\0\x09"


def test_what_was_not_sent_is_not_repeated() -> None:
    """The ring goes on while a picture is paused; those numbers do not exist for this viewer."""
    scene = Scene(4)
    scene.viewer.stream.pause()
    scene.send(54, 6)
    scene.viewer.stream.resume()
    scene.send(60, 2, keyframe=True)
    _, datagrams = scene.probe(400 * 12)
    assert set(originals(datagrams)) == set(range(1000, 1006))
    assert {1004, 1005} <= set(originals(datagrams)[:2])


def test_a_portion_is_bounded() -> None:
    (packets, _), _ = Scene().probe(10_000_000)
    assert packets == MAX_PORTION_PACKETS


def test_nothing_is_sent_of_a_source_that_sent_nothing() -> None:
    scene = Scene()
    scene.ring.clear()
    assert scene.probe(1_000) == ((0, 0), [])


def test_there_must_be_a_retransmission_stream() -> None:
    assert can_probe(Scene().viewer.stream, RTX_PT)
    assert not can_probe(Scene().viewer.stream, None)
    assert not can_probe(Viewer(extension_ids=IDS, rtx=False).stream, RTX_PT)
