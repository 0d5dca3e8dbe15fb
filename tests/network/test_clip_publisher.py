"""A clip, live in a room of the real program, watched by a light peer and by aiortc."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from av.video.frame import VideoFrame

from loadtest.clip.clip import Clip, make_clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.spec import ClipSpec, Codec, simulcast_specs
from loadtest.rtc.light_peer import LightPeer, PeerError
from tests.support.server import LiveServer, live

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live"]

PATIENCE_S = 20
CODECS: tuple[Codec, ...] = ("VP8", "H264")


def spec_of(codec: Codec) -> ClipSpec:
    return ClipSpec(codec, 320, 180, 20, 300_000, seconds=2.0, gop_s=1.0)


@contextlib.asynccontextmanager
async def host(
    live: LiveServer, room: str, codec: Codec, rids: tuple[str, ...] = (), *, audio: bool = True
) -> AsyncIterator[LightPeer]:
    """A host's peer, connected, that sends nothing yet."""
    token = live.token("hana", "host", room)
    peer = LightPeer("sendonly", audio=int(audio), video_codecs=(codec,), rids=rids)
    try:
        await peer.connect(live.http, f"/whip/{room}", token)
        yield peer
    finally:
        await peer.close(live.http, token)


@contextlib.asynccontextmanager
async def running(publisher: ClipPublisher) -> AsyncIterator[None]:
    """Until the end."""
    sending = asyncio.create_task(publisher.run(), name="clip-publisher")
    try:
        yield
        assert not sending.done(), "it sends until it is told to end"
    finally:
        sending.cancel()
        await asyncio.wait((sending,))


@contextlib.asynccontextmanager
async def publishing(live: LiveServer, room: str, codec: Codec) -> AsyncIterator[ClipPublisher]:
    """A host that loops a clip until the end."""
    clip = await make_clip(spec_of(codec))
    async with host(live, room, codec) as peer:
        publisher = ClipPublisher(peer, [(None, clip)], rng=random.Random(1))
        async with running(publisher):
            yield publisher


async def layers_of(rids: tuple[str, ...]) -> list[tuple[str | None, Clip]]:
    return [(rid, await make_clip(spec)) for rid, spec in simulcast_specs(spec_of("VP8"), rids)]


class Delays:
    """Collects what a sampled viewer reads of the marks; `enough` is set by the `wanted`-th."""

    def __init__(self, wanted: int) -> None:
        self.seconds: list[float] = []
        self.enough = asyncio.Event()
        self._wanted = wanted

    def __call__(self, delay_s: float) -> None:
        self.seconds.append(delay_s)
        if len(self.seconds) >= self._wanted:
            self.enough.set()


@pytest.mark.parametrize("codec", CODECS)
async def test_a_light_viewer_reads_the_delay(live: LiveServer, codec: Codec) -> None:
    room = live.new_room()
    token = live.token("vera", "viewer", room)
    viewer = LightPeer("recvonly", video_codecs=(codec,))
    viewer.on_latency = delays = Delays(wanted=10)
    try:
        async with publishing(live, room, codec) as publisher:
            await viewer.connect(live.http, f"/whep/{room}", token)
            async with asyncio.timeout(PATIENCE_S):
                await delays.enough.wait()
            assert all(math.isfinite(delay) for delay in delays.seconds)
            assert min(delays.seconds) > 0, "one clock: nothing arrives before it was sent"
            assert {stream.kind for stream in viewer.streams.values()} == {"audio", "video"}
            assert sum(stream.holes for stream in viewer.streams.values()) == 0
            assert publisher.stats.keyframe_requests > 0, "a newcomer makes the server ask"
            assert publisher.stats.packets > 0
    finally:
        await viewer.close(live.http, token)


@pytest.mark.parametrize("codec", CODECS)
async def test_aiortc_decodes_it_over_the_loop(live: LiveServer, codec: Codec) -> None:
    room = live.new_room()
    player = RTCPeerConnection()
    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    try:
        async with publishing(live, room, codec):
            await player.setLocalDescription(await player.createOffer())
            headers = {"Content-Type": "application/sdp", **live.bearer("vera", "viewer", room)}
            sdp = player.localDescription.sdp
            async with live.http.post(f"/whep/{room}", data=sdp, headers=headers) as response:
                answer = await response.text()
                assert response.status == 201, answer
            await player.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            # The clip has 40 pictures: more means that its second round arrives.
            async with asyncio.timeout(PATIENCE_S):
                for _ in range(60):
                    frame = await player.getReceivers()[1].track.recv()
            assert isinstance(frame, VideoFrame)
            assert (frame.width, frame.height) == (320, 180)
    finally:
        await player.close()


RIDS = ("q", "h", "f")


@pytest.mark.parametrize("offered", [RIDS, ()])
async def test_simulcast(live: LiveServer, offered: tuple[str, ...]) -> None:
    """Of the layers that the server takes a viewer gets one; without any, the best is sent as
    an ordinary stream."""
    room = live.new_room()
    token = live.token("vera", "viewer", room)
    viewer = LightPeer("recvonly")
    viewer.on_latency = delays = Delays(wanted=5)
    try:
        async with host(live, room, "VP8", offered) as peer:
            assert set(peer.rids) == set(offered)
            publisher = ClipPublisher(peer, await layers_of(RIDS), rng=random.Random(1))
            async with running(publisher):
                await viewer.connect(live.http, f"/whep/{room}", token)
                async with asyncio.timeout(PATIENCE_S):
                    await delays.enough.wait()
                assert publisher.stats.key_frames >= max(1, len(peer.rids))
    finally:
        await viewer.close(live.http, token)


async def test_pictures_alone(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("vera", "viewer", room)
    viewer = LightPeer("recvonly")
    clip = await make_clip(spec_of("VP8"))
    try:
        async with host(live, room, "VP8", audio=False) as peer:
            publisher = ClipPublisher(peer, [(None, clip)], rng=random.Random(1), audio=False)
            async with running(publisher):
                await viewer.connect(live.http, f"/whep/{room}", token)
                async with asyncio.timeout(PATIENCE_S):
                    await viewer.receiving.wait()
                assert {stream.kind for stream in viewer.streams.values()} == {"video"}
    finally:
        await viewer.close(live.http, token)


async def test_what_was_not_agreed_on_is_refused(live: LiveServer) -> None:
    clip = await make_clip(spec_of("H264"))
    async with host(live, live.new_room(), "VP8", audio=False) as peer:
        with pytest.raises(PeerError, match="the server chose VP8, the clip is H264"):
            await ClipPublisher(peer, [(None, clip)], rng=random.Random(1)).run()
        vp8 = await make_clip(spec_of("VP8"))
        with pytest.raises(PeerError, match="takes no audio"):
            await ClipPublisher(peer, [(None, vp8)], rng=random.Random(1)).run()
