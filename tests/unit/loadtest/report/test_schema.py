from __future__ import annotations

import json

import msgspec
import pytest

from loadtest.report import model
from loadtest.report.schema import AnyReport, ReportError, decode, encode, json_schema
from tests.support.reports import a_comparison, a_growth, a_report, an_empty_report

ALL: list[AnyReport] = [a_report(seconds=3), an_empty_report(), a_growth(), a_comparison(rounds=1)]


@pytest.mark.parametrize("report", ALL, ids=["report", "empty", "growth", "comparison"])
def test_what_is_written_is_read_again(report: AnyReport) -> None:
    assert decode(encode(report)) == report


def test_programs_can_tell_the_kinds_apart() -> None:
    kinds = [json.loads(encode(report))["kind"] for report in ALL]
    assert kinds == ["report", "report", "growth", "comparison"]


def test_what_was_not_measured_is_null() -> None:
    data = json.loads(encode(an_empty_report()))
    assert data["cost"] is None
    assert data["totals"]["latency_ms"] is None


def test_what_is_no_number_is_null() -> None:
    report = a_report(seconds=1)
    odd = msgspec.structs.replace(report, definition={"x": float("nan")})
    assert json.loads(encode(odd))["definition"] == {"x": None}


def test_fields_of_a_later_version_of_the_same_meaning_are_ignored() -> None:
    data = json.loads(encode(a_report(seconds=1)))
    data["new"] = data["totals"]["new"] = 1
    assert decode(json.dumps(data).encode()) == a_report(seconds=1)


def changed(**changes: object) -> bytes:
    return json.dumps(json.loads(encode(a_report(seconds=1))) | changes).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a report"),
        (b"{}", "kind"),
        (b'{"kind": "song"}', "song"),
        (b"\xff\xfe", "not a report"),
        (b"[" * 100_000, "not a report"),
        (changed(seconds="long"), r"\$\.seconds"),
        (changed(version=model.VERSION + 1), f"reads up to {model.VERSION}"),
    ],
    ids=["empty", "no kind", "wrong kind", "no text", "deep", "wrong type", "later version"],
)
def test_anything_else_is_refused_in_one_line(data: bytes, why: str) -> None:
    with pytest.raises(ReportError, match=why) as refused:
        decode(data)
    assert "\n" not in str(refused.value)


def test_the_schema_describes_every_part() -> None:
    schema = json_schema()
    kinds = {"report": "Report", "growth": "Growth", "comparison": "Comparison"}
    assert {
        kind: reference.rpartition("/")[2]
        for kind, reference in schema["discriminator"]["mapping"].items()
    } == kinds
    structs = {
        name for name, kind in vars(model).items()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    }  # fmt: skip
    assert set(schema["$defs"]) == structs
    properties = schema["$defs"]["Report"]["properties"]
    assert set(properties) == set(json.loads(encode(a_report(seconds=1))))
