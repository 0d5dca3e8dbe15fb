"""Real processes: what /proc says of them agrees with what they say of themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtest.cost.errors import CostError
from loadtest.cost.processes import CpuSample, ProcessSample, ServerProcesses

TICKS_S = 0.05
"""Five clock ticks: the kernel counts in them, and printing costs a little more."""

BURN = """
import os, sys, time
def burn(seconds):
    while time.process_time() < seconds:
        for _ in range(1000): os.getppid()
    used = os.times()
    print(used.user, used.system, flush=True)
"""
BURNER = BURN + "burn(0.4); sys.stdin.read()"
PARENT = (
    BURN
    + f"""
import subprocess
child = subprocess.Popen([sys.executable, "-c", {BURNER!r}], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.readline()
child.communicate(b"")
print("ended", flush=True)
sys.stdin.read()
"""
)


@contextlib.contextmanager
def python(code: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


def test_a_process_is_measured_as_it_measures_itself() -> None:
    with python(BURNER) as process:
        user_s, system_s = map(float, said(process))
        sample = ServerProcesses([process.pid]).sample()
        assert sample.user_s == pytest.approx(user_s, abs=TICKS_S)
        assert sample.system_s == pytest.approx(system_s, abs=TICKS_S)
        assert sample.user_s + sample.system_s > 0.3
        assert sample.memory_bytes > 1_000_000
        assert sample.vanished == ()


def test_a_child_is_found_and_keeps_its_cpu_when_it_ends() -> None:
    with python(PARENT) as process:
        server = ServerProcesses([process.pid])
        child = int(said(process)[0])
        user_s, system_s = map(float, said(process))
        with_child = server.sample()
        assert {row.pid for row in with_child.processes} == {process.pid, child}
        row = next(row for row in with_child.processes if row.pid == child)
        assert row.user_s + row.system_s == pytest.approx(user_s + system_s, abs=TICKS_S)

        tell(process, "\n")
        assert said(process) == ["ended"]
        after = server.sample()
        kept = next(row for row in after.processes if row.pid == child)
        assert not kept.is_running
        assert kept.memory_bytes == 0
        assert (kept.user_s, kept.system_s) == (row.user_s, row.system_s)
        assert after.user_s >= with_child.user_s
        assert after.memory_bytes < with_child.memory_bytes
        assert child in {cost.pid for cost in after.costs()}


def test_a_new_child_is_found_at_the_next_sample() -> None:
    starter = "import subprocess, sys; sys.stdin.readline()\n" + PARENT
    with python(starter) as process:
        server = ServerProcesses([process.pid])
        assert {row.pid for row in server.sample().processes} == {process.pid}
        tell(process, "\n")
        child = int(said(process)[0])
        assert child in {row.pid for row in server.sample().processes}


def test_an_orphan_still_belongs_to_the_server() -> None:
    with python(PARENT) as process:
        server = ServerProcesses([process.pid])
        child = int(said(process)[0])
        said(process)
        server.sample()
        os.kill(child, signal.SIGSTOP)  # It must not end with its parent's pipe.
        try:
            process.kill()
            process.wait()
            sample = server.sample()
        finally:
            os.kill(child, signal.SIGKILL)
        assert sample.vanished == (process.pid,)
        assert [row.pid for row in sample.processes if row.is_running] == [child]


def test_a_dead_server_is_said_and_its_cpu_kept() -> None:
    with python(BURNER) as process:
        server = ServerProcesses([process.pid])
        said(process)
        before = server.sample()
        process.kill()
        # A zombie until it is waited for, and gone after that: dead in both cases.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        as_zombie = server.sample()
        process.wait()
        after = server.sample()
        assert before.vanished == ()
        assert as_zombie.vanished == after.vanished == (process.pid,)
        assert after.user_s == before.user_s
        assert after.memory_bytes == 0


def test_cpu_between_two_samples() -> None:
    with python(BURN + "burn(0.2); sys.stdin.readline(); burn(0.5); sys.stdin.read()") as process:
        server = ServerProcesses([process.pid])
        first_s = sum(map(float, said(process)))
        earlier = server.sample()
        tell(process, "\n")
        second_s = sum(map(float, said(process)))
        used = server.sample().since(earlier)
        assert used.user_s + used.system_s == pytest.approx(second_s - first_s, abs=TICKS_S)
        assert [cost.pid for cost in used.costs()] == [process.pid]


def test_a_pid_that_was_taken_again_is_another_process() -> None:
    def row(started: float, user_s: float) -> ProcessSample:
        return ProcessSample(7, started, "server", user_s, 0.0, 100, is_running=True)

    used = CpuSample((row(2.0, 0.5),)).since(CpuSample((row(1.0, 9.0),)))
    assert used.user_s == 0.5


def test_what_ended_and_used_nothing_has_no_row() -> None:
    rows = (
        ProcessSample(7, 1.0, "sh", 0.0, 0.0, 0, is_running=False),
        ProcessSample(8, 1.0, "idle", 0.0, 0.0, 100, is_running=True),
        ProcessSample(9, 1.0, "busy", 1.0, 0.0, 100, is_running=True),
    )
    assert [cost.role for cost in CpuSample(rows).costs()] == ["busy", "idle"]


def test_a_process_that_is_not_there() -> None:
    with python("pass") as process:
        process.wait()
    with pytest.raises(CostError, match=f"no process {process.pid} to measure"):
        ServerProcesses([process.pid])


def test_no_process_at_all() -> None:
    with pytest.raises(CostError, match="give --server-pid"):
        ServerProcesses([])


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid()], ids=["itself", "its parent"])
def test_the_tester_does_not_measure_itself(pid: int) -> None:
    with pytest.raises(CostError, match="is not the server"):
        ServerProcesses([pid])


def test_several_threads_may_sample() -> None:
    with python(PARENT) as process:
        server = ServerProcesses([process.pid])
        child = int(said(process)[0])
        with ThreadPoolExecutor(4) as threads:
            samples = list(threads.map(lambda _: server.sample(), range(20)))
        assert all({row.pid for row in one.processes} == {process.pid, child} for one in samples)
