"""`/metrics`: Prometheus families with the names of docs/metrics.md.

Parts count in plain integers on their own paths; they are read here at scrape time only, so that
a packet or a message never pays for being measured. No label holds a room or a user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isinf
from typing import Final

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from server.app_keys import METRICS
from server.counters import Counters
from signaling.distribution import Distribution

PREFIX: Final = "lianmai_"
LAG_PERIOD_S: Final = 0.5
"""How often the loop's lag is measured: 120 samples a minute, one timer."""
_JOIN_BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_LAG_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

Source = Callable[[], Iterable[Metric]]
"""Reads one part's plain counters into families."""


class Metrics(Collector):
    """The registry of one server, its histograms, and the parts it reads at scrape time."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.registry = CollectorRegistry()
        self.join_seconds = Histogram(
            f"{PREFIX}join_seconds",
            "From a socket's join message to its session",
            buckets=_JOIN_BUCKETS,
            registry=self.registry,
        )
        self.loop_lag_seconds = Histogram(
            f"{PREFIX}event_loop_lag_seconds",
            "How late the event loop wakes up",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._sources: list[Source] = [lambda: front_metrics(self.counters)]
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def add_source(self, source: Source) -> None:
        """Read this part too."""
        self._sources.append(source)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry at every scrape."""
        for source in self._sources:
            yield from source()

    async def watch_loop(self) -> None:
        """Measure the loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PERIOD_S
            await asyncio.sleep(LAG_PERIOD_S)
            self.loop_lag_seconds.observe(max(0.0, loop.time() - due))


def counter(
    name: str, text: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> Metric:
    """A counter family; `name` ends in `_total`, the keys of `values` are label values."""
    family = CounterMetricFamily(f"{PREFIX}{name.removesuffix('_total')}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def gauge(
    name: str, text: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> Metric:
    """A gauge family; the keys of `values` are label values."""
    family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def histogram(
    name: str,
    text: str,
    values: Mapping[tuple[str, ...], Distribution],
    labels: tuple[str, ...] = (),
) -> Metric:
    """A histogram family; the keys of `values` are label values."""
    family = HistogramMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for key, found in values.items():
        buckets = [
            ("+Inf" if isinf(edge) else str(edge), count) for edge, count in found.cumulative()
        ]
        family.add_metric(key, buckets, found.sum)
    return family


def front_metrics(counters: Counters) -> Iterator[Metric]:
    """What the HTTP and WebSocket front counts."""
    yield gauge("sockets", "Open WebSockets", {(): counters.sockets_open})
    yield counter("socket_frames_total", "Frames written to sockets", {(): counters.frames_out})
    yield counter("socket_bytes_total", "Bytes written to sockets", {(): counters.bytes_out})
    yield counter(
        "sessions_total",
        "WHIP and WHEP sessions by what became of the request",
        counters.sessions,
        ("door", "outcome"),
    )
    yield counter(
        "messages_in_total",
        "Messages from clients",
        {(lane.name.lower(),): count for lane, count in counters.messages_in.items()},
        ("lane",),
    )
    yield counter(
        "http_refusals_total",
        "HTTP requests refused, by code",
        {(code,): count for code, count in counters.http_refusals.items()},
        ("code",),
    )
    yield counter(
        "socket_refusals_total",
        "Errors said by the socket front (joins, malformed and too many messages)",
        {(code,): count for code, count in counters.socket_refusals.items()},
        ("code",),
    )
    yield counter(
        "socket_closes_total",
        "WebSockets closed by us, by close code",
        {(name,): count for name, count in counters.socket_closes.items()},
        ("code",),
    )


async def metrics(request: web.Request) -> web.Response:
    """All families in the format that the scraper asks for."""
    encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
    body = encode(request.app[METRICS].registry)
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


def add_routes(app: web.Application) -> None:
    app.router.add_get("/metrics", metrics)
