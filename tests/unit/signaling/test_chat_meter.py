"""What a console is told about the chat's rates."""

from __future__ import annotations

from signaling.chat_meter import ChatMeter


def test_rates_are_those_since_the_last_reading() -> None:
    meter = ChatMeter()
    meter.delivered = 500
    assert meter.read(0, 0, 10.0) == (500, 500), "a first second"
    meter.delivered += 220
    assert meter.read(4_400, 20, 12.0) == (100, 2_310)
    assert meter.read(4_400, 20, 13.0) == (0, 0)
