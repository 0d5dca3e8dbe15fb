"""One scenario against one target, from the first look to the report."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from loadtest.cost.errors import CostError
from loadtest.cost.listeners import find_by_port
from loadtest.cost.processes import ServerProcesses
from loadtest.cost.tester import TesterMeter
from loadtest.crowd.attendee import Surroundings
from loadtest.crowd.broadcast import Layers
from loadtest.crowd.crowd import Crowd
from loadtest.crowd.measurement import Figures, Measurement
from loadtest.crowd.networks import access_of, ensure_room, enter_networks, what_happened
from loadtest.crowd.tally import Tally
from loadtest.danmaku import Line
from loadtest.network.addresses import is_loopback
from loadtest.report.live import Display, LiveState, NullDisplay
from loadtest.report.machine import machine
from loadtest.report.model import Interval, Report, SloResult, TargetInfo
from loadtest.report.slo import judge
from loadtest.scenario.model import Scenario
from loadtest.scenario.needs import needs
from loadtest.scenario.timeline import timeline
from loadtest.targets.flags import MakeTarget
from loadtest.targets.target import Target, TargetError

SETTLE_S: Final = 1.0
"""Messages that were sent at the very end may still arrive."""


def _silent(text: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Run:
    """What to run, and who hears of it. `server_pids` overrule what the target knows."""

    scenario: Scenario
    make_target: MakeTarget
    command: str
    lines: Sequence[Line]
    layers: Mapping[str, Layers]
    """What each group publishes (`loadtest.crowd.media.layers_of`)."""
    display: Callable[[], Display] = NullDisplay
    """Makes the display of one run."""
    say: Callable[[str], None] = _silent
    server_pids: Sequence[int] = ()
    with_networks: bool = True


async def run_scenario(run: Run, *, interrupted: asyncio.Event | None = None) -> Report:
    """Setting `interrupted` ends the run soon and reports what was measured.

    Raises `TargetError`, `NetworkError`, `CostError`, one line each, before anybody joins; after
    that, failures are figures of the report."""
    scenario = run.scenario
    ensure_room(scenario)
    async with contextlib.AsyncExitStack() as stack:
        networks = await enter_networks(stack, scenario) if run.with_networks else {}
        target = run.make_target([network.gateway_address for network in networks.values()])
        refuse_unless_able(scenario, target)
        run.say(f"{target.name}: getting ready ...")
        await stack.enter_async_context(target)
        server = _processes(run, target)
        tally = Tally()
        rng = random.Random(scenario.seed)
        crowd = Crowd(
            scenario,
            Surroundings(
                target=target,
                room=scenario.room,
                tally=tally,
                rng=rng,
                open_sockets=lambda: crowd.open_sockets(),
            ),
            access=access_of(networks, target.info().url, scenario.people),
            layers=run.layers,
            before_audience=lambda: measurement.note_memory(),
        )
        live = _Live(stack.enter_context(run.display()), scenario, target, tally)
        tester = await stack.enter_async_context(TesterMeter())
        measurement = Measurement(
            tally,
            crowd,
            server=server,
            tester=tester,
            on_interval=live.show,
            on_end=crowd.stop,
        )
        started = datetime.now(UTC)
        await _conduct(crowd, measurement, run, interrupted)
        figures = measurement.figures()
        return Report(
            command=run.command,
            started=started.isoformat(timespec="seconds"),
            machine=machine(),
            target=_info_of(target),
            scenario=scenario.name,
            about=scenario.about,
            definition=scenario.model_dump(mode="json", by_alias=True),
            seconds=figures.seconds,
            interrupted=bool(crowd.ended_early),
            totals=figures.totals,
            cost=figures.cost,
            tester=figures.tester,
            slo=_judged(scenario, figures, tally),
            series=tuple(measurement.series),
            complaints=tally.complaints,
            notes=(*_notes(crowd, figures, run), *await what_happened(networks)),
        )


async def _conduct(
    crowd: Crowd, measurement: Measurement, run: Run, interrupted: asyncio.Event | None
) -> None:
    scenario = run.scenario
    start = asyncio.get_running_loop().time()
    watching = asyncio.create_task(measurement.run(start, scenario.warm_up_s), name="measurement")
    waiting = asyncio.create_task(_stop_when(interrupted, crowd), name="interruption")
    try:
        actions = timeline(scenario, run.lines, random.Random(scenario.seed))
        await crowd.act(actions, start, scenario.duration_s)
        await measurement.finish()
        if not crowd.ended_early:
            await asyncio.sleep(SETTLE_S)
    finally:
        for task in (watching, waiting):
            task.cancel()
        results = await asyncio.gather(watching, waiting, return_exceptions=True)
        await crowd.leave()
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _stop_when(interrupted: asyncio.Event | None, crowd: Crowd) -> None:
    if interrupted is not None:
        await interrupted.wait()
        crowd.stop("interrupted")


def refuse_unless_able(scenario: Scenario, target: Target) -> None:
    """Raises `TargetError` naming what the scenario wants and the target has not."""
    missing = sorted(need.value for need in needs(scenario) - target.capabilities)
    if missing:
        raise TargetError(
            f"{target.name} has no {', '.join(missing)}, which the scenario {scenario.name} needs"
        )


def _notes(crowd: Crowd, figures: Figures, run: Run) -> list[str]:
    """What a reader must know before believing a figure."""
    notes: list[str] = []
    if crowd.ended_early:
        notes.append(f"ended early: {crowd.ended_early}")
    if figures.cost is None:
        notes.append("the server's processes are not known here: no cost (give --server-pid)")
    if run.scenario.networks and not run.with_networks:
        notes.append("the scenario's networks were left out (--no-network)")
    return notes


def _processes(run: Run, target: Target) -> ServerProcesses | None:
    """Given, known to the target, or found by its port when it is on this machine."""
    pids = run.server_pids or target.server_pids()
    where = urlsplit(target.info().url.partition(" ")[0])
    if not pids and where.port is not None and is_loopback(where.hostname or ""):
        # What the kernel does not tell is only a figure less.
        with contextlib.suppress(CostError):
            pids = find_by_port(where.port)
    return ServerProcesses(pids) if pids else None


def _info_of(target: Target) -> TargetInfo:
    info = target.info()
    return TargetInfo(name=info.name, url=info.url, version=info.version, settings=info.settings)


def _judged(scenario: Scenario, figures: Figures, tally: Tally) -> tuple[SloResult, ...]:
    limits = {str(name): limit for name, limit in scenario.slo.items()}
    return judge(limits, figures.totals, figures.cost, tally.complaints)


class _Live:
    """Each interval as what a person sees."""

    def __init__(self, display: Display, scenario: Scenario, target: Target, tally: Tally) -> None:
        groups = scenario.groups.values()
        self._display = display
        self._tally = tally
        self._packets = self._holes = 0
        self._state = LiveState(
            duration_s=scenario.duration_s,
            title=f"{scenario.name} -> {target.name}",
            viewers_wanted=sum(group.count for group in groups if group.watch is not None),
            sockets_wanted=sum(group.count for group in groups if group.socket is not None),
        )
        self._display.show(self._state)

    def show(self, of: Interval) -> None:
        self._packets += of.packets
        self._holes += of.holes
        received = self._packets + self._holes
        latency = of.latency_ms
        self._state = replace(
            self._state,
            elapsed_s=of.at_s,
            publishers=of.publishers,
            viewers=of.viewers,
            sockets=of.sockets,
            bits_per_s=of.bits_per_s,
            lost_percent=100 * self._holes / received if received else None,
            latency_p50_ms=latency.p50 if latency else None,
            latency_p99_ms=latency.p99 if latency else None,
            messages_per_s={lane: float(count) for lane, count in of.lanes.items()},
            delay_p99_ms={lane: found.p99 for lane, found in of.lane_delay_ms.items()},
            tester_cpu_cores=of.tester_cpu_cores,
            tester_lag_ms=of.tester_lag_ms,
            server_cpu_cores=of.server_cpu_cores,
            server_memory_bytes=of.server_memory_bytes,
            complaints={each.text: each.count for each in self._tally.complaints},
        )
        self._display.show(self._state)
