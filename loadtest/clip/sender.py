"""What a publisher sends and when: a core without sockets and clocks.

Ask `next_deadline`, wait until then, send what `due` returns. All streams share one time line:
timestamps, sequence numbers and picture ids run on over the clip's end and over a key frame that
somebody asked for; only the place in the clip jumps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from loadtest.clip.cadence import Cadence
from loadtest.clip.clip import Clip
from loadtest.clip.h264 import H264Payloads
from loadtest.clip.rtp import RtpStream
from loadtest.clip.vp8 import Vp8Payloads
from loadtest.media_source import AUDIO_RATE_HZ, OPUS_FRAME_SAMPLES
from loadtest.rtc.marker import mark

VIDEO_CLOCK_HZ: Final = 90_000
SOUNDS_PER_S: Final = AUDIO_RATE_HZ // OPUS_FRAME_SAMPLES
KEY_FRAME_AT_MOST_EVERY_S: Final = 0.3
"""libwebrtc's limit, too: the viewers who ask at once are all served by one key frame."""


@dataclass(slots=True)
class PublisherStats:
    """Since the start, all layers and the sound together."""

    frames: int = 0
    """Pictures."""
    packets: int = 0
    bytes: int = 0
    """RTP packets before encryption."""
    key_frames: int = 0
    keyframe_requests: int = 0
    """PLI and FIR, also those that one key frame answered together."""
    skipped: int = 0
    """Pictures and pieces of sound left out because this process was too late for them."""
    late_ms_worst: float = 0.0
    """How late this process was with a packet at worst."""


class StreamSpec(NamedTuple):
    """How one stream is written on the wire, as negotiated."""

    ssrc: int
    payload_type: int
    extension: bytes = b""
    """The whole header extension block of every packet (RFC 8285); empty: none."""


class _Payloads(Protocol):
    def next_frame(self, cut: Sequence[bytes], mark: bytes | None) -> list[bytes]: ...


class VideoLayer:
    """One video stream: a clip, where it is in it, and whether somebody waits for a key frame."""

    def __init__(
        self, clip: Clip, spec: StreamSpec, rng: random.Random, *, start: float, marker_every: int
    ) -> None:
        self.stream = _stream(spec, VIDEO_CLOCK_HZ, rng)
        self.cadence = Cadence(start, clip.size.fps)
        self.frames = 0
        self.key_frames = 0
        self._clip = clip
        self._payloads: _Payloads = (
            Vp8Payloads(rng.getrandbits(15)) if clip.spec.codec == "VP8" else H264Payloads()
        )
        self._marker_every = marker_every
        self._position = 0
        self._key_wanted = False
        self._last_key_at: float | None = None

    def request_key_frame(self, now: float) -> None:
        """The next frame becomes one, unless one has just left."""
        last = self._last_key_at
        if last is None or now - last >= KEY_FRAME_AT_MOST_EVERY_S:
            self._key_wanted = True

    def due(self, now: float, wall_ns: int) -> Iterator[list[bytes]]:
        """The packets of each frame to send now."""
        for number in self.cadence.take_due(now):
            payloads = self._next_frame(now, wall_ns)
            timestamp = self.stream.timestamp_at(self.cadence.offset_s(number))
            yield self.stream.frame(payloads, timestamp, marks_end=True)

    def _next_frame(self, now: float, wall_ns: int) -> list[bytes]:
        if self._key_wanted:
            self._position = self._clip.next_key_frame(self._position)
        if self._clip.frames[self._position].is_key:
            self._key_wanted, self._last_key_at = False, now
            self.key_frames += 1
        is_marked = self._marker_every > 0 and self.frames % self._marker_every == 0
        cut = self._clip.payloads[self._position]
        self._position = (self._position + 1) % len(self._clip.frames)
        self.frames += 1
        return self._payloads.next_frame(cut, mark(wall_ns) if is_marked else None)


class Sound:
    """The sound of a clip: one packet each 20 ms, no marker bit (RFC 7587 §4.2)."""

    def __init__(self, clip: Clip, spec: StreamSpec, rng: random.Random, *, start: float) -> None:
        self.stream = _stream(spec, AUDIO_RATE_HZ, rng)
        self.cadence = Cadence(start, SOUNDS_PER_S)
        self._packets = clip.audio
        self._position = 0

    def due(self, now: float, wall_ns: int) -> Iterator[list[bytes]]:
        for number in self.cadence.take_due(now):
            payload = self._packets[self._position]
            self._position = (self._position + 1) % len(self._packets)
            timestamp = self.stream.timestamp_at(self.cadence.offset_s(number))
            yield self.stream.frame((payload,), timestamp, marks_end=False)


class ClipSender:
    """All streams of one publisher. `start`: monotonic seconds, when the first packet is due."""

    def __init__(
        self,
        layers: Sequence[tuple[Clip, StreamSpec]],
        sound: tuple[Clip, StreamSpec] | None,
        *,
        start: float,
        rng: random.Random,
        marker_every: int,
        stats: PublisherStats | None = None,
    ) -> None:
        self.stats = PublisherStats() if stats is None else stats
        self._layers = {
            spec.ssrc: VideoLayer(clip, spec, rng, start=start, marker_every=marker_every)
            for clip, spec in layers
        }
        self._sources: list[VideoLayer | Sound] = list(self._layers.values())
        if sound is not None:
            self._sources.append(Sound(*sound, rng, start=start))
        assert self._sources, "a publisher sends something"

    @property
    def next_deadline(self) -> float:
        return min(source.cadence.next_deadline for source in self._sources)

    def request_key_frame(self, ssrc: int, now: float) -> None:
        """A PLI or FIR (RFC 4585 §6.3.1, RFC 5104 §4.3.1) came; an unknown SSRC is ignored."""
        layer = self._layers.get(ssrc)
        if layer is not None:
            self.stats.keyframe_requests += 1
            layer.request_key_frame(now)

    def due(self, now: float, wall_ns: int) -> list[bytes]:
        """RTP packets to send now, in this order. `wall_ns`: Unix nanoseconds, for the marks."""
        packets: list[bytes] = []
        for source in self._sources:
            for frame in source.due(now, wall_ns):
                packets += frame
        if packets:
            self._count(packets)
        return packets

    def _count(self, packets: Sequence[bytes]) -> None:
        stats = self.stats
        stats.packets += len(packets)
        stats.bytes += sum(map(len, packets))
        stats.frames = sum(layer.frames for layer in self._layers.values())
        stats.key_frames = sum(layer.key_frames for layer in self._layers.values())
        stats.skipped = sum(source.cadence.skipped for source in self._sources)
        stats.late_ms_worst = 1000 * max(source.cadence.late_s_worst for source in self._sources)


def _stream(spec: StreamSpec, clock_rate: int, rng: random.Random) -> RtpStream:
    """Starts at random numbers, as RFC 3550 §5.1 asks; the sequence number in the lower half, so
    that SRTP's roll-over counter cannot be guessed wrong when first packets are lost (RFC 3711
    §3.3.1)."""
    return RtpStream(
        ssrc=spec.ssrc,
        payload_type=spec.payload_type,
        clock_rate=clock_rate,
        first_seq=rng.getrandbits(15),
        first_timestamp=rng.getrandbits(32),
        extension=spec.extension,
    )
