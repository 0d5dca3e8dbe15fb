"""One run of a child process that dies with us, its output as lines of our log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from server.logs import get_log

log = get_log(__name__)

LAUNCHER: Final = Path(__file__).with_name("pdeathsig.py")
MAX_LINE_BYTES: Final = 8192
"""Longer lines of a child are cut into pieces."""
DRAIN_S: Final = 2.0
"""How long output may still come once the child is gone (a grandchild can hold the pipe)."""

LineSink = Callable[[str], None]


class ChildProcess:
    """A started program. It leads a session of its own: Ctrl-C reaches us alone, and we stop it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, sink: LineSink) -> None:
        self.name: Final = name
        self._process: Final = process
        self._output: Final = asyncio.create_task(
            _forward_lines(process, sink), name=f"output-{name}"
        )

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        keep_fds: Sequence[int] = (),
        sink: LineSink | None = None,
    ) -> Self:
        """Start `argv`; `env` None inherits ours; `keep_fds` stay open in the child.

        A program that cannot be run ends at once with code 127 and says why in its output.
        """
        kept = ",".join(str(number) for number in keep_fds)
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), kept]
        process = await asyncio.create_subprocess_exec(
            *launcher,
            *argv,
            env=None if env is None else dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=tuple(keep_fds),
            start_new_session=True,
        )
        return cls(name, process, sink or _log_sink(name))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit code once it ended and its output is read; negative: the signal."""
        code = await self._process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._output), DRAIN_S)
        self._output.cancel()
        return code

    async def stop(self, limit_s: float) -> int:
        """SIGTERM, and SIGKILL after `limit_s` seconds. Harmless when it ended already."""
        self._signal(self._process.terminate)
        try:
            async with asyncio.timeout(limit_s):
                await self._process.wait()
        except TimeoutError:
            log.warning("child_killed", child=self.name, pid=self.pid, waited_s=limit_s)
            self.kill()
        return await self.wait()

    def kill(self) -> None:
        self._signal(self._process.kill)

    def _signal(self, send: Callable[[], None]) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):  # it ended this moment
                send()


def _log_sink(name: str) -> LineSink:
    child_log = log.bind(child=name)
    return lambda line: child_log.info("child_said", line=line)


async def _forward_lines(process: asyncio.subprocess.Process, sink: LineSink) -> None:
    assert process.stdout is not None, "started with a pipe"
    rest = b""
    while chunk := await process.stdout.read(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            for piece in _pieces(line):
                sink(_text(piece))
        # Without an end in sight, do not collect for ever.
        *full, rest = _pieces(rest)
        for piece in full:
            sink(_text(piece))
    if rest:
        sink(_text(rest))


def _pieces(line: bytes) -> list[bytes]:
    """At least one piece; all but the last have the full length."""
    starts = range(0, max(len(line), 1), MAX_LINE_BYTES)
    return [line[start : start + MAX_LINE_BYTES] for start in starts]


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")
