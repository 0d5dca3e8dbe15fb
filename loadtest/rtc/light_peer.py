"""A light WebRTC peer: real ICE checks, real DTLS-SRTP, no codec.

It answers nothing but what keeps it alive, so that hundreds fit in one process and the cost that
is measured is the server's. Used by the benchmarks as publisher and as viewer; speaks WHIP
(RFC 9725) and WHEP only.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import aiohttp
import pylibsrtp
from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from loadtest.certificate import self_signed

Direction = Literal["sendonly", "recvonly"]
SocketFactory = Callable[[], socket.socket]
"""Makes the socket that is then connected: in a namespace, from a certain local address."""

CONSENT_EVERY_S: Final = 2.5
RETRY_EVERY_S: Final = 0.05
RECEIVE_BYTES: Final = 2048
DRAIN_AT_MOST: Final = 512
RTP_HEADER_BYTES: Final = 12
_GCM_KEY, _GCM_SALT = 16, 12
DTLS_1_2: Final = 0xFEFD
"""Its wire number (RFC 6347 §4.1): pyOpenSSL names only the TLS versions."""

AUDIO_PT: Final = 111
VIDEO_PT: Final = 96
H264_PT: Final = 102
OPUS, VP8, H264 = "opus/48000/2", "VP8/90000", "H264/90000"
H264_BASELINE: Final = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
ABS_SEND_TIME_ID: Final = 3
MID_ID: Final = 4


class PeerError(Exception):
    """The server refused the offer, or the connection could not be made."""


@dataclass(slots=True)
class StreamCount:
    """What arrived of one SSRC. `holes` may shrink when a late packet fills one."""

    packets: int = 0
    bytes: int = 0
    first_seq: int = -1
    highest_seq: int = -1

    @property
    def holes(self) -> int:
        return self.highest_seq - self.first_seq + 1 - self.packets if self.packets else 0


@dataclass(slots=True)
class Remote:
    """What we need of the server's answer."""

    ufrag: str
    pwd: str
    fingerprint: str
    address: tuple[str, int]
    location: str = ""
    ssrc: list[int] = field(default_factory=list)


