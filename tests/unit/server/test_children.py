from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from server.children import Backoff, Child, RestartPolicy
from server.process import MAX_LINE_BYTES, ChildProcess

FAST = RestartPolicy(first_delay_s=0.01, max_delay_s=0.02, limit=3)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


class Lines:
    """Output of a child; a test waits for a line instead of sleeping."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._more = asyncio.Event()

    def __call__(self, line: str) -> None:
        self.seen.append(line)
        self._more.set()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while len(self.seen) < count:
                self._more.clear()
                await self._more.wait()
        return self.seen


@pytest.fixture
async def lines() -> Lines:
    return Lines()


def test_backoff_doubles_up_to_its_limit_and_forgets_after_a_good_run() -> None:
    backoff = Backoff(RestartPolicy(first_delay_s=1, max_delay_s=5, healthy_after_s=60))
    assert [backoff.next_delay_s(1) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert backoff.next_delay_s(60) == 1


def test_backoff_never_overflows() -> None:
    backoff = Backoff(RestartPolicy(max_delay_s=30))
    assert {backoff.next_delay_s(0) for _ in range(2000)} <= {0.5, 1, 2, 4, 8, 16, 30}


def test_backoff_gives_up_after_its_limit() -> None:
    backoff = Backoff(RestartPolicy(limit=2))
    assert [backoff.next_delay_s(0) is None for _ in range(3)] == [False, False, True]


async def test_output_comes_line_by_line(lines: Lines) -> None:
    code = "import sys; print('a'); print('错', file=sys.stderr); sys.stdout.write('no end')"
    process = await ChildProcess.start("c", python(code), env={"PYTHONUTF8": "1"}, sink=lines)
    assert await process.wait() == 0
    assert sorted(lines.seen) == ["a", "no end", "错"]


async def test_a_line_without_end_is_cut(lines: Lines) -> None:
    process = await ChildProcess.start(
        "c", python(f"print('x' * {MAX_LINE_BYTES * 2 + 1})"), sink=lines
    )
    await process.wait()
    assert "".join(lines.seen) == "x" * (MAX_LINE_BYTES * 2 + 1)
    assert max(map(len, lines.seen)) <= MAX_LINE_BYTES


async def test_a_program_that_is_not_there_says_so(lines: Lines) -> None:
    process = await ChildProcess.start("c", ["/no/such/program"], sink=lines)
    assert await process.wait() == 127
    assert lines.seen == ["cannot run /no/such/program: No such file or directory"]


async def test_stop_kills_what_does_not_listen(lines: Lines) -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); signal.pause()"
    )
    process = await ChildProcess.start("c", python(code), sink=lines)
    await lines.until(1)
    assert await process.stop(0.1) == -signal.SIGKILL
    assert not process.alive
    assert await process.stop(0.1) == -signal.SIGKILL, "may be repeated"


async def test_the_child_has_no_descriptor_of_ours(lines: Lines) -> None:
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    process = await ChildProcess.start("c", python(code), sink=lines)
    await process.wait()
    assert lines.seen == ["[0, 1, 2]"]


async def test_a_child_that_ends_is_started_again_until_it_is_given_up(lines: Lines) -> None:
    child = Child("c", python("print('run'); raise SystemExit(3)"), policy=FAST, sink=lines)
    async with child:
        async with asyncio.timeout(20):
            assert await child.died == 3
        assert child.restarts == FAST.limit
        assert lines.seen == ["run"] * 4
        assert not child.alive


async def test_a_killed_child_comes_back(lines: Lines) -> None:
    code = "import signal; print('ready', flush=True); signal.pause()"
    async with Child("c", python(code), policy=FAST, sink=lines) as child:
        await lines.until(1)
        first = child.pid
        assert child.alive
        assert child._process is not None
        child._process.kill()
        await lines.until(2)
        assert child.pid != first
    assert not child.alive


async def test_stop_while_waiting_to_restart(lines: Lines) -> None:
    policy = RestartPolicy(first_delay_s=3600, max_delay_s=3600)
    child = Child("c", python("print('run')"), policy=policy, sink=lines)
    await child.start()
    await lines.until(1)
    async with asyncio.timeout(10):
        await child.stop()
        await child.stop()
    assert lines.seen == ["run"]
