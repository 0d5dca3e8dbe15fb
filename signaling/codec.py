"""Bytes of `/ws` to messages and back: JSON and MessagePack, one schema (signaling.protocol).

What comes in is bounded before it is parsed, typed by it, and cleaned after it. Every mistake is
a `Refusal` whose message names the field; nothing else is ever raised by `decode_untrusted`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from signaling.errors import Refusal
from signaling.protocol import (
    MAX_FRAME_BYTES,
    MAX_TEXT_CHARS,
    AnswerQuestion,
    Ask,
    Batch,
    Chat,
    InMessage,
    Join,
    LogEvent,
    Publish,
    StartShow,
)
from signaling.texts import clean_text, has_control, has_surrogate

Encoding = Literal["json", "msgpack"]

MAX_SOURCES: Final = 8
"""Entries of `publish.sources`: twice the sources that a seat can have."""
MAX_TITLE_CHARS: Final = 100
MAX_MID_CHARS: Final = 16
"""As `signaling.protocol.Mid`."""
_MAX_DETAIL_CHARS: Final = 200

_MULTILINE: Final = frozenset({"sdp", "text", "title"})
"""String fields in which control characters are no mistake: SDP has lines, texts are cleaned."""

_json_encoder: Final = msgspec.json.Encoder()
_msgpack_encoder: Final = msgspec.msgpack.Encoder()
_json_decoder: Final = msgspec.json.Decoder[InMessage](InMessage)
_msgpack_decoder: Final = msgspec.msgpack.Decoder[InMessage](InMessage)
_event_decoder: Final = msgspec.msgpack.Decoder[LogEvent](LogEvent)


def encode(batch: Batch, encoding: Encoding) -> bytes:
    """One server frame; encode once per encoding and write the same bytes to everybody."""
    return (_json_encoder if encoding == "json" else _msgpack_encoder).encode(batch)


def decode_untrusted(frame: bytes | str, encoding: Encoding) -> InMessage:
    """One client frame as a valid, cleaned message.

    Raises `Refusal`: `too_large` above `MAX_FRAME_BYTES`, `bad_message` for what does not fit the
    schema (nesting beyond the decoder's stack included), `empty_text` for a blank text.
    """
    try:
        data = frame.encode() if isinstance(frame, str) else frame
        if len(data) > MAX_FRAME_BYTES:
            raise Refusal("too_large", f"A frame may have {MAX_FRAME_BYTES} bytes.")
        message = (_json_decoder if encoding == "json" else _msgpack_decoder).decode(data)
    except msgspec.DecodeError as error:
        raise Refusal("bad_message", _explain(str(error))) from None
    except UnicodeError:
        raise Refusal("bad_message", "The frame is not valid UTF-8.") from None
    except RecursionError:
        raise Refusal("bad_message", "The frame is nested too deeply.") from None
    _check_strings(message)
    return _clean(message)


def encode_event(event: LogEvent) -> bytes:
    """The stored form of a room event."""
    return _msgpack_encoder.encode(event)


def decode_event(blob: bytes) -> LogEvent | None:
    """A stored room event; None for one that this version does not know (skip it, go on)."""
    try:
        event: LogEvent = _event_decoder.decode(blob)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return event


def _explain(detail: str) -> str:
    """msgspec says "Expected `str`, got `int` - at `$.text`"; put the field first."""
    what, _, where = detail.partition(" - at ")
    field = where.strip("`").removeprefix("$").removeprefix(".")
    text = f"{field}: {what}" if field else what
    return "".join(ch if ch.isprintable() else "?" for ch in text[:_MAX_DETAIL_CHARS])


def _check_strings(message: InMessage) -> None:
    """Refuse control characters and lone surrogates in ids, names and the like."""
    for field in message.__struct_fields__:
        value = getattr(message, field)
        if isinstance(value, str):
            _check_string(field, value)
    if isinstance(message, Publish):
        _check_sources(message)
    if isinstance(message, Join) and message.resume is not None:
        for field in ("log", "chat"):
            _check_string(f"resume.{field}", getattr(message.resume, field) or "")


def _check_string(field: str, value: str) -> None:
    if has_surrogate(value):
        raise Refusal("bad_message", f"{field}: not a valid Unicode text.")
    if field not in _MULTILINE and has_control(value):
        raise Refusal("bad_message", f"{field}: control characters are not allowed.")


def _check_sources(message: Publish) -> None:
    if len(message.sources) > MAX_SOURCES:
        raise Refusal("bad_message", f"sources: at most {MAX_SOURCES} entries.")
    for mid in message.sources:
        if len(mid) > MAX_MID_CHARS:
            raise Refusal("bad_message", f"sources: a mid has at most {MAX_MID_CHARS} characters.")
        _check_string("sources", mid)


def _clean(message: InMessage) -> InMessage:
    """The message with its texts cleaned; a blank one is refused as `empty_text`."""
    match message:
        case Chat() | Ask():
            return msgspec.structs.replace(message, text=_clean_required(message.text))
        case AnswerQuestion() if message.text is not None:
            return msgspec.structs.replace(message, text=_clean_required(message.text))
        case StartShow() if message.title is not None:
            title = clean_text(message.title, "title", MAX_TITLE_CHARS)
            return msgspec.structs.replace(message, title=title or None)
        case _:
            return message


def _clean_required(text: str) -> str:
    cleaned = clean_text(text, "text", MAX_TEXT_CHARS)
    if not cleaned:
        raise Refusal("empty_text")
    return cleaned
