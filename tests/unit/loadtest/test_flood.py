from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.flood import Flood, sockets_for, talkers
from loadtest.room_client import RoomClient
from tests.support.server import serving


@pytest.mark.parametrize(("rate", "sockets"), [(1, 1), (25, 1), (26, 2), (200, 8), (1000, 40)])
def test_no_socket_says_more_than_a_server_takes(rate: float, sockets: int) -> None:
    assert sockets_for(rate) == sockets


async def test_the_rate_is_kept_and_everything_arrives(tmp_path: Path) -> None:
    quick = {"chat_per_s": 1000, "chat_burst": 1000}
    async with serving(tmp_path, room=quick) as server:
        url, room = server.running.socket_url, server.new_room()
        host = RoomClient(url, server.token("hana", "host", room))
        async with host:
            await host.request("start_show")
            tokens = [server.token(f"t{n}", "viewer", room) for n in range(sockets_for(50))]
            async with talkers(url, tokens) as clients:
                flood = Flood(clients, "666")
                await flood.run(50, 1.0)
                assert 45 <= flood.sent <= 51
                texts: list[str] = []
                while len(texts) < flood.sent:
                    texts.append((await host.wait_for("chat_said"))["chat"]["text"])
    assert texts == [f"666 {n}" for n in range(flood.sent)]
