"""Structured logs: a fixed event name and fields, `store_started pid=12 socket=/x`.

Everything written, also by libraries and in tracebacks, goes through one `Redactor`.
"""

from __future__ import annotations

import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Self, TextIO

from server.redaction import Redactor

LogFormat = Literal["auto", "text", "json"]
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@*+%")
_FIELDS: Final = "lianmai_fields"
_NO_FIELDS: Final[Mapping[str, object]] = {}


class EventLog:
    """A logger bound to fields. Methods take an event name in the past tense and more fields."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object] = _NO_FIELDS) -> None:
        self._logger: Final = logger
        self._fields: Final = dict(fields)

    def bind(self, **fields: object) -> Self:
        """The same logger with these fields on every line."""
        return type(self)(self._logger, {**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> None:
        self.log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self.log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self.log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self.log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """An error with the traceback of the exception being handled."""
        self.log(logging.ERROR, event, fields, with_traceback=True)

    def log(
        self, level: int, event: str, fields: Mapping[str, object], *, with_traceback: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            merged = {**self._fields, **fields}
            self._logger.log(level, event, extra={_FIELDS: merged}, exc_info=with_traceback)

    def limited(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> LimitedLog:
        """For what a peer can cause at will: each event at most once in `every_s` seconds."""
        return LimitedLog(self, every_s, clock)


class LimitedLog:
    """Writes an event once in `every_s`; the next one says how many were `suppressed`."""

    MAX_EVENTS: Final = 256
    """Event names are fixed, so more than this is a mistake; the oldest is forgotten."""

    def __init__(self, log: EventLog, every_s: float, clock: Callable[[], float]) -> None:
        self._log = log
        self._every_s = every_s
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        now = self._clock()
        written_at, suppressed = self._seen.get(event, (-float("inf"), 0))
        if now - written_at < self._every_s:
            self._seen[event] = (written_at, suppressed + 1)
            return
        if event not in self._seen and len(self._seen) >= self.MAX_EVENTS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[event] = (now, 0)
        if suppressed:
            fields["suppressed"] = suppressed
        self._log.log(level, event, fields)


def get_log(name: str, **fields: object) -> EventLog:
    """The logger of a module: `log = get_log(__name__)`."""
    return EventLog(logging.getLogger(name), fields)


def set_up_logging(level: str, format_: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Send all logs of the process to `stream` (stderr when None). Call once, at start."""
    stream = stream or sys.stderr
    as_json = format_ == "json" or (format_ == "auto" and not stream.isatty())
    redactor = Redactor(secrets.token_bytes(16))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(redactor) if as_json else TextFormatter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These tell at info what only their own developers need.
    for chatty in ("aioice", "aiortc", "libav", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """One line for people: time, level, event, key=value ..."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record, self._redactor)
        pairs = "".join(f" {key}={_value_text(value)}" for key, value in fields.items())
        line = f"{_time_text(record)} {record.levelname:<7} {_event(record)}{pairs}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self._redactor.text(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for collectors."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, object] = {
            "time": _time_text(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            **_fields(record, self._redactor),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return self._redactor.text(json.dumps(content, ensure_ascii=False, default=str))


def _fields(record: logging.LogRecord, redactor: Redactor) -> dict[str, object]:
    fields: Mapping[str, object] = getattr(record, _FIELDS, _NO_FIELDS)
    return {name: redactor.field(name, value) for name, value in fields.items()}


def _event(record: logging.LogRecord) -> str:
    # A library's message is free text: no line break of it may fake a line of ours.
    return record.getMessage().replace("\r", "\\r").replace("\n", "\\n")


def _time_text(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    if text and set(text) <= _PLAIN:
        return text
    return json.dumps(text, ensure_ascii=False)
