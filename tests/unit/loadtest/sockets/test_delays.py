"""Stamps give the delay of the message whose text they stand in."""

from __future__ import annotations

import json

import msgpack
import pytest

from loadtest.sockets.delays import MAX_DELAY_S, delays_of
from loadtest.sockets.stamp import stamp
from loadtest.targets.target import Encoding

NOW_US = 1_767_348_000_000_000


def frame_of(encoding: Encoding, *messages: dict[str, object]) -> bytes:
    batch = {"messages": list(messages)}
    if encoding == "json":
        return json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()
    packed: bytes = msgpack.packb(batch)
    return packed


def sent(before_s: float) -> str:
    return stamp("好看", NOW_US - int(before_s * 1e6))


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_lanes_and_delays(encoding: Encoding) -> None:
    frame = frame_of(
        encoding,
        {"type": "question_asked", "question": {"text": sent(0.25)}},
        {"type": "question_answered", "question": {"text": sent(8)}},
        {"type": "seat_taken", "seat": {"name": "~t1~"}},
        {"type": "chat_said", "chat": {"text": "no stamp"}},
        {"type": "chat_said", "chat": {"text": sent(0.5)}},
        {"type": "chat_said", "chat": {"text": sent(0)}},
    )
    assert delays_of(frame, encoding, NOW_US) == [("question", 0.25), ("chat", 0.5), ("chat", 0.0)]


@pytest.mark.parametrize("before_s", [-0.001, MAX_DELAY_S + 1])
def test_what_another_run_stamped_is_left_out(before_s: float) -> None:
    frame = frame_of("json", {"type": "chat_said", "chat": {"text": sent(before_s)}})
    assert delays_of(frame, "json", NOW_US) == []


def test_history_in_a_welcome_has_no_delay() -> None:
    frame = frame_of("json", {"type": "welcome", "chat": [{"text": sent(3)}]})
    assert delays_of(frame, "json", NOW_US) == []
