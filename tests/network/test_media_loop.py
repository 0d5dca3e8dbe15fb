"""Through the whole media plane over real UDP, with peers of another make (aiortc)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av.video.frame import VideoFrame

from media.seam import (
    Answered,
    MuteTrack,
    PeerClosed,
    PeerConnected,
    PointSlot,
    SlotLive,
    TrackEnded,
    TrackStarted,
)
from tests.support.media import PATIENCE_S, MediaDesk, local_media


@contextlib.asynccontextmanager
async def peer() -> AsyncIterator[RTCPeerConnection]:
    pc = RTCPeerConnection()
    try:
        yield pc
    finally:
        await pc.close()


async def next_picture(pc: RTCPeerConnection, receiver: int) -> VideoFrame:
    async with asyncio.timeout(PATIENCE_S):
        frame = await pc.getReceivers()[receiver].track.recv()
    assert isinstance(frame, VideoFrame)
    return frame


async def publish(desk: MediaDesk, pc: RTCPeerConnection, name: str) -> Answered:
    pc.addTrack(AudioStreamTrack())
    pc.addTrack(VideoStreamTrack())
    answer = await desk.publish(pc, f"pub-{name}", f"{name}/s1")
    await desk.wait(PeerConnected, lambda e: e.peer_id == f"pub-{name}")
    return answer


def point(desk: MediaDesk, answer: Answered, place: int, owner: str, generation: int) -> str:
    """Feed the viewer's `place`-th video slot from the camera of `owner`; returns its mid."""
    slot = [each for each in answer.slots if each.kind == "video"][place]
    command = PointSlot(answer.peer_id, slot.mid, f"{owner}/s1/camera", generation)  # type: ignore[arg-type]  # a track id is that string
    desk.media.send(command)
    return slot.mid


async def test_a_viewer_decodes_what_is_published_and_follows_a_switch() -> None:
    async with local_media() as desk, peer() as host, peer() as guest, peer() as viewer:
        await publish(desk, host, "host")
        viewer.addTransceiver("audio", direction="recvonly")
        viewer.addTransceiver("video", direction="recvonly")
        answer = await desk.play(viewer, "viewer")
        assert [slot.kind for slot in answer.slots] == ["audio", "video"]

        mid = point(desk, answer, 0, "host", 1)
        live = await desk.wait(SlotLive, lambda e: e.mid == mid)
        assert live.generation == 1
        assert (await next_picture(viewer, 1)).width == 640

        await publish(desk, guest, "guest")
        point(desk, answer, 0, "guest", 2)
        await desk.wait(SlotLive, lambda e: e.generation == 2)
        await next_picture(viewer, 1)


async def test_tracks_start_and_end_with_their_publisher() -> None:
    async with local_media() as desk, peer() as host:
        answer = await publish(desk, host, "host")
        assert {track.track_id for track in answer.tracks} == {
            "host/s1/microphone",
            "host/s1/camera",
        }
        for track in answer.tracks:
            await desk.wait(TrackStarted, lambda e, t=track: e.track == t)  # type: ignore[misc]
        desk.close("pub-host")
        closed = await desk.wait(PeerClosed)
        assert closed.reason == "test_over"
        assert {e.track_id for e in desk.events if isinstance(e, TrackEnded)} == {
            track.track_id for track in answer.tracks
        }


async def test_a_muted_track_reaches_nobody_until_it_is_unmuted() -> None:
    async with local_media() as desk, peer() as host, peer() as viewer:
        answer = await publish(desk, host, "host")
        camera = next(track for track in answer.tracks if track.kind == "video")
        viewer.addTransceiver("video", direction="recvonly")
        played = await desk.play(viewer, "viewer")
        await desk.wait(PeerConnected, lambda e: e.peer_id == "viewer")
        desk.media.send(MuteTrack(camera.track_id, True))
        mid = point(desk, played, 0, "host", 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await desk.wait(SlotLive, lambda e: e.mid == mid)
        desk.media.send(MuteTrack(camera.track_id, False))
        await desk.wait(SlotLive, lambda e: e.mid == mid)
        await next_picture(viewer, 0)
