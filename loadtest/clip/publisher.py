"""Publishes clips through a connected peer, in real time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Literal

from loadtest.clip.clip import Clip
from loadtest.clip.sender import ClipSender, PublisherStats, StreamSpec
from loadtest.rtc.light_peer import LightPeer, PeerError


class ClipPublisher:
    """Loops clips through a sending peer: `layers` are (rid, clip), or one (None, clip).

    `rng` gives the first numbers of the streams and a start within a frame's time, so that the
    publishers of a process do not all send in the same millisecond. Every `marker_every`-th
    picture of a layer carries a mark of its sending time (0: none does). Of simulcast layers those
    are sent that the server took; when it took none, the last one alone, as an ordinary stream.
    """

    def __init__(
        self,
        peer: LightPeer,
        layers: Sequence[tuple[str | None, Clip]],
        *,
        rng: random.Random,
        marker_every: int = 5,
        audio: bool = True,
        video: bool = True,
    ) -> None:
        assert layers, "a publisher has a clip"
        self.stats = PublisherStats()
        self._peer = peer
        self._layers = layers
        self._rng = rng
        self._marker_every = marker_every
        self._audio = audio
        self._video = video

    async def run(self) -> None:
        """Send until cancelled. The peer must be established. Raises `PeerError` when the server
        takes no such media."""
        loop = asyncio.get_running_loop()
        sender = self._sender(loop.time())

        def on_keyframe_request(ssrc: int) -> None:
            sender.request_key_frame(ssrc, loop.time())

        self._peer.on_keyframe_request = on_keyframe_request
        try:
            while True:
                now = loop.time()
                packets = sender.due(now, time.time_ns())
                if packets:
                    self._peer.send_batch(packets)
                await asyncio.sleep(max(0.0, sender.next_deadline - loop.time()))
        finally:
            self._peer.on_keyframe_request = None

    def _sender(self, now: float) -> ClipSender:
        fps = min(clip.size.fps for _, clip in self._layers)
        layers = self._taken_layers() if self._video else ()
        sound = (self._layers[0][1], self._stream("audio", None)) if self._audio else None
        return ClipSender(
            [(clip, self._stream("video", rid)) for rid, clip in layers],
            sound,
            start=now + self._rng.random() / fps,
            rng=self._rng,
            marker_every=self._marker_every,
            stats=self.stats,
        )

    def _taken_layers(self) -> Sequence[tuple[str | None, Clip]]:
        codec = self._peer.video_codec
        for _, clip in self._layers:
            if codec is not None and clip.spec.codec != codec:
                raise PeerError(f"the server chose {codec}, the clip is {clip.spec.codec}")
        taken = [layer for layer in self._layers if layer[0] is None or layer[0] in self._peer.rids]
        return taken or ((None, self._layers[-1][1]),)

    def _stream(self, kind: Literal["audio", "video"], rid: str | None) -> StreamSpec:
        return StreamSpec(
            ssrc=self._peer.ssrc_of(kind, rid),
            payload_type=self._peer.payload_type_of(kind),
            extension=self._peer.header_extension(kind, rid),
        )
