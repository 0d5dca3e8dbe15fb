"""Reports as a run would make them, for the tests of what reads and shows them."""

from __future__ import annotations

import math
from random import Random

import msgspec

from loadtest.report.figures import ratios_of
from loadtest.report.model import (
    Comparison,
    Complaint,
    Cost,
    CostPoint,
    Feedback,
    Growth,
    Interval,
    Joined,
    LaneTotals,
    Lost,
    Machine,
    Percentiles,
    ProcessCost,
    Report,
    SloResult,
    TargetInfo,
    Tester,
    Totals,
)
from loadtest.report.percentiles import percentiles

SEED = 3
MACHINE = Machine(
    processor="Intel(R) Xeon(R) Processor @ 2.90GHz",
    cores=2,
    kernel="6.18.5",
    python="3.11.2",
    commit="d3a7ce5",
)
LIANMAI = TargetInfo(
    name="lianmai", url="http://127.0.0.1:8080", version="0.1.0", settings="event loop: uvloop"
)
JANUS = TargetInfo(
    name="janus", url="http://10.77.0.2:8088/janus", version="1.1.2", settings="event_loops=2"
)
BUSY = "it used 0.97 of one core; its event loop was 83 ms late at the 99th percentile"


def some_percentiles(rng: Random, middle: float, samples: int = 400) -> Percentiles:
    """Like delays are: most near the middle, a few far above."""
    found = percentiles(rng.lognormvariate(math.log(middle), 0.45) for _ in range(samples))
    assert found is not None, "samples were asked for"
    return found


