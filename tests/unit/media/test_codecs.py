"""Codec choice: the room's policy, and which viewer format carries which source."""

import pytest
from aiortc.sdp import H264Profile

from media.codecs import (
    Codec,
    choose_play_codecs,
    choose_publish_codec,
    find_match,
    find_red,
    h264_profile,
    is_forwardable,
    red_inner_payload_type,
)
from media.errors import OfferRefused

OPUS = Codec("opus", 111, 48000, 2, (("minptime", "10"), ("useinbandfec", "1")))
RED = Codec("red", 63, 48000, 2, (("111/111", ""),))
VP8 = Codec("vp8", 96, 90000, rtx_payload_type=97)
AV1 = Codec("av1", 45, 90000)
PCMU = Codec("pcmu", 0, 8000)
AV1_SPELLED = Codec("av1", 9, 90000, parameters=(("Profile", "0"), ("level-idx", "5")))
VIDEO_RED = Codec("red", 116, 90000)


def h264(payload_type: int, level_id: str | None, mode: int | None = 1) -> Codec:
    parameters = []
    if mode is not None:
        parameters.append(("packetization-mode", str(mode)))
    if level_id is not None:
        parameters.append(("profile-level-id", level_id))
    return Codec("h264", payload_type, 90000, parameters=tuple(parameters))


def vp9(payload_type: int, profile: str | None) -> Codec:
    return Codec(
        "vp9", payload_type, 90000, parameters=(("profile-id", profile),) if profile else ()
    )


CONSTRAINED = h264(108, "42e01f")
BASELINE = h264(102, "42001f")
HIGH = h264(119, "64001f")


# --- publish ---


def test_the_rooms_policy_comes_before_the_offers_order() -> None:
    assert choose_publish_codec([CONSTRAINED, VP8], ("vp8", "h264")) is VP8
    assert choose_publish_codec([VP8, CONSTRAINED], ("h264", "vp8")) is CONSTRAINED
    assert choose_publish_codec([PCMU, OPUS], ("opus",)) is OPUS


def test_constrained_baseline_in_mode_1_is_what_most_viewers_decode() -> None:
    offered = [HIGH, h264(104, "42001f", 0), BASELINE, h264(114, "42e01f", 0), CONSTRAINED]
    assert choose_publish_codec(offered, ("h264",)) is CONSTRAINED
    assert choose_publish_codec([HIGH, BASELINE], ("h264",)) is BASELINE
    assert choose_publish_codec([HIGH], ("h264",)) is HIGH


@pytest.mark.parametrize("offered", [[], [PCMU], [VIDEO_RED], [Codec("opus", 111, 16000, 2)]])
def test_nothing_allowed_is_refused(offered: list[Codec]) -> None:
    with pytest.raises(OfferRefused, match="unsupported_codec"):
        choose_publish_codec(offered, ("opus", "red", "vp8"))


# --- play ---


def test_a_slot_keeps_every_format_the_room_may_send() -> None:
    offered = [VP8, vp9(98, "0"), HIGH, CONSTRAINED, AV1, VIDEO_RED]
    assert choose_play_codecs(offered, ("h264", "vp8")) == (VP8, HIGH, CONSTRAINED)
    assert choose_play_codecs([PCMU], ("opus",)) == ()
    assert choose_play_codecs([OPUS, RED], ("opus",)) == (OPUS,)
    assert choose_play_codecs([RED, OPUS], ("red", "opus")) == (RED, OPUS)


def test_red_is_of_use_beside_its_opus_only() -> None:
    mute_red = Codec("red", 63, 48000, 2)
    other = Codec("opus", 109, 48000, 2)
    for red, opus in ((mute_red, OPUS), (RED, other), (RED, PCMU)):
        assert choose_play_codecs([red, opus], ("red", "opus")) == (() if opus is PCMU else (opus,))
        assert find_red(opus, [red, opus]) is None
    assert choose_play_codecs([RED, OPUS], ("red",)) == ()
    assert find_red(OPUS, [other, RED, OPUS]) == RED
    assert choose_publish_codec([OPUS, RED], ("red", "opus")) == RED
    assert choose_publish_codec([OPUS, RED], ("opus", "red")) == OPUS
    assert choose_publish_codec([mute_red, OPUS], ("red", "opus")) == OPUS
    with pytest.raises(OfferRefused, match="unsupported_codec"):
        choose_publish_codec([RED, other], ("red",))


