"""The two ports of a media process as one sender: UDP, and TCP where UDP is blocked.

The plane knows peers by address and nothing else. What came over TCP has a `TcpAddress`, which no
UDP address equals, so that the way back is told by the address alone: one look for each run of the
fan-out (one batch for one viewer), none for each packet.
"""

from __future__ import annotations

from typing import Protocol

from media.fanout import RunSender
from media.ice import Address, TcpAddress


class StreamSender(RunSender, Protocol):
    """`media.tcp.TcpPort`: media may be dropped when its reader is slow, control goes first."""

    def send_control(self, data: bytes, address: Address, /) -> object: ...


class MediaPorts:
    """A `RunSender` over both ports."""

    __slots__ = ("_tcp", "_udp_run", "_udp_send")

    def __init__(self, udp: RunSender, tcp: StreamSender) -> None:
        self._udp_send = udp.send
        self._udp_run = udp.send_run
        self._tcp = tcp

    def send(self, data: bytes | memoryview, address: Address) -> object:
        """One media datagram."""
        if address.__class__ is TcpAddress:
            return self._tcp.send(data, address)
        return self._udp_send(data, address)

    def send_run(  # hot path
        self, view: memoryview, segment_bytes: int, address: Address
    ) -> object:
        """A run of media datagrams to one viewer."""
        if address.__class__ is TcpAddress:
            return self._tcp.send_run(view, segment_bytes, address)
        return self._udp_run(view, segment_bytes, address)

    def send_control(self, data: bytes, address: Address) -> object:
        """STUN, DTLS or RTCP: what a connection lives by."""
        if address.__class__ is TcpAddress:
            return self._tcp.send_control(data, address)
        return self._udp_send(data, address)
