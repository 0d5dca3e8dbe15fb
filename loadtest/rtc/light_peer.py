"""A light WebRTC peer: real ICE checks, real DTLS-SRTP, no codec.

Hundreds fit in one process, so that the cost that is measured is the server's. It answers nothing
but what keeps it alive, unless `feedback` is asked for; then it sends what a browser would.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp

from loadtest.rtc import whip
from loadtest.rtc.drain import drain_of
from loadtest.rtc.dtls import DtlsRole
from loadtest.rtc.errors import PeerError
from loadtest.rtc.feedback import Feedback
from loadtest.rtc.header_extension import (
    ABS_SEND_TIME,
    MID,
    REPAIRED_RID,
    RID,
    abs_send_time,
    pack_extensions,
)
from loadtest.rtc.local_sdp import Direction, LocalMedia, LocalStream, build_answer, build_offer
from loadtest.rtc.negotiation import Agreement, agreed_by_answer, agreed_by_offer
from loadtest.rtc.peer_counts import PeerCounts
from loadtest.rtc.reception import Reception
from loadtest.rtc.recvmmsg import SO_TIMESTAMPNS, Receiver
from loadtest.rtc.rtcp import FullIntraRequest, Nack, PictureLoss, SenderReport, parse_untrusted
from loadtest.rtc.sdp import (
    AUDIO_PT,
    CLOCK_RATE,
    H264_PT,
    VIDEO_PT,
    Description,
    Kind,
    VideoCodec,
)
from loadtest.rtc.sdp import parse_untrusted as parse_sdp_untrusted
from loadtest.rtc.sending import Sending, SentStream
from loadtest.rtc.srtp import CM_SHA1, GCM, SrtpProfile
from loadtest.rtc.stream_count import StreamCount
from loadtest.rtc.transport import PeerTransport, SocketFactory

__all__ = [
    "AUDIO_PT", "CM_SHA1", "GCM", "H264_PT", "VIDEO_PT", "Direction", "LightPeer", "PeerCounts",
    "PeerError", "SocketFactory", "SrtpProfile", "StreamCount", "VideoCodec",
]  # fmt: skip

UPKEEP_EVERY_S: Final = 1.0
FOLLOW_EVERY: Final = 3
"""Upkeeps: well inside 32,768 packets at any rate a viewer receives."""
DEFAULT_CODECS: Final[dict[Direction, Sequence[VideoCodec]]] = {
    "sendonly": ("VP8",),
    "recvonly": ("VP8", "H264"),
}
Datagram = bytes
"""Inside the class, `bytes` is its counter."""
_SSRC_BASE: Final = 0x7FFFFF00


class LightPeer:
    """One transport that sends or receives.

    `connect` does all of it over WHIP or WHEP. Or else: `offer` and `accept`, or `answer`; then
    `establish`. `close` in any case. `video_codecs` None: VP8 when sending, VP8 and H.264 when
    receiving. `srtp` in order of preference. `remb_bps` fixes the estimate that feedback sends;
    None sends 1.5 times what arrives.
    """

    def __init__(
        self,
        direction: Direction,
        *,
        audio: int = 1,
        video: int = 1,
        video_codecs: Sequence[VideoCodec] | None = None,
        rids: Sequence[str] = (),
        srtp: Sequence[SrtpProfile] = (GCM, CM_SHA1),
        feedback: bool = False,
        remb_bps: int | None = None,
        open_socket: SocketFactory | None = None,
    ) -> None:
        if direction == "sendonly" and max(audio, video) > 1:
            raise ValueError("a sending peer has one audio and one video at most")
        audio_kinds: list[Kind] = ["audio"] * audio
        video_kinds: list[Kind] = ["video"] * video
        codecs = DEFAULT_CODECS[direction] if video_codecs is None else tuple(video_codecs)
        self.direction: Direction = direction
        self._media = LocalMedia(
            direction, audio_kinds + video_kinds, codecs, tuple(rids), feedback
        )
        self._remb_bps = remb_bps
        self._loop = asyncio.get_running_loop()
        self._ssrc_base = secrets.randbits(32) & _SSRC_BASE
        self._counts = PeerCounts()
        self._transport = PeerTransport(
            profiles=tuple(srtp),
            open_socket=open_socket,
            on_packet=self._take_early,
            on_dead=self._die,
        )
        self._reception = Reception(self._loop.time, self._counts)
        self._reception.on_other = self._transport.take_untrusted
        self._reception.on_rtcp = self._take_rtcp
        self._sending = Sending([])
        self._agreement = Agreement()
        self._session_url = ""
        self._upkeep: asyncio.TimerHandle | None = None
        self._upkeeps = 0
        self.receiving = asyncio.Event()
        """Set by the first RTP packet."""
        self._reception.on_first = self.receiving.set
        self.on_keyframe_request: Callable[[int], None] | None = None
        """Called with the SSRC of ours that a PLI or FIR names."""
        self.on_dead: Callable[[], None] | None = None
        """Called once when the connection ended by itself; `why_dead` says why."""
        self.reads_whole = False
        self.ticks = False

    # --- negotiation -----------------------------------------------------------------------

    def offer(self, toward: str | None = None) -> str:
        """Our SDP. `toward`: an IPv4 address of the server, by which our own is chosen."""
        streams: dict[Kind, LocalStream] = {}
        if self.direction == "sendonly":
            for kind in self._media.kinds:
                rtx = self.rtx_ssrc_of(kind) if kind == "video" else None
                streams[kind] = LocalStream(self.ssrc_of(kind), rtx)
        return build_offer(self._media, self._transport.describe(toward), streams)

    def accept(self, answer: str) -> None:
        """The server's answer to `offer`. Raises `PeerError`."""
        remote = parse_sdp_untrusted(answer)
        self._agree(agreed_by_answer(self._media, remote))
        # An answer of `actpass` is none; who wrote it means to wait (RFC 5763 §5).
        role: DtlsRole = "server" if remote.setup == "active" else "client"
        self._transport.accept(remote, role, controlling=True)

    def answer(self, offer: str) -> str:
        """Our answer to a server that offers: receive what we know of it. Raises `PeerError`."""
        if self.direction != "recvonly":
            raise PeerError("only a receiving peer answers offers")
        remote = parse_sdp_untrusted(offer, "offer")
        self._agree(agreed_by_offer(self._media, remote))
        role: DtlsRole = "server" if remote.setup == "active" else "client"
        # RFC 8445 §6.1.1: who offered controls, unless it is a lite agent.
        self._transport.accept(remote, role, controlling=remote.is_ice_lite)
        return build_answer(remote, self._media, self._transport.describe(_first_host(remote)))

    def _agree(self, agreement: Agreement) -> None:
        self._agreement = self._reception.agreement = agreement
        if self.direction == "sendonly":
            self._sending = Sending(self._sent_streams())
        elif self._media.feedback:
            video = [each for each in agreement.formats.values() if each.kind == "video"]
            has_remb = any("goog-remb" in each.feedback for each in video)
            self._reception.feedback = Feedback(
                self._ssrc_base,
                self._counts,
                rsize=agreement.rsize,
                uses_remb=has_remb and ABS_SEND_TIME in agreement.extensions,
                remb_bps=self._remb_bps,
            )

    def _sent_streams(self) -> list[SentStream]:
        kinds = [kind for kind in self._media.kinds if kind in self._agreement.chosen]
        return [
            self._sent_stream(kind, rid)
            for kind in kinds
            for rid in (self._rids_of(kind) or (None,))
        ]

    def _sent_stream(self, kind: Kind, rid: str | None) -> SentStream:
        rtx = self._agreement.rtx_of(self._agreement.chosen[kind])
        return SentStream(
            self.ssrc_of(kind, rid),
            CLOCK_RATE[kind],
            keeps=kind == "video",
            rtx_ssrc=None if rtx is None else self.rtx_ssrc_of(kind, rid),
            rtx_payload_type=rtx,
            rtx_extension=None if rid is None else self._extension(kind, rid, REPAIRED_RID),
            rtx_seq=secrets.randbits(15),
        )

    # --- joining ---------------------------------------------------------------------------

    async def connect(
        self, http: aiohttp.ClientSession, url: str, token: str, *, timeout_s: float = 10
    ) -> None:
        """POST the offer and bring ICE and DTLS up; raises `PeerError`. `close` in any case."""
        until = self._loop.time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                self._session_url = await whip.negotiate(http, url, token, self)
        except TimeoutError as error:
            raise PeerError(f"no answer from {url} within {timeout_s:g} s") from error
        await self.establish(timeout_s=max(0.0, until - self._loop.time()))

    async def establish(self, *, timeout_s: float = 10) -> None:
        """ICE checks, DTLS, keys. Raises `PeerError`, which names the step that failed."""
        await self._transport.establish(timeout_s)
        self._reception.srtp = self._transport.srtp
        if self._reception.feedback is not None or self._reception.on_latency is not None:
            self._take_timestamps()
        self._upkeep = self._loop.call_later(UPKEEP_EVERY_S, self._keep_up)
        self.ticks = self._reception.feedback is not None
        self._look_again()
        drain_of(self._loop).add(self)

    # --- sending ---------------------------------------------------------------------------

    def ssrc_of(self, kind: Kind, rid: str | None = None) -> int:
        """The SSRC that this peer sends that kind (or simulcast layer) with."""
        if kind == "audio":
            return self._ssrc_base | 1
        return self._ssrc_base | 2 + 2 * self._layer(rid)

    def rtx_ssrc_of(self, kind: Kind, rid: str | None = None) -> int:
        """The SSRC of its retransmissions, if the answer took them."""
        return self.ssrc_of(kind, rid) + 1

    def _layer(self, rid: str | None) -> int:
        return 0 if rid is None else self._media.rids.index(rid)

    def payload_type_of(self, kind: Kind) -> int:
        """What the answer chose. Raises `PeerError` when it took none of that kind."""
        payload_type = self._agreement.chosen.get(kind)
        if payload_type is None:
            raise PeerError(f"the server takes no {kind}")
        return payload_type

    @property
    def video_codec(self) -> str | None:
        """The codec that was chosen, None without video."""
        payload_type = self._agreement.chosen.get("video")
        return None if payload_type is None else self._agreement.formats[payload_type].codec

    @property
    def rids(self) -> tuple[str, ...]:
        """The simulcast layers that the server takes; empty: it takes one stream."""
        return self._agreement.rids

    def _rids_of(self, kind: Kind) -> tuple[str, ...]:
        return self._agreement.rids if kind == "video" else ()

    def extension_id(self, uri: str) -> int | None:
        """Of a header extension that was agreed on."""
        return self._agreement.extensions.get(uri)

    def header_extension(
        self, kind: Kind, rid: str | None = None, *, send_time_s: float | None = None
    ) -> Datagram:
        """The extension block of a packet of that layer: mid, rid when it is simulcast, and
        abs-send-time when given (on any clock). Behind the fixed header, with the X bit set;
        empty when nothing of it was agreed on."""
        return self._extension(kind, rid, RID, send_time_s)

    def _extension(
        self, kind: Kind, rid: str | None, rid_uri: str, send_time_s: float | None = None
    ) -> Datagram:
        wanted = [(MID, self._agreement.mids.get(kind, "").encode())]
        if rid is not None:
            wanted.append((rid_uri, rid.encode()))
        if send_time_s is not None:
            wanted.append((ABS_SEND_TIME, abs_send_time(send_time_s)))
        numbered = ((self.extension_id(uri), value) for uri, value in wanted)
        return pack_extensions([(n, value) for n, value in numbered if n is not None and value])

    def send_rtp(self, plain: Datagram) -> None:
        """Protect and send one packet; it is kept for NACKs."""
        self.send_batch((plain,))

    def send_batch(self, plain: Sequence[Datagram]) -> None:
        """Protect all, then send them in a row: a frame leaves as closely as it can."""
        srtp = self._transport.srtp
        assert srtp is not None, "connect() comes first"
        protected = [srtp.protect(each) for each in plain]
        for datagram in protected:
            self._transport.send(datagram)
        now = self._loop.time()
        for each, datagram in zip(plain, protected, strict=True):
            self._sending.note(each, datagram, now)

    def send_rtcp(self, plain: Datagram) -> None:
        srtp = self._transport.srtp
        assert srtp is not None, "connect() comes first"
        self._transport.send(srtp.protect_rtcp(plain))

    # --- receiving -------------------------------------------------------------------------

    @property
    def streams(self) -> dict[int, StreamCount]:
        """What arrived, per SSRC; retransmissions have one of their own."""
        return self._reception.streams

    @property
    def packets(self) -> int:
        return sum(stream.packets for stream in self.streams.values())

    @property
    def bytes(self) -> int:
        return self._reception.media_bytes

    @property
    def counts(self) -> PeerCounts:
        """The counters of this moment, as a value of its own."""
        counts = dataclasses.replace(self._counts)
        media = [each for each in self.streams.values() if each.kind != "rtx"]
        counts.packets, counts.bytes = self.packets, self.bytes
        counts.holes = sum(each.holes for each in media)
        counts.duplicates = sum(each.duplicates for each in media)
        counts.reordered = sum(each.reordered for each in media)
        counts.recovered = sum(each.recovered for each in media)
        if self._transport.srtp is not None:
            counts.unopened = self._transport.srtp.unopened
        if self.fileno() != -1:
            counts.overflows = self._transport.overflows()
        return counts

    @property
    def on_latency(self) -> Callable[[float], None] | None:
        """Called with the seconds from a mark (`loadtest.rtc.marker`) to the kernel's receiving
        it. Set it once what was cached for newcomers is over: that is late on purpose."""
        return self._reception.on_latency

    @on_latency.setter
    def on_latency(self, callback: Callable[[float], None] | None) -> None:
        self._reception.on_latency = callback
        if callback is not None:
            self._take_timestamps()
        self._look_again()

    @property
    def on_rtp(self) -> Callable[[Datagram, float], None] | None:
        """Called with a plain packet and the loop's time for one of `sample_every` packets."""
        return self._reception.on_rtp

    @on_rtp.setter
    def on_rtp(self, callback: Callable[[Datagram, float], None] | None) -> None:
        self._reception.on_rtp = callback
        self._look_again()

    @property
    def sample_every(self) -> int:
        """Decrypt one packet of so many for `on_rtp`; 0 decrypts none."""
        return self._reception.sample_every

    @sample_every.setter
    def sample_every(self, packets: int) -> None:
        self._reception.sample_every = packets
        self._look_again()

    # --- living ----------------------------------------------------------------------------

    @property
    def dead(self) -> bool:
        """The server closed the connection, or stopped answering ICE checks (RFC 7675)."""
        return bool(self._transport.death)

    @property
    def why_dead(self) -> str:
        return self._transport.death

    @property
    def srtp_profile(self) -> SrtpProfile | None:
        """What DTLS agreed on."""
        return None if self._transport.srtp is None else self._transport.srtp.profile

    async def close(self, http: aiohttp.ClientSession | None = None, token: str = "") -> None:
        """Send the DELETE (when `http` is given) and free the socket. May be repeated."""
        session, self._session_url = self._session_url, ""
        try:
            if http is not None and session:
                await whip.end(http, session, token)
        finally:
            self._free()

    def _free(self) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            self._upkeep = None
        if self.fileno() != -1:
            drain_of(self._loop).remove(self)
            self._counts.overflows = self._transport.overflows()
        self._transport.close()

    def _die(self) -> None:
        if self.on_dead is not None:
            self.on_dead()

    def _keep_up(self) -> None:
        """Once a second: sender reports, and keeping libsrtp at the stream's place."""
        self._upkeep = self._loop.call_later(UPKEEP_EVERY_S, self._keep_up)
        self._upkeeps += 1
        if self.direction == "sendonly":
            for report in self._sending.reports(self._loop.time(), time.time()):
                self.send_rtcp(report)
        elif self._upkeeps % FOLLOW_EVERY == 0:
            self._reception.follow()
            self._look_again()

    # --- what the drain calls --------------------------------------------------------------

    def fileno(self) -> int:
        return self._transport.socket.fileno()

    def take_batch(self, receiver: Receiver, count: int) -> None:
        if self.reads_whole:
            self._reception.take_whole(receiver, count)
            self._look_again()
        else:
            self._reception.take_heads(receiver, count)

    def tick(self, now: float) -> None:
        feedback = self._reception.feedback
        if feedback is None or self.dead:
            return
        media_bytes = self._reception.media_bytes
        for packet in feedback.take_due(now, self._transport.ice.rtt_s, media_bytes):
            self.send_rtcp(packet)

    def _look_again(self) -> None:
        # A sender gets little, and RTCP of any size.
        self.reads_whole = self.direction == "sendonly" or self._reception.reads_whole

    def _take_timestamps(self) -> None:
        if self.fileno() != -1:
            self._transport.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def _take_early(self, data: Datagram) -> None:
        """RTP that came before the keys is counted only."""
        self._reception.take_untrusted(data, len(data), None)

    def _take_rtcp(self, data: Datagram) -> None:
        srtp = self._transport.srtp
        if srtp is None or (self.direction == "recvonly" and self._reception.feedback is None):
            return
        plain = srtp.open_rtcp_untrusted(data)
        for event in parse_untrusted(plain) if plain is not None else ():
            match event:
                case SenderReport():
                    self._take_sender_report(event)
                case Nack():
                    self._take_nack(event)
                case PictureLoss():
                    self._ask_for_key_frame(event.media_ssrc)
                case FullIntraRequest():
                    if self._sending.is_new_request(event.media_ssrc, event.number):
                        self._ask_for_key_frame(event.media_ssrc)

    def _take_sender_report(self, event: SenderReport) -> None:
        if self._reception.feedback is not None:
            now = self._loop.time()
            self._reception.feedback.take_sender_report(event.ssrc, event.ntp, now)

    def _ask_for_key_frame(self, ssrc: int) -> None:
        if ssrc not in self._sending.streams:
            return
        self._counts.keyframe_requests += 1
        if self.on_keyframe_request is not None:
            self.on_keyframe_request(ssrc)

    def _take_nack(self, event: Nack) -> None:
        srtp = self._transport.srtp
        assert srtp is not None, "it came encrypted"
        self._counts.nacks_received += 1
        plain, as_they_were = self._sending.resend(event.media_ssrc, event.seqs)
        for datagram in [*map(srtp.protect, plain), *as_they_were]:
            self._transport.send(datagram)
        self._counts.resent += len(plain) + len(as_they_were)


def _first_host(remote: Description) -> str | None:
    return remote.candidates[0][0] if remote.candidates else None