def an_interval(rng: Random, second: int, seconds: int, viewers: int = 200) -> Interval:
    """People come over the first third; the last quarter brings a little loss."""
    share = min(1.0, second / max(1, seconds // 3))
    there = round(viewers * share)
    packets = there * 160
    has_messages = second > 2
    return Interval(
        at_s=float(second),
        publishers=1,
        viewers=there,
        sockets=there // 2,
        packets=packets,
        bits_per_s=packets * 8 * 900.0,
        holes=rng.randrange(6) if second > 0.75 * seconds else 0,
        latency_ms=some_percentiles(rng, 1.2 + share, 60) if there else None,
        lanes={"chat": 50 * there // 2, "question": rng.randrange(4)} if has_messages else {},
        lane_delay_ms={"chat": some_percentiles(rng, 14 + 4 * share, 50)} if has_messages else {},
        server_cpu_cores=0.01 + 0.09 * share + rng.random() * 0.01,
        server_memory_bytes=round(60e6 + 180e3 * there),
        tester_cpu_cores=0.04 + 0.45 * share + rng.random() * 0.05,
        tester_lag_ms=rng.random() * 6,
    )


def totals(rng: Random, viewers: int, seconds: int) -> Totals:
    sockets = viewers // 2
    packets = viewers * 160 * seconds
    return Totals(
        joined=(
            Joined(kind="publish", tried=1, succeeded=1, ms=some_percentiles(rng, 45, 1)),
            Joined(
                kind="watch",
                tried=viewers,
                succeeded=viewers - 1,
                ms=some_percentiles(rng, 62, viewers),
            ),
            Joined(
                kind="socket", tried=sockets, succeeded=sockets, ms=some_percentiles(rng, 9, 50)
            ),
            Joined(kind="mic", tried=6, succeeded=6, ms=some_percentiles(rng, 130, 6)),
        ),
        media=Lost(
            packets=packets,
            bytes=packets * 900,
            holes=37,
            duplicates=2,
            reordered=5,
            percent=100 * 37 / (packets + 35),
        ),
        latency_ms=some_percentiles(rng, 2.1),
        feedback=Feedback(
            nacks=61,
            plis=4,
            receiver_reports=viewers * seconds,
            rembs=viewers * seconds,
            resent=58,
            key_frames_asked=9,
        ),
        lanes=(
            LaneTotals(
                lane="chat",
                sent=50 * seconds,
                refused=3,
                delivered=50 * seconds * sockets - 120,
                expected=50 * seconds * sockets,
                shed=120,
                delay_ms=some_percentiles(rng, 17),
            ),
            LaneTotals(
                lane="question",
                sent=90,
                refused=0,
                delivered=180,
                expected=None,
                shed=0,
                delay_ms=some_percentiles(rng, 21, 90),
                lost=0,
            ),
        ),
    )


def a_cost(rng: Random, totals: Totals, seconds: int, us_per_packet: float = 3.1) -> Cost:
    assert totals.media is not None, "the sample has media"
    used_s = totals.media.packets * us_per_packet * 1e-6 * (0.95 + 0.1 * rng.random())
    delivered = sum(lane.delivered for lane in totals.lanes)
    return Cost(
        seconds=float(seconds),
        user_s=used_s * 0.4,
        system_s=used_s * 0.6,
        cpu_us_per_packet=used_s * 1e6 / totals.media.packets,
        cpu_us_per_message=used_s * 1e6 / delivered,
        is_mixed=True,
        memory_kib_per_viewer=176.0,
        memory_kib_per_socket=352.0,
        memory_bytes=96_000_000,
        processes=(
            ProcessCost(
                pid=4711,
                role="python -m server",
                user_s=used_s * 0.35,
                system_s=used_s * 0.58,
                memory_bytes=81_000_000,
            ),
            ProcessCost(
                pid=4712,
                role="valkey-server",
                user_s=used_s * 0.05,
                system_s=used_s * 0.02,
                memory_bytes=15_000_000,
            ),
        ),
    )


def a_report(
    *,
    seconds: int = 60,
    viewers: int = 200,
    target: TargetInfo = LIANMAI,
    us_per_packet: float = 3.1,
    is_bottleneck: bool = False,
    seed: int = SEED,
) -> Report:
    """A run with everything in it: all lanes that matter, a missed limit, one not measured."""
    rng = Random(seed)
    measured = totals(rng, viewers, seconds)
    cost = a_cost(rng, measured, seconds, us_per_packet)
    return Report(
        command="lianmai loadtest --scenario one-host-many-viewers --viewers 200 --json out.json",
        started="2026-03-01T12:30:00Z",
        machine=MACHINE,
        target=target,
        scenario="one-host-many-viewers",
        about="One host publishes two layers, 200 people watch, half of them chat.",
        definition={"name": "one-host-many-viewers", "duration_s": seconds, "seed": 7},
        seconds=float(seconds),
        interrupted=False,
        totals=measured,
        cost=cost,
        tester=Tester(
            cpu_cores=0.97 if is_bottleneck else 0.52,
            lag_ms=some_percentiles(rng, 40 if is_bottleneck else 1.1, 3000),
            receive_overflows=0,
            is_bottleneck=is_bottleneck,
            why=BUSY if is_bottleneck else "",
        ),
        slo=(
            SloResult(name="joined_percent", limit=">= 99", value=99.67, met=True),
            SloResult(name="packet_loss_percent", limit="<= 0.1", value=0.0019, met=True),
            SloResult(name="latency_p99_ms", limit="<= 5", value=6.4, met=False),
            SloResult(
                name="control_delay_p99_ms",
                limit="<= 100",
                value=None,
                met=False,
                why="no control was sent",
            ),
        ),
        series=tuple(
            an_interval(rng, second, seconds, viewers) for second in range(1, seconds + 1)
        ),
        complaints=(
            Complaint(text="watch refused: room_full", count=1),
            Complaint(text="chat refused: too_fast", count=3),
        ),
        notes=("server and tester share the cores of one machine",),
    )


def without_messages(report: Report) -> Report:
    """The same as if nobody had chatted."""
    assert report.cost is not None, "the sample has a cost"
    return msgspec.structs.replace(
        report,
        totals=msgspec.structs.replace(report.totals, lanes=()),
        cost=msgspec.structs.replace(
            report.cost, cpu_us_per_message=None, memory_kib_per_socket=None, is_mixed=False
        ),
    )


def an_empty_report() -> Report:
    """Nobody came in, and nothing was measured."""
    return msgspec.structs.replace(
        a_report(),
        seconds=0.0,
        interrupted=True,
        totals=Totals(joined=(), media=None, latency_ms=None, feedback=None, lanes=()),
        cost=None,
        tester=Tester(cpu_cores=0.0, lag_ms=None, receive_overflows=0, is_bottleneck=False, why=""),
        slo=(),
        series=(),
        complaints=(),
        notes=(),
    )


def a_growth() -> Growth:
    """The cost per packet falls while batches grow; the last step is too much for the tester."""
    points, reports = [], []
    for viewers, us in ((1, 14.2), (10, 6.1), (50, 4.0), (100, 3.4), (200, 3.1), (400, 3.2)):
        report = without_messages(
            a_report(viewers=viewers, us_per_packet=us, is_bottleneck=viewers == 400, seconds=20)
        )
        assert report.cost is not None, "the sample has a cost"
        assert report.totals.media is not None, "the sample has media"
        points.append(
            CostPoint(
                viewers=viewers,
                sockets=0,
                cpu_us_per_packet=report.cost.cpu_us_per_packet,
                cpu_us_per_message=None,
                memory_kib_per_viewer=report.cost.memory_kib_per_viewer,
                memory_kib_per_socket=None,
                latency_ms=report.totals.latency_ms,
                lost_percent=report.totals.media.percent,
                tester_is_bottleneck=report.tester.is_bottleneck,
            )
        )
        reports.append(report)
    return Growth(points=tuple(points), reports=tuple(reports))


def a_comparison(rounds: int = 4) -> Comparison:
    """Janus needs more than twice the CPU per packet."""
    reports = []
    for number in range(rounds):
        pair = (
            a_report(seconds=20, seed=10 + number),
            a_report(seconds=20, target=JANUS, us_per_packet=7.0 + 0.3 * number, seed=50 + number),
        )
        reports += [without_messages(report) for report in pair]
    return Comparison(
        targets=(LIANMAI, JANUS),
        rounds=rounds,
        reports=tuple(reports),
        ratios=ratios_of((LIANMAI, JANUS), reports),
        notes=("over a veth pair, GRO off at the reader",),
    )
