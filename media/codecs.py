"""Codecs of SDP: what a room accepts, and which of a viewer's formats can carry a source.

RFC 7587 (Opus), RFC 2198 (RED), RFC 7741 (VP8), RFC 6184 §8 (H.264), RFC 9628 §6 (VP9), AV1 RTP
§7. Payload is forwarded untouched, so two formats match when a decoder of the second can decode
what an encoder of the first may send. Levels are ignored: browsers decode far above what they
state, and `level-asymmetry-allowed` is the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiortc.sdp import H264_PROFILE_PATTERNS, H264Profile

from media.errors import OfferRefused

AUDIO_CODECS: Final = frozenset({"opus", "red"})
VIDEO_CODECS: Final = frozenset({"vp8", "vp9", "h264", "av1"})

_H264_DEFAULT_LEVEL_ID: Final = "420010"  # RFC 6184 §8.1: baseline, level 1
_HEX_LEVEL_ID: Final = re.compile(r"[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload format of an m-line.

    `name` is the lower-case encoding name, `channels` is 1 for video, `parameters` the pairs of
    `a=fmtp` in their order (a bare word has an empty value), `feedback` the `a=rtcp-fb` values
    (`"nack"`, `"nack pli"`, `"ccm fir"` ...), `rtx_payload_type` the RFC 4588 format whose `apt`
    names this one.
    """

    name: str
    payload_type: int
    clock_rate: int
    channels: int = 1
    parameters: tuple[tuple[str, str], ...] = ()
    feedback: tuple[str, ...] = ()
    rtx_payload_type: int | None = None

    @property
    def is_audio(self) -> bool:
        """Whether this is one of the audio codecs we forward."""
        return self.name in AUDIO_CODECS

    @property
    def fmtp(self) -> str:
        """The value of `a=fmtp` after the payload type; empty when there are no parameters."""
        return ";".join(f"{key}={value}" if value else key for key, value in self.parameters)

    def parameter(self, key: str, default: str = "") -> str:
        """The value of an fmtp parameter (names are case-insensitive)."""
        wanted = key.lower()
        return next((value for name, value in self.parameters if name.lower() == wanted), default)


def is_forwardable(codec: Codec) -> bool:
    """Whether our forwarder knows this format at all: name, clock rate and channels."""
    if codec.name == "opus" or codec.name == "red":
        # RED of video (ulpfec) has a 90 kHz clock and is not for us.
        return codec.clock_rate == 48000 and codec.channels == 2
    return codec.name in VIDEO_CODECS and codec.clock_rate == 90000


def red_blocks(codec: Codec, codecs: Sequence[Codec]) -> Codec | None:
    """The Opus format that the blocks of a RED format hold, None when it names none of `codecs`.

    Formats whose `a=fmtp` does not say are of no use: their blocks could not be told."""
    inner = red_inner_payload_type(codec)
    return next(
        (
            each
            for each in codecs
            if each.payload_type == inner and each.name == "opus" and is_forwardable(each)
        ),
        None,
    )


def find_red(opus: Codec, codecs: Sequence[Codec]) -> Codec | None:
    """The RED format whose blocks are `opus`, None without one."""
    return next((each for each in codecs if red_blocks(each, codecs) is opus), None)


def red_inner_payload_type(codec: Codec) -> int | None:
    """Payload type of the blocks in `audio/red` (fmtp `111/111`), None when not stated."""
    if codec.name != "red":
        return None
    first = codec.fmtp.partition("/")[0]
    return int(first) if first.isascii() and first.isdigit() and len(first) <= 3 else None


# --- what a publisher may send ------------------------------------------------------------------


def choose_publish_codec(offered: Sequence[Codec], policy: Iterable[str]) -> Codec:
    """The one format a publisher shall send: by the room's policy, then the offer's order.

    RED counts only beside the Opus that it holds. Among H.264 formats those that most viewers
    decode come first: (constrained) baseline in packetization-mode 1. Raises
    `OfferRefused("unsupported_codec")`.
    """
    for name in policy:
        candidates = [codec for codec in offered if codec.name == name and is_forwardable(codec)]
        if name == "red":
            candidates = [codec for codec in candidates if red_blocks(codec, offered)]
        if name == "h264":
            candidates.sort(key=_h264_publish_rank)  # stable: the offer's order within a rank
        if candidates:
            return candidates[0]
    raise OfferRefused("unsupported_codec")


