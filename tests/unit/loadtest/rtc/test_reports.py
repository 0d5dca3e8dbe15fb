"""Receiver reports by the letter of RFC 3550."""

from __future__ import annotations

import pytest

from loadtest.rtc.reports import ReceptionReport
from loadtest.rtc.stream_count import StreamCount


def stream_of(numbers: list[int]) -> StreamCount:
    stream = StreamCount()
    for number in numbers:
        stream.take(number & 0xFFFF, 100)
    return stream


def test_fraction_lost_is_of_the_interval_and_the_total_of_all() -> None:
    stream, report = stream_of([0, 1, 2, 3]), ReceptionReport(5, 90_000)
    first = report.block(stream, 1.0)
    assert (first.ssrc, first.fraction_lost, first.packets_lost) == (5, 0, 0)
    for number in (5, 7):
        stream.take(number, 100)
    second = report.block(stream, 2.0)
    assert (second.fraction_lost, second.packets_lost) == (128, 2)
    # Nothing in the interval is no loss; a late one makes a negative loss, told as none.
    assert report.block(stream, 3.0).fraction_lost == 0
    stream.take(4, 100)
    third = report.block(stream, 4.0)
    assert (third.fraction_lost, third.packets_lost, third.highest_sequence) == (0, 1, 7)


def test_a_retransmission_on_its_own_ssrc_hides_no_loss() -> None:
    stream, report = stream_of([0, 2]), ReceptionReport(5, 90_000)
    assert stream.fill(1)
    assert report.block(stream, 1.0).packets_lost == 1


def test_duplicates_make_the_loss_negative() -> None:
    report = ReceptionReport(5, 90_000)
    assert report.block(stream_of([0, 1, 1, 1]), 1.0).packets_lost == -2


@pytest.mark.parametrize("start", [0, 1, 127, 128, 32767, 32768, 65534, 65535])
def test_the_highest_number_counts_the_turns(start: int) -> None:
    stream = stream_of(list(range(start, start + 10)))
    assert ReceptionReport(5, 90_000).block(stream, 1.0).highest_sequence == start + 9


def test_jitter_of_a_steady_stream_is_none() -> None:
    report = ReceptionReport(5, 90_000)
    for index in range(200):
        report.arrived((2**32 - 90_000 + index * 3000) & 0xFFFFFFFF, 1000.0 + index / 30)
    assert report.block(stream_of([1]), 1.0).jitter <= 1


def test_jitter_nears_the_mean_difference() -> None:
    report = ReceptionReport(5, 1000)
    for index in range(500):
        late_s = 0.010 if index % 2 else 0.0
        report.arrived(index * 20, 5.0 + index * 0.020 + late_s)
    assert report.block(stream_of([1]), 1.0).jitter in (9, 10)


def test_the_last_sender_report_comes_back_with_its_age() -> None:
    report = ReceptionReport(5, 90_000)
    before = report.block(stream_of([1]), 9.0)
    assert (before.lsr, before.dlsr) == (0, 0)
    report.take_sender_report(0x1111_2222_3333_4444, 10.0)
    after = report.block(stream_of([1]), 10.5)
    assert (after.lsr, after.dlsr) == (0x2222_3333, 32_768)
