"""A clip sent in parts of known length: between two parts nothing is on its way, so that what
different receivers count can be compared packet by packet."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from loadtest.clip.clip import Clip
from loadtest.clip.sender import ClipSender, StreamSpec
from loadtest.rtc.light_peer import LightPeer
from loadtest.rtc.sdp import Kind

SEED = 3
MARKER_EVERY = 1


class ClipParts:
    """Sends `clip` by `peer`. Numbers and timestamps go on from part to part; its own time stands
    still in between. `sent` counts packets by kind.

    With `withhold` set to n, every n-th packet is numbered but never sent: an exact loss, the
    same for everybody, and not to be mended. `withheld` counts those.
    """

    def __init__(self, peer: LightPeer, clip: Clip) -> None:
        self.sent: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.withhold = 0
        self._peer = peer
        self._audio_ssrc = peer.ssrc_of("audio").to_bytes(4, "big")
        self._at = 0.0
        self._numbered = 0
        video, audio = self._stream("video"), self._stream("audio")
        self._sender = ClipSender(
            [(clip, video)],
            (clip, audio),
            start=0.0,
            rng=random.Random(SEED),
            marker_every=MARKER_EVERY,
        )
        peer.on_keyframe_request = self._on_keyframe_request

    async def send(self, seconds: float) -> None:
        """The next part, in real time."""
        loop = asyncio.get_running_loop()
        start, end = loop.time() - self._at, self._at + seconds
        while self._sender.next_deadline < end:
            self._at = self._sender.next_deadline
            await asyncio.sleep(max(0.0, start + self._at - loop.time()))
            for packet in self._sender.due(self._at, time.time_ns()):
                self._send(packet)
        self._at = end

    def _send(self, packet: bytes) -> None:
        kind = "audio" if packet[8:12] == self._audio_ssrc else "video"
        self._numbered += 1
        if self.withhold and self._numbered % self.withhold == 0:
            self.withheld[kind] += 1
            return
        self.sent[kind] += 1
        self._peer.send_rtp(packet)

    def _stream(self, kind: Kind) -> StreamSpec:
        return StreamSpec(self._peer.ssrc_of(kind), self._peer.payload_type_of(kind))

    def _on_keyframe_request(self, ssrc: int) -> None:
        self._sender.request_key_frame(ssrc, self._at)
