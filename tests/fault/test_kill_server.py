"""Kill -9 in the middle of everything: what was acknowledged is there after the restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from pathlib import Path

import aiohttp

from loadtest.room_client import RoomClient, RoomError
from loadtest.targets.program import Ports, Program, serving

ASKERS = 8
ENOUGH = 10 * ASKERS
"""Questions acknowledged before the kill."""
SETTINGS = {
    "LIANMAI_ROOM_ASK_PER_MIN": "100000",
    "LIANMAI_ROOM_CHAT_PER_S": "100000",
    "LIANMAI_ROOM_CHAT_BURST": "100000",
}
RESUME_WITHIN_S = 20
PROFILE_WITHIN_S = 60


class Asker:
    """Asks and chats as fast as the answers come; says again what was not answered."""

    def __init__(self, client: RoomClient, name: str) -> None:
        self.client = client
        self._name = name
        self._pending: tuple[str, str] | None = None

    async def ask_until_cut_off(self, acknowledged: set[str], enough: asyncio.Event) -> None:
        number = 0
        while True:
            text = f"{self._name} 第{number}个问题：什么时候发货？"
            self._pending = (f"{self._name}-{number}", text)
            try:
                await self.say_pending_again()
                acknowledged.add(text)
                if len(acknowledged) >= ENOUGH:
                    enough.set()
                await self.client.request("chat", text=f"{self._name} 666 {number}")
            except (RoomError, ConnectionError, TimeoutError):
                return
            number += 1

    async def say_pending_again(self) -> None:
        """With the same id, as every client does: it may have been committed already."""
        if self._pending is not None:
            key, text = self._pending
            # Each about another product: they are many questions, not one that many ask.
            await self.client.request("ask", id=key, text=text, product_id=key)
            self._pending = None


async def come_back(client: RoomClient) -> None:
    """What every client does: try again until the server is there, from the last positions."""
    async with asyncio.timeout(RESUME_WITHIN_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError, RoomError, ConnectionError):
                await client.connect()
                return
            await asyncio.sleep(0.2)


async def open_questions(program: Program, room: str) -> dict[str, str]:
    """Text -> asker, as the host's console sees them."""
    token = program.token(room, "host", "host")
    async with RoomClient(program.socket_url, token) as host:
        return {q["text"]: q["subject"] for q in host.welcome["questions"] if q["phase"] == "open"}


async def test_acknowledged_questions_survive_kill_9(tmp_path: Path) -> None:
    room, ports, acknowledged = "r" + secrets.token_hex(4), Ports.free(), set[str]()
    people: list[Asker] = []
    enough = asyncio.Event()
    try:
        async with serving(SETTINGS, folder=tmp_path, ports=ports) as program:
            async with RoomClient(program.socket_url, program.token(room, "host", "host")) as host:
                await host.request("start_show")
            for number in range(ASKERS):
                token = program.token(room, f"asker-{number}", "viewer")
                people.append(Asker(RoomClient(program.socket_url, token), f"u{number}"))
                await people[-1].client.connect()
            askers = [
                asyncio.create_task(person.ask_until_cut_off(acknowledged, enough))
                for person in people
            ]
            await enough.wait()
            os.kill(program.pid, signal.SIGKILL)
            await asyncio.gather(*askers)

        async with serving(SETTINGS, folder=tmp_path, ports=ports) as program:
            for person in people:
                await come_back(person.client)
                assert person.client.welcome["recovered"] is True, "the room log survived the kill"
                await person.say_pending_again()
            present = await open_questions(program, room)
            assert acknowledged <= present.keys(), "an acknowledged question is never lost"
            await check_profile(program, room, present)
    finally:
        for person in people:
            await person.client.close()


async def check_profile(program: Program, room: str, present: dict[str, str]) -> None:
    """The profile counts every question once, the retried ones too."""
    subject = next(iter(present.values()))
    asked = sum(1 for asker in present.values() if asker == subject)
    url = f"{program.url}/api/v1/rooms/{room}/profiles/{subject}"
    headers = {"Authorization": f"Bearer {program.token(room, 'staff', 'staff')}"}
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(PROFILE_WITHIN_S):
        while True:
            async with http.get(url) as response:
                profile = await response.json()
            if profile["questions_asked"] >= asked:
                break
            await asyncio.sleep(0.2)
    assert profile["questions_asked"] == asked
