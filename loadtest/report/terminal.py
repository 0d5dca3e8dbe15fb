"""The report as tables in a terminal: 100 columns, and readable without colours and in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from loadtest.report import rows
from loadtest.report.figures import FIGURES
from loadtest.report.model import Comparison, Complaint, Growth, Report, SloResult
from loadtest.report.rows import Grid
from loadtest.report.schema import AnyReport
from loadtest.report.verdict import reports_in, verdict_of, verdict_text, warnings_of
from loadtest.report.words import duration, number, one_line, spread

COLUMNS: Final = 100
COMPLAINTS_SHOWN: Final = 12
_WORDS_WIDTH: Final = 24
_VERDICTS: Final = {"pass": ("PASS", "bold green"), "miss": ("MISS", "bold red"), "none": ("", "")}


def print_any(report: AnyReport, console: Console) -> None:
    match report:
        case Report():
            print_report(report, console)
        case Growth():
            print_growth(report, console)
        case Comparison():
            print_comparison(report, console)
        case _:
            assert_never(report)


def print_report(report: Report, console: Console) -> None:
    """The whole report of one run."""
    out = _Sheet(console)
    out.line(f"{report.scenario} against {rows.target_name(report.target)}", "bold")
    out.line(report.about)
    out.line(
        f"{duration(report.seconds)} measured, {report.started}, {rows.machine(report.machine)}"
    )
    out.line(report.command)
    out.grid("People", rows.people(report))
    out.grid("Media", rows.media(report))
    out.grid("Feedback", rows.feedback(report))
    out.grid("Messages", rows.lanes(report))
    out.grid("Server", rows.cost(report))
    out.grid("Server processes", rows.processes(report))
    out.grid("Tester", rows.tester(report))
    out.limits(report.slo)
    out.complaints(report.complaints)
    out.warnings(warnings_of(report))
    out.verdict(report)


def print_growth(growth: Growth, console: Console) -> None:
    """A row for each size, then what was wrong with any of them."""
    out = _Sheet(console)
    if growth.reports:
        first = growth.reports[0]
        out.line(f"{first.scenario} at growing size, {rows.target_name(first.target)}", "bold")
        out.line(rows.machine(first.machine))
    out.grid("Growth", rows.growth(growth))
    out.complaints(rows.all_complaints(growth.reports))
    out.warnings(warnings_of(growth))
    out.verdict(growth)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Targets with median figures, then the ratios of each to the first."""
    out = _Sheet(console)
    if comparison.reports:
        first = comparison.reports[0]
        names = ", ".join(target.name for target in comparison.targets)
        out.line(f"{first.scenario}, {comparison.rounds} rounds of {names}", "bold")
        out.line(rows.machine(first.machine))
    out.grid("Targets", rows.targets(comparison))
    out.grid("Medians", rows.medians(comparison))
    out.ratios(comparison)
    out.complaints(rows.all_complaints(comparison.reports))
    out.warnings(warnings_of(comparison))
    out.verdict(comparison)


class _Sheet:
    """Prints parts under each other; empty ones are left out. What is no terminal has no width of
    its own and gets all the columns."""

    def __init__(self, console: Console) -> None:
        self._console = console
        if not console.is_terminal:
            console.width = COLUMNS
        self._width = min(COLUMNS, console.width)

    def _put(self, part: RenderableType) -> None:
        self._console.print(part, width=self._width, highlight=False, markup=False, emoji=False)

    def line(self, text: str, style: str = "") -> None:
        if text:
            self._put(Text(one_line(text), style=style))

    def _title(self, text: str) -> None:
        self._put("")
        self._put(Text(text, style="bold"))

    def grid(self, title: str, grid: Grid) -> None:
        if not grid.cells:
            return
        self._title(title)
        table = plain_table()
        for place, heading in enumerate(grid.headings):
            is_words = place < grid.words
            longest = max(cell_len(cells[place]) for cells in grid.cells)
            table.add_column(
                Text(heading), justify="left" if is_words else "right", overflow="fold",
                # Headings wrap; a number that does tells a lie.
                min_width=min(longest, _WORDS_WIDTH) if is_words else longest,
            )  # fmt: skip
        for cells in grid.cells:
            table.add_row(*(Text(one_line(cell)) for cell in cells))
        self._put(table)

    def limits(self, results: Sequence[SloResult]) -> None:
        if not results:
            return
        self._title("Limits")
        table = plain_table()
        table.add_column("")
        table.add_column("limit")
        table.add_column("wanted", justify="right")
        table.add_column("measured", justify="right")
        table.add_column("")
        for result in results:
            mark = Text("✓ pass", "green") if result.met else Text("✗ miss", "bold red")
            cells = (result.name, result.limit, number(result.value, 6), result.why)
            table.add_row(mark, *(Text(one_line(cell)) for cell in cells))
        self._put(table)

    def ratios(self, comparison: Comparison) -> None:
        if not comparison.ratios:
            return
        self._title(f"Ratios to {comparison.targets[0].name}: median (lowest-highest)")
        table = plain_table(headings=False)
        for ratio in comparison.ratios:
            figure = FIGURES.get(ratio.figure)
            label = figure.label.partition(",")[0] if figure else ratio.figure
            table.add_row(*(Text(one_line(cell)) for cell in (ratio.other, label, spread(ratio))))
        self._put(table)
        self.line("Above 1x: more of it than the first target.", "dim")

    def complaints(self, complaints: Sequence[Complaint]) -> None:
        if not complaints:
            return
        self._title("Complaints")
        ranked = sorted(complaints, key=lambda complaint: -complaint.count)
        for complaint in ranked[:COMPLAINTS_SHOWN]:
            self.line(f"{complaint.count:,} x {complaint.text}", "yellow")
        if len(ranked) > COMPLAINTS_SHOWN:
            self.line(f"and {len(ranked) - COMPLAINTS_SHOWN} other kinds")

    def warnings(self, warnings: Sequence[str]) -> None:
        if not warnings:
            return
        self._title("Notes")
        table = plain_table(headings=False)
        for warning in warnings:
            table.add_row("!", Text(one_line(warning), style="yellow"))
        self._put(table)

    def verdict(self, report: AnyReport) -> None:
        if not reports_in(report):
            return
        self._put("")
        word, style = _VERDICTS[verdict_of(report)]
        self.line(f"{word} {verdict_text(report)}".strip(), style)


def plain_table(*, headings: bool = True) -> Table:
    """Space between columns and no lines: the same in a pipe as on a screen."""
    return Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=headings,
        header_style="dim", show_edge=False,
    )  # fmt: skip
