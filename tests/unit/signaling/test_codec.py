"""Frames in and out: both encodings, every limit, every mistake named."""

from __future__ import annotations

import json
import re

import msgpack
import msgspec
import pytest

from signaling import codec, protocol
from signaling.codec import Encoding
from signaling.errors import Refusal
from signaling.protocol import (
    MAX_FRAME_BYTES,
    AnswerQuestion,
    Ask,
    Batch,
    Chat,
    Join,
    Like,
    Play,
    Publish,
    StartShow,
)


def frame(encoding: Encoding, **fields: object) -> bytes:
    """Written by another implementation than ours."""
    if encoding == "json":
        return json.dumps(fields).encode()
    packed: bytes = msgpack.packb(fields)
    return packed


def refusal(data: bytes | str, encoding: Encoding = "json") -> Refusal:
    with pytest.raises(Refusal) as refused:
        codec.decode_untrusted(data, encoding)
    return refused.value


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_message_of_another_implementation_is_read_and_cleaned(encoding: Encoding) -> None:
    data = frame(encoding, type="ask", id="m1", text=" 多少钱 \n", product_id="p1", future=1)
    assert codec.decode_untrusted(data, encoding) == Ask(id="m1", text="多少钱", product_id="p1")


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_batch_is_read_by_another_implementation(encoding: Encoding) -> None:
    batch = Batch(messages=(protocol.Ack(id="m1"), protocol.Counts(viewers=3, likes=0)), log="e-1")
    data = codec.encode(batch, encoding)
    read = json.loads(data) if encoding == "json" else msgpack.unpackb(data)
    assert read == {
        "messages": [{"type": "ack", "id": "m1"}, {"type": "counts", "viewers": 3, "likes": 0}],
        "log": "e-1",
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Input data was truncated"),
        (b"nonsense", "JSON is malformed"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `type`"),
        (b'{"type":"fly"}', "type: Invalid value 'fly'"),
        (b'{"type":"chat","text":"x"}', "missing required field `id`"),
        (b'{"type":"chat","id":"","text":"x"}', "id: Expected `str` of length >= 1"),
        (b'{"type":"chat","id":"1","text":7}', "text: Expected `str`, got `int`"),
        (b'{"type":"like","count":101}', "count: Expected `int` <= 100"),
        (b'{"type":"like","count":1e400}', "count"),
        (b'{"type":"chat","id":"a\\u0000","text":"x"}', "id: control characters"),
        (b'{"type":"chat","id":"1","text":"\\ud800"}', "truncated|surrogate|malformed"),
        (b'{"type":"join","token":"t","resume":{"log":"a\\nb"}}', "resume.log: control"),
        (b'{"type":"publish","id":"1","sdp":"v=0","sources":{"0":"tv"}}', "sources"),
        (b'{"type":"chat","id":"1","text":"\xff"}', "UTF-8|malformed|utf-8"),
        ('{"type":"chat","id":"1","text":"\ud800"}', "UTF-8"),
    ],
)
def test_mistakes_are_named(data: bytes | str, message: str) -> None:
    refused = refusal(data)
    assert refused.code == "bad_message"
    assert re.search(message, refused.message)


def test_texts_longer_than_the_limit_are_refused() -> None:
    assert refusal(frame("json", type="chat", id="1", text="x" * 501)).code == "bad_message"
    codec.decode_untrusted(frame("json", type="chat", id="1", text="x" * 500), "json")


def test_a_frame_larger_than_the_limit_is_not_parsed() -> None:
    assert refusal(b"x" * (MAX_FRAME_BYTES + 1)).code == "too_large"
    assert refusal("油" * (MAX_FRAME_BYTES // 3 + 1)).code == "too_large"


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_deep_nesting_is_refused_and_does_not_end_the_process(encoding: Encoding) -> None:
    deep = b'{"type":"like","x":' + b"[" * 60_000
    if encoding == "msgpack":
        deep = b"\x82\xa4type\xa4like\xa1x" + b"\x91" * 60_000
    assert refusal(deep, encoding).message == "The frame is nested too deeply."


@pytest.mark.parametrize("kind", ["chat", "ask"])
def test_a_blank_text_is_refused_as_such(kind: str) -> None:
    assert refusal(frame("json", type=kind, id="1", text=" \u200d\n")).code == "empty_text"


def test_a_written_answer_may_be_missing_but_not_blank() -> None:
    data = frame("json", type="answer_question", id="1", question_id="q")
    assert codec.decode_untrusted(data, "json") == AnswerQuestion(id="1", question_id="q")
    data = frame("json", type="answer_question", id="1", question_id="q", text=" ")
    assert refusal(data).code == "empty_text"


def test_a_blank_title_is_no_title() -> None:
    data = frame("json", type="start_show", id="1", title="  ")
    assert codec.decode_untrusted(data, "json") == StartShow(id="1", title=None)


def test_sdp_keeps_its_lines() -> None:
    data = frame("json", type="play", id="1", sdp="v=0\r\ns=-\r\n")
    assert codec.decode_untrusted(data, "json") == Play(id="1", sdp="v=0\r\ns=-\r\n")


def test_sources_are_bounded() -> None:
    many = {str(n): "camera" for n in range(codec.MAX_SOURCES + 1)}
    data = frame("json", type="publish", id="1", sdp="v=0", sources=many)
    assert "at most" in refusal(data).message
    long_mid = {"m" * (codec.MAX_MID_CHARS + 1): "camera"}
    data = frame("json", type="publish", id="1", sdp="v=0", sources=long_mid)
    assert "a mid has at most" in refusal(data).message
    data = frame("json", type="publish", id="1", sdp="v=0", sources={"a\n": "camera"})
    assert "control" in refusal(data).message
    data = frame("json", type="publish", id="1", sdp="v=0", sources={"0": "camera"})
    assert codec.decode_untrusted(data, "json") == Publish(
        id="1", sdp="v=0", sources={"0": "camera"}
    )


def test_what_a_stranger_wrote_comes_back_printable_and_short() -> None:
    refused = refusal(frame("json", type="\x1b[31m" + "x" * 5_000))
    assert len(refused.message) <= 200
    assert refused.message.isprintable()


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
@pytest.mark.parametrize(
    "message",
    [Join(token="t"), Chat(id="1", text="x"), Like(count=5), StartShow(id="1", title="新品")],
)
def test_what_we_write_we_read(message: protocol.InMessage, encoding: Encoding) -> None:
    encoder = msgspec.json if encoding == "json" else msgspec.msgpack
    assert codec.decode_untrusted(encoder.encode(message), encoding) == message


def test_cut_frames_are_refused_at_every_length() -> None:
    for encoding in ("json", "msgpack"):
        whole = frame(encoding, type="ask", id="m1", text="多少钱")
        for length in range(len(whole)):
            assert refusal(whole[:length], encoding).code == "bad_message"
        assert refusal(whole + b"\x00", encoding).code == "bad_message"


def test_an_unknown_event_of_the_log_is_skipped() -> None:
    event = protocol.QuestionDismissed(question_id="q", subject="s")
    assert codec.decode_event(codec.encode_event(event)) == event
    assert codec.decode_event(msgpack.packb({"type": "pk_started", "x": 1})) is None
    assert codec.decode_event(b"\xc1") is None
