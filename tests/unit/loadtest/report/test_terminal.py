from __future__ import annotations

import io
import re

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from loadtest.report.model import Complaint, SloResult
from loadtest.report.schema import AnyReport
from loadtest.report.terminal import COLUMNS, COMPLAINTS_SHOWN, print_any
from tests.support.reports import a_comparison, a_growth, a_report, an_empty_report


def printed(report: AnyReport, *, width: int | None = None, terminal: bool = False) -> str:
    """Into a pipe, unless told otherwise."""
    file = io.StringIO()
    print_any(report, Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return file.getvalue()


def lines_with(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


ALL: list[AnyReport] = [a_report(), an_empty_report(), a_growth(), a_comparison()]


@pytest.mark.parametrize("report", ALL, ids=["report", "empty", "growth", "comparison"])
def test_it_fits_and_is_plain_text_in_a_pipe(report: AnyReport) -> None:
    text = printed(report)
    assert max(cell_len(line) for line in text.splitlines()) <= COLUMNS
    assert "\x1b" not in text
    assert "None" not in text


def test_nothing_is_cut_off_in_a_pipe() -> None:
    assert "…" not in "".join(printed(report) for report in ALL)


def test_in_a_narrow_terminal_it_keeps_to_the_width() -> None:
    text = printed(a_report(), width=70, terminal=True)
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 70


def test_a_run_from_its_name_to_its_verdict() -> None:
    text = printed(a_report())
    assert text.startswith("one-host-many-viewers against lianmai 0.1.0 at http://127.0.0.1:8080")
    assert text.rstrip().endswith("MISS 2 of 4 limits met")
    [people] = lines_with(text, "watch: first packet")
    assert people.split()[3:6] == ["200", "199", "1"]
    [media] = lines_with(text, "Mbit/s")
    assert media.split()[:8] == ["230", "Mbit/s", "1,920,000", "0.00193", "%", "37", "2", "5"]
    [chat] = lines_with(text, "99.96 %")
    assert chat.split()[:4] == ["chat", "3,000", "3", "299,880"]


def test_limits_say_pass_and_miss_in_words() -> None:
    text = printed(a_report())
    assert re.search(r"✓ pass +joined_percent +>= 99 +99\.67", text)
    assert re.search(r"✗ miss +latency_p99_ms +<= 5 +6\.4", text)
    assert re.search(r"✗ miss +control_delay_p99_ms +<= 100 +– +no control was sent", text)


def test_a_run_that_passes_says_so() -> None:
    met = SloResult(name="complaints", limit="<= 0", value=0.0, met=True)
    text = printed(msgspec.structs.replace(a_report(), slo=(met,)))
    assert text.rstrip().endswith("PASS 1 of 1 limit met")


def test_what_was_not_measured_has_no_table() -> None:
    text = printed(an_empty_report())
    titles = {line for line in text.splitlines() if line and ":" not in line}
    assert {"Media", "Messages", "Server", "Limits"}.isdisjoint(titles)


def test_names_from_outside_are_text_and_nothing_else() -> None:
    nasty = "[bold red]x[/] \x1b[2J :smile: \n弹幕"
    report = msgspec.structs.replace(
        a_report(), scenario=nasty, complaints=(Complaint(text=nasty, count=1),)
    )
    text = printed(report)
    assert "1 x [bold red]x[/] [2J :smile: 弹幕" in text
    assert "\x1b" not in text


def test_only_the_most_frequent_complaints_are_shown() -> None:
    many = tuple(Complaint(text=f"kind {n}", count=n + 1) for n in range(COMPLAINTS_SHOWN + 5))
    text = printed(msgspec.structs.replace(a_report(), complaints=many))
    assert len(lines_with(text, " x kind ")) == COMPLAINTS_SHOWN
    assert f"{COMPLAINTS_SHOWN + 5} x kind {COMPLAINTS_SHOWN + 4}" in text
    assert "and 5 other kinds" in text


def test_growth_marks_where_the_tester_was_the_limit() -> None:
    text = printed(a_growth())
    [limited] = lines_with(text, "was the limit")
    assert limited.split()[0] == "400"
    assert "µs/message" not in text  # nobody measured it


def test_a_comparison_gives_medians_and_ratios_with_spread() -> None:
    text = printed(a_comparison())
    assert re.search(r"CPU per packet, µs +3\.\d+ +7\.\d+", text)
    assert re.search(r"janus +CPU per packet +2\.\d\dx \(2\.\d\d-2\.\d\d, 4 pairs\)", text)
