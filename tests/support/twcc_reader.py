"""A reader of transport-wide feedback, written from the draft alone: what a publisher is told.

draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. Checks all that a strict peer may check.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feedback:
    """One packet. `arrivals` maps 16-bit numbers to microseconds of the reference clock, None for
    not received; the clock wraps with its 24 bits of 64 ms."""

    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    reference: int
    count: int
    statuses: tuple[int, ...]
    arrivals: dict[int, int | None]
    size: int

    @property
    def received(self) -> dict[int, int]:
        return {seq: at for seq, at in self.arrivals.items() if at is not None}


def read_feedback(data: bytes) -> Feedback:
    assert len(data) % 4 == 0
    assert data[0] >> 6 == 2
    assert data[0] & 0x1F == 15, "FMT"
    assert data[1] == 205, "RTPFB"
    assert 4 * (int.from_bytes(data[2:4], "big") + 1) == len(data)
    end = len(data)
    if data[0] & 0x20:
        assert 1 <= data[-1] <= 3
        assert not any(data[-data[-1] : -1])
        end -= data[-1]
    base = int.from_bytes(data[12:14], "big")
    wanted = int.from_bytes(data[14:16], "big")
    reference = int.from_bytes(data[16:19], "big")
    statuses: list[int] = []
    at = 20
    while len(statuses) < wanted:
        statuses += _chunk(int.from_bytes(data[at : at + 2], "big"), wanted - len(statuses))
        at += 2
    arrivals: dict[int, int | None] = {}
    clock_us = reference * 64_000
    for index, status in enumerate(statuses):
        seq = (base + index) & 0xFFFF
        assert seq not in arrivals, "more than a cycle in one packet"
        assert status in (0, 1, 2), "3 is reserved"
        if status == 0:
            arrivals[seq] = None
            continue
        delta = int.from_bytes(data[at : at + status], "big", signed=status == 2)
        assert at + status <= end, "a delta is missing"
        at += status
        clock_us += 250 * delta
        arrivals[seq] = clock_us
    assert at == end, "bytes that nothing speaks of"
    return Feedback(
        int.from_bytes(data[4:8], "big"),
        int.from_bytes(data[8:12], "big"),
        base,
        reference,
        data[19],
        tuple(statuses),
        arrivals,
        len(data),
    )


def _chunk(word: int, most: int) -> list[int]:
    if word < 0x8000:
        length = word & 0x1FFF
        assert 0 < length <= most, "a run has a length, within the status count"
        return [word >> 13] * length
    if word < 0xC000:
        statuses = [word >> 13 - place & 1 for place in range(14)]
    else:
        statuses = [word >> 12 - 2 * place & 3 for place in range(7)]
    assert not any(statuses[most:]), "what is beyond the status count is zero"
    return statuses[:most]
