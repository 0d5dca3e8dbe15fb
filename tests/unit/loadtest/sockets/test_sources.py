"""Which m-line of an offer is which source of the stage."""

from __future__ import annotations

from loadtest.sockets.seat import sources_of


def test_sources_by_mid() -> None:
    offer = (
        "v=0\r\ns=-\r\nm=audio 9 X 111\r\na=mid:a0\r\nm=video 9 X 96\r\na=mid:1\r\n"
        "m=video 9 X 96\r\na=mid:2\r\nm=application 9 X y\r\na=mid:3\r\n"
    )
    assert sources_of(offer) == {"a0": "microphone", "1": "camera"}
