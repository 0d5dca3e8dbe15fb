"""Media worker processes as one media port: real processes, aiortc over real UDP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator

import psutil
import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection, VideoStreamTrack
from av.video.frame import VideoFrame

from media.seam import (
    PeerClosed,
    PeerId,
    PointSlot,
    QueryStats,
    RequestId,
    SlotLive,
    Stats,
    TrackEnded,
    TrackId,
    TrackStarted,
)
from media.worker import MediaUnavailable
from server.media_workers import MediaWorkers, WorkerOptions
from tests.network.test_seam_process import peer, publish_and_play
from tests.support.media import PATIENCE_S, MediaDesk


def options(count: int, udp_port: int = 0, *, tcp: bool = True) -> WorkerOptions:
    return WorkerOptions(count=count, host="127.0.0.1", udp_port=udp_port, advertised=(), tcp=tcp)


@contextlib.asynccontextmanager
async def started(wanted: WorkerOptions) -> AsyncIterator[tuple[MediaWorkers, MediaDesk]]:
    workers = MediaWorkers(wanted)
    desk = MediaDesk(workers)
    await workers.start()
    try:
        yield workers, desk
    finally:
        await workers.close()


async def test_publish_and_play_through_workers() -> None:
    async with started(options(2)) as (workers, desk), peer() as host, peer() as viewer:
        assert len(set(workers.ports)) == 2
        await publish_and_play(desk, host, viewer)
        workers.send(QueryStats(RequestId("stats")))
        stats = await desk.wait(Stats)
        assert {each.peer_id: each.state for each in stats.peers} == {
            "pub": "connected",
            "viewer": "connected",
        }
        totals = workers.totals()
        assert totals["peers"] == 2
        assert workers.udp_stats.datagrams_in == totals["udp_datagrams_in"] > 0
        tcp = workers.tcp_stats
        assert tcp is not None
        assert tcp.closed == {}
        for name in ("pub", "viewer"):
            desk.close(name)
            closed = await desk.wait(PeerClosed, lambda event, who=name: event.peer_id == who)  # type: ignore[misc]  # a default binds the loop's value
            assert closed.reason == "test_over"


async def watch(
    desk: MediaDesk, viewer: RTCPeerConnection, name: str, group: str, generation: int = 1
) -> None:
    """Until the viewer, who is of another group, has decoded a picture of the host's."""
    viewer.addTransceiver("audio", direction="recvonly")
    viewer.addTransceiver("video", direction="recvonly")
    played = await desk.play(viewer, name, group=group)
    for slot, source in zip(played.slots, ("microphone", "camera"), strict=True):
        point(desk, name, slot.mid, TrackId(f"host/s1/{source}"), generation)
        live = await desk.wait(
            SlotLive,
            lambda event, mid=slot.mid: (event.peer_id, event.mid) == (name, mid),  # type: ignore[misc]  # a default binds the loop's value
        )
        assert live.generation == generation
    async with asyncio.timeout(PATIENCE_S):
        frame = await viewer.getReceivers()[1].track.recv()
    assert isinstance(frame, VideoFrame)


def point(desk: MediaDesk, name: str, mid: str, track: TrackId | None, generation: int) -> None:
    desk.media.send(PointSlot(PeerId(name), mid, track, generation))


async def totals_of(desk: MediaDesk, request: str) -> dict[str, int]:
    desk.media.send(QueryStats(RequestId(request)))
    stats = await desk.wait(Stats, lambda event: event.request_id == request)
    return stats.totals


async def test_a_track_crosses_to_another_worker_once_for_all_its_viewers() -> None:
    async with (
        started(options(2)) as (_, desk),
        peer() as host,
        peer() as here,
        peer() as there,
        peer() as beside,
    ):
        host.addTrack(AudioStreamTrack())
        host.addTrack(VideoStreamTrack())
        await desk.publish(host, "pub", "host/s1", group="home")
        await watch(desk, here, "here", "home")
        assert (await totals_of(desk, "before"))["imports"] == 0
        await watch(desk, there, "there", "away")
        await watch(desk, beside, "beside", "away")
        totals = await totals_of(desk, "after")
        assert (totals["exports"], totals["imports"]) == (2, 2), "sound and picture, once each"
        assert totals["tracks"] == 2, "an import is no publication"
        assert totals["relayed_in"] > 0
        started_twice = [event for event in desk.events if isinstance(event, TrackStarted)]
        assert len(started_twice) == 2, "told once, by the publisher's worker"
        desk.close("pub")
        await desk.wait(PeerClosed)
        ended = [event for event in desk.events if isinstance(event, TrackEnded)]
        assert len(ended) == 2
        totals = await totals_of(desk, "end")
        assert (totals["exports"], totals["imports"], totals["tracks"]) == (0, 0, 0)


async def test_a_killed_worker_is_told_and_comes_back() -> None:
    async with started(options(1, tcp=False)) as (workers, desk):
        assert workers.tcp_stats is None
        async with peer() as host, peer() as viewer:
            await publish_and_play(desk, host, viewer)
            known, [pid] = len(desk.events), workers.pids
            os.kill(pid, signal.SIGKILL)
            for name in ("pub", "viewer"):
                closed = await desk.wait(
                    PeerClosed,
                    lambda event, who=name: event.peer_id == who,  # type: ignore[misc]  # a default binds the loop's value
                    after=known,
                )
                assert closed.reason == "worker_lost"
        assert not workers.is_bound
        async with peer() as host, peer() as viewer:
            desk.events.clear()
            await publish_and_play(desk, host, viewer)  # the offer waits for the next run
        assert workers.pids != (pid,)
        assert (workers.up, workers.restarts) == (1, 1)


async def test_workers_take_ports_in_a_row_and_leave_nothing_behind() -> None:
    first = _two_free_ports()
    async with started(options(2, first)) as (workers, _):
        assert workers.ports == (first, first + 1)
        children = [psutil.Process(pid) for pid in workers.pids]
        folder = workers._folder
        assert folder is not None
        assert folder.stat().st_mode & 0o777 == 0o700, "whoever opens a seam commands all media"
    assert not any(child.is_running() for child in children)
    assert not folder.exists()


async def test_a_port_in_use_is_said_in_the_words_of_the_worker() -> None:
    first = _two_free_ports()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 1))
        workers = MediaWorkers(options(2, first))
        with pytest.raises(MediaUnavailable, match=rf"UDP 127.0.0.1:{first + 1} cannot be used"):
            async with asyncio.timeout(PATIENCE_S):
                await workers.start()
    assert workers.up == 0
    assert not any(psutil.pid_exists(pid) for pid in workers.pids)


def _two_free_ports() -> int:
    """The first of two, free for UDP and TCP a moment ago."""
    while True:
        with contextlib.ExitStack() as stack:
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            try:
                for kind, number in (
                    (socket.SOCK_STREAM, port),
                    (socket.SOCK_DGRAM, port + 1),
                    (socket.SOCK_STREAM, port + 1),
                ):
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(
                        ("127.0.0.1", number)
                    )
            except OSError:
                continue
            return port
