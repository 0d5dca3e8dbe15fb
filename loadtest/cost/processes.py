"""CPU and memory of a server: the trees of its processes, read from /proc by psutil.

Cumulative: what a process used before it ended stays in the sum, so the difference of two samples
is what the server used between them. What a child used after the last sample and before its end is
lost; sample once a second. CPU is counted in clock ticks (10 ms on Linux).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from loadtest.cost.errors import CostError
from loadtest.cost.role import role_of
from loadtest.report.model import ProcessCost


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process that serves, or did. Ended: its last known CPU, and no memory."""

    pid: int
    started: float
    """Seconds, as the kernel counts them: tells a process from a later one of the same pid."""
    role: str
    user_s: float
    system_s: float
    memory_bytes: int
    """Resident set, pages that it shares with others included."""
    is_running: bool


@dataclass(frozen=True, slots=True)
class CpuSample:
    """All processes of the server together, since each of them started."""

    processes: tuple[ProcessSample, ...]
    vanished: tuple[int, ...] = ()
    """Roots that ended: the server died, or was ended."""

    @property
    def user_s(self) -> float:
        return sum(process.user_s for process in self.processes)

    @property
    def system_s(self) -> float:
        return sum(process.system_s for process in self.processes)

    @property
    def memory_bytes(self) -> int:
        """Sum of resident sets: pages shared between processes count in each of them."""
        return sum(process.memory_bytes for process in self.processes)

    def since(self, earlier: CpuSample) -> CpuSample:
        """CPU used after `earlier`, an older sample of the same server; memory as it is now."""
        before = {(process.pid, process.started): process for process in earlier.processes}
        used = (_used(process, before) for process in self.processes)
        return CpuSample(tuple(used), self.vanished)

    def costs(self) -> tuple[ProcessCost, ...]:
        """Rows for the report, the busiest first; without ended ones that used nothing."""
        rows = [
            ProcessCost(
                pid=process.pid,
                role=process.role,
                user_s=process.user_s,
                system_s=process.system_s,
                memory_bytes=process.memory_bytes,
            )
            for process in self.processes
            if process.is_running or process.user_s + process.system_s > 0
        ]
        return tuple(sorted(rows, key=lambda row: (-row.user_s - row.system_s, row.pid)))


def _used(
    process: ProcessSample, before: Mapping[tuple[int, float], ProcessSample]
) -> ProcessSample:
    was = before.get((process.pid, process.started))
    if was is None:
        return process
    return ProcessSample(
        process.pid,
        process.started,
        process.role,
        process.user_s - was.user_s,
        process.system_s - was.system_s,
        process.memory_bytes,
        process.is_running,
    )


class ServerProcesses:
    """The trees under `root_pids`. Raises CostError when one of them does not exist, or is this
    very process or one above it: the tester would count itself.

    `sample` takes some milliseconds (it looks for new children among all processes), so it may be
    called in another thread than the event loop's, and in several."""

    def __init__(self, root_pids: Iterable[int]) -> None:
        self._roots = [_root(pid) for pid in dict.fromkeys(root_pids)]
        if not self._roots:
            raise CostError("no server process to measure: give --server-pid")
        self._known: dict[psutil.Process, ProcessSample] = {}
        self._lock = threading.Lock()

    def sample(self) -> CpuSample:
        """Never raises for a process that ends meanwhile. CostError when the kernel forbids."""
        with self._lock:
            return self._sample()

    def _sample(self) -> CpuSample:
        running = self._running()
        for process, last in self._known.items():
            if process not in running and last.is_running:
                self._known[process] = _ended(last)
        for process in running:
            row = _read(process, self._known.get(process))
            if row is not None:
                self._known[process] = row
        vanished = tuple(root.pid for root in self._roots if not _lives(root))
        return CpuSample(tuple(self._known.values()), vanished)

    def _running(self) -> dict[psutil.Process, None]:
        """Roots, their descendants, and descendants whose parent ended (init adopted them)."""
        found: dict[psutil.Process, None] = {}
        for process in [*self._roots, *self._known]:
            if process not in found and _lives(process):
                found[process] = None
                found.update(dict.fromkeys(_children(process)))
        return found


def _root(pid: int) -> psutil.Process:
    try:
        process = psutil.Process(pid)
    except (psutil.NoSuchProcess, ValueError):
        raise CostError(f"there is no process {pid} to measure") from None
    if pid in tester_pids():
        raise CostError(f"process {pid} is this tester, or started it: it is not the server")
    return process


def tester_pids() -> frozenset[int]:
    """This process and those that started it."""
    own = psutil.Process()
    return frozenset([own.pid, *(parent.pid for parent in own.parents())])


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _children(process: psutil.Process) -> Iterator[psutil.Process]:
    try:
        children = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    yield from filter(_lives, children)


def _read(process: psutil.Process, last: ProcessSample | None) -> ProcessSample | None:
    """None when it ended before it was ever read."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            memory = process.memory_info().rss
            # Read each time: a process that is just starting may yet become another program.
            role = role_of(process.name(), process.cmdline())
    except psutil.NoSuchProcess:
        return _ended(last) if last else None
    except psutil.AccessDenied:
        raise CostError(
            f"process {process.pid} may not be measured: run as the same user or root"
        ) from None
    return ProcessSample(
        process.pid, process.create_time(), role, times.user, times.system, memory, True
    )


def _ended(last: ProcessSample) -> ProcessSample:
    return ProcessSample(
        last.pid, last.started, last.role, last.user_s, last.system_s, 0, is_running=False
    )
