"""Where the time of joins goes."""

from __future__ import annotations

from loadtest.bench.document import Measured, document
from loadtest.bench.joins import Join, Joins
from tests.support.reports import MACHINE

PLAIN = Join(tcp=100, http=210, ice=310, dtls=520, packet=525, frame=540)


def test_a_phase_is_what_follows_the_one_before() -> None:
    assert PLAIN.phases_ms == Join(tcp=100, http=110, ice=100, dtls=210, packet=5, frame=15)
    assert sum(PLAIN.phases_ms) == PLAIN.frame


def test_a_connection_from_before_takes_no_time() -> None:
    assert PLAIN._replace(tcp=0).phases_ms[:2] == (0, 210)


def test_what_is_told_late_does_not_take_time_twice() -> None:
    """DTLS told after the first packet, which cannot be."""
    late = PLAIN._replace(packet=515)
    assert late.phases_ms.packet == 0
    assert late.phases_ms.frame == 20
    assert sum(late.phases_ms) == late.frame


def test_each_phase_has_a_median_and_all_of_them_percentiles() -> None:
    joins = Joins("x", [PLAIN._replace(frame=530 + number) for number in range(20)])
    assert joins.phases_ms_p50.tcp == 100
    assert joins.phases_ms_p50.frame == 14
    assert joins.frame_ms(0.5) == 539
    assert joins.frame_ms(0.95) == 548


def test_the_page_says_where_the_time_goes() -> None:
    near = Joins("loopback", [PLAIN])
    page = document(Measured("2027-01-01", "make bench", MACHINE, [near], [], []), "")
    assert "| loopback | 100 | 110 | 100 | 210 | 5.00 | 15.0 | 540 | 540 |" in page
    assert "First picture" not in document(
        Measured("2027-01-01", "make bench", MACHINE, [], [], []), ""
    )
