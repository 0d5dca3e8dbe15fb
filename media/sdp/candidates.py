"""Our host candidates (RFC 8839 §5.1): every address we are told, one UDP port.

foundation component transport priority address port "typ" type
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

_TYPE_PREFERENCE_HOST: Final = 126  # RFC 8445 §5.1.2.2
_LOCAL_PREFERENCE_MAX: Final = 65535


def candidate_values(addresses: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """Values of `a=candidate` for (address, port) pairs, the most preferred first.

    The order given is the order of preference; FFmpeg's WHIP muxer reads only the first one.
    """
    return tuple(
        f"{index + 1} 1 udp {_priority(index)} {ipaddress.ip_address(host)} {port} typ host"
        for index, (host, port) in enumerate(addresses)
    )


def _priority(index: int) -> int:
    local_preference = max(0, _LOCAL_PREFERENCE_MAX - index)
    return (_TYPE_PREFERENCE_HOST << 24) | (local_preference << 8) | 255  # RFC 8445 §5.1.2.1
