"""Chromium to Chromium through the real server, each behind a link that gets bad: what a viewer
sees and hears meanwhile. `python -m tests.bench.bench_networks` measures the same for longer.

One host, one viewer and one server serve all tests of this file; each begins with good links.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from loadtest.network.conditions import Conditions, LinkConditions
from tests.support.busy_camera import HEIGHT
from tests.support.watched_link import WatchedLink, watched_link

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]

SECONDS: Final = 10.0
FREEZE_S: Final = 1.0
"""A picture that stands longer is what a viewer calls frozen."""
CONCEALED: Final = 0.1
"""Sound that is made up; speech stays intelligible below."""
WIDE_BPS, NARROW_BPS = 3e6, 4e5
NARROW_S: Final = 10.0
BACK_WITHIN_S: Final = 15.0
OUTAGE_S: Final = 5.0
PICTURE_WITHIN_S: Final = 3.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WatchedLink]:
    async with watched_link(tmp_path_factory.mktemp("networks"), "networks") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def link(session: WatchedLink) -> WatchedLink:
    await session.mend()
    # Nothing is awaited to pass: each condition begins after the same stretch of a good link, so
    # that what the one before did to queues and estimates is not measured as this one's.
    await asyncio.sleep(3)
    return session


async def test_5_percent_loss_is_not_noticed(link: WatchedLink) -> None:
    await link.narrow(Conditions(loss=0.05))
    seen = await link.watch(SECONDS)
    assert seen.grown("nacks") > 20, "the link did lose"
    assert seen.freeze_s < FREEZE_S + seen.machine_s, seen
    assert seen.concealed < CONCEALED, seen


async def test_5_percent_loss_of_the_hosts_is_not_noticed(link: WatchedLink) -> None:
    await link.narrow(uplink=Conditions(loss=0.05))
    seen = await link.watch(SECONDS)
    assert seen.freeze_s < FREEZE_S + seen.machine_s, seen
    assert seen.concealed < CONCEALED, seen


async def test_a_narrow_link_costs_resolution_which_returns(link: WatchedLink) -> None:
    async def step(_: float) -> None:
        # The sleeps are the schedule of the link: wide, narrow, wide again.
        await asyncio.sleep(2)
        await link.narrow(Conditions(rate_bps=NARROW_BPS))
        await asyncio.sleep(NARROW_S)
        await link.narrow(Conditions(rate_bps=WIDE_BPS))
        await asyncio.sleep(BACK_WITHIN_S)

    await link.wait_height(HEIGHT)
    await link.narrow(Conditions(rate_bps=WIDE_BPS))
    seen = await link.watch_while(step)
    widens_at = seen.seconds - BACK_WITHIN_S
    assert min(seen.heights()) < HEIGHT, seen
    assert seen.freeze_s < 2 * FREEZE_S + seen.machine_s, seen
    back_s = seen.first_at(lambda sample: sample["height"] >= HEIGHT, widens_at)
    assert back_s is not None, f"{seen}; {seen.heights(widens_at)}"


async def test_at_20_percent_loss_the_picture_moves_and_sound_stays_whole(
    link: WatchedLink,
) -> None:
    await link.narrow(Conditions(loss=0.2))
    seen = await link.watch(SECONDS)
    assert seen.freeze_s < 2 * FREEZE_S + seen.machine_s, seen
    assert seen.grown("frames") > 2 * SECONDS, seen
    assert seen.concealed < CONCEALED, seen


async def test_sound_is_intelligible_at_30_percent_loss(link: WatchedLink) -> None:
    await link.narrow(Conditions(loss=0.3))
    seen = await link.watch(SECONDS)
    assert seen.concealed < CONCEALED, seen


async def test_a_long_way_with_jitter_and_reordering_is_not_noticed(link: WatchedLink) -> None:
    """100 ms there and back, ± 30 ms each way, one packet in fifty overtakes."""
    far = Conditions(delay_ms=50, jitter_ms=30, reorder=0.02)
    await link.change_viewers(LinkConditions.both(far))
    await asyncio.sleep(1)  # the change of path itself is no part of what is judged
    seen = await link.watch(SECONDS)
    assert seen.freeze_s < FREEZE_S + seen.machine_s, seen
    assert seen.concealed < CONCEALED, seen


async def test_after_an_outage_the_picture_is_back_by_itself(link: WatchedLink) -> None:
    cut = LinkConditions.both(Conditions(loss=1))
    back_at = 0.0

    async def outage(_: float) -> None:
        nonlocal back_at
        began = asyncio.get_running_loop().time()
        await link.change_viewers(cut)
        await asyncio.sleep(OUTAGE_S)
        await link.change_viewers(LinkConditions())
        back_at = asyncio.get_running_loop().time() - began
        await asyncio.sleep(PICTURE_WITHIN_S + 2)

    offers = await link.viewer.offers_sent()
    seen = await link.watch_while(outage)
    assert seen.longest_gap_s > OUTAGE_S - 1, "there was one"
    waited_s = seen.first_picture_after(back_at)
    assert waited_s is not None, seen
    assert waited_s < PICTURE_WITHIN_S + seen.machine_s, seen
    assert await link.viewer.offers_sent() == offers, "without a new join"
