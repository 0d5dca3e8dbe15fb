"""What a viewer's RTCP says: what browsers send is read in one pass, all else by the parser."""

from __future__ import annotations

import pytest

from media import feedback as module
from media import rtcp
from media.errors import RemoteProtocolError
from media.feedback import Feedback, feedback_of, read_feedback_untrusted
from tests.unit.media.test_rtcp import REPORT

CHROMIUM = (
    rtcp.build_receiver_report(1, [REPORT, REPORT])
    + rtcp.build_sdes(1, "5mXVEBe6S3yN8A0N")
    + rtcp.build_remb(1, 2_500_000, [2, 3])
)
PADDED = bytes.fromhex("a1ce00030000000100000002" + "00000004")


def said(feedback: Feedback) -> tuple[object, ...]:
    return feedback.reports, feedback.estimate_bps, feedback.nacks, feedback.wanted


@pytest.mark.parametrize(
    "data",
    [
        CHROMIUM,
        rtcp.build_receiver_report(1, []),
        rtcp.build_nack(1, 2, [65_535, 0, 1, 40]),
        rtcp.build_pli(1, 0xFFFFFFF0),
        rtcp.build_nack(1, 2, [7]) + rtcp.build_pli(1, 2) + CHROMIUM,
        b"",
    ],
)
def test_what_browsers_send_needs_no_parser(data: bytes) -> None:
    plain = module._read_plain(data)
    assert plain is not None
    assert said(plain) == said(feedback_of(rtcp.parse_compound_untrusted(data)))


@pytest.mark.parametrize(
    "data",
    [
        rtcp.build_sender_report(1, 2, 3, 4, 5, [REPORT]),
        rtcp.build_fir(1, 2, 3) + rtcp.build_fir(1, 9, 4),
        rtcp.build_bye([1]),
        PADDED,
        rtcp.build_pli(1, 2) * 17,
        bytes.fromhex("8fcd0003000000010000000200010002"),
        b"\x8f\xce\x00\x04" + bytes(8) + b"REMB\x01\x00\x00\x01",
        b"\x80\xcf\x00\x01" + bytes(4) + rtcp.build_pli(1, 2),
    ],
)
def test_the_unusual_is_read_by_the_parser(data: bytes) -> None:
    assert module._read_plain(data) is None
    assert said(read_feedback_untrusted(data)) == said(
        feedback_of(rtcp.parse_compound_untrusted(data))
    )


def test_a_report_of_a_browser() -> None:
    feedback = read_feedback_untrusted(CHROMIUM)
    assert feedback.reports == [REPORT, REPORT]
    assert feedback.reports[0].packets_lost == -3
    assert feedback.estimate_bps == 2_500_000
    assert (feedback.nacks, feedback.wanted) == ([], [])


def test_lost_numbers_wrap() -> None:
    """PID 65535 with mask 3, and a lone 7."""
    data = bytes.fromhex("81cd00040000000100000002ffff000300070000")
    assert read_feedback_untrusted(data).nacks == [(2, [65_535, 0, 1, 7])]


def test_wishes_for_key_frames() -> None:
    assert read_feedback_untrusted(PADDED).wanted == [2]
    assert read_feedback_untrusted(rtcp.build_pli(1, 2) + rtcp.build_pli(1, 3)).wanted == [2, 3]
    assert read_feedback_untrusted(rtcp.build_fir(1, 4, 1)).wanted == [4]


def test_malformed_compounds_are_refused_at_every_cut() -> None:
    whole = CHROMIUM + rtcp.build_nack(1, 2, [7])
    ends = {0}
    while max(ends) < len(whole):
        ends.add(max(ends) + 4 + 4 * int.from_bytes(whole[max(ends) + 2 : max(ends) + 4], "big"))
    for length in set(range(len(whole))) - ends:
        with pytest.raises(RemoteProtocolError):
            read_feedback_untrusted(whole[:length])
