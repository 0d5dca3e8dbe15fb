"""The seam across a process boundary: a media worker of its own, peers of another make (aiortc)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av.video.frame import VideoFrame

from media.seam import (
    MuteTrack,
    PeerClosed,
    PeerConnected,
    PointSlot,
    QueryStats,
    RequestId,
    SlotLive,
    Stats,
    TrackId,
    TrackStarted,
)
from media.seam_socket import RemoteMedia
from tests.support.media import PATIENCE_S, MediaDesk

ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Worker:
    process: asyncio.subprocess.Process
    path: Path

    async def connect(self) -> RemoteMedia:
        return await RemoteMedia.connect(self.path)


@contextlib.asynccontextmanager
async def worker(folder: Path, *arguments: str) -> AsyncIterator[Worker]:
    """`python -m media.worker` on a free port of loopback; ended by SIGTERM."""
    path = folder / "seam"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "media.worker",
        "--socket",
        str(path),
        "--host",
        "127.0.0.1",
        "--udp-port",
        "0",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await process.stdout.readline()
        assert line.startswith(b"media ready on UDP "), line
        yield Worker(process, path)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()


@contextlib.asynccontextmanager
async def peer() -> AsyncIterator[RTCPeerConnection]:
    pc = RTCPeerConnection()
    try:
        yield pc
    finally:
        await pc.close()


async def gone(remote: RemoteMedia) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await remote.closed.wait()


async def publish_and_play(
    desk: MediaDesk, host: RTCPeerConnection, viewer: RTCPeerConnection
) -> None:
    """Until the viewer has decoded a picture of the host's."""
    host.addTrack(AudioStreamTrack())
    host.addTrack(VideoStreamTrack())
    published = await desk.publish(host, "pub", "host/s1")
    await desk.wait(PeerConnected, lambda event: event.peer_id == "pub")
    for each in published.tracks:
        await desk.wait(TrackStarted, lambda event, wanted=each: event.track == wanted)  # type: ignore[misc]  # a default binds the loop's value
    viewer.addTransceiver("audio", direction="recvonly")
    viewer.addTransceiver("video", direction="recvonly")
    played = await desk.play(viewer, "viewer")
    for slot, source in zip(played.slots, ("microphone", "camera"), strict=True):
        track = TrackId(f"host/s1/{source}")
        desk.media.send(PointSlot(played.peer_id, slot.mid, track, 1))
        await desk.wait(SlotLive, lambda event, mid=slot.mid: event.mid == mid)  # type: ignore[misc]  # a default binds the loop's value
    async with asyncio.timeout(PATIENCE_S):
        frame = await viewer.getReceivers()[1].track.recv()
    assert isinstance(frame, VideoFrame)


async def test_publish_and_play_through_a_media_process(tmp_path: Path) -> None:
    async with worker(tmp_path) as media, peer() as host, peer() as viewer:
        remote = await media.connect()
        desk = MediaDesk(remote)
        await publish_and_play(desk, host, viewer)
        desk.media.send(QueryStats(RequestId("stats")))
        stats = await desk.wait(Stats)
        assert {each.peer_id: each.state for each in stats.peers} == {
            "pub": "connected",
            "viewer": "connected",
        }
        desk.media.send(MuteTrack(TrackId("host/s1/camera"), True))
        desk.close("viewer")
        closed = await desk.wait(PeerClosed)
        assert (closed.peer_id, closed.reason) == ("viewer", "test_over")
        media.process.send_signal(signal.SIGTERM)
        closed = await desk.wait(PeerClosed, lambda event: event.peer_id == "pub")
        assert closed.reason == "shutting_down", "a worker that is stopped says goodbye"
        await gone(remote)
        async with asyncio.timeout(PATIENCE_S):
            assert await media.process.wait() == 0
        await remote.close()


async def test_a_killed_worker_is_noticed(tmp_path: Path) -> None:
    async with worker(tmp_path) as media:
        remote = await media.connect()
        MediaDesk(remote)
        assert not remote.closed.is_set()
        media.process.kill()
        await gone(remote)
        remote.send(QueryStats(RequestId("after")))
        await remote.close()


async def test_a_broken_frame_costs_the_connection_not_the_worker(tmp_path: Path) -> None:
    async with worker(tmp_path) as media, peer() as host, peer() as viewer:
        reader, writer = await asyncio.open_unix_connection(str(media.path))
        writer.write(b"\x00\x00\x00\x08" + b"\xc1" * 8)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()
        remote = await media.connect()
        await publish_and_play(MediaDesk(remote), host, viewer)
        await remote.close()


async def test_when_the_front_goes_its_peers_are_closed_and_the_next_one_begins_anew(
    tmp_path: Path,
) -> None:
    async with worker(tmp_path) as media, peer() as host, peer() as viewer:
        first = await media.connect()
        await publish_and_play(MediaDesk(first), host, viewer)
        await first.close()
        second = await media.connect()
        desk = MediaDesk(second)
        for attempt in range(100):
            request = RequestId(f"stats-{attempt}")
            second.send(QueryStats(request))
            stats = await desk.wait(Stats, lambda event, wanted=request: event.request_id == wanted)  # type: ignore[misc]  # a default binds the loop's value
            if not stats.peers:
                break
        assert stats.peers == ()
        assert stats.totals["closed"] == 2
        await second.close()


async def test_a_taken_port_ends_the_worker_with_a_message(tmp_path: Path) -> None:
    async with worker(tmp_path) as media:
        remote = await media.connect()
        port = await _port_of(remote)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "media.worker",
            "--socket", str(tmp_path / "other"), "--host", "127.0.0.1", "--udp-port", str(port),
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await process.communicate()
        assert process.returncode == 1
        assert b"--udp-port" in errors
        assert b"Traceback" not in errors
        await remote.close()


async def test_a_worker_slowed_on_purpose_is_late_with_everything_and_loses_nothing(
    tmp_path: Path,
) -> None:
    delay_s, flights = 0.1, 3  # the check, and two flights of the peer's DTLS
    loop = asyncio.get_running_loop()
    async with worker(tmp_path, "--debug-forward-delay-ms", "100") as media, peer() as host:
        remote = await media.connect()
        desk = MediaDesk(remote)
        host.addTrack(AudioStreamTrack())
        offered_at = loop.time()
        await desk.publish(host, "pub", "host/s1")
        await desk.wait(PeerConnected)
        assert loop.time() - offered_at >= delay_s * flights
        await desk.wait(TrackStarted)
        await remote.close()


async def test_a_delay_out_of_bounds_is_refused_by_name(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "media.worker",
        "--socket", str(tmp_path / "seam"), "--debug-forward-delay-ms", "1001",
        cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"--debug-forward-delay-ms: 1001 is not within 0..1000 ms" in errors


async def _port_of(remote: RemoteMedia) -> int:
    """The port that the worker's candidates name."""
    desk = MediaDesk(remote)
    async with peer() as viewer:
        viewer.addTransceiver("audio", direction="recvonly")
        answer = await desk.play(viewer, "asking")
    candidate = next(line for line in answer.sdp.splitlines() if line.startswith("a=candidate:"))
    return int(candidate.split()[5])
