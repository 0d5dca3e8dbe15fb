"""SDP: offers in, answers out (RFC 8866, RFC 3264, RFC 8829, RFC 9143, RFC 9725 §4.2).

`parse_offer_untrusted` reads a client's offer into `Offer`, `build_answer` writes our answer,
`parse_trickle_fragment_untrusted` reads the body of a WHIP PATCH (RFC 8840).
"""

from media.sdp.answer import AnswerSection, LocalTransport, OutStream, build_answer
from media.sdp.candidates import TcpCandidate, candidate_values
from media.sdp.extensions import (
    ABS_CAPTURE_TIME,
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    MID,
    REPAIRED_STREAM_ID,
    STREAM_ID,
    VIDEO_ORIENTATION,
    Extension,
    publisher_extensions,
    viewer_extensions,
)
from media.sdp.fragment import TrickleFragment, parse_trickle_fragment_untrusted
from media.sdp.memo import parse_offer_untrusted
from media.sdp.offer import Direction, Offer, OfferedSsrc, OfferSection

__all__ = [
    "ABS_CAPTURE_TIME",
    "ABS_SEND_TIME",
    "AUDIO_LEVEL",
    "MID",
    "REPAIRED_STREAM_ID",
    "STREAM_ID",
    "VIDEO_ORIENTATION",
    "AnswerSection",
    "Direction",
    "Extension",
    "LocalTransport",
    "Offer",
    "OfferSection",
    "OfferedSsrc",
    "OutStream",
    "TcpCandidate",
    "TrickleFragment",
    "build_answer",
    "candidate_values",
    "parse_offer_untrusted",
    "parse_trickle_fragment_untrusted",
    "publisher_extensions",
    "viewer_extensions",
]
