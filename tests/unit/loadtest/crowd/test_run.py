"""Whole runs against the real server: what is told when all is well, and when it is not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from loadtest.crowd import attendee, measurement
from loadtest.crowd.media import layers_of
from loadtest.crowd.run import Run, run_scenario
from loadtest.danmaku import sample
from loadtest.report.model import Report
from loadtest.scenario.load import scenario_of_text
from loadtest.scenario.model import Scenario
from loadtest.targets.lianmai import LianmaiTarget
from loadtest.targets.program import Program, serving
from loadtest.targets.target import Target, TargetError
from loadtest.targets.tokens import KeyPair
from loadtest.targets.whip import WhipTarget

SMALL = """
name: small
duration: {duration}
groups:
  host:
    role: host
    publish: {{resolution: low}}
    socket: msgpack
    manages: true
  viewers:
    count: 3
    join: {{at: 1s}}
    watch: {{audio: 1, video: 1, sample: 1}}
  chatters:
    count: 4
    join: {{at: 500ms}}
    socket: json
    chat: 3/s
    ask: 1/s
"""


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    async with serving({"LIANMAI_LOG_LEVEL": "warning"}) as started:
        yield started


def small(duration: str = "5s") -> Scenario:
    return scenario_of_text(SMALL.format(duration=duration), "small.yaml")


async def run_of(
    scenario: Scenario,
    target: Target,
    *,
    interrupted: asyncio.Event | None = None,
    pids: Sequence[int] = (),
) -> Report:
    def ignore(text: str) -> None:
        assert text

    run = Run(
        scenario=scenario,
        make_target=lambda addresses: target,
        command="lianmai loadtest small.yaml",
        lines=sample(),
        layers=await layers_of(scenario, ignore),
        server_pids=pids,
    )
    return await run_scenario(run, interrupted=interrupted)


async def test_everybody_comes_in_and_everything_arrives(program: Program) -> None:
    target = LianmaiTarget(program.url, mint=program.key.mint)
    report = await run_of(small(), target)
    joined = {each.kind: (each.tried, each.succeeded) for each in report.totals.joined}
    assert joined == {"publish": (1, 1), "watch": (3, 3), "socket": (5, 5)}
    assert report.complaints == ()
    assert not report.interrupted
    media = report.totals.media
    assert media is not None
    assert media.packets > 200
    assert media.holes == media.duplicates == 0
    assert report.totals.latency_ms is not None
    lanes = {lane.lane: lane for lane in report.totals.lanes}
    chat, question = lanes["chat"], lanes["question"]
    assert chat.expected is not None
    # On a busy machine the last one may join after the first line was said.
    assert chat.sent * 4 < chat.expected <= chat.sent * 5
    assert chat.delivered == chat.expected
    assert question.sent > 0
    assert question.lost == 0
    assert chat.delay_ms is not None
    assert question.delay_ms is not None
    # The server was found by its port.
    cost = report.cost
    assert cost is not None
    assert program.pid in {process.pid for process in cost.processes}
    assert cost.cpu_us_per_packet is not None
    assert cost.is_mixed
    assert all(interval.server_cpu_cores is not None for interval in report.series)


async def test_a_server_that_dies_ends_the_run_and_keeps_its_figures(program: Program) -> None:
    target = LianmaiTarget(program.url, mint=program.key.mint)
    loop = asyncio.get_running_loop()
    loop.call_later(3.0, os.kill, program.pid, signal.SIGKILL)
    report = await run_of(small("30s"), target, pids=[program.pid])
    assert report.interrupted
    assert "ended early: the server's process ended" in report.notes
    assert report.totals.media is not None
    assert report.totals.media.packets > 0
    assert any("a socket was lost" in complaint.text for complaint in report.complaints)


async def test_a_server_that_falls_silent_ends_the_run(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "SILENT_S", 2.0)
    monkeypatch.setattr(attendee, "LEAVE_WITHIN_S", 1.0)
    loop = asyncio.get_running_loop()
    loop.call_later(3.0, os.kill, program.pid, signal.SIGSTOP)
    try:
        report = await run_of(small("30s"), LianmaiTarget(program.url, mint=program.key.mint))
    finally:
        os.kill(program.pid, signal.SIGCONT)
    assert report.interrupted
    assert "ended early: the target stopped answering: no packet for 2 s" in report.notes
    assert len(report.series) >= 3


async def test_refused_tokens_are_told_and_counted(program: Program) -> None:
    target = LianmaiTarget(program.url, mint=KeyPair("loadtest", "another secret" * 3).mint)
    report = await run_of(small("2s"), target)
    assert all(joined.succeeded == 0 for joined in report.totals.joined)
    texts = {complaint.text: complaint.count for complaint in report.complaints}
    assert texts["socket failed: bad_token"] == 5


async def test_an_interrupted_run_reports_what_it_has(program: Program) -> None:
    interrupted = asyncio.Event()
    asyncio.get_running_loop().call_later(2.0, interrupted.set)
    target = LianmaiTarget(program.url, mint=program.key.mint)
    report = await run_of(small("30s"), target, interrupted=interrupted)
    assert report.interrupted
    assert "ended early: interrupted" in report.notes
    assert 1 < report.seconds < 25


async def test_what_a_target_cannot_do_is_told_before_anybody_joins() -> None:
    with pytest.raises(TargetError, match="whip has no chat, questions, which the scenario small"):
        await run_of(small(), WhipTarget("http://127.0.0.1:9/{room}", None))


async def test_an_unreachable_target_is_one_line() -> None:
    target = LianmaiTarget("http://127.0.0.1:9", mint=KeyPair.random().mint)
    with pytest.raises(TargetError) as refused:
        await run_of(small(), target)
    assert "http://127.0.0.1:9" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_file_that_is_no_clip_is_told(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    text = SMALL.format(duration="3s").replace("{resolution: low}", "{file: clip.mp4}")
    scenario = scenario_of_text(text, str(tmp_path / "small.yaml"))
    with pytest.raises(Exception, match=r"clip\.mp4") as refused:
        await layers_of(scenario, lambda text: None)
    assert "\n" not in str(refused.value)
