"""`lianmai COMMAND` as people run it: a process whose output is read while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path


class Command:
    """A running command. `output` has what it wrote so far, both streams together."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.output = ""
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="read-command")

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait_output(self, text: str, within_s: float = 20.0) -> None:
        """Until it wrote `text`; fails with all it wrote when it ends before, or takes longer."""
        try:
            async with asyncio.timeout(within_s):
                while text not in self.output:
                    assert not self._reading.done(), f"it ended without {text!r}:\n{self.output}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {text!r} within {within_s} s:\n{self.output}") from None

    async def wait(self, within_s: float = 20.0) -> int:
        """Its exit code."""
        async with asyncio.timeout(within_s):
            await self._reading
            return await self._process.wait()

    async def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C, or another signal; returns the exit code."""
        self._process.send_signal(number)
        return await self.wait()

    def descendants(self) -> list[int]:
        """Processes that it started, and those that they started."""
        found: list[int] = []
        pids = [self.pid]
        while pids:
            children = Path(f"/proc/{pids.pop()}/task").glob("*/children")
            new = [int(text) for path in children for text in path.read_text().split()]
            found += new
            pids += new
        return found

    def descendant_names(self) -> list[str]:
        """Their command lines."""
        lines = [Path(f"/proc/{pid}/cmdline") for pid in self.descendants()]
        return [line.read_bytes().replace(b"\0", b" ").decode() for line in lines]

    async def _read(self) -> None:
        assert self._process.stdout is not None, "started with a pipe"
        while chunk := await self._process.stdout.read(65_536):
            self.output += chunk.decode()
            self._news.set()
        self._news.set()

    async def end(self) -> None:
        """In any case."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


@contextlib.asynccontextmanager
async def lianmai(*arguments: str, **environment: str) -> AsyncIterator[Command]:
    """Start `lianmai` with these arguments; end it if the test does not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        stdin=asyncio.subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip
    command = Command(process)
    try:
        yield command
    finally:
        await command.end()


def is_running(pid: int) -> bool:
    """A process that ended and is not waited for yet does not run."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
