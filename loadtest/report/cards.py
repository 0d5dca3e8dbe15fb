"""The key figures of a report, as somebody reads them first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from loadtest.report.figures import FIGURES
from loadtest.report.model import Comparison, CostPoint, Growth, Percentiles, Report
from loadtest.report.rows import media_bits_per_s
from loadtest.report.words import bitrate, count, number, percent, spread, times


class Card(NamedTuple):
    """`label` is one of the page's words; `beside` stands small below."""

    label: str
    value: str
    unit: str = ""
    beside: str = ""


def cards_of(report: Report | Growth | Comparison) -> list[Card]:
    """Only of what was measured."""
    match report:
        case Report():
            return [*_media(report), *_messages(report), *_cost(report), _tester(report)]
        case Growth():
            return list(_growth(report))
        case Comparison():
            return list(_comparison(report))


def _media(report: Report) -> Iterator[Card]:
    for joined in report.totals.joined:
        if joined.kind == "watch":
            beside = f"of {count(joined.tried)}" + _first(joined.ms, "first packet")
            yield Card("watching", count(joined.succeeded), "", beside)
    media = report.totals.media
    if media is not None:
        value, _, unit = percent(media.percent).partition(" ")
        beside = f"{count(media.holes)} of {count(media.packets + media.holes)} packets"
        yield Card("lost", value, unit, f"{beside}, {bitrate(media_bits_per_s(report))}")
    latency = report.totals.latency_ms
    if latency is not None:
        yield Card("latency p99", number(latency.p99), "ms", _middle(latency))


def _messages(report: Report) -> Iterator[Card]:
    for joined in report.totals.joined:
        if joined.kind == "socket":
            beside = f"of {count(joined.tried)}" + _first(joined.ms, "welcome")
            yield Card("connected", count(joined.succeeded), "", beside)
    for lane in report.totals.lanes:
        if lane.lane == "chat" and lane.delay_ms is not None:
            yield Card("chat p99", number(lane.delay_ms.p99), "ms", _middle(lane.delay_ms))
        if lane.lane == "question" and lane.lost is not None:
            yield Card("questions lost", count(lane.lost), "", f"of {count(lane.sent)}")


def _middle(of: Percentiles) -> str:
    return f"p50 {number(of.p50)} ms, worst {number(of.worst)} ms"


def _first(of: Percentiles | None, what: str) -> str:
    return "" if of is None else f", {what} p95 {number(of.p95)} ms"


def _cost(report: Report) -> Iterator[Card]:
    cost = report.cost
    if cost is None:
        return
    mixed = "with the messages' cost" if cost.is_mixed else "user and system"
    if cost.cpu_us_per_packet is not None:
        yield Card("CPU per packet", number(cost.cpu_us_per_packet), "µs", mixed)
    if cost.cpu_us_per_message is not None:
        mixed = "with the packets' cost" if cost.is_mixed else "user and system"
        yield Card("CPU per message", number(cost.cpu_us_per_message), "µs", mixed)
    if cost.memory_kib_per_viewer is not None:
        yield Card("memory per viewer", number(cost.memory_kib_per_viewer), "KiB")
    if cost.memory_kib_per_socket is not None:
        yield Card("memory per socket", number(cost.memory_kib_per_socket), "KiB")


def _tester(report: Report) -> Card:
    lag = report.tester.lag_ms
    beside = "" if lag is None else f"event loop p99 {number(lag.p99)} ms late"
    return Card("tester CPU", number(report.tester.cpu_cores), "cores", beside)


def _growth(growth: Growth) -> Iterator[Card]:
    """From the smallest to the largest size at which the tester was not the limit."""
    sound = [point for point in growth.points if not point.tester_is_bottleneck]
    if not sound:
        return
    first, last = sound[0], sound[-1]
    size = f"at {_size(last)}; {{}} at {_size(first)}"
    figures = (
        ("CPU per packet", "µs", first.cpu_us_per_packet, last.cpu_us_per_packet),
        ("CPU per message", "µs", first.cpu_us_per_message, last.cpu_us_per_message),
        ("memory per viewer", "KiB", first.memory_kib_per_viewer, last.memory_kib_per_viewer),
        ("memory per socket", "KiB", first.memory_kib_per_socket, last.memory_kib_per_socket),
        ("latency p99", "ms", _p99(first), _p99(last)),
        ("lost", "%", first.lost_percent, last.lost_percent),
    )
    for label, unit, small, large in figures:
        if large is not None:
            yield Card(label, number(large), unit, size.format(number(small)))


def _size(point: CostPoint) -> str:
    parts = [(point.viewers, "viewer"), (point.sockets, "socket")]
    return " and ".join(
        f"{count(many)} {what}{'' if many == 1 else 's'}" for many, what in parts if many
    )


def _p99(point: CostPoint) -> float | None:
    return None if point.latency_ms is None else point.latency_ms.p99


def _comparison(comparison: Comparison) -> Iterator[Card]:
    first = comparison.targets[0].name
    for ratio in comparison.ratios:
        figure = FIGURES.get(ratio.figure)
        label = figure.label.partition(", ")[0] if figure else ratio.figure
        beside = f"{ratio.other} / {first}: {spread(ratio).partition(' ')[2].strip('()')}"
        yield Card(label, times(ratio.median), "", beside)
