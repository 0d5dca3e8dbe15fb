"""docs/protocol.md is true: its examples are valid, complete and its tables current."""

from __future__ import annotations

import json
import re
from typing import get_args

import msgspec
import pytest

from signaling import codec
from signaling.protocol import Batch, InMessage, OutMessage
from tests.support import protocol_docs
from tests.support.protocol_docs import wire_name

PAGE = protocol_docs.PATH.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```json (\w+)\n(.*?)\n```", PAGE, re.DOTALL)
CLIENT = [text for kind, text in BLOCKS if kind == "client"]
SERVER = [text for kind, text in BLOCKS if kind == "server"]


def test_every_example_says_who_sends_it() -> None:
    assert PAGE.count("```json") == len(BLOCKS) == len(CLIENT) + len(SERVER)


@pytest.mark.parametrize("text", CLIENT)
def test_client_examples_are_valid_and_have_no_unknown_fields(text: str) -> None:
    message = codec.decode_untrusted(text, "json")
    known = json.loads(msgspec.json.encode(message))
    assert json.loads(text).items() <= known.items()


@pytest.mark.parametrize("text", SERVER)
def test_server_examples_are_batches_and_have_no_unknown_fields(text: str) -> None:
    batch = msgspec.json.decode(text, type=Batch)
    assert _is_part_of(json.loads(text), json.loads(codec.encode(batch, "json")))


def _is_part_of(example: object, known: object) -> bool:
    """True when every field of the example is known; fields left at their default may be gone."""
    if isinstance(example, dict) and isinstance(known, dict):
        return all(_is_part_of(value, known.get(key, value)) for key, value in example.items())
    if isinstance(example, list) and isinstance(known, list):
        pairs = zip(example, known, strict=False)
        return len(example) == len(known) and all(_is_part_of(a, b) for a, b in pairs)
    return example == known


def test_every_client_message_has_an_example() -> None:
    shown = {json.loads(text)["type"] for text in CLIENT}
    assert shown == {wire_name(cls) for cls in get_args(InMessage)}


def test_every_server_message_has_an_example() -> None:
    shown = {m["type"] for text in SERVER for m in json.loads(text)["messages"]}
    assert shown == {wire_name(cls) for cls in get_args(OutMessage)}


def test_written_parts_are_current() -> None:
    """If not: python -m tests.support.protocol_docs"""
    assert protocol_docs.written(PAGE) == PAGE


def test_a_missing_mark_is_noticed() -> None:
    with pytest.raises(ValueError, match="needs one mark named events"):
        protocol_docs.written("")
