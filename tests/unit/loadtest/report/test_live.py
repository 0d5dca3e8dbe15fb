from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from loadtest.report.live import (
    LINE_EVERY_S,
    LiveState,
    NullDisplay,
    PlainDisplay,
    RichDisplay,
    display_for,
    live_line,
    live_table,
)

STATE = LiveState(
    elapsed_s=32.0,
    duration_s=60.0,
    title="danmaku-flood against lianmai [red]",
    publishers=1,
    viewers=120,
    viewers_wanted=200,
    sockets=99,
    sockets_wanted=100,
    bits_per_s=1.3e8,
    lost_percent=0.012,
    latency_p50_ms=1.23,
    latency_p99_ms=5.3,
    messages_per_s={"chat": 5000.0, "question": 1.0},
    delay_p99_ms={"chat": 30.0},
    tester_cpu_cores=0.4,
    tester_lag_ms=3.0,
    server_cpu_cores=0.61,
    server_memory_bytes=90_000_000,
    complaints={f"watch refused: [b]{n}": n for n in range(1, 9)},
)
EMPTY = LiveState()


def drawn(state: LiveState, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(live_table(state))
    return capture.get()


def test_the_table_holds_all_of_the_state() -> None:
    text = drawn(STATE)
    for part in ("32 s of 1:00", "[red]", "120/200 watch", "99/100 sockets", "130 Mbit/s",
                 "0.012 % lost", "p50 1.23 ms", "p99 5.3 ms", "5,000", "0.61 CPU", "85.8 MiB",
                 "0.40 CPU", "3 ms late", "8 x watch refused: [b]8"):  # fmt: skip
        assert part in text
    assert "and 3 other kinds" in text


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("state", [STATE, EMPTY], ids=["full", "empty"])
def test_the_table_fits(state: LiveState, width: int) -> None:
    assert max(cell_len(line.rstrip()) for line in drawn(state, width).splitlines()) <= width


def test_the_line_holds_it_too() -> None:
    line = live_line(STATE)
    assert "\n" not in line
    for part in ("32 s/1:00", "viewers 120/200", "chat 5,000/s p99 30 ms", "complaints 36"):
        assert part in line


def test_a_pipe_gets_a_line_every_five_seconds_of_the_run() -> None:
    file = io.StringIO()
    with PlainDisplay(Console(file=file, width=40)) as display:
        for second in range(1, 17):
            display.show(LiveState(elapsed_s=float(second), duration_s=20.0))
    lines = file.getvalue().splitlines()
    assert [line.split("/")[0] for line in lines] == ["5 s", "10 s", "15 s"]
    assert LINE_EVERY_S == 5


def test_a_stall_is_not_made_up_for() -> None:
    file = io.StringIO()
    with PlainDisplay(Console(file=file)) as display:
        for second in (23.0, 23.5, 24.0, 25.0):
            display.show(LiveState(elapsed_s=second))
    assert [line.split("/")[0] for line in file.getvalue().splitlines()] == ["23 s", "25 s"]


def test_a_terminal_gets_a_table_that_is_gone_afterwards() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100)
    with RichDisplay(console) as display:
        display.show(STATE)
        assert "120/200 watch" in file.getvalue()
        shown = len(file.getvalue())
    assert "\x1b[2K" in file.getvalue()[shown:]  # erases its lines


def test_each_place_gets_its_display() -> None:
    pipe, terminal = Console(file=io.StringIO()), Console(file=io.StringIO(), force_terminal=True)
    assert type(display_for(pipe)) is PlainDisplay
    assert type(display_for(terminal)) is RichDisplay
    assert type(display_for(terminal, quiet=True)) is NullDisplay
