"""The receiving side with made-up datagrams under real SRTP."""

from __future__ import annotations

from loadtest.rtc.feedback import Feedback
from loadtest.rtc.marker import mark
from loadtest.rtc.negotiation import Agreement, Format
from loadtest.rtc.peer_counts import PeerCounts
from loadtest.rtc.reception import Reception
from loadtest.rtc.srtp import GCM, SrtpContext, SrtpKeys

VIDEO, RTX, AUDIO = 20, 21, 10
VP8 = Format("video", "VP8", 90_000, frozenset({"nack", "nack pli"}))
OPUS = Format("audio", "opus", 48_000, frozenset())
KEY, DELTA = b"\x10\x00", b"\x10\x01"
SECOND_NS = 1_000_000_000


class World:
    """A reception and the server that sends to it."""

    def __init__(self, *, feedback: bool = False, announced: bool = True) -> None:
        ours, theirs = GCM.split(bytes(range(GCM.material_bytes)))
        self.server = SrtpContext(SrtpKeys(GCM, theirs, ours))
        self.counts = PeerCounts()
        self.reception = Reception(lambda: 0.0, self.counts)
        self.reception.srtp = SrtpContext(SrtpKeys(GCM, ours, theirs))
        self.reception.agreement = Agreement(
            formats={96: VP8, 111: OPUS},
            rtx={97: 96},
            rtx_ssrcs={RTX: VIDEO} if announced else {},
        )
        if feedback:
            self.reception.feedback = Feedback(1, self.counts, rsize=True, uses_remb=False)

    def send(
        self,
        seq: int,
        payload: bytes = DELTA,
        *,
        ssrc: int = VIDEO,
        pt: int = 96,
        marker: bool = False,
        arrival_ns: int | None = 0,
        cut: int | None = None,
    ) -> None:
        second = pt | (0x80 if marker else 0)
        head = bytes([0x80, second]) + (seq & 0xFFFF).to_bytes(2, "big") + bytes(4)
        datagram = self.server.protect(head + ssrc.to_bytes(4, "big") + payload)
        self.reception.take_untrusted(datagram[:cut], len(datagram), arrival_ns)


def test_streams_have_the_kind_of_their_payload_type() -> None:
    world = World()
    world.send(1)
    world.send(1, ssrc=AUDIO, pt=111)
    world.send(1, ssrc=RTX, pt=97)
    kinds = {ssrc: each.kind for ssrc, each in world.reception.streams.items()}
    assert kinds == {VIDEO: "video", AUDIO: "audio", RTX: "rtx"}


def test_nobody_asks_nothing_is_opened() -> None:
    world = World()
    assert not world.reception.reads_whole
    world.send(1)
    # It had the tag cut off: counted, never opened.
    world.send(2, cut=20)
    assert world.reception.streams[VIDEO].packets == 2
    assert world.reception.srtp is not None
    assert world.reception.srtp.unopened == 0


def test_a_sample_is_opened() -> None:
    world, got = World(), list[bytes]()
    world.reception.sample_every = 3
    world.reception.on_rtp = lambda plain, now: got.append(plain)
    assert world.reception.reads_whole
    for seq in range(7):
        world.send(seq)
    assert [plain[3] for plain in got] == [2, 5]
    assert got[0][12:] == DELTA


def test_marks_are_looked_for_at_and_behind_the_end_of_a_picture() -> None:
    world, delays = World(), list[float]()
    world.reception.on_latency = delays.append
    sent = 5 * SECOND_NS
    world.send(1, DELTA + mark(sent), arrival_ns=sent + 1)  # not looked at
    world.send(2, DELTA + mark(sent), marker=True, arrival_ns=sent + SECOND_NS // 2)
    world.send(3, DELTA + mark(sent), arrival_ns=sent + SECOND_NS // 4)
    world.send(4, DELTA + mark(sent), arrival_ns=sent + 1)
    world.send(5, DELTA, marker=True)
    world.send(7, DELTA + mark(sent), arrival_ns=sent + 1)  # one lies between
    assert delays == [0.5, 0.25]


def test_marks_of_heads_and_of_sound_are_not_read() -> None:
    world, delays = World(), list[float]()
    world.reception.on_latency = delays.append
    world.send(1, mark(1), marker=True, arrival_ns=None)
    world.send(1, mark(1), marker=True, ssrc=AUDIO, pt=111)
    assert delays == []


def test_a_retransmission_fills_the_hole_of_its_stream() -> None:
    for announced in (True, False):
        world = World(feedback=True, announced=announced)
        world.send(65_534, KEY)
        world.send(65_537)
        world.send(9, b"\xff\xff" + DELTA, ssrc=RTX, pt=97)
        world.send(10, b"", ssrc=RTX, pt=97)  # padding that probes the path
        world.send(11, b"\x12\x34" + DELTA, ssrc=RTX, pt=97)  # nobody misses that one
        video = world.reception.streams[VIDEO]
        assert (video.holes, video.recovered, list(video.missing)) == (1, 1, [65_536])
        assert world.counts.rtx_received == 3


def test_a_key_frame_ends_the_asking_even_as_a_retransmission() -> None:
    world = World(feedback=True)
    feedback = world.reception.feedback
    assert feedback is not None
    world.send(1)
    assert feedback.awaits_key_frame(VIDEO)
    world.send(3)
    world.send(1, b"\x00\x02" + KEY, ssrc=RTX, pt=97)
    assert not feedback.awaits_key_frame(VIDEO)


def test_a_late_start_still_opens_after_many_turns() -> None:
    world, got = World(), list[bytes]()
    turns = 3 * 65_536 // 10_000
    for number in range(turns):
        # What lies between was lost or only counted; libsrtp has to be shown some.
        world.reception.follow()
        world.send(number * 10_000)
    assert world.reception.reads_whole is False, "followed: heads are enough again"
    world.reception.sample_every = 1
    world.reception.on_rtp = lambda plain, now: got.append(plain)
    world.send(turns * 10_000)
    assert len(got) == 1
    assert world.reception.srtp is not None
    assert world.reception.srtp.unopened == 0


def test_rtcp_and_the_rest_go_elsewhere() -> None:
    world, rtcp, others = World(), list[bytes](), list[bytes]()
    world.reception.on_rtcp, world.reception.on_other = rtcp.append, others.append
    report = b"\x81\xc9\x00\x01" + bytes(20)
    world.reception.take_untrusted(report, len(report), None)
    world.reception.take_untrusted(report, len(report) + 500, None)  # a head of a long one
    for other in (b"\x00\x01", b"\x16\xfe", b""):
        world.reception.take_untrusted(other, len(other), None)
    world.reception.take_untrusted(b"\x80\x60\x00", 3, None)
    assert rtcp == [report]
    assert others == [b"\x00\x01", b"\x16\xfe", b""]
    assert world.reception.streams == {}
