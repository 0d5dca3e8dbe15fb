"""The bytes of ICE connectivity checks: STUN binding requests and what answers them.

    0                   1                   2                   3
    |0 0|     type      |  length of all attributes     |
    |                   magic cookie                    |
    |                transaction id (96 bits)           |
    then attributes: | type (16) | length (16) | value, padded to 32 bits |

RFC 8489 §5, §14; RFC 8445 §7.1. Every viewer checks every 2.5 s or more often, so requests are
read and answered here by hand, 3 us and 4 us; tests take `aioice.stun` as the oracle of both.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import ipaddress
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aioice import stun

from media.demux import STUN_COOKIE, STUN_HEADER_BYTES, is_stun
from media.errors import RemoteProtocolError

MAX_STUN_BYTES: Final = 1500
MAX_HOSTS: Final = 1024
"""Addresses whose numbers are remembered; strangers can only crowd them out."""

_HEADER = struct.Struct("!HH4s12s")
_ATTRIBUTE = struct.Struct("!HH")
_USERNAME: Final = 0x0006
_INTEGRITY: Final = 0x0008
_PRIORITY: Final = 0x0024
_USE_CANDIDATE: Final = 0x0025
_FINGERPRINT: Final = 0x8028
_MAPPED_V4 = struct.Struct("!HHI12sHHBBHI")
_MAPPED_V6 = struct.Struct("!HHI12sHHBBH16s")
_COOKIE_INT: Final = 0x2112A442
_INTEGRITY_BYTES: Final = 24
_FINGERPRINT_BYTES: Final = 8
_FINGERPRINT_XOR: Final = 0x5354554E
_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_BINDING_ANSWERS: Final = (b"\x01\x01", b"\x01\x11")
_PRFLX_PRIORITY: Final = 110 << 24 | 65535 << 8 | 255  # RFC 8445 §7.1.1; nobody compares ours
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(each ^ 0x36 for each in range(256))
_OUTER: Final = bytes(each ^ 0x5C for each in range(256))


class Signer:
    """HMAC-SHA1 with one password (RFC 8489 §14.5, RFC 2104 §2), whose key is prepared once.

    A third of the time of `hmac.digest`, which prepares it for each message.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, pwd: str) -> None:
        key = pwd.encode()
        if len(key) > _BLOCK_BYTES:
            key = hashlib.sha1(key).digest()
        key = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha1(key.translate(_INNER))
        self._outer = hashlib.sha1(key.translate(_OUTER))

    def sign(self, data: bytes) -> bytes:
        """The 20 bytes that MESSAGE-INTEGRITY holds."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


class BindingRequest(NamedTuple):
    """A parsed, not yet authenticated binding request; MESSAGE-INTEGRITY begins at `signed_end`."""

    transaction_id: bytes
    local_ufrag: str
    remote_ufrag: str
    use_candidate: bool
    data: bytes
    signed_end: int

    def is_signed_by(self, signer: Signer) -> bool:
        """Whether its maker knows the password."""
        data, end = self.data, self.signed_end
        # RFC 8489 §14.5: the length covers MESSAGE-INTEGRITY, and nothing behind it.
        length = end - STUN_HEADER_BYTES + _INTEGRITY_BYTES
        signed = data[:2] + length.to_bytes(2, "big") + data[4:end]
        return hmac.compare_digest(data[end + 4 : end + _INTEGRITY_BYTES], signer.sign(signed))


def stun_local_ufrag_untrusted(data: bytes) -> str | None:
    """The `local` half of USERNAME `local:remote`, or None; finds the peer of a first check.

    Reads attribute headers only, checks nothing, raises nothing.
    """
    if not is_stun(data):
        return None
    offset, end = STUN_HEADER_BYTES, len(data)
    while offset + 4 <= end:
        kind, length = _ATTRIBUTE.unpack_from(data, offset)
        offset += 4
        if kind == _USERNAME:
            value = data[offset : offset + length]
            colon = value.find(b":")
            if colon <= 0 or not value.isascii():
                return None
            return value[:colon].decode("ascii")
        offset += (length + 3) & ~3
    return None


def parse_binding_request_untrusted(data: bytes) -> BindingRequest | None:
    """Parse a STUN binding request; None for other STUN messages, which a lite agent ignores.

    What follows MESSAGE-INTEGRITY counts for nothing but FINGERPRINT, which comes last.
    Raises `RemoteProtocolError`: `bad_stun` (malformed, or wrong FINGERPRINT), `stun_incomplete`
    (RFC 8445 §7.1 wants USERNAME, MESSAGE-INTEGRITY and FINGERPRINT in every check).
    """
    size = len(data)
    if not STUN_HEADER_BYTES <= size <= MAX_STUN_BYTES:
        raise RemoteProtocolError("bad_stun", "shorter or longer than any check")
    kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if length != size - STUN_HEADER_BYTES or cookie != STUN_COOKIE:
        raise RemoteProtocolError("bad_stun", "wrong length or cookie")
    if kind != _BINDING_REQUEST:
        return None
    username = b""
    use_candidate = has_fingerprint = False
    signed_end, offset = 0, STUN_HEADER_BYTES
    while offset + 4 <= size:
        kind, length = _ATTRIBUTE.unpack_from(data, offset)
        value, offset = offset + 4, offset + 4 + ((length + 3) & ~3)
        if kind == _FINGERPRINT:
            has_fingerprint = _check_fingerprint(data, value, length)
        elif signed_end:
            continue
        elif kind == _USERNAME:
            username = data[value : value + length]
        elif kind == _USE_CANDIDATE:
            use_candidate = True
        elif kind == _INTEGRITY:
            signed_end = value - 4
            if length != _INTEGRITY_BYTES - 4:
                raise RemoteProtocolError("bad_stun", "an integrity of another length")
        elif kind == _PRIORITY and length != 4:
            raise RemoteProtocolError("bad_stun", "a priority of another length")
    if offset != size:
        raise RemoteProtocolError("bad_stun", "an attribute reaches beyond the message")
    try:
        local_ufrag, colon, remote_ufrag = username.decode().partition(":")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("bad_stun", "a name that is no UTF-8") from error
    if not colon or not signed_end or not has_fingerprint:
        raise RemoteProtocolError("stun_incomplete", "USERNAME, integrity or fingerprint missing")
    return BindingRequest(
        transaction_id, local_ufrag, remote_ufrag, use_candidate, data, signed_end
    )


def _check_fingerprint(data: bytes, value: int, length: int) -> bool:
    """True; raises when it is not the last attribute or not that of the bytes before it."""
    crc = binascii.crc32(data[: value - 4]) ^ _FINGERPRINT_XOR
    if length != 4 or data[value:] != crc.to_bytes(4, "big"):
        raise RemoteProtocolError("bad_stun", "wrong fingerprint")
    return True


def stun_answer_untrusted(data: bytes) -> bytes | None:
    """The transaction id that a binding success or error response answers, else None."""
    return data[8:STUN_HEADER_BYTES] if data[:2] in _BINDING_ANSWERS and is_stun(data) else None


@lru_cache(maxsize=MAX_HOSTS)
def _number(host: str) -> tuple[bool, int]:
    """Whether it is IPv4, and its bits.

    An IPv4 peer on our dual-stack socket shows as `::ffff:a.b.c.d`; it must be told the IPv4
    address it really has, or it takes the answer for a new candidate of the wrong family.
    """
    ip = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return isinstance(ip, ipaddress.IPv4Address), int(ip)


def binding_response(transaction_id: bytes, address: tuple[Any, ...], signer: Signer) -> bytes:
    """A success response with XOR-MAPPED-ADDRESS (`address` as `recvfrom` gives it),
    MESSAGE-INTEGRITY and FINGERPRINT."""
    is_ipv4, number = _number(str(address[0]))
    xor_port = int(address[1]) ^ (_COOKIE_INT >> 16)
    integrity_at = _INTEGRITY_BYTES
    if is_ipv4:
        head = _MAPPED_V4.pack(
            _BINDING_SUCCESS, 12 + integrity_at, _COOKIE_INT, transaction_id,
            0x0020, 8, 0, 1, xor_port, number ^ _COOKIE_INT,
        )  # fmt: skip
    else:
        pad = int.from_bytes(STUN_COOKIE + transaction_id, "big")
        head = _MAPPED_V6.pack(
            _BINDING_SUCCESS, 24 + integrity_at, _COOKIE_INT, transaction_id,
            0x0020, 20, 0, 2, xor_port, (number ^ pad).to_bytes(16, "big"),
        )  # fmt: skip
    # RFC 8489 §14.5: the length covers MESSAGE-INTEGRITY but not yet FINGERPRINT.
    signed = head + b"\x00\x08\x00\x14" + signer.sign(head)
    length = len(signed) - STUN_HEADER_BYTES + _FINGERPRINT_BYTES
    signed = signed[:2] + length.to_bytes(2, "big") + signed[4:]
    crc = binascii.crc32(signed) ^ _FINGERPRINT_XOR
    return signed + b"\x80\x28\x00\x04" + crc.to_bytes(4, "big")


def binding_request(transaction_id: bytes, username: str, pwd: str, tie_breaker: int) -> bytes:
    """A check of the controlled side, which asks whether somebody receives at an address."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=transaction_id)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = _PRFLX_PRIORITY
    message.attributes["ICE-CONTROLLED"] = tie_breaker
    message.add_message_integrity(pwd.encode())
    return bytes(message)
