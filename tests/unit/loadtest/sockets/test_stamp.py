"""A time goes into a text and comes out of a frame."""

from __future__ import annotations

import json
import unicodedata

import msgpack
import pytest

from loadtest.sockets.stamp import STAMP_CHARS, find_stamps, stamp


@pytest.mark.parametrize("now_us", [0, 1, 35, 36, 1_767_348_000_123_456, 2**63 - 1])
def test_a_stamp_is_found_in_both_encodings(now_us: int) -> None:
    text = stamp("这个颜色好看！", now_us)
    assert len(text) - len("这个颜色好看！") <= STAMP_CHARS
    for frame in (json.dumps({"text": text}).encode(), msgpack.packb({"text": text})):
        assert find_stamps(frame) == [now_us]


def test_a_cleaned_text_keeps_its_stamp() -> None:
    cleaned = " ".join(unicodedata.normalize("NFC", stamp(" 好  看 ", 12_345)).split())
    assert cleaned.startswith("好 看 ~t")
    assert find_stamps(cleaned.encode()) == [12_345]


def test_stamps_come_in_order_and_nothing_else_does() -> None:
    frame = "|".join([stamp("a", 5), "~t~", "~tABC~", "~t" + "z" * 14 + "~", stamp("", 3)])
    assert find_stamps(frame.encode()) == [5, 3]
