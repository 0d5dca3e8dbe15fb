"""What people who leave have counted stays counted, at every moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from loadtest.crowd.attendee import Access, Surroundings
from loadtest.crowd.crowd import Crowd
from loadtest.crowd.media import layers_of
from loadtest.crowd.tally import Tally
from loadtest.scenario.actions import Action, Join, Leave, Person, TakeMic
from loadtest.scenario.load import scenario_of_text
from loadtest.targets.registry import make_target

SHOW = """
name: leaving
about: A guest who also watches, and is asked away in the middle of a turn at the mic.
duration: 5s
groups:
  host: {role: host, publish: {resolution: low}, socket: json, manages: true}
  guest:
    role: guest
    socket: json
    watch: {audio: 1, video: 1}
    publish: {resolution: low}
    mic: {every: 9s, hold: 9s}
"""
HOST, GUEST = Person("host", 0, "hana", "host"), Person("guest", 0, "gu", "guest")
ACTIONS: Sequence[Action] = (
    Join(0.0, HOST),
    Join(1.0, GUEST),
    TakeMic(2.0, GUEST, 9.0),
    Leave(4.0, GUEST),
)


async def test_sums_never_shrink_while_somebody_leaves() -> None:
    scenario = scenario_of_text(SHOW, "leaving")
    tally, loop = Tally(), asyncio.get_running_loop()
    async with make_target("lianmai") as target:
        crowd = Crowd(
            scenario,
            Surroundings(target, scenario.room, tally, random.Random(1), lambda: 2),
            access={"": Access()},
            layers=await layers_of(scenario, lambda _: None),
            before_audience=lambda: None,
        )
        acting = asyncio.create_task(crowd.act(ACTIONS, loop.time(), scenario.duration_s))
        packets, messages = [0], [0]
        while not acting.done():
            sums = crowd.sums()
            packets.append(sums.media.packets)
            messages.append(sums.messages.messages)
            await asyncio.sleep(0.001)
        await acting
        await crowd.leave()
        after = crowd.sums()
    assert tally.complaints == ()
    assert tally.succeeded("mic") == 1
    assert packets[-1] > 0
    assert packets == sorted(packets)
    assert messages == sorted(messages)
    assert after.media.packets == packets[-1]
    assert after.messages.messages >= messages[-1]
