"""Every part of `make bench`, very small: figures are not judged, only that there are some."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator

import pytest

from loadtest.bench import chat, first_frame, forwarding, questions
from loadtest.bench.__main__ import SEED, SETTINGS, _ffmpeg_host
from loadtest.bench.program import Program, cpu_of, resident_bytes, serving
from loadtest.bench.report import COLUMNS, markdown


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    async with serving(SETTINGS) as started:
        yield started


async def test_forwarding(program: Program) -> None:
    cost = await forwarding.measure(program, "r1", 3, 1.0, random.Random(SEED), warm_up_s=0.5)
    assert cost.viewers == 3
    assert cost.delivered > 300
    assert cost.lost == 0
    assert 0 < cost.delay_ms_p50 <= cost.delay_ms_p99
    assert cost.cpu_us_per_packet > 0
    assert set(COLUMNS["forwarding"]) <= set(cost._asdict())


async def test_chat(program: Program) -> None:
    price = await chat.measure(program, "r1", sockets=5, rate_per_s=40, seconds=1.0)
    assert price.delivered == price.expected > 150
    assert price.front_us_per_message > 0
    assert set(COLUMNS["chat"]) <= set(price._asdict())


@pytest.mark.parametrize("chat_per_s", [0.0, 100.0])
async def test_questions(program: Program, chat_per_s: float) -> None:
    delay = await questions.measure(program, "r1", chat_per_s, 5)
    assert 0 < delay.console_ms_p50 <= delay.console_ms_p95
    assert 0 < delay.ack_ms_p50 <= delay.ack_ms_p95
    assert set(COLUMNS["questions"]) <= set(delay._asdict())


async def test_first_frame(program: Program) -> None:
    assert shutil.which("chromium"), "no chromium: run `make test` as root, or install chromium"
    async with _ffmpeg_host(program, "r1"):
        frame = await first_frame.measure(program, "r1", 1)
    assert 0 < frame.answer_ms_p50 < frame.first_frame_ms_p50 <= frame.first_frame_ms_p95
    assert set(COLUMNS["first_frame"]) <= set(frame._asdict())


async def test_what_is_read_of_a_process(program: Program) -> None:
    before = cpu_of(program.pid)
    assert before.front_s > 0
    assert before.children_s > 0
    assert cpu_of(program.pid).since(before).front_s >= 0
    assert 10_000_000 < resident_bytes(program.pid) < 1_000_000_000
    assert cpu_of(0).front_s == 0


MACHINE = {
    "date": "2027-01-01", "processor": "X", "cores": "2", "kernel": "6.1", "python": "3.11",
    "commit": "abc",
}  # fmt: skip


def test_the_report_says_what_was_left_out_and_who_was_saturated() -> None:
    row = dict.fromkeys(COLUMNS["chat"], 1.0) | {"tester_cpu": 0.95, "delivered": 1234.5}
    report = {"machine": MACHINE, "chat": [row], "left_out": ["no chromium"]}
    text = markdown(report, "make bench")
    assert text.startswith("2027-01-01, commit abc: X, 2 cores, Linux 6.1, Python 3.11; made by")
    assert "`make bench`" in text
    assert "| 1234 |" in text or "| 1235 |" in text
    assert "Note: no chromium." in text
    assert "the tester itself was saturated" in text
    assert "A buyer's question" not in text, "parts without rows are left out"
    idle = {"machine": MACHINE, "chat": [row | {"tester_cpu": 0.5}]}
    assert "Note" not in markdown(idle, "make bench")
