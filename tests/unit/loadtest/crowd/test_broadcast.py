"""A publisher that the server cuts off is told of, and counted; one that leaves is not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from loadtest.crowd.attendee import Attendee, Surroundings
from loadtest.crowd.broadcast import Broadcast
from loadtest.crowd.media import layers_of
from loadtest.crowd.tally import Tally
from loadtest.scenario.actions import Person
from loadtest.scenario.load import scenario_of_text
from loadtest.targets.registry import make_target
from loadtest.targets.target import Member, Target

SHOW = """
name: devices
about: A host who goes live from one device and then from another.
duration: 60s
groups:
  host: {role: host, publish: {resolution: low}, socket: json}
"""
SCENARIO = scenario_of_text(SHOW, "devices")
HOST = Member(SCENARIO.room, "hana", "host")
CLOSED = "the server closed the connection"


class Told(Tally):
    """Says when somebody complains."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    def complain(self, text: str, count: int = 1) -> None:
        super().complain(text, count)
        self.heard.set()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with make_target("lianmai") as entered:
        yield entered


async def device(target: Target, tally: Tally) -> Attendee:
    """Another one of the same host."""
    return Attendee(
        Person("host", 0, HOST.user, "host"),
        SCENARIO.groups["host"],
        Surroundings(target, SCENARIO.room, tally, random.Random(1), lambda: 1),
        layers=(await layers_of(SCENARIO, lambda _: None))["host"],
    )


async def broadcast(target: Target, reasons: asyncio.Queue[str]) -> Broadcast:
    return await Broadcast.begin(
        lambda peer: target.publish(peer, HOST),
        (await layers_of(SCENARIO, lambda _: None))["host"],
        rng=random.Random(1),
        on_cut_off=reasons.put_nowait,
    )


async def test_who_is_replaced_hears_why_and_sends_no_more(target: Target) -> None:
    first_heard, second_heard = asyncio.Queue[str](), asyncio.Queue[str]()
    first = await broadcast(target, first_heard)
    second = await broadcast(target, second_heard)
    async with asyncio.timeout(10):
        assert await first_heard.get() == CLOSED
    assert first.is_cut_off
    sent_by_first, sent_by_second = first.stats.packets, second.stats.packets
    await asyncio.sleep(0.2)  # ten sounds and some pictures
    assert first.stats.packets == sent_by_first
    assert second.stats.packets > sent_by_second
    assert not second.is_cut_off
    assert await first.end() is None
    assert await second.end() is None
    assert first_heard.empty()
    assert second_heard.empty()


async def test_a_crowd_counts_it_once(target: Target) -> None:
    tally = Told()
    first, second = await device(target, tally), await device(target, tally)
    await first.enter()
    await second.enter()
    async with asyncio.timeout(10):
        await tally.heard.wait()
    assert (first.is_publishing, first.is_on_stage) == (False, True)
    assert second.is_publishing
    await first.leave()
    await second.leave()
    assert [(each.text, each.count) for each in tally.complaints] == [
        (f"a publisher was cut off: {CLOSED}", 1)
    ]
    assert tally.succeeded("publish") == 2


async def test_who_leaves_and_comes_back_was_not_cut_off(target: Target) -> None:
    tally = Tally()
    host = await device(target, tally)
    for _ in range(3):
        await host.enter()
        assert host.is_publishing
        await host.leave()
    assert not host.is_on_stage
    assert tally.complaints == ()
    assert tally.succeeded("publish") == 3
