from __future__ import annotations

import pytest

from tests.support import report_docs


def test_the_page_is_as_the_model_is() -> None:
    """If not: python -m tests.support.report_docs"""
    page = report_docs.PATH.read_text("utf-8")
    assert report_docs.written(page) == page


def test_every_part_of_the_model_is_told() -> None:
    found = {part.name: part for part in report_docs.parts()}
    assert list(found)[:3] == ["Report", "Growth", "Comparison"]
    assert {field.name for field in found["SloResult"].fields} == {
        "name", "limit", "value", "met", "why",
    }  # fmt: skip
    lost = next(field for field in found["LaneTotals"].fields if field.name == "lost")
    assert lost.kind == "integer or null"
    assert lost.about.startswith("Accepted by the server")


def test_a_mark_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="one mark named"):
        report_docs.written("")
