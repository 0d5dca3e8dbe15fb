"""How long a question takes from the buyer's socket to the host's console, in a quiet room and in
a chat flood. Asker and console live in this process, so one clock times both ends."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

from loadtest.bench.program import Program
from loadtest.flood import Flood, sockets_for, talkers
from loadtest.report.percentiles import percentile
from loadtest.room_client import RoomClient

PAUSE_S: Final = 0.05
FLOOD_TEXT: Final = "666 主播好漂亮"


class QuestionDelay(NamedTuple):
    chat_per_s: float
    questions: int
    console_ms_p50: float
    console_ms_p95: float
    ack_ms_p50: float
    ack_ms_p95: float
    tester_cpu: float


async def measure(program: Program, room: str, chat_per_s: float, questions: int) -> QuestionDelay:
    """Ask one after the other; every question must reach the console and be acknowledged."""
    tokens = [
        program.token(room, f"talker-{n}", "staff")
        for n in range(sockets_for(chat_per_s) if chat_per_s else 0)
    ]
    host, viewer = program.token(room, "host", "host"), program.token(room, "asker", "viewer")
    async with (
        RoomClient(program.socket_url, host) as console,
        RoomClient(program.socket_url, viewer, queue=1) as asker,
        talkers(program.socket_url, tokens) as clients,
    ):
        await console.request("start_show")
        flood = Flood(clients, FLOOD_TEXT) if clients else None
        flooding = asyncio.create_task(flood.run(chat_per_s)) if flood else None
        own, started = time.process_time(), time.monotonic()
        try:
            shown, acked = await _ask_all(asker, console, questions)
            tester_cpu = (time.process_time() - own) / (time.monotonic() - started)
        finally:
            if flooding is not None:
                flooding.cancel()
                await asyncio.gather(flooding, return_exceptions=True)
    return QuestionDelay(
        chat_per_s,
        questions,
        percentile(shown, 0.5),
        percentile(shown, 0.95),
        percentile(acked, 0.5),
        percentile(acked, 0.95),
        tester_cpu,
    )


async def _ask_all(
    asker: RoomClient, console: RoomClient, questions: int
) -> tuple[list[float], list[float]]:
    loop = asyncio.get_running_loop()
    shown, acked = [], []
    for number in range(questions):
        start = loop.time()
        reply = asyncio.create_task(asker.request("ask", text=f"第{number}个问题：适合油皮吗？"))
        message = await console.wait_for("question_asked")
        shown.append((loop.time() - start) * 1000)
        assert str(number) in message["question"]["text"], "questions come in order"
        acked.append(await _until(reply, start))
        # The console answers, so that the room's open questions stay few.
        question_id = message["question"]["question_id"]
        await console.request("answer_question", question_id=question_id)
        await asyncio.sleep(PAUSE_S)
    return shown, acked


async def _until(reply: asyncio.Task[dict[str, object]], start: float) -> float:
    await reply
    return (asyncio.get_running_loop().time() - start) * 1000
