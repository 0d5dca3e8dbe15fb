"""The small parts that WHIP and WHEP share."""

from __future__ import annotations

from media.seam import IceRestarted, PeerId, RequestId
from server.sdp_sessions import etag, first_mid, matches, restart_fragment
from tests.support.offers import FRAGMENT


def test_tags_are_compared_strongly() -> None:
    assert matches('"a", "b"', "b")
    assert not matches('W/"b"', "b")
    assert not matches("b", "b")
    assert etag("b") == '"b"'


def test_the_answer_to_a_restart_is_about_the_same_section() -> None:
    assert first_mid(FRAGMENT.replace("a=mid:0", "a=mid:video-1")) == "video-1"
    assert first_mid("a=ice-ufrag:EsAw\r\n") == "0"
    assert first_mid("a=mid:two words\r\n") == "0"


def test_a_restart_fragment_is_one_pseudo_section() -> None:
    restarted = IceRestarted(
        request_id=RequestId("1"),
        peer_id=PeerId("p"),
        ice_tag="t",
        ufrag="new1",
        pwd="a password of 22 chars",
        candidates=("1 1 udp 2130706431 192.0.2.1 7882 typ host",),
    )
    assert restart_fragment(restarted, "0").split("\r\n") == [
        "a=ice-lite",
        "a=ice-ufrag:new1",
        "a=ice-pwd:a password of 22 chars",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        "a=mid:0",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
        "a=end-of-candidates",
        "",
    ]
