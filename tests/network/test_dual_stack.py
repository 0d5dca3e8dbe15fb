"""One server for IPv4 and IPv6: HTTP, media by UDP, media by TCP; aiortc is the peer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from loadtest.network.iproute import ip
from loadtest.network.veth import veth_pair
from loadtest.targets.program import serving
from media.framing import framed
from media.seam import PeerConnected, SlotLive
from media.worker import LocalMedia
from tests.network.test_ice_tcp import play as play_by_tcp
from tests.network.test_media_loop import next_picture, peer, point, publish
from tests.support.media import PATIENCE_S, MediaDesk

ULA = "fd8a:7c0b:11e1::1"


@contextlib.asynccontextmanager
async def dual_media(*advertised: str) -> AsyncIterator[MediaDesk]:
    """On every address of both families."""
    media = LocalMedia(host="::", port=0, advertised=advertised)
    desk = MediaDesk(media)
    await media.start()
    try:
        yield desk
    finally:
        await media.close()


async def test_aiortc_publishes_and_plays_over_ipv6() -> None:
    async with veth_pair() as link:
        ip("address", "add", f"{ULA}/64", "dev", link.outside_name, "nodad")
        async with dual_media(ULA) as desk, peer() as host, peer() as viewer:
            await publish(desk, host, "host")
            viewer.addTransceiver("video", direction="recvonly")
            answer = await desk.play(viewer, "viewer")
            assert f" {ULA} " in answer.sdp
            await desk.wait(PeerConnected, lambda e: e.peer_id == "viewer")
            mid = point(desk, answer, 0, "host", 1)
            await desk.wait(SlotLive, lambda e: e.mid == mid)
            await next_picture(viewer, 0)


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
async def test_checks_by_tcp_are_answered_in_both_families(host: str) -> None:
    """An IPv4 peer on the dual-stack socket is told the IPv4 address that it has."""
    async with dual_media(host) as desk:
        caller = await play_by_tcp(desk, "ann")
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(host, caller.port)
        writer.write(framed(bytes(caller.check())))
        answer = await caller.answer(reader)
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == writer.get_extra_info("sockname")[:2]
        writer.close()
        await writer.wait_closed()


async def test_http_is_there_in_both_families() -> None:
    async with serving(host="::") as program, aiohttp.ClientSession() as http:
        for address in ("127.0.0.1", "[::1]"):
            url = program.url.replace("127.0.0.1", address)
            async with http.get(f"{url}/healthz") as response:
                assert response.status == 200
