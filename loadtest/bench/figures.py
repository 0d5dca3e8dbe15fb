"""The machine as the bench report writes it. Percentiles live in `loadtest.report.percentiles`."""

from __future__ import annotations

import datetime

from loadtest.report import machine as machines
from loadtest.report.percentiles import percentile as percentile


def machine() -> dict[str, str]:
    """What a reader needs to compare: processor, cores, kernel, Python, date, commit."""
    here = machines.machine()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": here.processor,
        "cores": str(here.cores),
        "kernel": here.kernel,
        "python": here.python,
        "commit": here.commit,
    }
