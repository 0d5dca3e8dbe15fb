"""Keys, shards and watermarks."""

from __future__ import annotations

import random

from server.retention.stream_keys import shard_of, stream_key, watermark


def test_a_person_stays_on_one_shard_for_ever() -> None:
    # Fixed vectors: another function would move people, and with them their order.
    assert [shard_of(s, 4) for s in ("", "a", "aB3_-x", "主播")] == [0, 3, 2, 2]
    assert stream_key(3) == "lm1:{ev3}:s"


def test_watermarks_compare_as_ids_do() -> None:
    rng = random.Random(7)
    ids = [(0, 1), (0, 2**63), (2**41, 0), (2**41, 2**53 + 1), (2**41, 2**53 + 2), (2**41 + 1, 0)]
    ids += [(rng.randrange(2**42), rng.randrange(2**40)) for _ in range(500)]
    ids.sort()
    marks = [watermark(f"{ms}-{seq}") for ms, seq in ids]
    assert marks == sorted(marks)
    assert len(set(marks)) == len(set(ids))
    assert {len(mark) for mark in marks} == {35}
