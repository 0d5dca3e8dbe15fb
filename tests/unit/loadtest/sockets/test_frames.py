"""Frames in, messages out: whole, byte by byte, cut anywhere, and nonsense."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sockets.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_CONTROL_BYTES,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameParser,
    client_frame,
    close_payload,
    parse_close_untrusted,
)

MAX_BYTES = 200_000
LENGTHS = (0, 1, 2, 125, 126, 127, 128, 65535, 65536, MAX_BYTES)


def server_frame(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    """RFC 6455 §5.2, written apart from the code under test."""
    head = bytes([(0x80 if is_final else 0) | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([size])
    elif size < 65536:
        head += b"\x7e" + struct.pack("!H", size)
    else:
        head += b"\x7f" + struct.pack("!Q", size)
    return head + payload


def unmasked(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a client frame, byte by byte as RFC 6455 §5.3 writes it."""
    assert frame[0] & 0xF0 == 0x80
    assert frame[1] & 0x80
    size, at = frame[1] & 0x7F, 2
    if size == 126:
        size, at = struct.unpack("!H", frame[2:4])[0], 4
    elif size == 127:
        size, at = struct.unpack("!Q", frame[2:10])[0], 10
    key, masked = frame[at : at + 4], frame[at + 4 :]
    assert len(masked) == size
    return frame[0] & 0x0F, bytes(byte ^ key[n % 4] for n, byte in enumerate(masked))


def pattern(size: int) -> bytes:
    return bytes(n % 251 for n in range(size))


STREAM = b"".join(
    (
        server_frame(TEXT, "你好".encode()),
        server_frame(BINARY, b"one ", is_final=False),
        server_frame(PING, b"in between"),
        server_frame(CONTINUATION, b"", is_final=False),
        server_frame(CONTINUATION, b"message"),
        server_frame(TEXT, pattern(300)),
        server_frame(BINARY, pattern(66_000)),
        server_frame(TEXT, b""),
        server_frame(TEXT, b"", is_final=False),
        server_frame(CONTINUATION, b""),
        server_frame(CLOSE, close_payload(4001, "slow_reader")),
    )
)
MESSAGES = [
    (TEXT, "你好".encode()),
    (PING, b"in between"),
    (BINARY, b"one message"),
    (TEXT, pattern(300)),
    (BINARY, pattern(66_000)),
    (TEXT, b""),
    (TEXT, b""),
    (CLOSE, close_payload(4001, "slow_reader")),
]


def test_a_stream_in_one_piece() -> None:
    assert FrameParser(MAX_BYTES).feed(STREAM) == MESSAGES


def test_a_stream_byte_by_byte() -> None:
    parser = FrameParser(MAX_BYTES)
    found = [message for n in range(len(STREAM)) for message in parser.feed(STREAM[n : n + 1])]
    assert found == MESSAGES


@pytest.mark.parametrize("cut", [*range(400), len(STREAM) - 20, len(STREAM) - 1])
def test_a_stream_cut_in_two(cut: int) -> None:
    parser = FrameParser(MAX_BYTES)
    assert parser.feed(STREAM[:cut]) + parser.feed(STREAM[cut:]) == MESSAGES


@pytest.mark.parametrize("size", LENGTHS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_frame_alone_of_each_length(size: int, opcode: int) -> None:
    frame = server_frame(opcode, pattern(size))
    parser = FrameParser(MAX_BYTES)
    assert parser.feed(frame) == [(opcode, pattern(size))]
    head = len(frame) - size
    for cut in {1, head - 1, head, len(frame) - 1}:
        assert parser.feed(frame[:cut]) + parser.feed(frame[cut:]) == [(opcode, pattern(size))]
    assert parser.feed(frame + b"\x89") == [(opcode, pattern(size))]
    assert parser.feed(b"\x00") == [(PING, b"")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xc1\x00", "reserved bits"),
        (b"\x91\x00", "reserved bits"),
        (b"\x83\x00", "unknown opcode"),
        (b"\x8f\x00", "unknown opcode"),
        (client_frame(TEXT, b"x", 7), "masked"),
        (b"\x09\x00", "fragmented control"),
        (b"\x89\x7e\x00\x7e", "more than 125"),
        (b"\x80\x00", "out of order"),
        (b"\x01\x00\x81\x00", "out of order"),
        (b"\x82\x7f" + struct.pack("!Q", MAX_BYTES + 1), "more than"),
        (b"\x82\x7f" + b"\xff" * 8, "more than"),
    ],
)
def test_what_a_server_may_not_send(data: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        FrameParser(MAX_BYTES).feed(data)


def test_what_is_too_large_is_refused_whole_and_in_fragments() -> None:
    with pytest.raises(FrameError) as refused:
        FrameParser(10).feed(server_frame(TEXT, bytes(11)))
    assert refused.value.code == 1009
    parser = FrameParser(10)
    assert parser.feed(server_frame(TEXT, bytes(6), is_final=False)) == []
    with pytest.raises(FrameError):
        parser.feed(server_frame(CONTINUATION, bytes(5))[:2])


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_accepted_or_refused(chunks: list[bytes]) -> None:
    """Invariant: messages or `FrameError`, and no more is returned than was fed."""
    parser = FrameParser(1000)
    fed = 0
    returned = 0
    for chunk in chunks:
        fed += len(chunk)
        try:
            returned += sum(len(payload) for _, payload in parser.feed(chunk))
        except FrameError:
            return
        assert returned <= fed


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=125))),
    st.integers(1, 50),
)
def test_frames_come_out_as_they_went_in(frames: list[tuple[int, bytes]], step: int) -> None:
    stream = b"".join(server_frame(opcode, payload) for opcode, payload in frames)
    parser = FrameParser(1000)
    found = [
        message
        for at in range(0, len(stream), step)
        for message in parser.feed(stream[at : at + step])
    ]
    assert found == frames


@pytest.mark.parametrize("size", LENGTHS)
def test_client_frames_are_masked(size: int) -> None:
    for key in (0, 1, 0x01020304, 0xFFFFFFFF):
        assert unmasked(client_frame(BINARY, pattern(size), key)) == (BINARY, pattern(size))


def test_close_frames_carry_code_and_reason() -> None:
    assert parse_close_untrusted(close_payload(4000, "shutting_down")) == (4000, "shutting_down")
    assert parse_close_untrusted(b"") == (NO_STATUS, "")
    cut = close_payload(1000, "再" * 100)
    assert len(cut) <= MAX_CONTROL_BYTES
    assert parse_close_untrusted(cut)[1].startswith("再" * 41)
    with pytest.raises(FrameError):
        parse_close_untrusted(b"\x03")
