"""The real program for tests: in this process, or as a process of its own that may be killed.

Ports are free ones, the data folder is temporary, the store, the media port and the projector are
the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from loadtest.targets.program import free_port
from server.serve import RunningServer, running
from server.settings import Settings
from server.signing import SigningKeys, make_claims
from signaling.ids import DEFAULT_SHOP, RoomId, ShopId
from signaling.views import Role

KEY_ID = "testkey"
SECRET = "a secret of tests, 32 characters long or more"
READY_WITHIN_S = 20.0

_rooms = itertools.count(1)


def settings_for(data_dir: Path, **overrides: object) -> Settings:
    """Loopback, free ports, a known signing key; `overrides` are fields of `Settings`."""
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "udp_port": 0,
        "data_dir": data_dir,
        "keys": {KEY_ID: {"secret": SECRET}},
        "projector": "off",
        "durability": "everysec",
    }
    return Settings.model_validate(fields | overrides)


def token(
    signing: SigningKeys,
    user: str,
    role: Role,
    room: str,
    *,
    name: str = "",
    ttl_s: float = 600,
    shop: ShopId = DEFAULT_SHOP,
) -> str:
    """A join token as a shop back end would make it."""
    claims = make_claims(
        shop=shop,
        room=RoomId(room),
        user=user,
        name=name or user,
        role=role,
        now=time.time(),
        ttl_s=ttl_s,
    )
    return signing.mint(claims)


@dataclass(kw_only=True)
class LiveServer:
    """The program and a client session whose paths are relative to it."""

    running: RunningServer
    http: aiohttp.ClientSession
    signing: SigningKeys = field(init=False)

    def __post_init__(self) -> None:
        self.signing = SigningKeys(self.running.settings.keys)

    @property
    def url(self) -> str:
        return self.running.url

    def new_room(self) -> RoomId:
        """A room that no other test uses."""
        return RoomId(f"room{next(_rooms)}")

    def token(self, user: str, role: Role, room: str, *, name: str = "", ttl_s: float = 600) -> str:
        return token(self.signing, user, role, room, name=name, ttl_s=ttl_s)

    def bearer(self, user: str, role: Role, room: str, *, ttl_s: float = 600) -> dict[str, str]:
        """The header that shows a token."""
        return {"Authorization": f"Bearer {self.token(user, role, room, ttl_s=ttl_s)}"}


@contextlib.asynccontextmanager
async def serving(data_dir: Path, **overrides: object) -> AsyncIterator[LiveServer]:
    """The program in this event loop."""
    async with (
        running(settings_for(data_dir, **overrides)) as server,
        aiohttp.ClientSession(server.url) as http,
    ):
        yield LiveServer(running=server, http=http)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """One server for a module; tests keep apart by rooms of their own.

    A module that uses it says `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
    """
    async with serving(tmp_path_factory.mktemp("data")) as server:
        yield server


class ServerProcess:
    """`lianmai serve` as users start it; `kill` and `start` again on the same folder and ports."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.udp_port = free_port()
        self.signing = SigningKeys(settings_for(data_dir).keys)
        self.log = data_dir / "serve.log"
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "start() comes first"
        return self._process

    def token(self, user: str, role: Role, room: str, *, name: str = "", ttl_s: float = 600) -> str:
        return token(self.signing, user, role, room, name=name, ttl_s=ttl_s)

    async def start(self, *arguments: str) -> None:
        """Start and wait until it is ready."""
        command = (
            *("-m", "server", "serve", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--udp-port", str(self.udp_port), "--data-dir", str(self.data_dir), *arguments),
        )
        environment = {
            **os.environ,
            "LIANMAI_KEYS": f"{{{KEY_ID}: {{secret: '{SECRET}'}}}}",
            **self._environment,
        }
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *command, stdout=output, stderr=output, env=environment
            )
        await self._wait_ready()

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        async with aiohttp.ClientSession(self.url) as http:
            while time.monotonic() < deadline and self.process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get("/readyz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError(f"the server did not get ready:\n{self.output()[-3000:]}")

    def output(self) -> str:
        """Everything it wrote."""
        return self.log.read_text(errors="replace")

    async def stop(self, limit_s: float = 15.0) -> int:
        """SIGTERM, as a service manager does; returns the exit code."""
        return await self._end(signal.SIGTERM, limit_s)

    async def kill(self) -> int:
        """SIGKILL, as a crash would."""
        return await self._end(signal.SIGKILL, 5.0)

    async def _end(self, number: signal.Signals, limit_s: float) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(limit_s):
            return await self.process.wait()


@pytest_asyncio.fixture
async def server_process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server process of this test's own, not started yet; ended in any case."""
    process = ServerProcess(tmp_path)
    yield process
    if process._process is not None and process.process.returncode is None:
        await process.kill()
