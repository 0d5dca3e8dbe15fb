"""The body of a WHIP or WHEP PATCH: `application/trickle-ice-sdpfrag` (RFC 8840 §9, RFC 9725 §4.3).

a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
m=audio 9 UDP/TLS/RTP/SAVPF 0
a=mid:0
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host
a=end-of-candidates
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from media.errors import OfferRefused, RemoteProtocolError
from media.sdp.parse import MAX_CANDIDATES, MAX_LINE_CHARS, check_ice_credentials

MAX_FRAGMENT_CHARS: Final = 16_384


@dataclass(frozen=True, slots=True)
class TrickleFragment:
    """Credentials of the ICE session it belongs to (or restarts), and what it adds."""

    ufrag: str
    pwd: str
    candidates: tuple[str, ...] = ()
    end_of_candidates: bool = False


def parse_trickle_fragment_untrusted(text: str) -> TrickleFragment:
    """Parse an sdpfrag; raises `RemoteProtocolError("bad_sdp")`.

    Candidates are kept unread: a lite agent learns addresses from checks. Credentials that
    appear again in a section must be the same, as everything is one BUNDLE.
    """
    if len(text) > MAX_FRAGMENT_CHARS:
        raise RemoteProtocolError("bad_sdp", "the fragment is too long")
    values: dict[str, set[str]] = {"ice-ufrag": set(), "ice-pwd": set()}
    candidates: list[str] = []
    end_of_candidates = False
    for line in re.split(r"\r\n|\n|\r", text):
        if len(line) > MAX_LINE_CHARS or not line.isprintable() or line[1:2] not in ("", "="):
            raise RemoteProtocolError("bad_sdp", "the fragment has a line that is no SDP")
        attribute, _, value = line[2:].partition(":")
        if not line.startswith("a="):
            continue
        if attribute in values:
            values[attribute].add(value)
        elif attribute == "candidate":
            candidates.append(value)
        elif attribute == "end-of-candidates":
            end_of_candidates = True
    if any(len(found) > 1 for found in values.values()) or len(candidates) > MAX_CANDIDATES:
        raise RemoteProtocolError("bad_sdp", "several credentials or too many candidates")
    try:
        ufrag, pwd = check_ice_credentials(*(min(each, default=None) for each in values.values()))
    except OfferRefused as error:
        raise RemoteProtocolError("bad_sdp", error.message) from error
    return TrickleFragment(ufrag, pwd, tuple(candidates), end_of_candidates)