def _h264_publish_rank(codec: Codec) -> tuple[bool, bool, bool]:
    profile = h264_profile(codec)
    return (
        profile not in _H264_BASELINE_FAMILY,
        _packetization_mode(codec) != 1,
        profile is not H264Profile.PROFILE_CONSTRAINED_BASELINE,
    )


# --- what a viewer may receive ------------------------------------------------------------------


def choose_play_codecs(offered: Sequence[Codec], policy: Iterable[str]) -> tuple[Codec, ...]:
    """Every format of a viewer's m-line that the room may send there, in the offer's order.

    A slot keeps several because its source may change from VP8 to H.264 without a new offer.
    RED comes with its Opus or not at all. Empty when the viewer can take nothing of the room.
    """
    allowed = frozenset(policy)
    chosen = [codec for codec in offered if codec.name in allowed and is_forwardable(codec)]
    return tuple(codec for codec in chosen if codec.name != "red" or red_blocks(codec, chosen))


def find_match(source: Codec, slot_codecs: Sequence[Codec]) -> Codec | None:
    """The viewer's format that carries `source`, or None (then the slot is unsupported).

    For RED that is Opus, which a viewer without RED is sent instead; see `find_red` for the rest.
    """
    if source.name == "red":
        return next((codec for codec in slot_codecs if codec.name == "opus"), None)
    matches = [codec for codec in slot_codecs if _carries(source, codec)]
    if source.name == "h264":
        matches.sort(key=lambda codec: _h264_match_rank(source, codec))
    return matches[0] if matches else None


def _carries(source: Codec, target: Codec) -> bool:
    if (source.name, source.clock_rate) != (target.name, target.clock_rate):
        return False
    match source.name:
        case "h264":
            return _h264_carries(source, target)
        case "vp9":
            return _same_number(source, target, "profile-id")  # RFC 9628 §6.1, default 0
        case "av1":
            return _same_number(source, target, "profile")  # AV1 RTP §7.2.1, default 0
        case _:
            return True


def _same_number(source: Codec, target: Codec, key: str) -> bool:
    return source.parameter(key, "0") == target.parameter(key, "0")


# --- H.264 --------------------------------------------------------------------------------------

# Plain baseline differs from constrained baseline only by FMO, ASO and redundant slices, which no
# encoder in use produces; FFmpeg labels the very same stream 4200xx, 42c0xx or 42e0xx.
_H264_BASELINE_FAMILY: Final = frozenset(
    {H264Profile.PROFILE_BASELINE, H264Profile.PROFILE_CONSTRAINED_BASELINE}
)


def h264_profile(codec: Codec) -> H264Profile | None:
    """The profile in `profile-level-id` (RFC 6184 §8.1), None when it is none we know."""
    level_id = codec.parameter("profile-level-id", _H264_DEFAULT_LEVEL_ID)
    if not _HEX_LEVEL_ID.fullmatch(level_id):
        return None
    profile_idc, profile_iop = int(level_id[:2], 16), int(level_id[2:4], 16)
    for idc, pattern, profile in H264_PROFILE_PATTERNS:
        if idc == profile_idc and pattern.matches(profile_iop):
            return profile
    return None


def _packetization_mode(codec: Codec) -> int:
    return 1 if codec.parameter("packetization-mode", "0") == "1" else 0  # RFC 6184 §8.1


def _h264_carries(source: Codec, target: Codec) -> bool:
    """Profiles equal (the baseline family counts as one); mode 1 takes mode 0 too, not back."""
    profile, other = h264_profile(source), h264_profile(target)
    if profile is None or other is None:
        return False
    same = profile == other or (profile in _H264_BASELINE_FAMILY and other in _H264_BASELINE_FAMILY)
    return same and _packetization_mode(target) >= _packetization_mode(source)


def _h264_match_rank(source: Codec, target: Codec) -> tuple[bool, bool]:
    return (
        h264_profile(source) != h264_profile(target),
        _packetization_mode(source) != _packetization_mode(target),
    )
