"""Generic receive offload of an interface, by the ethtool ioctl."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from typing import Final

from loadtest.network.errors import NetworkError

_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_GGRO: Final = 0x2B
_ETHTOOL_SGRO: Final = 0x2C


def has_gro(interface: str) -> bool:
    """Whether the kernel glues packets together that arrive there."""
    return bool(_ethtool(interface, _ETHTOOL_GGRO, 0))


def switch_gro_off(interface: str) -> None:
    """Raises `NetworkError` when the kernel leaves it on."""
    _ethtool(interface, _ETHTOOL_SGRO, 0)
    if has_gro(interface):
        raise NetworkError(f"{interface}: this kernel does not switch GRO off; compare elsewhere")


def _ethtool(interface: str, command: int, value: int) -> int:
    # struct ethtool_value {cmd, data}, pointed to by struct ifreq {name[16], data*}.
    request = array.array("I", (command, value))
    ifreq = struct.pack("16sP16x", interface.encode(), request.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, ifreq)
        except OSError as error:
            raise NetworkError(f"{interface}: ethtool: {error.strerror}") from error
    return request[1]
