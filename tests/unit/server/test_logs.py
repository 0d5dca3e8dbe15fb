from __future__ import annotations

import io
import json
import logging

import pytest

from server.logs import LogFormat, get_log, set_up_logging


def written(format_: LogFormat, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    set_up_logging(level, format_, stream)
    return stream


def test_text_is_event_and_fields() -> None:
    stream = written("text")
    get_log("x", room="r1").bind(track=3).info("seat_taken", seat=2, title="a b", took_s=0.25)
    line = stream.getvalue()
    assert line.endswith(' INFO    seat_taken room=r1 track=3 seat=2 title="a b" took_s=0.25\n')


def test_json_is_one_object_a_line() -> None:
    stream = written("json")
    get_log("lianmai.x").warning("seat_refused", reason="满了", room="r1")
    content = json.loads(stream.getvalue())
    assert content.pop("time").endswith("Z")
    assert content == {
        "level": "warning",
        "logger": "lianmai.x",
        "event": "seat_refused",
        "reason": "满了",
        "room": "r1",
    }


@pytest.mark.parametrize("format_", ["text", "json"])
def test_nothing_private_is_written(format_: LogFormat) -> None:
    stream = written(format_)
    log = get_log("x")
    log.info("joined", name="王小明", user="u-77", token="xyz", peer=("203.0.113.7", 5000))
    logging.getLogger("redis").error("cannot reach redis://:geheim@203.0.113.9")
    try:
        raise ValueError("password=geheim from 203.0.113.8")
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    for private in ("王", "u-77", "xyz", "203.0.113", "geheim"):
        assert private not in text
    assert "Traceback" in text


def test_a_message_cannot_fake_a_line() -> None:
    stream = written("text")
    logging.getLogger("lib").warning("x\n2026-01-01T00:00:00Z ERROR faked")
    get_log("x").info("said", line="a\nb")
    assert len(stream.getvalue().splitlines()) == 2


def test_level_is_kept() -> None:
    stream = written("text", "warning")
    get_log("x").info("quiet")
    assert stream.getvalue() == ""


def test_auto_is_json_when_nobody_watches() -> None:
    stream = written("auto")
    get_log("x").info("started")
    assert json.loads(stream.getvalue())["event"] == "started"


def test_limited_counts_what_it_suppressed() -> None:
    stream = written("text")
    now = [100.0]
    log = get_log("x").limited(every_s=10, clock=lambda: now[0])
    for _ in range(5):
        log.warning("bad_packet", reason="short")
    log.info("other")
    now[0] += 10
    log.warning("bad_packet", reason="short")
    events = [line.split(maxsplit=2)[2] for line in stream.getvalue().splitlines()]
    assert events == ["bad_packet reason=short", "other", "bad_packet reason=short suppressed=4"]
