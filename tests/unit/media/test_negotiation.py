"""What we agree to: offers taken or refused before any peer exists."""

from __future__ import annotations

import pytest

from media.errors import OfferRefused
from media.negotiation import choose_rids, negotiate_play, negotiate_publish, twcc_id
from media.sdp import Offer, parse_offer_untrusted
from media.sdp.extensions import TRANSPORT_WIDE_CC
from media.seam import CodecPolicy, Source
from tests.support.plane_offer import TWCC_ID, OfferText

SOURCES: dict[str, Source] = {"audio": "microphone", "video": "camera"}


def publish(**changes: object) -> Offer:
    text = OfferText(direction="sendonly", **changes)  # type: ignore[arg-type]  # a table of settings
    return parse_offer_untrusted(str(text))


def play(**changes: object) -> Offer:
    text = OfferText(direction="recvonly", **changes)  # type: ignore[arg-type]  # a table of settings
    return parse_offer_untrusted(str(text))


def refusal(offer: Offer, sources: dict[str, Source], policy: CodecPolicy | None = None) -> str:
    with pytest.raises(OfferRefused) as refused:
        negotiate_publish(offer, sources, policy or CodecPolicy())
    return refused.value.code


def test_each_m_line_gets_its_source_by_kind() -> None:
    accepted = negotiate_publish(publish(), SOURCES, CodecPolicy())
    assert [(each.section.mid, each.kind, each.source, each.codec.name) for each in accepted] == [
        ("0", "audio", "microphone", "opus"),
        ("1", "video", "camera", "vp8"),
    ]


def test_a_source_by_mid_goes_before_one_by_kind() -> None:
    sources: dict[str, Source] = {**SOURCES, "1": "screen"}
    accepted = negotiate_publish(publish(), sources, CodecPolicy())
    assert [each.source for each in accepted] == ["microphone", "screen"]


def test_the_policy_chooses_the_codec() -> None:
    offer = publish(video_codecs=("vp8", "h264"))
    for name in ("vp8", "h264"):
        accepted = negotiate_publish(offer, SOURCES, CodecPolicy(video=(name,)))
        assert accepted[1].codec.name == name


def test_an_offer_to_publish_is_refused_whole() -> None:
    assert refusal(publish(), {"audio": "microphone"}) == "bad_sdp"
    assert refusal(publish(video=2), SOURCES) == "too_many_tracks"
    assert refusal(publish(audio=2), SOURCES) == "too_many_tracks"
    assert refusal(publish(), {"0": "camera", "1": "camera"}) == "bad_sdp"
    assert refusal(play(), SOURCES) == "bad_sdp"
    assert refusal(publish(), SOURCES, CodecPolicy(video=("av1",))) == "unsupported_codec"
    assert refusal(publish(), SOURCES, CodecPolicy(audio=())) == "unsupported_codec"


def test_every_receiving_m_line_becomes_a_slot_with_all_its_formats() -> None:
    offer = play(audio=2, video=3, video_codecs=("vp8", "h264"))
    slots = negotiate_play(offer, max_audio=4, max_video=4, policy=CodecPolicy())
    assert [(slot.kind, tuple(codec.name for codec in slot.codecs)) for slot in slots] == [
        ("audio", ("opus",)),
        ("audio", ("opus",)),
        ("video", ("vp8", "h264")),
        ("video", ("vp8", "h264")),
        ("video", ("vp8", "h264")),
    ]
    assert all(slot.has_rtx and slot.can_nack for slot in slots if slot.kind == "video")
    assert not any(slot.has_rtx or slot.can_nack for slot in slots if slot.kind == "audio")


def test_a_viewer_without_a_camera_codec_still_hears() -> None:
    slots = negotiate_play(play(), max_audio=1, max_video=1, policy=CodecPolicy(video=("av1",)))
    assert [slot.kind for slot in slots] == ["audio"]


@pytest.mark.parametrize(("audio", "video"), [(2, 1), (1, 2)])
def test_more_slots_than_the_room_gives_are_refused(audio: int, video: int) -> None:
    with pytest.raises(OfferRefused) as refused:
        negotiate_play(
            play(audio=audio, video=video), max_audio=1, max_video=1, policy=CodecPolicy()
        )
    assert refused.value.code == "too_many_slots"


def test_a_viewer_with_nothing_in_common_is_refused() -> None:
    policy = CodecPolicy(audio=("red",), video=("av1",))
    for offer in (play(), publish()):
        with pytest.raises(OfferRefused) as refused:
            negotiate_play(offer, max_audio=4, max_video=4, policy=policy)
        assert refused.value.code == "unsupported_codec"


def test_transport_wide_numbers_need_the_extension_and_the_feedback() -> None:
    accepted = negotiate_publish(publish(twcc=True), SOURCES, CodecPolicy())
    assert twcc_id(accepted) == TWCC_ID
    assert twcc_id(negotiate_publish(publish(), SOURCES, CodecPolicy())) is None
    text = str(OfferText(direction="sendonly", twcc=True))
    without_feedback = "".join(
        line for line in text.splitlines(keepends=True) if "transport-cc" not in line
    )
    offer = parse_offer_untrusted(without_feedback)
    assert twcc_id(negotiate_publish(offer, SOURCES, CodecPolicy())) is None


def test_red_counts_by_the_feedback_of_its_opus() -> None:
    offer = publish(twcc=True, red=True, video=0)
    accepted = negotiate_publish(offer, SOURCES, CodecPolicy(audio=("red", "opus")))
    assert accepted[0].codec.name == "red"
    assert twcc_id(accepted) == TWCC_ID


def test_a_viewer_is_never_offered_transport_wide_numbers() -> None:
    slots = negotiate_play(play(twcc=True), max_audio=1, max_video=1, policy=CodecPolicy())
    assert all(each.uri != TRANSPORT_WIDE_CC for slot in slots for each in slot.extensions)


# --- simulcast ------------------------------------------------------------------------------------


def rids(**changes: object) -> tuple[str, ...]:
    return choose_rids(publish(**changes).sections[-1])


def test_up_to_three_encodings_are_taken_in_the_order_of_the_offer() -> None:
    assert rids(rids=("f", "h", "q")) == ("f", "h", "q")
    assert rids(rids=("a", "b")) == ("a", "b")
    assert rids(rids=("a", "b", "c", "d")) == ("a", "b", "c")


def test_what_is_no_simulcast_comes_as_one_stream() -> None:
    assert rids() == ()
    assert rids(rids=("a",)) == ()
    assert rids(rids=("a", "a")) == ()
    assert rids(rids=("a", "b"), names_streams=False) == (), "packets could not say which"
    assert rids(rids=("a", "x" * 17)) == ()


def test_an_encoding_without_its_own_line_is_left_out() -> None:
    text = str(OfferText(direction="sendonly", rids=("a", "b", "c")))
    offer = parse_offer_untrusted(text.replace("a=rid:b send\r\n", ""))
    assert choose_rids(offer.sections[-1]) == ("a", "c")
