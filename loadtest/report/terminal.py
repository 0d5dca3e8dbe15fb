"""The report as tables in a terminal: 100 columns, and readable without colours and in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.report.figures import FIGURES, median_figure, reports_of
from loadtest.report.model import (
    Comparison,
    Complaint,
    Cost,
    Growth,
    Percentiles,
    Report,
    SloResult,
)
from loadtest.report.schema import AnyReport
from loadtest.report.words import (
    DASH,
    bitrate,
    count,
    duration,
    memory,
    number,
    one_line,
    percent,
    spread,
)

COLUMNS: Final = 100
COMPLAINTS_SHOWN: Final = 12


def report_console(console: Console) -> Console:
    """`console` narrowed to what the tables are made for; in a pipe as wide as that."""
    width = min(COLUMNS, console.width) if console.is_terminal else COLUMNS
    console.width = width
    return console


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


def print_growth(growth: Growth, console: Console) -> None:
    """A row for each size, then what was wrong with any of them."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Targets with median figures, then the ratios of each to the first."""
