"""Our host candidates (RFC 8839 §5.1): every address we are told, one port number, UDP and TCP.

foundation component transport priority address port "typ" type ["tcptype" "passive"]
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, NamedTuple

_TYPE_PREFERENCE_HOST: Final = 126  # RFC 8445 §5.1.2.2
_LOCAL_PREFERENCE_MAX: Final = 65535
_TCP_DIRECTION_PASSIVE: Final = 4  # RFC 6544 §4.2: of 0..7, for host candidates
_TCP_OTHER_PREFERENCE_MAX: Final = 8191  # RFC 6544 §4.2: 13 bits


class TcpCandidate(NamedTuple):
    """An address that takes TCP connections (RFC 6544, `tcptype passive`), in a list of others."""

    host: str
    port: int


def candidate_values(addresses: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """Values of `a=candidate` for (address, port) pairs, the most preferred first.

    A pair is UDP unless it is a `TcpCandidate`. The order given is the order of preference, and
    UDP comes before TCP by priority in any case; FFmpeg's WHIP muxer reads only the first one.
    """
    return tuple(
        f"{index + 1} 1 {_transport_and_priority(each, index)}"
        f" {ipaddress.ip_address(each[0])} {each[1]} typ host"
        + (" tcptype passive" if isinstance(each, TcpCandidate) else "")
        for index, each in enumerate(addresses)
    )


def _transport_and_priority(address: tuple[str, int], index: int) -> str:
    if isinstance(address, TcpCandidate):
        other = max(0, _TCP_OTHER_PREFERENCE_MAX - index)
        # RFC 6544 §4.2: at most 40,959 of 65,535, so below every UDP candidate of ours.
        return f"tcp {_priority((_TCP_DIRECTION_PASSIVE << 13) | other)}"
    return f"udp {_priority(max(0, _LOCAL_PREFERENCE_MAX - index))}"


def _priority(local_preference: int) -> int:
    # RFC 8445 §5.1.2.1
    return (_TYPE_PREFERENCE_HOST << 24) | (local_preference << 8) | 255
