"""Stamps give the delay of the message whose text they stand in."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgpack
import pytest

from loadtest.sockets.delays import MAX_DELAY_S, delays_of
from loadtest.sockets.stamp import stamp
from loadtest.targets.target import Encoding, Lane

NOW_US = 1_767_348_000_000_000


def delays(encoding: Encoding, *messages: Mapping[str, object]) -> list[tuple[Lane, float]]:
    kinds = frozenset(str(message["type"]) for message in messages)
    return delays_of(frame_of(encoding, *messages), kinds, encoding, NOW_US)


def frame_of(encoding: Encoding, *messages: Mapping[str, object]) -> bytes:
    batch = {"messages": list(messages)}
    if encoding == "json":
        return json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()
    packed: bytes = msgpack.packb(batch)
    return packed


def sent(before_s: float) -> str:
    return stamp("好看", NOW_US - int(before_s * 1e6))


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_lanes_and_delays(encoding: Encoding) -> None:
    found = delays(
        encoding,
        {"type": "question_asked", "question": {"text": sent(0.25)}},
        {"type": "question_answered", "question": {"text": sent(8)}},
        {"type": "seat_taken", "seat": {"name": "~t1~"}},
        {"type": "chat_said", "chat": {"text": "no stamp"}},
        {"type": "chat_said", "chat": {"text": sent(0.5)}},
        {"type": "chat_said", "chat": {"text": sent(0)}},
    )
    assert found == [("question", 0.25), ("chat", 0.5), ("chat", 0.0)]


@pytest.mark.parametrize("before_s", [-0.001, MAX_DELAY_S + 1])
def test_what_another_run_stamped_is_left_out(before_s: float) -> None:
    said = {"type": "chat_said", "chat": {"text": sent(before_s)}}
    assert delays("json", said) == []
    assert delays("json", said, {"type": "question_asked", "question": {}}) == []


def test_history_in_a_welcome_has_no_delay() -> None:
    welcome = {"type": "welcome", "chat": [{"text": sent(3)}]}
    said = {"type": "chat_said", "chat": {"text": sent(0.5)}}
    assert delays("json", welcome) == []
    assert delays("json", welcome, said) == [("chat", 0.5)]


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_frame_of_chat_alone(encoding: Encoding) -> None:
    said = [{"type": "chat_said", "chat": {"text": sent(n / 4)}} for n in range(50)]
    counts = {"type": "counts", "viewers": 1}
    assert delays(encoding, *said, counts) == [("chat", n / 4) for n in range(50)]
    assert delays(encoding, counts) == []
