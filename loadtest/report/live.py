"""What a person sees while the crowd runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtest.report.terminal import plain_table
from loadtest.report.words import DASH, bitrate, count, duration, memory, number, one_line, percent

LINE_EVERY_S: Final = 5.0
COMPLAINTS_SHOWN: Final = 5


@dataclass(slots=True)
class LiveState:
    """The state of the run, made anew (or changed in place) about once a second. None: not
    measured, or not yet."""

    elapsed_s: float = 0.0
    duration_s: float = 0.0
    title: str = ""
    """Scenario and target."""
    publishers: int = 0
    viewers: int = 0
    viewers_wanted: int = 0
    sockets: int = 0
    sockets_wanted: int = 0
    bits_per_s: float = 0.0
    lost_percent: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    messages_per_s: Mapping[str, float] = field(default_factory=dict)
    """Delivered, by lane."""
    delay_p99_ms: Mapping[str, float] = field(default_factory=dict)
    """By lane."""
    tester_cpu_cores: float = 0.0
    tester_lag_ms: float = 0.0
    server_cpu_cores: float | None = None
    server_memory_bytes: int | None = None
    complaints: Mapping[str, int] = field(default_factory=dict)
    """How often, by text."""


class Display(Protocol):
    """Entered once; `show` may be called as often as there is news."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...

    def show(self, state: LiveState) -> None: ...


def live_table(state: LiveState) -> RenderableType:
    """All of the state, in at most 100 columns."""
    parts: list[RenderableType] = [_heading(state), _figures(state)]
    if state.messages_per_s:
        parts.append(_lanes(state))
    if state.complaints:
        parts.append(_complaints(state.complaints))
    return Group(*(part for each in parts for part in (each, Text())))


def _heading(state: LiveState) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    clock = f"{duration(state.elapsed_s)} of {duration(state.duration_s)}"
    bar = ProgressBar(total=max(state.duration_s, 1e-9), completed=state.elapsed_s, width=30)
    grid.add_row(Text(one_line(state.title), style="bold"), bar, Text(clock))
    return grid


def _figures(state: LiveState) -> RenderableType:
    table = plain_table()
    for heading in ("people", "media", "latency", "server", "tester"):
        table.add_column(heading, min_width=16)
    table.add_row(
        f"{count(state.publishers)} publish",
        bitrate(state.bits_per_s),
        f"p50 {number(state.latency_p50_ms)} ms",
        f"{_cores(state.server_cpu_cores)} CPU",
        f"{_cores(state.tester_cpu_cores)} CPU",
    )
    table.add_row(
        f"{count(state.viewers)}/{count(state.viewers_wanted)} watch",
        f"{percent(state.lost_percent)} lost",
        f"p99 {number(state.latency_p99_ms)} ms",
        memory(state.server_memory_bytes),
        f"{number(state.tester_lag_ms)} ms late",
    )
    table.add_row(f"{count(state.sockets)}/{count(state.sockets_wanted)} sockets")
    return table


def _lanes(state: LiveState) -> RenderableType:
    table = plain_table()
    table.add_column("lane", min_width=16)
    table.add_column("delivered/s", justify="right")
    table.add_column("delay p99, ms", justify="right")
    for lane, per_s in state.messages_per_s.items():
        table.add_row(Text(one_line(lane)), number(per_s), number(state.delay_p99_ms.get(lane)))
    return table


def _complaints(complaints: Mapping[str, int]) -> RenderableType:
    ranked = sorted(complaints.items(), key=lambda item: -item[1])
    lines = [f"{times:,} x {one_line(text)}" for text, times in ranked[:COMPLAINTS_SHOWN]]
    if len(ranked) > COMPLAINTS_SHOWN:
        lines.append(f"and {len(ranked) - COMPLAINTS_SHOWN} other kinds")
    return Text("\n".join(lines), style="yellow", no_wrap=True, overflow="ellipsis")


def _cores(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


def live_line(state: LiveState) -> str:
    """The same in one line, without colours."""
    parts = [
        f"{duration(state.elapsed_s)}/{duration(state.duration_s)}",
        f"publishers {count(state.publishers)}",
        f"viewers {count(state.viewers)}/{count(state.viewers_wanted)}",
        f"sockets {count(state.sockets)}/{count(state.sockets_wanted)}",
        f"{bitrate(state.bits_per_s)}, lost {percent(state.lost_percent)}",
        f"latency p50 {number(state.latency_p50_ms)} p99 {number(state.latency_p99_ms)} ms",
    ]
    parts += [
        f"{lane} {number(per_s)}/s p99 {number(state.delay_p99_ms.get(lane))} ms"
        for lane, per_s in state.messages_per_s.items()
    ]
    parts.append(f"CPU server {_cores(state.server_cpu_cores)} tester {state.tester_cpu_cores:.2f}")
    if state.complaints:
        parts.append(f"complaints {sum(state.complaints.values()):,}")
    return " | ".join(parts)


class NullDisplay:
    """Shows nothing (`--quiet`, tests)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass

    def show(self, state: LiveState) -> None:
        pass


class PlainDisplay(NullDisplay):
    """One line every five seconds of the run, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = LINE_EVERY_S

    def show(self, state: LiveState) -> None:
        if state.elapsed_s < self._next_s:
            return
        self._next_s = (state.elapsed_s // LINE_EVERY_S + 1) * LINE_EVERY_S
        self._console.print(live_line(state), markup=False, highlight=False, soft_wrap=True)


class RichDisplay(NullDisplay):
    """A table that is drawn anew in place; gone when the run is over."""

    def __init__(self, console: Console) -> None:
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, state: LiveState) -> None:
        self._live.update(live_table(state), refresh=True)


def display_for(console: Console, *, quiet: bool = False) -> Display:
    """What suits where `console` writes to."""
    if quiet:
        return NullDisplay()
    return RichDisplay(console) if console.is_terminal else PlainDisplay(console)
