"""RTP header extensions that we negotiate (RFC 8285), and with whom.

Ids are the offer's: an answer may only use those (RFC 8285 §5), which is why the forwarder maps
them for every viewer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"  # RFC 9143 §15.1
STREAM_ID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"  # RFC 8852 §3.1
REPAIRED_STREAM_ID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"  # RFC 6464
ABS_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ABS_CAPTURE_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
VIDEO_ORIENTATION: Final = "urn:3gpp:video-orientation"
TRANSPORT_WIDE_CC: Final = (
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)

# Only what `rtp.ExtensionLayout` writes. So no dependency descriptor: its frame numbers would have
# to go on over a switch.
_FOR_BOTH: Final = frozenset(
    {
        MID,
        AUDIO_LEVEL,
        ABS_SEND_TIME,
        ABS_CAPTURE_TIME,
        VIDEO_ORIENTATION,
    }
)
# Never TRANSPORT_WIDE_CC for viewers: their feedback would be twenty packets a second each.
_FOR_PUBLISHERS: Final = _FOR_BOTH | {STREAM_ID, REPAIRED_STREAM_ID, TRANSPORT_WIDE_CC}


@dataclass(frozen=True, slots=True)
class Extension:
    """One `a=extmap` of an m-line: `id` 1..255, `direction` empty unless the offer states one."""

    id: int
    uri: str
    direction: str = ""


def publisher_extensions(offered: Iterable[Extension], *, has_twcc: bool) -> tuple[Extension, ...]:
    """The subset we accept from somebody who sends to us. `has_twcc`: the chosen format offers the
    feedback too; a sender that numbers packets and hears nothing back distrusts its path."""
    allowed = _FOR_PUBLISHERS if has_twcc else _FOR_PUBLISHERS - {TRANSPORT_WIDE_CC}
    return tuple(each for each in offered if each.uri in allowed)


def viewer_extensions(offered: Iterable[Extension]) -> tuple[Extension, ...]:
    """The subset we stamp on what we send to a viewer."""
    return tuple(each for each in offered if each.uri in _FOR_BOTH)