class LightPeer:
    """One transport. `on_rtp(plain, now)` is called for a sample of the received packets."""

    _context: SSL.Context | None = None
    _fingerprint = ""

    def __init__(self, direction: Direction, *, audio: int = 1, video: int = 1) -> None:
        self.direction: Direction = direction
        self._sections = ["audio"] * audio + ["video"] * video
        self._ufrag = secrets.token_hex(4)
        self._pwd = secrets.token_hex(16)
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._remote: Remote | None = None
        self._dtls: SSL.Connection | None = None
        self._in: pylibsrtp.Session | None = None
        self._out: pylibsrtp.Session | None = None
        self._checked = asyncio.Event()
        self._connected = asyncio.Event()
        self._failure: str | None = None
        self._consent: asyncio.Task[None] | None = None
        self.streams: dict[int, StreamCount] = {}
        self.receiving = asyncio.Event()
        """Set by the first RTP packet."""
        self.on_rtp: Callable[[bytes, float], None] | None = None
        self.sample_every = 0
        """Decrypt one packet of so many for `on_rtp`; 0 decrypts none."""
        self._since_sample = 0
        self.packets = 0
        self.bytes = 0

    # --- joining ---------------------------------------------------------------------------

    async def connect(
        self, http: aiohttp.ClientSession, url: str, token: str, *, timeout_s: float = 10
    ) -> None:
        """POST the offer and bring ICE and DTLS up; raises `PeerError`. `close` in any case."""
        if LightPeer._context is None:
            LightPeer._context, LightPeer._fingerprint = _shared_context()
        try:
            async with asyncio.timeout(timeout_s):
                self._remote = await self._post_offer(http, url, token)
                self._socket.connect(self._remote.address)
                self._loop.add_reader(self._socket, self._readable)
                await self._check_until_answered()
                await self._handshake()
        except TimeoutError as error:
            raise PeerError(f"no connection to {url} within {timeout_s:g} s") from error
        self._consent = asyncio.create_task(self._keep_consent(), name="light-peer-consent")

    async def _post_offer(self, http: aiohttp.ClientSession, url: str, token: str) -> Remote:
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
        async with http.post(url, data=self._offer(), headers=headers) as response:
            body = await response.text()
            if response.status != 201:
                raise PeerError(f"{url} answered {response.status}: {body}")
            remote = _parse_answer(body)
            remote.location = response.headers["Location"]
            return remote

    def _offer(self) -> str:
        mids = " ".join(str(i) for i in range(len(self._sections)))
        lines = [
            "v=0",
            f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {mids}",
        ]
        for mid, kind in enumerate(self._sections):
            lines += self._section(mid, kind)
        return "\r\n".join(lines) + "\r\n"

    def _section(self, mid: int, kind: str) -> list[str]:
        codecs = self._codecs(kind)
        payload_types = " ".join(str(pt) for pt in codecs)
        lines = [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self._ufrag}",
            f"a=ice-pwd:{self._pwd}",
            f"a=fingerprint:sha-256 {LightPeer._fingerprint}",
            "a=setup:actpass",
            f"a=mid:{mid}",
            f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid",
            f"a=extmap:{ABS_SEND_TIME_ID} http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            f"a={self.direction}",
            "a=rtcp-mux",
            "a=rtcp-rsize",
        ]
        for pt, codec in codecs.items():
            lines.append(f"a=rtpmap:{pt} {codec}")
            # As a publisher it has nothing to send again and no encoder to ask.
            if kind == "video" and self.direction == "recvonly":
                lines += [f"a=rtcp-fb:{pt} nack", f"a=rtcp-fb:{pt} nack pli"]
            if codec == H264:
                lines.append(f"a=fmtp:{pt} {H264_BASELINE}")
        if self.direction == "sendonly":
            lines += ["a=msid:light light-" + kind, f"a=ssrc:{self.ssrc_of(kind)} cname:light"]
        return lines

    def _codecs(self, kind: str) -> dict[int, str]:
        """It sends VP8, which is easy to make up, and takes H.264, too."""
        if kind == "audio":
            return {AUDIO_PT: OPUS}
        return {VIDEO_PT: VP8} if self.direction == "sendonly" else {VIDEO_PT: VP8, H264_PT: H264}

    def ssrc_of(self, kind: str) -> int:
        """The SSRC that this peer sends that kind with."""
        return (int(self._ufrag, 16) & 0x7FFFFFF0) | (1 if kind == "audio" else 2)

    async def _check_until_answered(self) -> None:
        while not self._checked.is_set():
            self._send_check()
            try:
                await asyncio.wait_for(self._checked.wait(), RETRY_EVERY_S)
            except TimeoutError:
                continue

    def _send_check(self) -> None:
        assert self._remote is not None, "the answer names the server"
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote.ufrag}:{self._ufrag}"
        request.attributes["PRIORITY"] = 1_862_270_975
        request.attributes["ICE-CONTROLLING"] = secrets.randbits(63)
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote.pwd.encode())
        self._send(bytes(request))

    async def _handshake(self) -> None:
        assert LightPeer._context is not None, "connect() makes the context"
        self._dtls = SSL.Connection(LightPeer._context)
        self._dtls.set_connect_state()
        self._step_dtls(None)
        while not self._connected.is_set():
            wait_s = self._dtls.DTLSv1_get_timeout()
            try:
                await asyncio.wait_for(self._connected.wait(), 1.0 if wait_s is None else wait_s)
            except TimeoutError:
                self._dtls.DTLSv1_handle_timeout()
                self._flush_dtls()
        if self._failure is not None:
            raise PeerError(self._failure)

    def _step_dtls(self, datagram: bytes | None) -> None:
        assert self._dtls is not None, "DTLS starts after the first answered check"
        if datagram is not None:
            self._dtls.bio_write(datagram)
        try:
            self._dtls.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self._failure = f"DTLS failed: {error}"
            self._connected.set()
        else:
            self._keys()
            self._connected.set()
        self._flush_dtls()

    def _flush_dtls(self) -> None:
        assert self._dtls is not None, "nothing to flush before DTLS"
        while True:
            try:
                records = self._dtls.bio_read(16_384)
            except SSL.WantReadError:
                return
            for record in _split_records(records):
                self._send(record)

    def _keys(self) -> None:
        assert self._dtls is not None, "keys follow the handshake"
        assert self._remote is not None, "keys follow the answer"
        certificate = self._dtls.get_peer_certificate(as_cryptography=True)
        assert isinstance(certificate, x509.Certificate), "DTLS-SRTP servers send a certificate"
        digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
        if digest != self._remote.fingerprint.replace(":", "").upper():
            self._failure = "the server's certificate does not match its SDP fingerprint"
            return
        material = self._dtls.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (_GCM_KEY + _GCM_SALT)
        )
        salts = 2 * _GCM_KEY
        ours = material[:_GCM_KEY] + material[salts : salts + _GCM_SALT]
        theirs = material[_GCM_KEY:salts] + material[salts + _GCM_SALT :]
        gcm, out, into = (
            pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
            pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            pylibsrtp.Policy.SSRC_ANY_INBOUND,
        )
        self._out = pylibsrtp.Session(pylibsrtp.Policy(ours, out, srtp_profile=gcm))
        self._in = pylibsrtp.Session(pylibsrtp.Policy(theirs, into, srtp_profile=gcm))

    # --- living ----------------------------------------------------------------------------

    async def _keep_consent(self) -> None:
        """RFC 7675: a check every few seconds keeps the server sending."""
        while True:
            await asyncio.sleep(CONSENT_EVERY_S)
            self._send_check()

    def send_rtp(self, plain: bytes) -> None:
        assert self._out is not None, "connect() comes first"
        self._send(self._out.protect(plain))

    def send_rtcp(self, plain: bytes) -> None:
        assert self._out is not None, "connect() comes first"
        self._send(self._out.protect_rtcp(plain))

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except (BlockingIOError, ConnectionRefusedError):
            return

    def _readable(self) -> None:
        for _ in range(DRAIN_AT_MOST):
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._take_untrusted(data)

    def _take_untrusted(self, data: bytes) -> None:
        """One datagram, told apart by its first byte (RFC 7983)."""
        first = data[0] if data else 255
        if 128 <= first < 192:
            # RFC 5761 §4: RTCP packet types take these values of RTP's second byte.
            if len(data) >= RTP_HEADER_BYTES and not 192 <= data[1] <= 223:
                self._count(data)
        elif first < 4:
            # Whose answer it is does not matter: the socket is connected to the server alone.
            self._checked.set()
        elif 20 <= first < 64 and self._dtls is not None and not self._connected.is_set():
            self._step_dtls(data)

    def _count(self, data: bytes) -> None:
        self.packets += 1
        self.bytes += len(data)
        ssrc = int.from_bytes(data[8:12], "big")
        stream = self.streams.get(ssrc)
        if stream is None:
            stream = self.streams[ssrc] = StreamCount()
            self.receiving.set()
        seq = int.from_bytes(data[2:4], "big")
        if stream.packets == 0:
            stream.first_seq = stream.highest_seq = seq
        else:
            ahead = (seq - stream.highest_seq) & 0xFFFF
            if ahead < 0x8000:
                stream.highest_seq += ahead
        stream.packets += 1
        stream.bytes += len(data)
        if self.sample_every and self.on_rtp is not None and self._in is not None:
            self._since_sample += 1
            if self._since_sample >= self.sample_every:
                self._since_sample = 0
                self.on_rtp(self._in.unprotect(data), self._loop.time())

    async def close(self, http: aiohttp.ClientSession | None = None, token: str = "") -> None:
        """Send the DELETE (when `http` is given) and free the socket. May be repeated."""
        if self._consent is not None:
            self._consent.cancel()
            await asyncio.gather(self._consent, return_exceptions=True)
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if http is not None and self._remote is not None and self._remote.location:
            headers = {"Authorization": f"Bearer {token}"}
            async with http.delete(self._remote.location, headers=headers):
                return


