from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from loadtest.cost.errors import CostError
from loadtest.cost.listeners import find_by_port

LISTEN = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
if "fork" in sys.argv and os.fork() == 0:
    listener.listen()
    sys.stdin.read()
    os._exit(0)
print(listener.getsockname()[1], flush=True)
if "fork" in sys.argv:
    listener.close()
sys.stdin.read()
"""


@contextlib.contextmanager
def listening(*arguments: str, group: int | None = 0) -> Iterator[tuple[int, int]]:
    """pid and port."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=group,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()


@pytest.mark.parametrize("host", ["127.0.0.1", None])
def test_who_listens_is_found(host: str | None) -> None:
    with listening() as (pid, port):
        assert find_by_port(port, host) == [pid]


def test_a_worker_leads_to_its_master() -> None:
    with listening("fork") as (pid, port):
        assert find_by_port(port) == [pid]


def test_a_server_in_the_testers_own_group_does_not_lead_to_the_tester() -> None:
    """Both are Python here, and one started the other."""
    with listening(group=None) as (pid, port):
        assert find_by_port(port) == [pid]


def test_another_address_is_another_server() -> None:
    with listening() as (_, port), pytest.raises(CostError, match=f"TCP port {port}"):
        find_by_port(port, "127.0.0.2")


def test_nobody_listens() -> None:
    with listening() as (_, port):
        pass
    with pytest.raises(CostError, match=r"no process .* listens .* --server-pid"):
        find_by_port(port)
