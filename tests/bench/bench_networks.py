"""What a viewer sees and hears on bad networks: Chromium to Chromium through the real server.

    python -m tests.bench.bench_networks [--quick] [--out docs/networks.md]

Each has a link of its own in a namespace (root). A quick run is short, prints the table and writes
nothing. The same promises as tests: tests/browser/test_real_networks.py.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.network.conditions import Conditions, LinkConditions
from tests.bench.bench_fanout import describe_machine
from tests.support.busy_camera import FPS, HEIGHT, WIDTH
from tests.support.watched_link import WatchedLink, watched_link
from tests.support.watching import Seen

PAGE: Final = Path("docs/networks.md")
SECONDS: Final = 20.0
QUICK_SECONDS: Final = 5.0
BETWEEN_S: Final = 10.0
"""With good links, so that one condition is not measured in the wake of another."""
WIDE: Final = Conditions(rate_bps=3e6)
NARROW: Final = Conditions(rate_bps=4e5)
FAR: Final = Conditions(delay_ms=50, jitter_ms=30, reorder=0.02)
GOOD: Final = LinkConditions()
CUT: Final = LinkConditions.both(Conditions(loss=1))
OUTAGE_S: Final = 5.0

Happens = Callable[[WatchedLink, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to the links while the viewer watches."""

    name: str
    happens: Happens


@dataclass(frozen=True, slots=True)
class Row:
    """A case and what was seen."""

    name: str
    seen: Seen

    @property
    def cells(self) -> tuple[str, ...]:
        seen = self.seen
        lines = sorted(set(seen.heights()))
        return (
            self.name,
            f"{seen.freeze_s:.1f}",
            f"{seen.machine_s:.1f}",
            f"{seen.grown('freezes'):.0f} / {seen.grown('frozen'):.1f}",
            f"{seen.grown('frames') / seen.seconds:.1f}",
            f"{100 * seen.concealed:.1f}",
            "–".join(str(each) for each in dict.fromkeys((lines[0], lines[-1]))) if lines else "",
            f"{seen.bitrate_bps / 1000:.0f}",
            f"{seen.grown('nacks'):.0f}",
            f"{seen.grown('again'):.0f}",
            f"{seen.jitter_buffer_ms:.0f}",
        )


HEAD: Final = (
    "network", "longest freeze, s", "of it the machine's, s", "freezes / s", "pictures a second",
    "sound made up, %", "lines", "kbit/s", "NACKs", "sent again", "held back, ms",
)  # fmt: skip
ABOUT: Final = f"""\
# Bad networks

What a viewer in Chromium sees and hears of a host in Chromium, through the server, when a link gets
bad. Made by `python -m tests.bench.bench_networks` (root: each browser has a link of its own in a
namespace). The host sends {WIDTH}x{HEIGHT} at {FPS} pictures a second in three layers, the full one
of 2.5 Mbit/s, and Opus. Both browsers, the links and the server share the machine: what it did
itself to a freeze stands beside it.

- **longest freeze**: the longest time in which no picture was decoded or shown.
- **freezes / s**: `freezeCount` and `totalFreezesDuration` of `getStats`.
- **sound made up**: `concealedSamples` of `totalSamplesReceived`.
- **sent again**: packets that came by RTX, repairs and probes. **held back**: jitter buffer, mean.

"""


def downlink(conditions: Conditions) -> Happens:
    async def happens(link: WatchedLink, seconds: float) -> None:
        await link.narrow(conditions)
        await asyncio.sleep(seconds)

    return happens


def uplink(conditions: Conditions) -> Happens:
    async def happens(link: WatchedLink, seconds: float) -> None:
        await link.narrow(uplink=conditions)
        await asyncio.sleep(seconds)

    return happens


# Sleeps below are the schedule of the link while it is watched: they wait for nothing to pass.


async def far(link: WatchedLink, seconds: float) -> None:
    await link.change_viewers(LinkConditions.both(FAR))
    await asyncio.sleep(seconds)


async def narrows(link: WatchedLink, seconds: float) -> None:
    await link.narrow(WIDE)
    await asyncio.sleep(seconds / 4)
    await link.narrow(NARROW)
    await asyncio.sleep(3 * seconds / 4)


async def widens(link: WatchedLink, seconds: float) -> None:
    await link.narrow(WIDE)
    await asyncio.sleep(seconds)


async def outage(link: WatchedLink, seconds: float) -> None:
    await asyncio.sleep(1)
    await link.change_viewers(CUT)
    await asyncio.sleep(OUTAGE_S)
    await link.change_viewers(GOOD)
    await asyncio.sleep(seconds - OUTAGE_S)


CASES: Final = (
    Case("good", downlink(Conditions())),
    Case("3 Mbit/s, then 400 kbit/s", narrows),
    Case("3 Mbit/s again", widens),
    Case("5 % loss to the viewer", downlink(Conditions(loss=0.05))),
    Case("5 % loss of the host", uplink(Conditions(loss=0.05))),
    Case("100 ms, ± 30 ms, 2 % overtake", far),
    Case(f"nothing for {OUTAGE_S:g} s", outage),
    Case("20 % loss to the viewer", downlink(Conditions(loss=0.2))),
    Case("20 % loss of the host", uplink(Conditions(loss=0.2))),
    Case("30 % loss to the viewer", downlink(Conditions(loss=0.3))),
    Case("50 % loss to the viewer", downlink(Conditions(loss=0.5))),
    Case("70 % loss to the viewer", downlink(Conditions(loss=0.7))),
)
FOLLOWS: Final = "3 Mbit/s again"
"""Goes on where the case before it ended."""


async def measure(seconds: float, between_s: float, cases: Sequence[Case]) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="networks-") as folder:
        async with watched_link(Path(folder), "networks") as link:
            for case in cases:
                if case.name != FOLLOWS:
                    await link.mend()
                    await asyncio.sleep(between_s)
                seen = await link.watch_while(functools.partial(case.happens, link), seconds)
                rows.append(Row(case.name, seen))
                print(case.name, seen, sep=": ", flush=True)
    return rows


def table(rows: Sequence[Row]) -> str:
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page(rows: Sequence[Row]) -> str:
    made = ", ".join(describe_machine().values())
    return f"{ABOUT}{table(rows)}\n{rows[0].seen.seconds:.0f} s each; {made}.\n"


def main(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(prog="bench_networks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args(argv)
    if args.quick:
        rows = asyncio.run(measure(QUICK_SECONDS, 1.0, CASES[:2]))
    else:
        rows = asyncio.run(measure(SECONDS, BETWEEN_S, CASES))
        args.out.write_text(page(rows))
    print(table(rows))
    return rows


if __name__ == "__main__":
    main()