def _shared_context() -> tuple[SSL.Context, str]:
    """One key and one context for all peers of the process: making them is what costs."""
    key, certificate = self_signed()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_max_proto_version(DTLS_1_2)
    # DTLS-SRTP authenticates by the SDP fingerprint (RFC 5763), checked after the handshake.
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
    return context, ":".join(re.findall("..", digest))


def _split_records(data: bytes) -> list[bytes]:
    """DTLS 1.2 records (RFC 6347 §4.1) as datagrams: a memory BIO joins what it was given."""
    records, at = [], 0
    while at + 13 <= len(data):
        end = at + 13 + int.from_bytes(data[at + 11 : at + 13], "big")
        records.append(data[at:end])
        at = end
    return records


def _parse_answer(sdp: str) -> Remote:
    def value(name: str) -> str:
        match = re.search(rf"^a={name}:(.+?)\s*$", sdp, re.MULTILINE)
        if match is None:
            raise PeerError(f"the answer has no {name}")
        return match[1]

    for line in re.findall(r"^a=candidate:(.+?)\s*$", sdp, re.MULTILINE):
        fields = line.split()
        if fields[2].lower() == "udp" and ":" not in fields[4]:
            address = (fields[4], int(fields[5]))
            break
    else:
        raise PeerError("the answer has no UDP candidate over IPv4")
    ssrcs = dict.fromkeys(int(s) for s in re.findall(r"^a=ssrc:(\d+)", sdp, re.MULTILINE))
    return Remote(
        ufrag=value("ice-ufrag"),
        pwd=value("ice-pwd"),
        fingerprint=value("fingerprint").split()[1],
        address=address,
        ssrc=list(ssrcs),
    )
