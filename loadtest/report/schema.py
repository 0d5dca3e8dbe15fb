"""The JSON file of a run: written, read again, and described by a JSON Schema.

`python -m loadtest.report.schema` prints the schema.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from loadtest.report.model import VERSION, Comparison, Growth, Report

AnyReport = Report | Growth | Comparison
"""Told apart by `kind`: `report`, `growth` or `comparison`."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class ReportError(Exception):
    """A file that is no report, or cannot be read or written. One line."""


def encode(report: AnyReport) -> bytes:
    """UTF-8 JSON, indented, with a newline at the end. What is not a number is written as null."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(data: bytes) -> AnyReport:
    """The opposite of `encode`. Fields that this version does not know are ignored. Raises
    ReportError for anything else than a report, and for one of a later version."""
    try:
        report: AnyReport = msgspec.json.decode(data, type=AnyReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"not a report of lianmai loadtest: {error}") from None
    if report.version > VERSION:
        raise ReportError(
            f"the report has version {report.version}; this lianmai reads up to {VERSION}"
        )
    return report


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what `encode` writes."""
    return {"$schema": DIALECT, **msgspec.json.schema(AnyReport)}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
