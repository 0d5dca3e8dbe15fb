"""Servers that are private to a run: started for it, waited for, ended in any case."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from loadtest.targets.target import Role, TargetError
from loadtest.targets.tokens import KeyPair

READY_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.05
ANSWER_WITHIN_S: Final = 5.0
STOP_WITHIN_S: Final = 20.0
LAST_LINES: Final = 3
"""Of a log, as the reason why its program ended."""
LAST_CHARS: Final = 600
_PDEATHSIG: Final = Path(__file__).with_name("pdeathsig.py")
_OURS: Final = "LIANMAI_"

IsReady = Callable[[], Awaitable[bool]]


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody has now, by TCP or UDP (media may take both of one number); another
    program may take it before it is used."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind((host, 0))
        port: int = tcp.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                udp.bind((host, port))
            except OSError:
                return free_port(host)
        return port


class Ports(NamedTuple):
    http: int
    udp: int

    @classmethod
    def free(cls) -> Ports:
        return cls(free_port(), free_port())


class Program(NamedTuple):
    """A running `lianmai serve`."""

    url: str
    pid: int
    data_dir: Path
    key: KeyPair

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def token(self, room: str, user: str, role: Role) -> str:
        return self.key.mint(room, user, role)


@contextlib.contextmanager
def folder_of(name: str) -> Iterator[Path]:
    """A temporary folder; what a dying server still writes into it does not matter."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@contextlib.asynccontextmanager
async def running(
    name: str,
    argv: Sequence[str],
    is_ready: IsReady,
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    ready_within_s: float = READY_WITHIN_S,
) -> AsyncIterator[int]:
    """Run a server until the block ends; yields its pid once `is_ready`.

    It ends with this process, too, even when that is killed. Its output goes to `log`. `prefix`
    runs it elsewhere (`ip netns exec NAME`). `env` is all of its environment (None: ours). Raises
    `TargetError`, one line, when it ends or is not ready in time.
    """
    command = [*prefix, sys.executable, "-I", "-S", str(_PDEATHSIG), str(os.getpid()), *argv]
    with log.open("ab") as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                # Ctrl-C is for the tester, who reports first and ends its servers then.
                start_new_session=True,
            )
        except OSError as error:
            raise TargetError(f"cannot run {command[0]}: {error.strerror}") from error
    try:
        await _wait_ready(name, process, is_ready, log, ready_within_s)
        yield process.pid
    finally:
        await _end(process)


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """200 to a GET, now."""
    try:
        async with http.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


@contextlib.asynccontextmanager
async def serving(
    settings: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    ports: Ports | None = None,
    host: str = "127.0.0.1",
    address: str | None = None,
    prefix: Sequence[str] = (),
) -> AsyncIterator[Program]:
    """Start `lianmai serve`; `settings` are LIANMAI_* variables, those of our own environment do
    not count. With `folder` and `ports` of an earlier run it is the same server again, which takes
    the same tokens. `host` is what it binds, `address` how we reach it (None: `host`, or loopback
    for a wildcard). Raises `TargetError`."""
    with contextlib.ExitStack() as stack:
        folder = folder or stack.enter_context(folder_of("lianmai"))
        ports = ports or Ports.free()
        key = KeyPair.of_folder(folder)
        address = address or ("127.0.0.1" if host in ("0.0.0.0", "::") else host)
        url = f"http://{address}:{ports.http}"
        argv = [
            sys.executable, "-m", "server", "serve", "--host", host, "--port", str(ports.http),
            "--udp-port", str(ports.udp), "--data-dir", str(folder),
        ]  # fmt: skip
        env = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
        env["LIANMAI_KEYS"] = json.dumps({key.key_id: {"secret": key.secret}})
        env |= settings or {}
        limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with (
            aiohttp.ClientSession(timeout=limit) as http,
            running(
                "lianmai serve",
                argv,
                lambda: answers(http, f"{url}/readyz"),
                log=folder / "serve.log",
                env=env,
                prefix=prefix,
            ) as pid,
        ):
            yield Program(url, pid, folder, key)


def unguessable() -> str:
    """A name for a room."""
    return "bench-" + secrets.token_hex(6)


async def _wait_ready(
    name: str,
    process: asyncio.subprocess.Process,
    is_ready: IsReady,
    log: Path,
    within_s: float,
) -> None:
    try:
        async with asyncio.timeout(within_s):
            while process.returncode is None:
                if await is_ready():
                    return
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise TargetError(
            f"{name} was not ready within {within_s:g} s; it said: {last_words(log)}"
        ) from error
    raise TargetError(f"{name} ended with code {process.returncode}: {last_words(log)}")


def last_words(log: Path) -> str:
    """The end of a log on one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    said = " / ".join([line for line in lines if line][-LAST_LINES:])
    return said[-LAST_CHARS:] or "(nothing)"


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        # It may end between the look and the signal.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
