"""docs/benchmarks.md from what was measured: tables, ratios, commands, and what to doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.bench.joins import Joins
from loadtest.bench.plan import Part
from loadtest.report.figures import FIGURES
from loadtest.report.model import (
    Comparison,
    CostPoint,
    Growth,
    Interval,
    LaneTotals,
    Machine,
    Percentiles,
    Report,
)
from loadtest.report.schema import AnyReport

DASH: Final = "–"


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one `make bench`. `left_out` says what could not run here, and why."""

    date: str
    command: str
    machine: Machine
    first_frames: Sequence[Joins]
    parts: Sequence[tuple[Part, AnyReport]]
    left_out: Sequence[str]


def document(of: Measured, how: str) -> str:
    """The page. `how` is its hand-written end: what the figures mean."""
    lines = ["# Benchmarks", "", *_about(of)]
    if of.first_frames:
        lines += ["", *_first_frames(of.first_frames)]
    for part, report in of.parts:
        lines += ["", f"## {part.title}", "", f"{part.about} `{part.command}`", "", *_body(report)]
    if of.left_out:
        lines += ["", "## Left out", "", *(f"- {why}" for why in of.left_out)]
    return "\n".join(lines) + "\n\n" + how


def _about(of: Measured) -> list[str]:
    at = of.machine
    return [
        f"Made by `{of.command}` on {of.date}, commit {at.commit}: {at.processor}, {at.cores}"
        f" cores, Linux {at.kernel}, Python {at.python}. Server and tester share these cores, and"
        " the machine is shared with others: believe ratios before figures, and figures before"
        " their second digit.",
    ]


def _first_frames(of: Sequence[Joins]) -> list[str]:
    return [
        "## First picture",
        "",
        "From the WHEP POST, on a new TCP connection, to the first picture decoded in real"
        f" Chromium, {len(of[0].joins)} times. FFmpeg's WHIP muxer answers no PLI. RTT is that of"
        " our own impaired link, all of Chromium behind it. Each phase is a median by itself, in ms"
        " after the one before.",
        "",
        *_table(
            ("", "TCP", "HTTP", "ICE", "DTLS", "first packet", "decoded", "all, ms p50", "ms p95"),
            [
                (
                    joins.name,
                    *map(_number, joins.phases_ms_p50),
                    _number(joins.frame_ms(0.5)),
                    _number(joins.frame_ms(0.95)),
                )
                for joins in of
            ],
        ),
    ]


def _body(report: AnyReport) -> list[str]:
    match report:
        case Growth():
            return _growth(report)
        case Comparison():
            return _comparison(report)
        case Report():
            return _messages([report]) + _doubts([report])


def _growth(of: Growth) -> list[str]:
    is_media = any(point.cpu_us_per_packet is not None for point in of.points)
    body = _media_growth(of.points) if is_media else _messages(of.reports)
    return body + _doubts(of.reports)


def _media_growth(points: Iterable[CostPoint]) -> list[str]:
    return _table(
        ("viewers", "server CPU per packet, us", "latency p50, ms", "p99", "lost, %",
         "memory per viewer, KiB"),
        [
            (
                str(point.viewers),
                _number(point.cpu_us_per_packet),
                _of(point.latency_ms, lambda found: found.p50),
                _of(point.latency_ms, lambda found: found.p99),
                _number(point.lost_percent),
                _number(point.memory_kib_per_viewer),
            )
            for point in points
        ],
    )  # fmt: skip


def _messages(reports: Iterable[Report]) -> list[str]:
    rows = [
        _lane(report, lane)
        for report in reports
        for lane in report.totals.lanes
        if lane.delay_ms is not None
    ]
    return _table(
        ("sockets", "lane", "sent", "delivered, %", "delay p50, ms", "p99",
         "server CPU per delivered message, us", "memory per socket, KiB"),
        rows,
    )  # fmt: skip


def _lane(report: Report, lane: LaneTotals) -> tuple[str, ...]:
    cost = report.cost
    share = 100 * lane.delivered / lane.expected if lane.expected else None
    if lane.lost is not None and lane.sent:
        share = 100 * (lane.sent - lane.lost) / lane.sent
    return (
        str(_most(report, lambda each: each.sockets)),
        lane.lane,
        str(lane.sent),
        _number(share),
        _of(lane.delay_ms, lambda found: found.p50),
        _of(lane.delay_ms, lambda found: found.p99),
        _number(cost.cpu_us_per_message if cost else None),
        _number(cost.memory_kib_per_socket if cost else None),
    )


def _comparison(of: Comparison) -> list[str]:
    first = of.targets[0].name
    lines = _table(
        ("target", "round", "CPU, us per packet or message", "p50, ms", "p99",
         "memory each, KiB", "lost, %"),
        [_run(report, place // len(of.targets) + 1) for place, report in enumerate(of.reports)],
    )  # fmt: skip
    lines += ["", f"Times what {first} needs, pair by pair in time (more is worse for the other):"]
    lines += [""]
    lines += _table(
        ("figure", "target", "median", "lowest", "highest", "pairs"),
        [
            (
                FIGURES[ratio.figure].label.partition(",")[0],
                ratio.other,
                _number(ratio.median),
                _number(ratio.lowest),
                _number(ratio.highest),
                str(len(ratio.pairs)),
            )
            for ratio in of.ratios
        ],
    )
    lines += [""]
    lines += [f"- {each.name}: {each.version or 'version unknown'}; {each.settings}"
              for each in of.targets]  # fmt: skip
    return lines + _doubts(of.reports)


def _run(report: Report, number: int) -> tuple[str, ...]:
    cost, totals = report.cost, report.totals
    is_media = totals.media is not None
    delay = totals.latency_ms
    if not is_media:
        delay = next((lane.delay_ms for lane in totals.lanes if lane.lane == "chat"), None)
    spent = None if cost is None else cost.cpu_us_per_packet or cost.cpu_us_per_message
    held = None if cost is None else cost.memory_kib_per_viewer or cost.memory_kib_per_socket
    return (
        report.target.name,
        str(number),
        _number(spent),
        _of(delay, lambda found: found.p50),
        _of(delay, lambda found: found.p99),
        _number(held),
        _number(totals.media.percent if totals.media else _unheard(report)),
    )


def _unheard(report: Report) -> float | None:
    for lane in report.totals.lanes:
        if lane.lane == "chat" and lane.expected:
            # Who joins between a message's admission and its delivery gets it, unexpected.
            return max(0.0, 100 * (1 - lane.delivered / lane.expected))
    return None


def _doubts(reports: Iterable[Report]) -> list[str]:
    """What a reader must know, once for each run that has it."""
    found = [
        f"- {report.target.name}, {_size(report)}: {note}"
        for report in reports
        for note in (
            *([f"the tester was the limit: {report.tester.why}"] if report.tester.why else []),
            *report.notes,
            *(f"{each.count} x {each.text}" for each in report.complaints),
        )
    ]
    return ["", *found] if found else []


def _size(report: Report) -> str:
    viewers = _most(report, lambda each: each.viewers)
    return (
        f"{viewers} viewers" if viewers else f"{_most(report, lambda each: each.sockets)} sockets"
    )


def _most(report: Report, count: Callable[[Interval], int]) -> int:
    return max(map(count, report.series), default=0)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---:|" * len(headings)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _of(found: Percentiles | None, take: Callable[[Percentiles], float]) -> str:
    return _number(None if found is None else take(found))


def _number(value: float | None) -> str:
    """Two or three digits: more would be noise."""
    if value is None:
        return DASH
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}"
