"""The one door to all codecs."""

from __future__ import annotations

import pytest

from media.errors import RemoteProtocolError
from media.payload import inspect_untrusted
from tests.support.rtp_kit import vp8_payload


@pytest.mark.parametrize(
    ("codec", "payload", "is_start"),
    [
        ("vp8", vp8_payload(keyframe=True), True),
        ("h264", b"\x67\x42", True),
        ("vp9", b"\x08", True),
        ("av1", b"\x08", True),
        ("opus", b"\x08", False),
        ("something", b"\x67", False),
        ("vp8", b"", False),
    ],
)
def test_key_frames_of_each_codec(codec: str, payload: bytes, is_start: bool) -> None:
    assert inspect_untrusted(codec, payload)[0] is is_start


def test_only_vp8_has_a_descriptor_to_rewrite() -> None:
    assert inspect_untrusted("vp8", vp8_payload(picture_id=3))[1] is not None
    assert inspect_untrusted("h264", b"\x67")[1] is None
    with pytest.raises(RemoteProtocolError):
        inspect_untrusted("vp8", b"\x80")
