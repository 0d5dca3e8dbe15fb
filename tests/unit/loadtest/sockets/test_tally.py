"""Counting without decoding, held to the plain way on frames of the real server's codec."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sockets.tally import REPLIES, Tallies, Tally, decode, tally_of
from loadtest.targets.target import Encoding
from signaling.codec import encode
from signaling.protocol import (
    Ack,
    Batch,
    ChatSaid,
    Counts,
    Error,
    OutMessage,
    QuestionDismissed,
    SeatLeft,
    Shed,
)
from signaling.views import ChatView

ENCODINGS: tuple[Encoding, ...] = ("json", "msgpack")
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS)
MEAN_TEXTS = (
    '"type":"chat_said"',
    "chat_said",
    "counts",
    '\\"type\\":\\"counts\\"',
    "ätype" + "é" + "chat_said",
    "\u00a4type\u00a9chat_said",
    '"log":"k.1-0"',
    "£log" + "\u00b4k.1-0",
    '}],"log":"x","chat":"y"}',
)


def chat_said(text: str) -> ChatSaid:
    return ChatSaid(
        ChatView(message_id="m_1", subject=text, name=text, role="viewer", text=text, at_ms=1)
    )


def frame_of(encoding: Encoding, *messages: OutMessage, **positions: str) -> bytes:
    return encode(Batch(messages=messages, **positions), encoding)


def check(encoding: Encoding, frame: bytes) -> Tally:
    """Searched, known and decoded tallies of a frame agree; returns it."""
    plain = tally_of(decode(frame, encoding))
    tallies = Tallies(encoding)
    for _ in range(2):
        tally = tallies.tally(frame)
        assert sorted(tally.lanes) == sorted(plain.lanes)
        assert tally.kinds == plain.kinds
        if REPLIES.isdisjoint(tally.kinds):
            assert (tally.log, tally.chat) == (plain.log, plain.chat)
    return plain


@each_encoding
def test_a_frame_of_everything(encoding: Encoding) -> None:
    frame = frame_of(
        encoding,
        SeatLeft(seat=1, subject="u", reason="left", on_ms=1),
        Ack(id="m-1"),
        QuestionDismissed(question_id="q", subject="u"),
        chat_said("好看"),
        chat_said("好看"),
        Counts(viewers=1, likes=2),
        Shed(lane="chat", count=9, reason="flood"),
        log="k3v9.1767348000123-0",
        chat="k3v9.1767348000456-2",
    )
    tally = check(encoding, frame)
    assert dict(tally.lanes) == {"control": 2, "question": 1, "chat": 2, "ambient": 1}
    assert "shed" in tally.kinds


@each_encoding
@pytest.mark.parametrize("text", MEAN_TEXTS)
def test_texts_imitate_nothing(encoding: Encoding, text: str) -> None:
    for positions in ({}, {"chat": "k.2-0"}, {"log": "k.1-0", "chat": "k.2-0"}):
        tally = check(encoding, frame_of(encoding, chat_said(text), **positions))
        assert dict(tally.lanes) == {"chat": 1}
        assert tally.chat == positions.get("chat")


@each_encoding
@given(
    texts=st.lists(st.text(max_size=40) | st.sampled_from(MEAN_TEXTS), max_size=5),
    log=st.none() | st.from_regex(r"[a-z0-9.-]{1,31}", fullmatch=True),
    chat=st.none() | st.from_regex(r"[a-z0-9.-]{1,31}", fullmatch=True),
)
def test_searching_is_as_good_as_decoding(
    encoding: Encoding, texts: list[str], log: str | None, chat: str | None
) -> None:
    messages = [chat_said(text) for text in texts if text.isprintable()]
    check(encoding, encode(Batch(messages=tuple(messages), log=log, chat=chat), encoding))


@each_encoding
def test_the_last_few_frames_are_kept_apart(encoding: Encoding) -> None:
    tallies = Tallies(encoding)
    frames = [frame_of(encoding, *[chat_said("a")] * n) for n in range(1, 9)]
    for frame, n in [*zip(frames, range(1, 9), strict=True), (frames[0], 1), (frames[7], 8)]:
        assert dict(tallies.tally(frame).lanes) == {"chat": n}


def test_a_server_that_writes_spaces_is_decoded_and_counted_all_the_same() -> None:
    tallies = Tallies("json")
    batch: dict[str, Any] = {"messages": [{"type": "counts"}, {"type": "chat_said"}], "log": "k"}
    spaced = json.dumps(batch).encode()
    tallies.check(json.dumps({"messages": [{"type": "welcome"}]}).encode())
    assert tallies.tally(spaced) == tally_of(batch)
    tallies.check(b'{"messages":[{"type":"welcome"}]}')
    assert tallies.tally(b'{"messages":[{"type":"counts"}]}').lanes == (("ambient", 1),)


@pytest.mark.parametrize(
    ("encoding", "frame"),
    [
        ("json", b""),
        ("json", b"[]"),
        ("json", b'{"messages":1}'),
        ("json", b'{"messages":["\xff"]}'),
        ("msgpack", b""),
        ("msgpack", msgpack.packb([1])),
        ("msgpack", b"\x81\xa8messages\xa1\xff"),
    ],
)
def test_nonsense_is_a_value_error(encoding: Encoding, frame: bytes) -> None:
    with pytest.raises(ValueError):
        decode(frame, encoding)


def test_a_refusal_is_control_and_waited_for() -> None:
    error = Error(code="rate_limited", message="wait", retryable=True, lane="chat")
    tally = check("msgpack", frame_of("msgpack", error, log="k.1-0"))
    assert dict(tally.lanes) == {"control": 1}
    assert not REPLIES.isdisjoint(tally.kinds)
