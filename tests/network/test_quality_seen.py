"""What is seen of quality, with real sockets and media: bars for consoles, figures over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from prometheus_client.parser import text_string_to_metric_families

from loadtest.publisher import TOKEN_VARIABLE
from loadtest.room_client import RoomClient, RoomError, wait_camera
from tests.support.cli import lianmai
from tests.support.server import LiveServer, live
from tests.support.videos import make_video

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live"]

REPORT = {
    "window_ms": 10_000,
    "loss_pm": 0,
    "fps": 25,
    "width": 160,
    "height": 90,
    "kbps_in": 90,
    "kbps_out": 0,
    "freezes": 2,
    "freeze_ms": 700,
    "concealed_pm": 0,
}


async def player_offer(player: RTCPeerConnection) -> str:
    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    await player.setLocalDescription(await player.createOffer())
    return player.localDescription.sdp


async def transports(live: LiveServer, room: str) -> dict[str, dict[str, Any]]:
    """By direction."""
    headers = live.bearer("sam", "staff", room)
    async with live.http.get(f"/api/v1/rooms/{room}/media", headers=headers) as response:
        assert response.status == 200, await response.text()
        return {peer["direction"]: peer for peer in (await response.json())["peers"]}


async def metric(live: LiveServer, name: str, **labels: str) -> float:
    text = await (await live.http.get("/metrics")).text()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return next(s.value for s in samples if s.name == name and s.labels == labels)


async def test_a_console_a_viewer_and_an_operator_see_quality(
    live: LiveServer, tmp_path: Path
) -> None:
    room = live.new_room()
    clip = make_video(tmp_path / "clip.mp4", seconds=2.0)
    token = live.token("publisher", "host", room)
    arguments = ("--room", room, "--server", live.url)
    player = RTCPeerConnection()
    try:
        async with (
            RoomClient(live.running.socket_url, live.token("sam", "staff", room)) as console,
            RoomClient(live.running.socket_url, live.token("vera", "viewer", room)) as viewer,
            lianmai("publish", str(clip), *arguments, **{TOKEN_VARIABLE: token}),
        ):
            async with asyncio.timeout(15):
                await wait_camera(console)
            answer = await viewer.request("play", sdp=await player_offer(player))
            peer_id = answer["peer_id"]
            await player.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
            async with asyncio.timeout(15):
                await player.getReceivers()[1].track.recv()

            told = await console.wait_for("seat_quality", within_s=15)
            (signal,) = told["seats"]
            assert (signal["seat"], signal["bars"]) == (0, 4)
            assert signal["kbps"] > 0

            await viewer.send("shape_slot", peer_id=peer_id, mid="1", size="hidden")
            await viewer.send("report_join", peer_id=peer_id, http_ms=31, first_frame_ms=164)
            await viewer.send("report_quality", peer_id=peer_id, **REPORT)
            assert (await viewer.request("trickle", peer_id=peer_id, candidate=None))["id"]
            seen = await transports(live, room)
            mine, hosts = seen["play"], seen["publish"]
            assert (hosts["seat"], hosts["door"], mine["door"]) == (0, "http", "socket")
            for peer in (mine, hosts):
                assert all(peer["join"][step] >= 0 for step in ("answer_ms", "ice_ms", "dtls_ms"))
            assert mine["join"]["client_http_ms"] == 31
            assert mine["join"]["client_first_frame_ms"] == 164
            assert (mine["reported"]["freezes"], mine["reported"]["freeze_ms"]) == (2, 700)
            assert {track["codec"] for track in hosts["stats"]["tracks"]} == {"opus", "h264"}
            assert {slot["mid"]: slot["size"] for slot in mine["stats"]["slots"]}["1"] == "hidden"
            assert mine["stats"]["packets_out"] > 0

            restarted = await viewer.request(
                "restart_ice", peer_id=peer_id, ufrag="abcd", pwd="p" * 22
            )
            assert restarted["peer_id"] == peer_id
            assert len(restarted["pwd"]) >= 22
            assert restarted["candidates"]
            with pytest.raises(RoomError, match="unknown_peer"):
                await console.request("restart_ice", peer_id=peer_id, ufrag="abcd", pwd="p" * 22)

        assert await metric(live, "lianmai_first_frame_seconds_count", direction="play") == 1
        assert await metric(live, "lianmai_freezes_total") == 2
        assert await metric(live, "lianmai_ice_connect_seconds_count", direction="publish") == 1
        assert await metric(live, "lianmai_dtls_connect_seconds_count", direction="play") == 1
    finally:
        await player.close()
