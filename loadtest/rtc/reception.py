"""The receiving side of one peer: counts every packet, opens only those that somebody asked for.

Nothing in here knows sockets: batches come from the drain, and what is neither RTP nor RTCP goes
to `on_other`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loadtest.rtc.feedback import Feedback
from loadtest.rtc.header_extension import payload_of
from loadtest.rtc.key_frame import begins_key_frame
from loadtest.rtc.marker import find_mark
from loadtest.rtc.negotiation import Agreement
from loadtest.rtc.peer_counts import PeerCounts
from loadtest.rtc.recvmmsg import Receiver
from loadtest.rtc.srtp import SrtpContext
from loadtest.rtc.stream_count import StreamCount, StreamKind, count_batch

RTP_HEADER_BYTES: Final = 12
_FOLLOW_BATCH: Final = 64
_PADDING_AT_LEAST: Final = 2
"""An RTX packet with a shorter payload is padding that probes the path (RFC 4588 §4)."""


class Reception:
    """`counts` is what its parts add to; the sums over the streams are taken when asked for."""

    def __init__(self, clock: Callable[[], float], counts: PeerCounts) -> None:
        self._clock = clock
        self.counts = counts
        self.streams: dict[int, StreamCount] = {}
        self.agreement = Agreement()
        self.srtp: SrtpContext | None = None
        self.feedback: Feedback | None = None
        self.on_other: Callable[[bytes], None] = lambda data: None
        self.on_rtcp: Callable[[bytes], None] = lambda data: None
        """Gets SRTCP as it came."""
        self.on_first: Callable[[], None] = lambda: None
        """Called for the first packet of each stream."""
        self.on_latency: Callable[[float], None] | None = None
        self.on_rtp: Callable[[bytes, float], None] | None = None
        self.sample_every = 0
        self._since_sample = 0
        self._follows: dict[int, int] = {}
        """SSRC -> the number behind the packet that ended a picture."""
        self._to_follow: set[int] = set()
        self._follow_budget = 0

    @property
    def reads_whole(self) -> bool:
        """Whether heads are not enough."""
        return (
            self.feedback is not None
            or self.on_latency is not None
            or (self.on_rtp is not None and self.sample_every > 0)
            or self._follow_budget > 0
        )

    @property
    def media_bytes(self) -> int:
        return sum(stream.bytes for stream in self.streams.values())

    def follow(self) -> None:
        """Open one of the next packets of each stream, so that libsrtp keeps up with the
        roll-over of its numbers (RFC 3711 §3.3.1): who opens none in 32,768 opens none ever."""
        self._to_follow = set(self.streams)
        self._follow_budget = _FOLLOW_BATCH

    # --- batches ---------------------------------------------------------------------------

    def take_heads(self, receiver: Receiver, count: int) -> None:  # hot path
        """Count only."""
        lengths = receiver.lengths(count)
        others = count_batch(self.streams, receiver.headers(count), lengths)
        if others is not None:
            for index in others:
                length = lengths[index]
                self.take_untrusted(receiver.datagram(index, length), length, None)

    def take_whole(self, receiver: Receiver, count: int) -> None:
        """Count, and open what is to be sampled, searched or answered."""
        lengths = receiver.lengths(count)
        arrivals = list(receiver.arrivals(count))
        for index, length in enumerate(lengths):
            seconds, nanoseconds = arrivals[index]
            data = receiver.datagram(index, length)
            self.take_untrusted(data, length, seconds * 1_000_000_000 + nanoseconds)

    def take_untrusted(self, data: bytes, length: int, arrival_ns: int | None) -> None:
        """One datagram, told apart by its first bytes (RFC 7983, RFC 5761 §4). `length` is what
        it had on the wire; `arrival_ns` None: it was read as a head, or before the keys."""
        first = data[0] if data else 255
        if not 128 <= first < 192:
            self.on_other(data)
        elif length >= RTP_HEADER_BYTES and 192 <= data[1] < 224:
            if len(data) == length:
                self.on_rtcp(data)
        elif length >= RTP_HEADER_BYTES:
            self._take_rtp(data, length, arrival_ns)

    # --- one packet ------------------------------------------------------------------------

    def _take_rtp(self, data: bytes, length: int, arrival_ns: int | None) -> None:
        ssrc = int.from_bytes(data[8:12], "big")
        seq = int.from_bytes(data[2:4], "big")
        stream = self.streams.get(ssrc)
        if stream is None:
            stream = self._begin(ssrc, data[1] & 0x7F)
        stream.take(seq, length)
        if arrival_ns is None or self.srtp is None or len(data) < length:
            return
        if self.feedback is not None:
            timestamp = int.from_bytes(data[4:8], "big")
            self.feedback.arrived(ssrc, timestamp, arrival_ns / 1e9)
        if self._is_wanted(data, stream, ssrc, seq):
            plain = self.srtp.open_untrusted(data)
            if plain is not None:
                self._take_plain(plain, stream, ssrc, arrival_ns)

    def _begin(self, ssrc: int, payload_type: int) -> StreamCount:
        known = self.agreement.formats.get(payload_type)
        kind: StreamKind = "video" if known is None else known.kind
        if payload_type in self.agreement.rtx:
            kind = "rtx"
        stream = self.streams[ssrc] = StreamCount(kind, payload_type)
        if self.feedback is not None and known is not None:
            self.feedback.add(ssrc, stream, known, self._clock())
        self.on_first()
        return stream

    def _is_wanted(self, data: bytes, stream: StreamCount, ssrc: int, seq: int) -> bool:
        """Whether anybody wants to see inside."""
        wanted = False
        if self._follow_budget:
            self._follow_budget -= 1
            wanted = ssrc in self._to_follow
            self._to_follow.discard(ssrc)
            if not self._to_follow:
                self._follow_budget = 0
        if self.on_latency is not None and stream.kind == "video":
            wanted = wanted or self._follows.pop(ssrc, -1) == seq
            if data[1] & 0x80:
                self._follows[ssrc] = (seq + 1) & 0xFFFF
                wanted = True
        if self.feedback is not None:
            wanted = wanted or stream.kind == "rtx" or self.feedback.awaits_key_frame(ssrc)
        return self._is_sampled() or wanted

    def _is_sampled(self) -> bool:
        if not self.sample_every or self.on_rtp is None:
            return False
        self._since_sample += 1
        return self._since_sample >= self.sample_every

    def _take_plain(self, plain: bytes, stream: StreamCount, ssrc: int, arrival_ns: int) -> None:
        if self.sample_every and self.on_rtp and self._since_sample >= self.sample_every:
            self._since_sample = 0
            self.on_rtp(plain, self._clock())
        if self.feedback is not None:
            if stream.kind == "rtx":
                self._take_rtx(plain, stream, ssrc)
            elif self.feedback.awaits_key_frame(ssrc):
                self._look_for_key_frame(stream.payload_type, ssrc, payload_of(plain))
        if self.on_latency is not None and stream.kind == "video":
            sent_ns = find_mark(plain)
            if sent_ns is not None:
                self.on_latency((arrival_ns - sent_ns) / 1e9)

    def _look_for_key_frame(self, payload_type: int, ssrc: int, payload: bytes) -> None:
        known = self.agreement.formats.get(payload_type)
        if self.feedback is None or known is None:
            return
        if begins_key_frame(known.codec, payload):
            self.feedback.take_key_frame(ssrc)

    def _take_rtx(self, plain: bytes, rtx: StreamCount, ssrc: int) -> None:
        """RFC 4588 §4: the payload begins with the number of the packet that it repeats."""
        self.counts.rtx_received += 1
        payload = payload_of(plain)
        media_ssrc = self._media_of(rtx, ssrc)
        if len(payload) < _PADDING_AT_LEAST or media_ssrc is None:
            return
        media = self.streams.get(media_ssrc)
        if media is not None and media.fill(int.from_bytes(payload[:2], "big")):
            self._look_for_key_frame(media.payload_type, media_ssrc, payload[2:])

    def _media_of(self, rtx: StreamCount, ssrc: int) -> int | None:
        """As announced, or else the only stream that the payload type can belong to."""
        announced = self.agreement.rtx_ssrcs.get(ssrc)
        if announced is not None:
            return announced
        repeated = self.agreement.rtx.get(rtx.payload_type)
        fitting = [number for number, each in self.streams.items() if each.payload_type == repeated]
        return fitting[0] if len(fitting) == 1 else None
