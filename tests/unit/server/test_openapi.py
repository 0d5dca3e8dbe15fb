"""The description of the API is whole in itself."""

from __future__ import annotations

from server.openapi import document
from server.rest import OPERATIONS


def test_every_reference_leads_somewhere() -> None:
    described = document()
    schemas = described["components"]["schemas"]

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*(references(each) for each in value.values()))
        if isinstance(value, list):
            return set().union(*(references(each) for each in value))
        return set()

    found = references(described)
    assert found
    assert {ref.rpartition("/")[2] for ref in found} <= set(schemas)
    names = [operation.name for operation in OPERATIONS]
    assert len(names) == len(set(names))
