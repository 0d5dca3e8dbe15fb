"""Exact loss at one socket: the kernel drops certain RTP packets before the program sees them.

A classic BPF program (Linux `Documentation/networking/filter.rst`) on the receiving socket; what it
drops the kernel counts in the socket's drop counter.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

SO_ATTACH_FILTER: Final = 26
_LOAD_BYTE, _LOAD_HALF, _AND, _MOD, _RETURN = 0x30, 0x28, 0x54, 0x94, 0x06
_JUMP_EQUAL: Final = 0x15
_UDP_HEADER: Final = 8
"""The program sees a datagram from its UDP header on."""
_KEEP: Final = 0xFFFF


def drop_every(receiver: socket.socket, every: int, payload_type: int) -> None:
    """Drop the RTP packets of that payload type whose number divided by `every` leaves 3."""
    program = [
        (_LOAD_BYTE, 0, 0, _UDP_HEADER),
        (_AND, 0, 0, 0xC0),
        (_JUMP_EQUAL, 0, 7, 0x80),
        (_LOAD_BYTE, 0, 0, _UDP_HEADER + 1),
        (_AND, 0, 0, 0x7F),
        (_JUMP_EQUAL, 0, 4, payload_type),
        (_LOAD_HALF, 0, 0, _UDP_HEADER + 2),
        (_MOD, 0, 0, every),
        (_JUMP_EQUAL, 0, 1, 3),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _KEEP),
    ]
    _attach(receiver, program)


def drop_all(receiver: socket.socket) -> None:
    """Drop whatever comes, as a firewall does that answers nothing."""
    _attach(receiver, [(_RETURN, 0, 0, 0)])


def _attach(receiver: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("HBBI", *each) for each in program)
    memory = ctypes.create_string_buffer(code)
    fprog = struct.pack("HL", len(program), ctypes.addressof(memory))
    receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
