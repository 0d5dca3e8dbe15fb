"""Namespaces and cables of our own. Needs root and iproute2; says so in a line where they lack."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loadtest.network.names import owner_of
from loadtest.network.namespace import Namespace, remove_stale
from loadtest.network.offload import has_gro
from loadtest.network.veth import Link, veth_pair

ECHO = """
import socket, sys
served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
served.bind((sys.argv[1], 0))
print(served.getsockname()[1], flush=True)
datagram, peer = served.recvfrom(2000)
served.sendto(datagram.upper(), peer)
sys.stdin.read()
"""
LEFT_ALONE = """
import asyncio
from loadtest.network.veth import veth_pair

async def main():
    async with veth_pair() as link:
        print(link.namespace.name, link.outside_name, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def what_is_there(pid: int) -> set[str]:
    """Namespaces and interfaces of that process."""
    named = Path("/run/netns")
    names = os.listdir("/sys/class/net") + (os.listdir(named) if named.exists() else [])
    return {name for name in names if owner_of(name) == pid}


def ours() -> set[str]:
    return what_is_there(os.getpid())


def network_of(thing: int | str) -> int:
    """The number of a network namespace."""
    return os.stat(thing).st_ino


async def test_a_namespace_is_made_and_removed() -> None:
    async with Namespace() as namespace:
        assert namespace.name in ours()
        inside = namespace.call(lambda: network_of("/proc/thread-self/ns/net"))
        assert inside != network_of("/proc/thread-self/ns/net")
    assert ours() == set()


async def test_an_error_inside_leaves_the_thread_where_it_was() -> None:
    home = network_of("/proc/thread-self/ns/net")

    def fail() -> None:
        raise ZeroDivisionError

    async with Namespace() as namespace:
        with pytest.raises(ZeroDivisionError):
            namespace.call(fail)
        assert network_of("/proc/thread-self/ns/net") == home


async def test_loopback_inside_is_its_own() -> None:
    async with Namespace() as namespace:
        with namespace.udp() as inside, socket.socket(type=socket.SOCK_DGRAM) as outside:
            inside.bind(("127.0.0.1", 0))
            # The very port is free out here, or somebody else's: nothing arrives inside.
            outside.sendto(b"from outside", inside.getsockname())
            with namespace.udp() as neighbour:
                neighbour.sendto(b"from inside", inside.getsockname())
            assert inside.recv(100) == b"from inside"


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cable_is_gone_afterwards(fails: bool) -> None:
    async def use() -> None:
        async with veth_pair() as link:
            assert {link.namespace.name, link.outside_name} == ours()
            if fails:
                raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            await use()
    else:
        await use()
    assert ours() == set()


async def test_a_cable_is_gone_though_a_socket_inside_is_open() -> None:
    async with veth_pair() as link:
        left_open = link.namespace.udp()
    try:
        assert ours() == set()
    finally:
        left_open.close()


async def test_a_cancelled_start_leaves_nothing() -> None:
    async def use() -> None:
        async with veth_pair():
            await asyncio.Event().wait()

    for turns in range(0, 40, 4):
        task = asyncio.create_task(use())
        for _ in range(turns):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ours() == set(), turns


async def test_several_cables_at_once() -> None:
    async with veth_pair() as one, veth_pair() as other, veth_pair(one.namespace) as _:
        assert one.inside_address != other.inside_address
        assert one.outside_address != other.outside_address
        assert len(ours()) == 2 + 3
    assert ours() == set()


def test_what_a_killed_process_left_is_removed() -> None:
    left = subprocess.Popen([sys.executable, "-c", LEFT_ALONE], stdout=subprocess.PIPE, text=True)
    assert left.stdout is not None
    with left.stdout:
        names = set(left.stdout.readline().split())
        left.send_signal(signal.SIGKILL)
        left.wait()
    assert what_is_there(left.pid) == names
    # Somebody else's run may start at this moment, and be the one that does it.
    assert set(remove_stale()) <= names
    assert what_is_there(left.pid) == set()


async def ask(link: Link, factory: Callable[[], socket.socket]) -> bytes:
    """What a server process inside answers to a reader."""
    server = await asyncio.create_subprocess_exec(
        *link.namespace.prefix(),
        *(sys.executable, "-c", ECHO, link.inside_address),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    # `ip netns exec` becomes the server: its pid is the one whose cost is measured.
    assert network_of(f"/proc/{server.pid}/ns/net") != network_of("/proc/self/ns/net")
    with factory() as reader:
        reader.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await loop.sock_connect(reader, (link.inside_address, port))
            await loop.sock_sendall(reader, b"hello")
            answer = await loop.sock_recv(reader, 100)
    assert server.stdin is not None
    server.stdin.close()
    await server.communicate()
    return answer


async def test_a_server_inside_is_reached_from_outside() -> None:
    async with veth_pair() as link:
        assert not has_gro(link.outside_name)
        assert await ask(link, lambda: socket.socket(type=socket.SOCK_DGRAM)) == b"HELLO"


async def test_http_from_inside_reaches_a_server_of_this_machine() -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.remote)
        return web.Response(text="good")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "0.0.0.0", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with veth_pair() as link:
            await fetch(link, f"http://{link.outside_address}:{port}/")
            assert seen == [link.inside_address]
    finally:
        await runner.cleanup()


async def fetch(link: Link, url: str) -> None:
    def factory(address: tuple[Any, ...]) -> socket.socket:
        return link.namespace.socket_for(address)

    connector = aiohttp.TCPConnector(socket_factory=factory)
    async with aiohttp.ClientSession(connector=connector) as http, http.get(url) as response:
        assert await response.text() == "good"
