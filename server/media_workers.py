"""Media in processes of its own: N workers with a port each, supervised, one `MediaPort` to rooms.

Who goes where is decided by `media.pool`; here are the processes, their sockets and the one timer.
A worker that ends is started again; its peers are told that it is lost, and come back to others
meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.pool import WorkerPool
from media.seam import Command, Event, EventHandler
from media.seam_socket import RemoteMedia
from media.tcp import TcpStats
from media.udp import UdpStats
from media.worker import MediaUnavailable
from server.children import Child, RestartPolicy
from server.logs import get_log

log = get_log(__name__)

READY_LINE: Final = "media ready on "
"""What a worker prints once it can be talked to; its last word is the port."""
COMPLAINT: Final = "media: "
"""How a worker begins the reason why it cannot start."""
READY_WITHIN_S: Final = 20.0
STOP_LIMIT_S: Final = 3.0
"""Saying goodbye takes milliseconds; less than `server.serve.STOP_WITHIN_S` in any case."""
RESTARTS: Final = RestartPolicy(first_delay_s=0.1, max_delay_s=5.0, healthy_after_s=30.0)
"""The first restart at once: clients want to be back within 5 s, and a start takes about one."""
MAX_SOCKET_PATH_BYTES: Final = 103
"""macOS takes 104 with the final zero, Linux 108 (unix(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How every worker is started; worker n has the port `udp_port + n` (0: any free one)."""

    count: int
    host: str
    udp_port: int
    advertised: Sequence[str]
    tcp: bool
    debug_forward_delay_ms: int = 0


class MediaWorkers:
    """`await start()`, then a `MediaPort`; `await close()` ends the processes."""

    def __init__(self, options: WorkerOptions) -> None:
        assert options.count > 0, "without workers, media runs in the front"
        self._options = options
        self._pool = WorkerPool(self._link_of)
        self._handler: EventHandler | None = None
        self._workers: list[_Worker] = []
        self._folder: Path | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_drain_due = False

    # --- MediaPort ------------------------------------------------------------------------------

    def subscribe(self, handler: EventHandler) -> None:
        assert self._handler is None, "there is one receiver of events"
        self._handler = handler

    def send(self, command: Command) -> None:
        assert self._loop is not None, "start() comes first"
        self._pool.handle_command(command, self._loop.time())
        self._hand_out_commands()
        # What the pool answers itself reaches its asker in a later turn, as a worker's answer does.
        if not self._is_drain_due:
            self._is_drain_due = True
            self._loop.call_soon(self._drain)

    # --- what operators see ---------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Of the first worker."""
        return self.ports[0]

    @property
    def ports(self) -> tuple[int, ...]:
        """Of each worker, UDP and TCP alike; of one that is down, the port that it had."""
        return tuple(worker.port for worker in self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the present or last process of each worker."""
        return tuple(worker.pid for worker in self._workers)

    @property
    def is_bound(self) -> bool:
        """Whether any worker is up: then somebody can publish and watch."""
        return bool(self._pool.workers)

    @property
    def up(self) -> int:
        """Workers that take peers now."""
        return len(self._pool.workers)

    @property
    def restarts(self) -> int:
        """Since the start, of all workers."""
        return sum(worker.child.restarts for worker in self._workers)

    def totals(self) -> dict[str, int]:
        """Sums over all workers, some seconds old; see `media.seam.Stats`."""
        return self._pool.totals()

    @property
    def udp_stats(self) -> UdpStats:
        totals = self.totals()
        fields = (field.name for field in dataclasses.fields(UdpStats))
        return UdpStats(**{name: totals.get(f"udp_{name}", 0) for name in fields})

    @property
    def tcp_stats(self) -> TcpStats | None:
        """None without TCP."""
        if not self._options.tcp:
            return None
        totals = self.totals()
        prefix = "tcp_closed_"
        closed = {
            name.removeprefix(prefix): count
            for name, count in totals.items()
            if name.startswith(prefix)
        }
        fields = (field.name for field in dataclasses.fields(TcpStats) if field.name != "closed")
        return TcpStats(closed=closed, **{name: totals.get(f"tcp_{name}", 0) for name in fields})

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start every worker and wait until all can be talked to; raises `MediaUnavailable`."""
        self._loop = asyncio.get_running_loop()
        self._folder = folder = Path(tempfile.mkdtemp(prefix="lianmai-media-"))
        if len(os.fsencode(folder / "99.relay")) > MAX_SOCKET_PATH_BYTES:
            raise MediaUnavailable(f"{folder} is too long for a socket; set TMPDIR to a short one")
        self._workers = [
            _Worker(number, self._options, folder, self) for number in range(self._options.count)
        ]
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await asyncio.gather(*(worker.start() for worker in self._workers))
        except TimeoutError:
            await self.close()
            raise MediaUnavailable(
                f"the media workers were not ready within {READY_WITHIN_S:g} s; see the log"
            ) from None
        except BaseException:
            await self.close()
            raise

    async def wait_all_up(self) -> None:
        """Until every worker takes peers, again."""
        for worker in self._workers:
            await worker.is_up.wait()

    async def close(self) -> None:
        """End every worker; their peers are told goodbye. May be repeated."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- called by workers ----------------------------------------------------------------------

    def worker_is_up(self, number: int) -> None:
        assert self._loop is not None, "workers start with us"
        self._pool.handle_up(number, self._loop.time())
        self._drain()

    def worker_is_lost(self, number: int) -> None:
        assert self._loop is not None, "workers start with us"
        self._pool.handle_lost(number, self._loop.time())
        self._drain()

    def worker_said(self, number: int, event: Event) -> None:
        assert self._loop is not None, "workers start with us"
        self._pool.handle_event(number, event, self._loop.time())
        self._drain()

    # --- inside ---------------------------------------------------------------------------------

    def _link_of(self, number: int) -> str:
        assert self._folder is not None, "workers start with us"
        return str(relay_path(self._folder, number))

    def _hand_out_commands(self) -> None:
        while (addressed := self._pool.poll_command()) is not None:
            number, command = addressed
            self._workers[number].send(command)

    def _drain(self) -> None:
        """Hand out everything that an input caused, then re-arm the one timer."""
        self._is_drain_due = False
        self._hand_out_commands()
        while (event := self._pool.poll_event()) is not None:
            if self._handler is not None:
                self._handler(event)
        self._arm()

    def _arm(self) -> None:
        assert self._loop is not None, "start() comes first"
        deadline = self._pool.next_deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return  # it fires early enough, and then looks again
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_timer, deadline)

    def _on_timer(self, deadline: float) -> None:
        assert self._loop is not None, "the timer belongs to the loop"
        self._timer = None
        now = max(deadline, self._loop.time())
        self._pool.handle_timeout(now)
        for number in self._pool.stuck(now):
            self._workers[number].end_stuck()
        self._drain()


def relay_path(folder: Path, number: int) -> Path:
    """Where a worker takes tracks of others."""
    return folder / f"{number}.relay"


class _Worker:
    """One worker through all its runs: the process, and the seam to the present one."""

    def __init__(
        self, number: int, options: WorkerOptions, folder: Path, owner: MediaWorkers
    ) -> None:
        self.port = options.udp_port + number if options.udp_port else 0
        self._number = number
        self._name = f"media-{number}"
        self._socket = folder / f"{number}.seam"
        self._relay = relay_path(folder, number)
        self._owner = owner
        self._log = log.bind(child=self._name)
        self._ready: asyncio.Queue[int] = asyncio.Queue()
        self._first_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._remote: RemoteMedia | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.is_up = asyncio.Event()
        self.is_down = asyncio.Event()
        self.is_down.set()
        self.child = Child(
            self._name,
            self._argv(options),
            policy=RESTARTS,
            stop_limit_s=STOP_LIMIT_S,
            sink=self._take_line,
        )

    @property
    def pid(self) -> int:
        return self.child.pid or 0

    def _argv(self, options: WorkerOptions) -> list[str]:
        advertised = (("--advertise", address) for address in options.advertised)
        return [
            *(sys.executable, "-m", "media.worker", "--socket", str(self._socket)),
            *("--relay", str(self._relay)),
            *("--host", options.host, "--udp-port", str(self.port)),
            *(word for pair in advertised for word in pair),
            *(() if options.tcp else ("--no-tcp",)),
            *("--debug-forward-delay-ms", str(options.debug_forward_delay_ms)),
        ]

    async def start(self) -> None:
        """Until its first run is up; raises `MediaUnavailable` with its own words."""
        await self.child.start()
        self._task = asyncio.create_task(self._attend(), name=f"seam-{self._name}")
        await self._first_up

    async def stop(self) -> None:
        """The goodbyes of its peers are still taken, up to the end of the seam."""
        if self._task is None:
            return
        self._is_stopping = True
        await self.child.stop()
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self.is_down.wait()
        except TimeoutError:
            self._log.warning("media_worker_seam_left_open")
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        if self._first_up.done() and not self._first_up.cancelled():
            self._first_up.exception()  # it was told, or another worker failed earlier

    def send(self, command: Command) -> None:
        if self._remote is not None:
            self._remote.send(command)

    def end_stuck(self) -> None:
        """It does not answer: a fresh one is better."""
        self._log.error("media_worker_stuck", pid=self.pid)
        if self.child.alive:
            with contextlib.suppress(ProcessLookupError):  # it ended this moment
                os.kill(self.pid, signal.SIGKILL)

    def _take_line(self, line: str) -> None:
        self._log.info("child_said", line=line)
        if line.startswith(READY_LINE):
            self._ready.put_nowait(int(line.rsplit(maxsplit=1)[-1]))
        elif line.startswith(COMPLAINT) and not self._first_up.done():
            self._first_up.set_exception(MediaUnavailable(line.removeprefix(COMPLAINT)))

    async def _attend(self) -> None:
        """Every run from its ready line to its end, until cancelled."""
        while True:
            port = await self._ready.get()
            try:
                remote = await RemoteMedia.connect(self._socket)
            except OSError as error:
                self._log.warning("media_worker_unreachable", error=str(error))
                continue  # it died this moment; the next run says that it is ready
            self.port, self._remote = port, remote
            remote.subscribe(lambda event: self._owner.worker_said(self._number, event))
            self._mark(is_up=True)
            if not self._first_up.done():
                self._first_up.set_result(None)
            await remote.closed.wait()
            self._remote = None
            if not self._is_stopping:
                self._log.warning("media_worker_lost", pid=self.pid)
            self._mark(is_up=False)
            await remote.close()

    def _mark(self, *, is_up: bool) -> None:
        now_so, no_more = (self.is_up, self.is_down) if is_up else (self.is_down, self.is_up)
        no_more.clear()
        now_so.set()
        if is_up:
            self._owner.worker_is_up(self._number)
        else:
            self._owner.worker_is_lost(self._number)
