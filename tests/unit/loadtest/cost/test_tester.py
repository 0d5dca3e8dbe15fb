from __future__ import annotations

import asyncio
import time

import pytest

from loadtest.cost import tester as own


def block(seconds: float) -> float:
    """Hold the event loop, busy; returns the CPU it took."""
    began, end = time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return time.process_time() - began


async def test_a_held_loop_is_seen_as_lag_and_as_cpu() -> None:
    async with own.TesterMeter() as meter:
        began, cpu = time.perf_counter(), time.process_time()
        block(0.2)
        await asyncio.sleep(0.03)  # the late beat gets its turn
        interval = meter.take()
        cores = (time.process_time() - cpu) / (time.perf_counter() - began)
        tester = meter.summary(receive_overflows=0, packets=10)
    assert interval.lag_ms > 100
    assert interval.cpu_cores == pytest.approx(cores, abs=0.1)
    assert tester.lag_ms is not None
    assert tester.lag_ms.worst == pytest.approx(interval.lag_ms)
    assert tester.is_bottleneck
    assert "event loop" in tester.why


async def test_what_came_before_begin_does_not_count() -> None:
    async with own.TesterMeter() as meter:
        block(0.2)
        await asyncio.sleep(0.03)
        meter.begin()
        assert meter.take().lag_ms == 0
        assert meter.summary(receive_overflows=0, packets=0).lag_ms is None


async def test_lost_datagrams_are_told() -> None:
    async with own.TesterMeter() as meter:
        tester = meter.summary(receive_overflows=7, packets=3)
    assert tester.receive_overflows == 7
    assert "dropped 7 datagrams" in tester.why


async def test_it_beats_no_more_after_its_end() -> None:
    async with own.TesterMeter() as meter:
        pass
    block(0.05)
    await asyncio.sleep(0.03)
    assert meter.take().lag_ms == 0