# --- match ---


@pytest.mark.parametrize(
    ("source", "targets", "expected"),
    [
        (VP8, [CONSTRAINED, VP8], VP8),
        (VP8, [CONSTRAINED, AV1], None),
        (OPUS, [PCMU, OPUS], OPUS),
        (CONSTRAINED, [BASELINE, CONSTRAINED], CONSTRAINED),
        (CONSTRAINED, [HIGH, BASELINE], BASELINE),
        (h264(1, "42000d"), [h264(9, "42e01f")], h264(9, "42e01f")),
        (h264(1, "42c01f"), [HIGH, CONSTRAINED], CONSTRAINED),
        (HIGH, [CONSTRAINED, BASELINE], None),
        (h264(1, "640028"), [CONSTRAINED, HIGH], HIGH),
        (h264(1, "640c1f"), [HIGH], None),
        (h264(1, "4d001f"), [HIGH, h264(5, "4d0028")], h264(5, "4d0028")),
        (h264(1, "42e01f", 0), [CONSTRAINED, h264(114, "42e01f", 0)], h264(114, "42e01f", 0)),
        (h264(1, "42e01f", 0), [CONSTRAINED], CONSTRAINED),
        (CONSTRAINED, [h264(114, "42e01f", 0)], None),
        (h264(1, None, None), [CONSTRAINED], CONSTRAINED),
        (h264(1, "nonsense"), [CONSTRAINED], None),
        (vp9(1, None), [vp9(100, "2"), vp9(98, "0")], vp9(98, "0")),
        (vp9(1, "2"), [vp9(98, "0")], None),
        (AV1, [Codec("av1", 9, 90000, parameters=(("profile", "1"),))], None),
        (AV1, [AV1_SPELLED], AV1_SPELLED),
        (RED, [RED, OPUS], OPUS),
        (RED, [OPUS], OPUS),
        (RED, [PCMU], None),
    ],
)
def test_what_carries_what(source: Codec, targets: list[Codec], expected: Codec | None) -> None:
    assert find_match(source, targets) == expected


@pytest.mark.parametrize(
    ("level_id", "profile"),
    [
        ("42e01f", H264Profile.PROFILE_CONSTRAINED_BASELINE),
        ("42C01F", H264Profile.PROFILE_CONSTRAINED_BASELINE),
        ("42000d", H264Profile.PROFILE_BASELINE),
        ("4d001f", H264Profile.PROFILE_MAIN),
        ("64001f", H264Profile.PROFILE_HIGH),
        ("640c1f", H264Profile.PROFILE_CONSTRAINED_HIGH),
        (None, H264Profile.PROFILE_BASELINE),
        ("42e0", None),
        ("42e01f00", None),
        ("zzzzzz", None),
        ("ff001f", None),
    ],
)
def test_profiles(level_id: str | None, profile: H264Profile | None) -> None:
    assert h264_profile(h264(1, level_id)) is profile


def test_red_names_its_inner_format() -> None:
    assert red_inner_payload_type(RED) == 111
    assert red_inner_payload_type(OPUS) is None
    assert red_inner_payload_type(Codec("red", 63, 48000, 2)) is None
    assert red_inner_payload_type(Codec("red", 63, 48000, 2, (("x/y", ""),))) is None


def test_forwardable_and_kind() -> None:
    assert is_forwardable(OPUS)
    assert is_forwardable(RED)
    assert not is_forwardable(VIDEO_RED)
    assert OPUS.is_audio
    assert not VP8.is_audio


def test_fmtp_is_written_as_read() -> None:
    assert OPUS.fmtp == "minptime=10;useinbandfec=1"
    assert RED.fmtp == "111/111"
    assert VP8.fmtp == ""
