"""The process: start, ready, stop in order, a second signal, a dead store, a port in use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from server.errors import UserError
from server.serve import running
from signaling.close_codes import CloseCode
from signaling.views import Role
from tests.support.server import ServerProcess, server_process, serving, settings_for

__all__ = ["server_process"]


async def joined(
    server: ServerProcess, http: aiohttp.ClientSession, role: Role = "viewer"
) -> aiohttp.ClientWebSocketResponse[Any]:
    ws = await http.ws_connect(f"{server.url}/ws", protocols=("lianmai.json",))
    token = server.token(role, role, "r1")
    await ws.send_str(json.dumps({"type": "join", "token": token}))
    first = await ws.receive(timeout=5)
    assert "welcome" in first.data
    return ws


def store_of(pid: int) -> int:
    """The child of a server that is its store."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (store,) = (
        int(child) for child in children if b"valkey" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return store


async def test_it_says_where_it_is_and_stops_in_order(server_process: ServerProcess) -> None:
    await server_process.start()
    output = server_process.output()
    assert server_process.url in output
    assert str(server_process.udp_port) in output
    assert "store" in output
    async with aiohttp.ClientSession() as http:
        ws = await joined(server_process, http)
        stopping = asyncio.create_task(server_process.stop(limit_s=10))
        while not ws.closed:
            await ws.receive(timeout=8)
        assert ws.close_code == CloseCode.SHUTTING_DOWN
        assert await stopping == 0
    assert "Traceback" not in server_process.output()


async def test_it_comes_back_on_the_same_folder_after_a_crash(
    server_process: ServerProcess,
) -> None:
    await server_process.start()
    async with aiohttp.ClientSession() as http:
        ws = await joined(server_process, http, "host")
        await ws.send_str('{"type":"start_show","id":"s"}')
        await ws.send_str('{"type":"ask","id":"q1","text":"适合油皮吗？"}')
        while "question_id" not in (await ws.receive(timeout=5)).data:
            pass
        await server_process.kill()
        await ws.close()
        await server_process.start()
        again = await http.ws_connect(f"{server_process.url}/ws", protocols=("lianmai.json",))
        token = server_process.token("sam", "staff", "r1")
        await again.send_str(json.dumps({"type": "join", "token": token}))
        welcome = json.loads((await again.receive(timeout=5)).data)["messages"][0]
        await again.close()
    assert [question["text"] for question in welcome["questions"]] == ["适合油皮吗？"]


async def test_a_second_signal_ends_it_at_once(server_process: ServerProcess) -> None:
    await server_process.start()
    process = server_process.process
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGINT)
    async with asyncio.timeout(5):
        code = await process.wait()
    # The second may be delivered together with the first; then the stop was in order.
    assert code in (0, 128 + signal.SIGTERM, 128 + signal.SIGINT)


async def test_a_dead_store_ends_it_with_a_clear_error(server_process: ServerProcess) -> None:
    await server_process.start()
    os.kill(store_of(server_process.process.pid), signal.SIGKILL)
    async with asyncio.timeout(15):
        code = await server_process.process.wait()
    assert code != 0
    assert "the store ended" in server_process.output()
    assert "Traceback" not in server_process.output()


async def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}.*--port"):
            async with running(settings_for(tmp_path, port=port)):
                pass


async def test_media_workers_are_told_of_and_end_with_the_server(tmp_path: Path) -> None:
    process = ServerProcess(tmp_path, LIANMAI_MEDIA_WORKERS="2", LIANMAI_UDP_PORT="0")
    process.udp_port = 0
    await process.start()
    try:
        workers = _media_workers_of(process.process.pid)
        assert len(workers) == 2
        assert "media    2 workers, UDP and TCP ports " in process.output()
    finally:
        assert await process.stop() == 0
    assert not any(psutil.pid_exists(pid) for pid in workers)
    assert "Traceback" not in process.output()


async def test_media_workers_die_with_a_killed_server(tmp_path: Path) -> None:
    process = ServerProcess(tmp_path, LIANMAI_MEDIA_WORKERS="1")
    process.udp_port = 0
    await process.start()
    [worker] = _media_workers_of(process.process.pid)
    await process.kill()
    with contextlib.suppress(psutil.NoSuchProcess):  # already
        await asyncio.to_thread(psutil.Process(worker).wait, 10)
    assert not psutil.pid_exists(worker)


def _media_workers_of(pid: int) -> list[int]:
    return [
        child.pid for child in psutil.Process(pid).children() if "media.worker" in child.cmdline()
    ]


async def test_a_udp_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"UDP.*{port}.*--udp-port"):
            async with running(settings_for(tmp_path, udp_port=port)):
                pass


async def test_the_same_folder_serves_again_in_the_same_process(tmp_path: Path) -> None:
    for _ in range(2):
        async with serving(tmp_path) as server:
            assert (await server.http.get("/readyz")).status == 200


async def test_https_with_our_own_authority(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, tls={"mode": "auto"})) as server:
        assert server.url.startswith("https://")
        assert server.socket_url.startswith("wss://")
        async with aiohttp.ClientSession(server.url) as http:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get("/healthz")
            async with http.get("/ca.crt", ssl=False) as response:
                assert response.content_type == "application/x-x509-ca-cert"
                authority = await response.read()
        trusting = ssl.create_default_context(cadata=authority)
        async with aiohttp.ClientSession(server.url) as http:
            assert (await http.get("/healthz", ssl=trusting)).status == 200
            ws = await http.ws_connect("/ws", protocols=("lianmai.json",), ssl=trusting)
            token = server.mint(
                *("main", "r1", "vera", "Vera", "viewer", 60)  # type: ignore[arg-type]
            )
            await ws.send_str(json.dumps({"type": "join", "token": token}))
            assert "welcome" in (await ws.receive(timeout=5)).data
            await ws.close()
