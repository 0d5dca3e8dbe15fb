"""Simulated viewers who chat and ask, after the sample danmaku, over the public room socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import aiohttp

from loadtest.danmaku import Line, sample
from loadtest.room_client import RoomClient, RoomError

NAMES: Final = (
    "小鹿", "阿梨", "Momo", "橙子味的风", "柚子茶", "大可", "安安妈妈", "Lily",
    "南方有雨", "七喜", "晚风", "豆豆", "一只猫", "Coco", "青柠", "木子",
)  # fmt: skip

log = logging.getLogger(__name__)

PAUSE_BETWEEN_SHOWS_S: Final = 5.0
REJOIN_WAIT_S: Final = (0.5, 3.0)


class Bot(NamedTuple):
    user: str
    name: str
    token: str


def make_bots(count: int, mint: Callable[[str, str], str]) -> list[Bot]:
    """`mint(user, name)` returns a viewer token."""
    names = [NAMES[i % len(NAMES)] + (str(i // len(NAMES)) if i >= len(NAMES) else "")
             for i in range(count)]  # fmt: skip
    return [Bot(f"bot-{i:02d}", name, mint(f"bot-{i:02d}", name)) for i, name in enumerate(names)]


async def chatter(
    url: str,
    bots: Iterable[Bot],
    *,
    rng: random.Random,
    speed: float = 1.0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Talk until cancelled. The lines of the sample are dealt out to the bots and said at their
    offsets divided by `speed`, over and over. A bot that is cut off comes back by itself.
    `tls` says whom to trust behind a wss:// address."""
    bots = list(bots)
    lines = sample()
    async with asyncio.TaskGroup() as group:
        for index, bot in enumerate(bots):
            mine = [line for n, line in enumerate(lines) if n % len(bots) == index]
            client = RoomClient(url, bot.token, queue=100, tls=tls)
            group.create_task(
                _live(client, mine, random.Random(rng.random()), speed), name=bot.user
            )


async def _live(client: RoomClient, lines: list[Line], rng: random.Random, speed: float) -> None:
    while True:
        with contextlib.suppress(RoomError, aiohttp.ClientError, TimeoutError, ConnectionError):
            async with client:
                while True:
                    await _say_all(client, lines, rng, speed)
                    await asyncio.sleep(PAUSE_BETWEEN_SHOWS_S / speed)
        await asyncio.sleep(rng.uniform(*REJOIN_WAIT_S))


async def _say_all(client: RoomClient, lines: list[Line], rng: random.Random, speed: float) -> None:
    """Say each line at its time; a refusal (rate limit, not live) costs that line only."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for line in lines:
        due = start + line.offset_ms / 1000 / speed + rng.uniform(0, 0.8)
        await asyncio.sleep(max(0.0, due - loop.time()))
        try:
            await client.request("ask" if line.is_question else "chat", text=line.text)
            if rng.random() < 0.5:
                await client.send("like", count=rng.randint(1, 5))
        except RoomError as error:
            if error.code == "closed":
                raise
            log.debug("a bot's line was refused: %s", error)
