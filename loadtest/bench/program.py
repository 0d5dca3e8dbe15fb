"""The program under test as its users start it: a process of its own, found by its URL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp

CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
READY_WITHIN_S = 30
STOP_WITHIN_S = 20


class Program(NamedTuple):
    """A running `lianmai serve`."""

    url: str
    pid: int
    data_dir: Path

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def token(self, room: str, user: str, role: str) -> str:
        """What `lianmai token` prints."""
        return subprocess.run(
            [sys.executable, "-m", "server", "token", "--room", room, "--user", user,
             "--role", role, "--ttl", "1h", "--data-dir", str(self.data_dir)],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip


class Cpu(NamedTuple):
    """User plus system seconds of the front process and of all its children."""

    front_s: float
    children_s: float

    def since(self, earlier: Cpu) -> Cpu:
        return Cpu(self.front_s - earlier.front_s, self.children_s - earlier.children_s)


def cpu_of(pid: int) -> Cpu:
    """Read from /proc; a child that ended is not counted."""
    return Cpu(_process_cpu_s(pid), sum(_process_cpu_s(child) for child in _descendants(pid)))


def resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _process_cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Ports(NamedTuple):
    http: int
    udp: int

    @classmethod
    def free(cls) -> Ports:
        return cls(free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM))


@contextlib.asynccontextmanager
async def serving(
    settings: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    ports: Ports | None = None,
) -> AsyncIterator[Program]:
    """Start `lianmai serve` on loopback; `settings` are LIANMAI_* variables. With `folder` and
    `ports` of an earlier run it is the same server again. Ends it in any case."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="lianmai-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
        ports = ports or Ports.free()
        log = folder / "serve.log"
        process = await _start(ports, folder, log, settings or {})
        program = Program(f"http://127.0.0.1:{ports.http}", process.pid, folder)
        try:
            await _wait_ready(program, process, log)
            yield program
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _start(
    ports: Ports, folder: Path, log: Path, settings: Mapping[str, str]
) -> asyncio.subprocess.Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "serve", "--host", "127.0.0.1",
            "--port", str(ports.http), "--udp-port", str(ports.udp), "--data-dir", str(folder),
            stdout=output, stderr=output, env={**os.environ, **settings},
        )  # fmt: skip


async def _wait_ready(program: Program, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < deadline and process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{program.url}/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
    tail = log.read_text()[-2000:]  # noqa: ASYNC240 - the run has failed already
    raise RuntimeError(f"lianmai serve did not get ready:\n{tail}")


def unguessable() -> str:
    return "bench-" + secrets.token_hex(6)
