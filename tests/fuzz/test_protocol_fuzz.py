"""Any bytes on `/ws` are a message or a `Refusal` of three codes; nothing else escapes.

Invariant: `decode_untrusted` never raises anything but `Refusal` with `bad_message`, `too_large` or
`empty_text`, its message is short and printable, and what it lets through is clean: encodable
in both encodings, without control characters outside of SDP, read back as itself.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import msgpack
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signaling import codec, room_state
from signaling.codec import Encoding
from signaling.errors import Refusal
from signaling.protocol import InMessage, Publish
from signaling.texts import has_control, has_surrogate

CODES = {"bad_message", "too_large", "empty_text"}
MESSAGES = get_args(InMessage)
TYPES = [str(cls.__struct_config__.tag) for cls in MESSAGES]
FIELDS = sorted({field for cls in MESSAGES for field in cls.__struct_fields__})
ENCODERS: tuple[tuple[Encoding, Any], ...] = (("json", msgspec.json), ("msgpack", msgspec.msgpack))

encodings = st.sampled_from(["json", "msgpack"])
_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=30),
    st.text(alphabet=st.characters(codec=None, categories=["Cs", "Cc", "Cf", "Zs"]), max_size=5),
    st.sampled_from(["camera", "video", "audio", "1"]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_messages = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), _values | _scalars, max_size=8),
)


def decode(frame: bytes | str, encoding: Encoding) -> InMessage | Refusal:
    try:
        return codec.decode_untrusted(frame, encoding)
    except Refusal as refusal:
        return refusal


def check(frame: bytes | str, encoding: Encoding) -> None:
    message = decode(frame, encoding)
    if isinstance(message, Refusal):
        assert message.code in CODES
        assert len(message.message) <= 300
        assert message.message.isprintable()
        return
    for field in message.__struct_fields__:
        value = getattr(message, field)
        if isinstance(value, str):
            assert not has_surrogate(value)
            assert field == "sdp" or not has_control(value)
    if isinstance(message, Publish):
        assert len(message.sources) <= codec.MAX_SOURCES
    for other, encoder in ENCODERS:
        assert decode(encoder.encode(message), other) == message


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100), encodings)
def test_any_bytes(frame: bytes | str, encoding: Encoding) -> None:
    check(frame, encoding)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_messages)
def test_any_fields_in_json(message: dict[str, Any]) -> None:
    check(json.dumps(message), "json")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_messages)
def test_any_fields_in_msgpack(message: dict[str, Any]) -> None:
    check(msgpack.packb(message, unicode_errors="surrogatepass"), "msgpack")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(TYPES), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255))), encodings
)
def test_valid_frames_with_some_bytes_changed(
    kind: str, edits: list[tuple[int, int]], encoding: Encoding
) -> None:
    message = {
        "type": kind,
        "id": "m1",
        "text": "这个适合油皮吗？",
        "token": "t",
        "question_id": "q1",
        "subject": "s1",
        "source": "camera",
        "muted": True,
        "sdp": "v=0\r\n",
        "sources": {"0": "camera"},
        "peer_id": "p1",
    }
    whole = json.dumps(message).encode() if encoding == "json" else msgpack.packb(message)
    changed = bytearray(whole)
    for at, value in edits:
        changed[at % len(changed)] = value
    check(bytes(changed), encoding)
    check(whole, encoding)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_stored_event_or_state(blob: bytes) -> None:
    codec.decode_event(blob)
    try:
        state = room_state.decode(blob)
    except room_state.UnreadableState:
        return
    assert state.v == room_state.STATE_VERSION


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"\x91", b"\x81\xa1a"])
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_the_deepest_frames(opening: bytes, encoding: Encoding) -> None:
    check(opening * (60_000 // len(opening)), encoding)
