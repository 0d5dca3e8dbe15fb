"""What forwarding costs: server CPU per delivered packet and the delay it adds.

One light publisher sends video packets of 1,100 bytes and Opus-sized audio at the pace of a
1.2 Mbit/s stream; N light WHEP viewers count them. Publisher and viewers share one clock: each
packet carries the moment it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from typing import Final, NamedTuple

import aiohttp

from loadtest.bench.program import Program, cpu_of, resident_bytes
from loadtest.report.percentiles import percentile
from loadtest.rtc.light_peer import AUDIO_PT, VIDEO_PT, LightPeer
from loadtest.rtc.sdp import Kind

FRAMES_PER_S: Final = 30
PACKETS_PER_FRAME: Final = 4
"""4 x 1,100 bytes x 30/s = 1.06 Mbit/s of video; with Opus 1.1 Mbit/s."""
VIDEO_BYTES: Final = 1100
AUDIO_BYTES: Final = 120
AUDIO_PER_S: Final = 50
KEY_FRAME_EVERY: Final = 60
WARM_UP_S: Final = 4.0
"""The group of pictures replayed to a newcomer (2 s of it at most) is late on purpose and must not
count as added delay."""
SAMPLE_EVERY: Final = 20
JOIN_AFTER_S: Final = 0.5
_RTP: Final = struct.Struct("!BBHII")
_STAMP: Final = struct.Struct("!d")


class ForwardingCost(NamedTuple):
    viewers: int
    delivered: int
    lost: int
    cpu_us_per_packet: float
    delay_ms_p50: float
    delay_ms_p99: float
    kib_per_viewer: float
    tester_cpu: float


class LightPublisher:
    """Paces made-up VP8 (RFC 7741) and Opus packets whose payload ends with the sending time."""

    def __init__(self, peer: LightPeer, rng: random.Random) -> None:
        self._peer = peer
        self._filler = rng.randbytes(2048)
        self._video_seq = self._audio_seq = 0
        self._key_frame_asked = False
        peer.on_keyframe_request = self._take_request

    def _take_request(self, ssrc: int) -> None:
        self._key_frame_asked = True

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        start, frame, audio = loop.time(), 0, 0
        while True:
            now = loop.time() - start
            while frame <= now * FRAMES_PER_S:
                self._send_frame(frame)
                frame += 1
            while audio <= now * AUDIO_PER_S:
                self._send_audio(audio)
                audio += 1
            due = min(frame / FRAMES_PER_S, audio / AUDIO_PER_S)
            await asyncio.sleep(max(0.0, start + due - loop.time()))

    def _send_frame(self, number: int) -> None:
        is_key = number % KEY_FRAME_EVERY == 0 or self._key_frame_asked
        self._key_frame_asked = False
        for index in range(PACKETS_PER_FRAME):
            # VP8 descriptor: S bit at the frame's start; then the P bit of the frame header.
            descriptor = b"\x10" if index == 0 else b"\x00"
            header = b"\x00\x00\x00\x9d\x01\x2a" if is_key and index == 0 else b"\x01"
            size = VIDEO_BYTES - len(descriptor) - len(header) - _STAMP.size
            body = descriptor + header + self._filler[:size]
            last = index == PACKETS_PER_FRAME - 1
            self._send("video", VIDEO_PT, self._video_seq, number * 3000, body, marker=last)
            self._video_seq += 1

    def _send_audio(self, number: int) -> None:
        self._send("audio", AUDIO_PT, self._audio_seq, number * 960, self._filler[:AUDIO_BYTES])
        self._audio_seq += 1

    def _send(
        self, kind: Kind, pt: int, seq: int, timestamp: int, body: bytes, *, marker: bool = False
    ) -> None:
        header = _RTP.pack(
            0x80, pt | (0x80 if marker else 0), seq & 0xFFFF, timestamp, self._peer.ssrc_of(kind)
        )
        now = asyncio.get_running_loop().time()
        self._peer.send_rtp(header + body + _STAMP.pack(now))


async def measure(
    program: Program,
    room: str,
    viewers: int,
    seconds: float,
    rng: random.Random,
    *,
    warm_up_s: float = WARM_UP_S,
) -> ForwardingCost:
    """Join, warm up, measure for `seconds`, leave."""
    host, viewer = program.token(room, "host", "host"), program.token(room, "viewer", "viewer")
    delays_ms: list[float] = []

    def sample(plain: bytes, now: float) -> None:
        delays_ms.append((now - _STAMP.unpack(plain[-_STAMP.size :])[0]) * 1000)

    async with aiohttp.ClientSession(base_url=program.url) as http:
        source = LightPeer("sendonly")
        crowd = [LightPeer("recvonly") for _ in range(viewers)]
        async with contextlib.AsyncExitStack() as stack:
            for peer in (*crowd, source):
                stack.push_async_callback(peer.close, http, host if peer is source else viewer)
            await source.connect(http, f"/whip/{room}", host)
            sending = asyncio.create_task(LightPublisher(source, rng).run(), name="bench-publisher")
            stack.push_async_callback(_end, sending)
            await asyncio.sleep(JOIN_AFTER_S)
            memory = resident_bytes(program.pid)
            for peer in crowd:
                await peer.connect(http, f"/whep/{room}", viewer)
                peer.on_rtp, peer.sample_every = sample, max(1, SAMPLE_EVERY * viewers // 10)
            await asyncio.sleep(warm_up_s)
            delays_ms.clear()
            memory = resident_bytes(program.pid) - memory
            own = time.process_time()
            before, packets = cpu_of(program.pid), sum(peer.packets for peer in crowd)
            await asyncio.sleep(seconds)
            used = cpu_of(program.pid).since(before)
            delivered = sum(peer.packets for peer in crowd) - packets
            tester_cpu = (time.process_time() - own) / seconds
    lost = sum(stream.holes for peer in crowd for stream in peer.streams.values())
    return ForwardingCost(
        viewers,
        delivered,
        lost,
        used.front_s / max(1, delivered) * 1e6,
        percentile(delays_ms, 0.5),
        percentile(delays_ms, 0.99),
        memory / 1024 / viewers,
        tester_cpu,
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
