"""Nchan really started: everybody gets every message, alone and in bundles."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest

from loadtest.rtc.light_peer import LightPeer
from loadtest.targets import nchan
from loadtest.targets.nchan import NchanTarget, nginx_program
from loadtest.targets.nchan_config import config
from loadtest.targets.nchan_publisher import said
from loadtest.targets.target import Capability, Lane, Member, Refused, TargetError

SOCKETS = 50
MESSAGES = 20


def member(number: int, room: str = "room/1 间") -> Member:
    return Member(room, f"user-{number}", "viewer")


class Arrivals:
    """Counts stamped messages, and tells when there are enough."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.delays: list[float] = []
        self.are_complete = asyncio.Event()

    def see(self, lane: Lane, delay_s: float) -> None:
        assert lane == "chat"
        self.delays.append(delay_s)
        if len(self.delays) == self._wanted:
            self.are_complete.set()


@pytest.mark.parametrize("batch_ms", [None, 20])
async def test_everybody_gets_every_message(batch_ms: int | None) -> None:
    arrivals = Arrivals(SOCKETS * MESSAGES)
    async with NchanTarget(batch_ms=batch_ms) as target:
        sockets = await asyncio.gather(
            *(target.open_socket(member(n), on_delay=arrivals.see) for n in range(SOCKETS))
        )
        stranger = await target.open_socket(member(0, "elsewhere"))
        await asyncio.gather(*(each.chat("好看！\n再来") for each in sockets[:MESSAGES]))
        await asyncio.wait_for(arrivals.are_complete.wait(), 20)
        assert {each.counts.messages["chat"] for each in sockets} == {MESSAGES}
        assert stranger.counts.messages == {"chat": 0}
        frames = {each.counts.frames for each in sockets}
        assert frames == {MESSAGES} if batch_ms is None else max(frames) < MESSAGES
        assert all(0 < delay_s < 20 for delay_s in arrivals.delays)
        assert all(each.is_open for each in sockets)
        await asyncio.gather(*(each.close() for each in [*sockets, stranger]))
        assert not any(each.is_open or each.complaints for each in sockets)


async def test_it_names_itself_and_ends_with_its_workers() -> None:
    async with NchanTarget(workers=2) as target:
        info = target.info()
        (pid,) = target.server_pids()
        workers = psutil.Process(pid).children()
        assert info.name == "nchan"
        assert info.version.startswith("nchan 1.")
        assert "worker_processes 2" in info.settings
        assert len(workers) >= 2
        assert target.capabilities == {Capability.CHAT}
    assert not psutil.pid_exists(pid)
    gone, alive = psutil.wait_procs(workers, timeout=10)
    assert (len(gone), alive) == (len(workers), [])
    assert target.server_pids() == ()


async def test_a_lost_server_is_told() -> None:
    async with NchanTarget() as target:
        one = await target.open_socket(member(1))
        psutil.Process(target.server_pids()[0]).terminate()
        assert one._light is not None
        await asyncio.wait_for(one._light.closed, 10)
        assert [text.startswith("a socket was lost") for text in one.complaints] == [True]
        with pytest.raises(Refused) as refused:
            await one.chat("still there?")
        assert refused.value.code == "no_connection"
        with pytest.raises(Refused) as refused:
            await target.open_socket(member(2))
        assert refused.value.code == "no_connection"
        await one.close()


async def test_what_nchan_has_not_is_refused() -> None:
    async with NchanTarget() as target:
        one = await target.open_socket(member(1))
        peer = LightPeer("sendonly")
        try:
            for attempt in (
                one.ask("?"),
                one.like(1),
                one.take_mic(peer),
                target.publish(peer, member(1)),
                target.watch(peer, member(1)),
            ):
                with pytest.raises(Refused) as refused:
                    await attempt
                assert refused.value.code == "unsupported"
        finally:
            await peer.close()
            await one.close()


async def test_an_address_that_is_not_ours_is_one_line() -> None:
    with pytest.raises(TargetError, match="nginx ended with code 1") as failed:
        await NchanTarget(host="192.0.2.1").__aenter__()
    assert "\n" not in str(failed.value)


def test_without_nchan_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert nginx_program().endswith("nginx")
    monkeypatch.setattr(nchan, "MODULE", tmp_path / "not-there.so")
    with pytest.raises(TargetError, match="apt-get install nginx libnginx-mod-nchan"):
        nginx_program()


def test_the_configuration_binds_what_it_is_told() -> None:
    text = config(
        Path("/tmp/x"), module=Path("/m.so"), host="::1", port=81, workers="auto", files=1000
    )
    assert "listen [::1]:81 " in text
    assert "worker_processes auto;" in text
    assert "load_module /m.so;" in text
    assert "worker_connections 900;" in text
    assert "worker_rlimit_nofile 1000;" in text
    assert text.count("{") == text.count("}")


def test_a_message_is_what_our_room_would_deliver() -> None:
    message = said(member(3), 17, "好看\n的", 1_767_348_001_000)
    assert b"\n" not in message
    decoded = json.loads(message)
    assert decoded["type"] == "chat_said"
    assert decoded["chat"]["text"] == "好看\n的"
    assert set(decoded["chat"]) == {"message_id", "subject", "name", "role", "text", "at_ms"}
