"""The spool on disk: order, torn tails, damage, limits, one owner."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.retention.spool import Spool, SpoolFull, SpoolInUse, split_records


def take_all(spool: Spool) -> list[bytes]:
    records: list[bytes] = []
    while found := spool.oldest():
        records += found
        spool.drop_oldest()
    return records


def test_records_come_back_in_order_over_many_segments(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=100)
    written = [f"record {n}".encode() * (n % 5) for n in range(200)]
    for start in range(0, 200, 7):
        spool.append(written[start : start + 7])
    assert len(list(tmp_path.glob("*.seg"))) > 5
    assert take_all(spool) == written
    assert spool.is_empty
    assert spool.size_bytes == 0
    assert list(tmp_path.glob("*.seg")) == []
    spool.close()


def test_the_next_run_finds_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=10)
    spool.append([b"one"])
    spool.append([b"two"])
    spool.close()
    again = Spool(tmp_path)
    assert again.size_bytes == 2 * 11
    again.append([b"three"])
    assert take_all(again) == [b"one", b"two", b"three"]
    again.close()


def test_reading_does_not_lose_what_is_appended_meanwhile(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([b"one"])
    assert spool.oldest() == [b"one"]
    spool.append([b"two"])  # goes to a new segment: the one being delivered is closed
    assert spool.oldest() == [b"one"], "not dropped yet"
    spool.drop_oldest()
    assert take_all(spool) == [b"two"]
    spool.close()


def test_a_tail_torn_anywhere_costs_only_what_was_not_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "whole")
    spool.append([b"first", b"second"])
    spool.append([b"the torn one"])
    spool.close()
    (segment,) = (tmp_path / "whole").glob("*.seg")
    data = segment.read_bytes()
    acknowledged = 8 + 5 + 8 + 6
    for cut in range(acknowledged, len(data)):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / segment.name).write_bytes(data[:cut])
        torn = Spool(folder)
        assert take_all(torn) == [b"first", b"second"]
        assert torn.damaged == (cut > acknowledged)
        torn.append([b"later"])
        assert take_all(torn) == [b"later"]
        torn.close()


def test_a_damaged_segment_does_not_hide_the_next(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1)
    spool.append([b"one"])
    spool.append([b"two"])
    spool.close()
    first = min(tmp_path.glob("*.seg"))
    first.write_bytes(b"\xff" * 11)
    again = Spool(tmp_path)
    assert take_all(again) == [b"two"]
    assert again.damaged == 1
    assert [p.name for p in tmp_path.glob("*.bad")] == [first.with_suffix(".bad").name]
    again.close()


def test_a_full_spool_refuses_whole_batches(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=100)
    spool.append([b"x" * 50])
    with pytest.raises(SpoolFull):
        spool.append([b"y", b"z" * 60])
    spool.append([b"w" * 20])
    assert take_all(spool) == [b"x" * 50, b"w" * 20]
    spool.append([b"x" * 90])
    spool.close()


def test_a_full_disk_leaves_no_half_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([b"kept"])
    write = spool._write

    def half_written(blob: bytes) -> None:
        write(blob[: len(blob) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "_write", half_written)
    with pytest.raises(SpoolFull, match="No space"):
        spool.append([b"lost", b"lost too"])
    monkeypatch.undo()
    spool.append([b"later"])
    assert take_all(spool) == [b"kept", b"later"]
    spool.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolInUse):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


@given(st.binary(max_size=300))
def test_any_bytes_are_split_or_left(data: bytes) -> None:
    """Invariant: never raises, and what it takes for whole lies within the data."""
    records, good = split_records(data)
    assert sum(len(record) + 8 for record in records) == good <= len(data)
