"""What is known of the media worker processes, as metric families."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from server.media_workers import MediaWorkers
from server.metrics import counter, gauge


def media_worker_metrics(workers: MediaWorkers | None) -> Iterator[Metric]:
    """The processes of media; None: there are none, media runs in the front."""
    up, restarts = (0, 0) if workers is None else (workers.up, workers.restarts)
    yield gauge("media_workers", "Media worker processes that take peers", {(): up})
    yield counter(
        "media_worker_restarts_total",
        "Media workers that ended and were started again",
        {(): restarts},
    )
