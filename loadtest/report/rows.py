"""The tables of a report as words: what the terminal and the page both show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.report.figures import FIGURES, figure_of, median_figure, reports_of
from loadtest.report.model import (
    Comparison,
    Complaint,
    CostPoint,
    Growth,
    LaneTotals,
    Machine,
    Percentiles,
    Report,
    TargetInfo,
)
from loadtest.report.words import DASH, bitrate, count, memory, number, percent


@dataclass(frozen=True, slots=True)
class Grid:
    """`words`: that many columns from the left hold words, the others hold numbers."""

    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    words: int = 1


EMPTY = Grid((), ())
_JOINING = {
    "publish": "publish: connected",
    "watch": "watch: first packet",
    "socket": "socket: welcome",
    "mic": "mic: connected in the seat",
}


def _three(of: Percentiles | None) -> tuple[str, str, str]:
    return (DASH,) * 3 if of is None else (number(of.p50), number(of.p95), number(of.p99))


def _worst(of: Percentiles | None) -> str:
    return DASH if of is None else number(of.worst)


def target_name(target: TargetInfo) -> str:
    """Name, version and where it is."""
    version = f" {target.version}" if target.version else ""
    where = f" at {target.url}" if target.url else ""
    return f"{target.name}{version}{where}"


def people(report: Report) -> Grid:
    return Grid(
        ("", "tried", "in", "failed", "p50 ms", "p95 ms", "p99 ms", "worst ms"),
        tuple(
            (
                _JOINING.get(joined.kind, joined.kind),
                count(joined.tried),
                count(joined.succeeded),
                count(joined.tried - joined.succeeded),
                *_three(joined.ms),
                _worst(joined.ms),
            )
            for joined in report.totals.joined
        ),
    )


def media_bits_per_s(report: Report) -> float | None:
    """Of all viewers together, over the measured part."""
    media = report.totals.media
    return None if media is None or report.seconds <= 0 else media.bytes * 8 / report.seconds


def media(report: Report) -> Grid:
    lost = report.totals.media
    if lost is None:
        return EMPTY
    return Grid(
        ("bitrate", "packets", "lost", "holes", "dupl.", "reord.", *_latency_headings()),
        (
            (
                bitrate(media_bits_per_s(report)),
                count(lost.packets),
                percent(lost.percent),
                count(lost.holes),
                count(lost.duplicates),
                count(lost.reordered),
                *_three(report.totals.latency_ms),
            ),
        ),
        words=0,
    )


def _latency_headings() -> tuple[str, ...]:
    return ("latency p50 ms", "p95 ms", "p99 ms")


def feedback(report: Report) -> Grid:
    sent = report.totals.feedback
    if sent is None:
        return EMPTY
    return Grid(
        ("NACK", "PLI", "RR", "REMB", "resent packets", "key frames asked of publishers"),
        (
            tuple(
                count(value)
                for value in (
                    sent.nacks,
                    sent.plis,
                    sent.receiver_reports,
                    sent.rembs,
                    sent.resent,
                    sent.key_frames_asked,
                )
            ),
        ),
        words=0,
    )


def lanes(report: Report) -> Grid:
    return Grid(
        (
            "lane",
            "sent",
            "refused",
            "delivered",
            "of",
            "shed",
            "lost",
            "p50 ms",
            "p95 ms",
            "p99 ms",
        ),
        tuple(_lane(lane) for lane in report.totals.lanes),
    )


def _lane(lane: LaneTotals) -> tuple[str, ...]:
    share = 100 * lane.delivered / lane.expected if lane.expected else None
    return (
        lane.lane,
        count(lane.sent),
        count(lane.refused),
        count(lane.delivered),
        percent(share),
        count(lane.shed),
        count(lane.lost),
        *_three(lane.delay_ms),
    )


def cost(report: Report) -> Grid:
    used = report.cost
    if used is None:
        return EMPTY
    cores = (used.user_s + used.system_s) / used.seconds if used.seconds > 0 else None
    return Grid(
        ("CPU, cores", "µs/packet", "µs/message", "memory", "KiB/viewer", "KiB/socket"),
        (
            (
                number(cores),
                number(used.cpu_us_per_packet),
                number(used.cpu_us_per_message),
                memory(used.memory_bytes),
                number(used.memory_kib_per_viewer),
                number(used.memory_kib_per_socket),
            ),
        ),
        words=0,
    )


def processes(report: Report) -> Grid:
    """Only where there are several."""
    if report.cost is None or len(report.cost.processes) < 2:
        return EMPTY
    return Grid(
        ("process", "pid", "user s", "system s", "memory"),
        tuple(
            (
                process.role,
                str(process.pid),
                f"{process.user_s:.2f}",
                f"{process.system_s:.2f}",
                memory(process.memory_bytes),
            )
            for process in report.cost.processes
        ),
    )


def tester(report: Report) -> Grid:
    of = report.tester
    return Grid(
        ("CPU, cores", "lag p50 ms", "p95 ms", "p99 ms", "worst ms", "packets not read in time"),
        (
            (
                number(of.cpu_cores),
                *_three(of.lag_ms),
                _worst(of.lag_ms),
                count(of.receive_overflows),
            ),
        ),
        words=0,
    )


def growth(of: Growth) -> Grid:
    """Columns that no step measured are left out."""
    rows = [_point(point) for point in of.points]
    kept = [
        heading
        for place, heading in enumerate(_POINT_HEADINGS)
        if any(row[place] not in (DASH, "") for row in rows)
    ]
    places = [_POINT_HEADINGS.index(heading) for heading in kept]
    return Grid(tuple(kept), tuple(tuple(row[place] for place in places) for row in rows), words=0)


_POINT_HEADINGS = (
    "viewers",
    "sockets",
    "µs/packet",
    "µs/message",
    "KiB/viewer",
    "KiB/socket",
    "latency p50",
    "p99 ms",
    "lost",
    "tester",
)


def _point(point: CostPoint) -> tuple[str, ...]:
    latency = point.latency_ms
    return (
        count(point.viewers),
        count(point.sockets),
        number(point.cpu_us_per_packet),
        number(point.cpu_us_per_message),
        number(point.memory_kib_per_viewer),
        number(point.memory_kib_per_socket),
        DASH if latency is None else number(latency.p50),
        DASH if latency is None else number(latency.p99),
        percent(point.lost_percent),
        "was the limit" if point.tester_is_bottleneck else "",
    )


def targets(comparison: Comparison) -> Grid:
    rows = []
    for place, target in enumerate(comparison.targets):
        reports = reports_of(comparison, place)
        busy = sum(report.tester.is_bottleneck for report in reports)
        met = sum(all(result.met for result in report.slo) for report in reports)
        rows.append(
            (
                target.name,
                target.version,
                target.settings,
                f"{len(reports)}",
                f"{met}" if any(report.slo for report in reports) else DASH,
                f"{busy}" if busy else "",
            )
        )
    return Grid(
        ("target", "version", "settings", "runs", "met limits", "tester the limit"),
        tuple(rows),
        words=3,
    )


def medians(comparison: Comparison) -> Grid:
    """A row for each figure that any target has, a column for each target."""
    rows = []
    for name, figure in FIGURES.items():
        values = [
            median_figure(name, reports_of(comparison, place))
            for place in range(len(comparison.targets))
        ]
        if any(value is not None for value in values):
            rows.append((figure.label, *(number(value) for value in values)))
    return Grid(("median of runs", *(target.name for target in comparison.targets)), tuple(rows))


def runs(reports: Sequence[Report]) -> Grid:
    """Each run by itself, in the order they ran."""
    names = ("cpu_us_per_packet", "cpu_us_per_message", "latency_p99_ms", "packet_loss_percent")
    measured = [
        name for name in names if any(figure_of(name, report) is not None for report in reports)
    ]
    return Grid(
        (
            "target",
            "started, UTC",
            *(FIGURES[name].label for name in measured),
            "limits met",
            "tester",
        ),
        tuple(
            (
                report.target.name,
                report.started.replace("T", " ").removesuffix("Z"),
                *(number(figure_of(name, report)) for name in measured),
                f"{sum(result.met for result in report.slo)} of {len(report.slo)}",
                "was the limit" if report.tester.is_bottleneck else "",
            )
            for report in reports
        ),
        words=2,
    )


def machine(of: Machine) -> str:
    """Where it ran, in a line."""
    return (
        f"{of.processor}, {of.cores} cores, Linux {of.kernel}, Python {of.python},"
        f" commit {of.commit}"
    )


def all_complaints(reports: Iterable[Report]) -> list[Complaint]:
    """Equal ones of all runs added up, most frequent first."""
    counts: dict[str, int] = {}
    for report in reports:
        for complaint in report.complaints:
            counts[complaint.text] = counts.get(complaint.text, 0) + complaint.count
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return [Complaint(text=text, count=times) for text, times in ranked]
