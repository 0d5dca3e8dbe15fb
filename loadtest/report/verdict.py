"""What a reader should know first: whether the limits were met, and what weakens the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from loadtest.report.model import Comparison, Growth, Report
from loadtest.report.schema import AnyReport

Verdict = Literal["pass", "miss", "none"]
"""`none`: no limits were set."""


def reports_in(report: AnyReport) -> Sequence[Report]:
    """All the runs in it."""
    return (report,) if isinstance(report, Report) else report.reports


def verdict_of(report: AnyReport) -> Verdict:
    """Of all limits of all runs; the exit code of the command follows it."""
    results = [result for run in reports_in(report) for result in run.slo]
    if not results:
        return "none"
    return "pass" if all(result.met for result in results) else "miss"


def verdict_text(report: AnyReport) -> str:
    """`5 of 5 limits met`, over all runs."""
    results = [result for run in reports_in(report) for result in run.slo]
    if not results:
        return "no limits were set"
    met = sum(result.met for result in results)
    limits = "1 limit" if len(results) == 1 else f"{len(results)} limits"
    return f"{met} of {limits} met"


def warnings_of(report: AnyReport) -> tuple[str, ...]:
    """What a reader must know before believing a figure: what the fields say, then the notes."""
    match report:
        case Report():
            found = [*_of_run(report), *report.notes]
        case Growth() | Comparison():
            found = [*_of_runs(report.reports)]
            if isinstance(report, Comparison):
                found += report.notes
            found += [note for run in report.reports for note in run.notes]
    return tuple(dict.fromkeys(found))


def _of_run(report: Report) -> list[str]:
    found = []
    if report.interrupted:
        found.append("the run was interrupted: the figures are of the part before")
    if report.tester.is_bottleneck:
        found.append(f"the tester was the bottleneck, not the server: {report.tester.why}")
    if report.cost is not None and report.cost.is_mixed:
        found.append(
            "packets and messages were delivered together: CPU per packet bears the cost of the"
            " messages, and CPU per message that of the packets"
        )
    return found


def _of_runs(reports: Sequence[Report]) -> list[str]:
    found = []
    total = len(reports)
    busy = [number for number, run in enumerate(reports, 1) if run.tester.is_bottleneck]
    if busy:
        found.append(
            f"the tester was the bottleneck in {len(busy)} of {total} runs (number"
            f" {', '.join(map(str, busy))}): {reports[busy[0] - 1].tester.why}"
        )
    cut = sum(run.interrupted for run in reports)
    if cut:
        found.append(f"{cut} of {total} runs were interrupted")
    if any(run.cost is not None and run.cost.is_mixed for run in reports):
        found.append(
            "packets and messages were delivered together: the cost of each bears that of the other"
        )
    return found
