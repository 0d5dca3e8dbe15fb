"""Our own server as a target: started for the run, on loopback or behind a veth pair, or given."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.lianmai import LianmaiTarget, settings_for_rates
from loadtest.targets.program import serving, unguessable
from loadtest.targets.target import Capability, Lane, Member, TargetError
from loadtest.targets.tokens import KeyPair
from tests.unit.loadtest.targets.crowds import publishing, receives

QUICK = {"LIANMAI_PROJECTOR": "off"}


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("is_behind_veth", [False, True])
async def test_media_and_messages_of_a_private_server(is_behind_veth: bool) -> None:
    room = unguessable()
    delays: list[tuple[Lane, float]] = []
    async with contextlib.AsyncExitStack() as stack:
        target = LianmaiTarget(settings=QUICK, is_behind_veth=is_behind_veth)
        await stack.enter_async_context(target)
        (pid,) = target.server_pids()
        assert is_running(pid)
        source, viewer = LightPeer("sendonly"), LightPeer("recvonly")
        stack.push_async_callback(source.close)
        stack.push_async_callback(viewer.close)
        host = Member(room, "host", "host")
        stack.push_async_callback((await target.publish(source, host)).close)
        await stack.enter_async_context(publishing(source))
        stack.push_async_callback((await target.watch(viewer, Member(room, "v", "viewer"))).close)
        await receives(viewer, 60)
        console = await target.open_socket(
            host, manages=True, on_delay=lambda lane, delay: delays.append((lane, delay))
        )
        stack.push_async_callback(console.close)
        asker = await target.open_socket(Member(room, "a", "viewer"), encoding="msgpack")
        stack.push_async_callback(asker.close)
        await asker.ask("适合油皮吗？")
        assert target.info().version
        assert "LIANMAI_LOG_LEVEL=warning" in target.info().settings
        assert ("veth" in target.info().settings) is is_behind_veth
    assert not is_running(pid)


async def test_the_hosts_socket_starts_the_show_when_nobody_publishes() -> None:
    room = unguessable()
    async with LianmaiTarget(settings=QUICK) as target:
        first = await target.open_socket(Member(room, "host", "host"), manages=True)
        second = await target.open_socket(Member(room, "host", "host"))
        talker = await target.open_socket(Member(room, "t", "viewer"))
        await talker.chat("主播好")
        for socket in (first, second, talker):
            assert socket.is_open
            await socket.close()


async def test_a_server_that_runs_takes_tokens_signed_here() -> None:
    async with serving(QUICK) as program:
        target = LianmaiTarget(program.url + "/", mint=program.key.mint)
        async with target:
            assert target.server_pids() == ()
            assert target.info().url == program.url
            socket = await target.open_socket(Member(unguessable(), "h", "host"))
            await socket.close()
        assert is_running(program.pid), "it is not ours to end"


async def test_a_run_can_be_cut_short_while_the_server_starts() -> None:
    entering = asyncio.create_task(LianmaiTarget(settings=QUICK).__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering


async def test_networks_reach_a_private_server_by_more_addresses() -> None:
    async with LianmaiTarget(settings=QUICK, addresses=("127.0.0.2",)) as target:
        peer, room = LightPeer("sendonly"), unguessable()
        answers: list[str] = []
        accept = peer.accept

        def note(answer: str) -> None:
            answers.append(answer)
            accept(answer)

        peer.accept = note  # type: ignore[method-assign]  # to see what it is told
        session = await target.publish(peer, Member(room, "h", "host"))
        await session.close()
        socket = await target.open_socket(Member(room, "v", "viewer"), host="127.0.0.2")
        assert socket.is_open
        await socket.close()
    assert " 127.0.0.1 " in answers[0]
    assert " 127.0.0.2 " in answers[0]


def test_limits_are_raised_only_as_far_as_a_scenario_needs() -> None:
    assert settings_for_rates(chat_per_person_s=0.2, ask_per_person_s=0.01) == {}
    assert settings_for_rates(chat_per_person_s=3, ask_per_person_s=1) == {
        "LIANMAI_ROOM_CHAT_PER_S": "12",
        "LIANMAI_ROOM_CHAT_BURST": "12",
        "LIANMAI_ROOM_ASK_PER_MIN": "240",
    }


def test_what_does_not_go_together_is_said() -> None:
    mint = KeyPair.random().mint
    with pytest.raises(TargetError, match="needs tokens"):
        LianmaiTarget("http://h")
    with pytest.raises(TargetError, match="private server"):
        LianmaiTarget("http://h", mint=mint, settings={"LIANMAI_ROOM_SEATS": "2"})
    with pytest.raises(TargetError, match="do not reach a server behind veth"):
        LianmaiTarget(is_behind_veth=True, addresses=("10.0.0.1",))
    assert LianmaiTarget().capabilities == frozenset(Capability)


async def test_a_server_that_is_not_there_is_one_line() -> None:
    target = LianmaiTarget("http://127.0.0.1:9", mint=KeyPair.random().mint)
    with pytest.raises(TargetError, match=r"^cannot reach http://127\.0\.0\.1:9: Connection ref"):
        async with target:
            pass


async def test_behind_veth_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TargetError, match="needs root"):
        async with LianmaiTarget(is_behind_veth=True):
            pass
