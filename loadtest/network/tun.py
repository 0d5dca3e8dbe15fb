"""A TUN device: a network interface whose other side is a file descriptor of ours."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

from loadtest.network.errors import WITHOUT, NetworkError

DEVICE: Final = "/dev/net/tun"
_TUNSETIFF: Final = 0x400454CA
_TUNSETOFFLOAD: Final = 0x400454D0
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_TUN_F_CSUM: Final = 0x01

VNET_HEADER_BYTES: Final = 10
"""struct virtio_net_hdr, before each packet in both directions."""
MTU_BYTES: Final = 1500
QUEUE_PACKETS: Final = 5_000
"""What waits for us in the kernel: a second of the load that we are made for."""


def open_tun(name: str) -> int:
    """A descriptor, not blocking, whose interface is in this thread's namespace and goes with the
    last descriptor. Raises `NetworkError`.

    Segmentation offload is off: whole trains (TCP, UDP_SEGMENT) come as single packets. Checksum
    offload is on, because kernels before 6.11 refuse UDP_SEGMENT where it is off: the header of a
    packet says what is to be summed up, and must be written with it to the other device.
    """
    try:
        tun = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NetworkError(
            f"{DEVICE}: {error.strerror}: modprobe tun"
            f" (a container needs --device {DEVICE}), {WITHOUT}"
        ) from error
    try:
        ifreq = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(tun, _TUNSETIFF, ifreq)
        fcntl.ioctl(tun, _TUNSETOFFLOAD, _TUN_F_CSUM)
    except OSError as error:
        os.close(tun)
        remedy = "; root needs CAP_NET_ADMIN" if error.errno == errno.EPERM else ""
        raise NetworkError(f"{DEVICE}: {error.strerror}{remedy}") from error
    return tun
