"""Private servers: found ready, ended in any case, and clear about why not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from loadtest.targets.program import Ports, last_words, running, serving
from loadtest.targets.target import TargetError

# They outlive any wait of a test, so that only being ended ends them.
SILENT = [sys.executable, "-c", "import time; time.sleep(60)"]
SLEEPER = [sys.executable, "-c", "print('up', flush=True)\nimport time\ntime.sleep(60)"]


async def ready() -> bool:
    return True


async def never() -> bool:
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def wait_gone(pid: int) -> None:
    gone = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    try:
        async with asyncio.timeout(10):
            await gone.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def test_a_program_runs_until_the_block_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def is_up() -> bool:
        return "up" in log.read_text()

    async with running("sleeper", SLEEPER, is_up, log=log) as pid:
        assert "time.sleep" in command_of(pid), "the pid is the program's own"
    assert not is_alive(pid)


async def test_it_ends_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with running("sleeper", SLEEPER, ready, log=tmp_path / "log") as pid:
            raise ZeroDivisionError
    assert not is_alive(pid)


async def test_what_it_said_last_is_in_the_error(tmp_path: Path) -> None:
    dying = [
        sys.executable,
        "-c",
        "print('config line 3:\\n\\n  no such port'); raise SystemExit(4)",
    ]
    with pytest.raises(TargetError) as caught:
        async with running("srv", dying, never, log=tmp_path / "log"):
            pass
    assert str(caught.value) == "srv ended with code 4: config line 3: / no such port"


async def test_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    mine = psutil.Process()
    before = set(mine.children(recursive=True))
    started: set[psutil.Process] = set()

    async def never_but_seen() -> bool:
        started.update(set(mine.children(recursive=True)) - before)
        return False

    with pytest.raises(
        TargetError, match=r"^srv was not ready within 0\.5 s; it said: \(nothing\)$"
    ):
        async with running("srv", SILENT, never_but_seen, log=tmp_path / "log", ready_within_s=0.5):
            pass
    assert started, "it ran while it was waited for"
    assert not any(process.is_running() for process in started)


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot run no-such-program"):
        async with running("srv", ["no-such-program"], never, log=tmp_path / "log"):
            pass
    with pytest.raises(TargetError, match="cannot run no-such-prefix"):
        async with running(
            "srv", SLEEPER, never, log=tmp_path / "log", prefix=["no-such-prefix", "exec"]
        ):
            pass


async def test_a_killed_tester_leaves_no_server(tmp_path: Path) -> None:
    tester = f"""
import asyncio
from pathlib import Path
from loadtest.targets.program import running

async def ready():
    return True

async def main():
    async with running("sleeper", {SLEEPER!r}, ready, log=Path({str(tmp_path / "log")!r})) as pid:
        while b"time.sleep" not in Path(f"/proc/{{pid}}/cmdline").read_bytes():
            await asyncio.sleep(0.01)
        print(pid, flush=True)
        await asyncio.sleep(60)  # until it is killed

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", tester, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    assert is_alive(pid)
    process.kill()
    await process.wait()
    await wait_gone(pid)


async def test_our_own_server_is_served_and_takes_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIANMAI_NO_SUCH_SETTING", "which would be an error")
    ports = Ports.free()
    settings = {"LIANMAI_LOG_LEVEL": "warning"}
    async with serving(settings, folder=tmp_path, ports=ports) as program:
        token = program.token("r1", "ann", "host")
        status = await create_offer(program.url, token)
        assert status == 400, "the token counts, the body is no offer"
        assert await create_offer(program.url, token + "x") == 401
        os.kill(program.pid, signal.SIGKILL)
    async with serving(settings, folder=tmp_path, ports=ports) as again:
        assert await create_offer(again.url, token) == 400, "the same server, the same key"


async def create_offer(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{url}/whip/r1", data="nothing") as response,
    ):
        return response.status


async def test_a_setting_that_is_wrong_is_said() -> None:
    with pytest.raises(TargetError, match="lianmai serve ended with code") as caught:
        async with serving({"LIANMAI_ROOM_SEATS": "many"}):
            pass
    assert "\n" not in str(caught.value)
    assert "seats" in str(caught.value)


def test_last_words_are_one_line_of_bounded_length(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\n\ntwo\nthree \xff\nfour\n")
    assert last_words(log) == "two / three � / four"
    log.write_text("x" * 5000)
    assert len(last_words(log)) == 600
