"""Tiny WebRTC clients for a plane in the same memory (see `plane_world`).

A client makes its own SDP offer, checks by STUN, shakes hands by DTLS and speaks SRTP, so all that
reaches the plane is datagrams with source addresses. A publisher names itself and counts in every
payload, so that a viewer can tell what it was given.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from aioice import stun

from loadtest.network.impairment import Impairment
from media import rtcp
from media.certificate import DtlsRole, Fingerprint
from media.demux import is_dtls, is_rtcp, is_rtp_or_rtcp, is_stun
from media.dtls import DtlsConnected, DtlsEndpoint, DtlsState
from media.ice import Address
from media.payload import inspect_untrusted
from media.rtp import RtpHeader, parse_rtp_untrusted, read_extensions_untrusted
from media.seam import (
    Answered,
    CodecPolicy,
    PeerId,
    PlayOffer,
    PublishOffer,
    Refused,
    RequestId,
    Source,
)
from media.srtp import SrtpReceiver, SrtpSender
from tests.support.plane_offer import (
    AUDIO_LEVEL_ID,
    AUDIO_PT,
    CLIENT_CERTIFICATE,
    H264_PT,
    RED_PT,
    TWCC_ID,
    VP8_PT,
    VP8_RTX_PT,
    OfferText,
)
from tests.support.rtp_kit import red_payload, rtp_bytes, vp8_payload

CHECK_INTERVAL_S: Final = 2.5
"""As Chromium."""
CLIENTS_WALL_OFFSET_S: Final = 1_790_003_600.0
"""Publishers' clocks are an hour ahead of the plane's."""
SOURCES: Final[dict[str, Source]] = {"audio": "microphone", "video": "camera"}


Datagram = tuple[bytes, Address, Address]
"""Data, source, target."""


@dataclass(slots=True)
class Link:
    """One direction of one client. `loss` and `reorder` are fractions of the datagrams; a
    reordered one comes `late_s` later than the others. With `impaired` that link does it all."""

    delay_s: float = 0.01
    loss: float = 0.0
    reorder: float = 0.0
    late_s: float = 0.03
    is_cut: bool = False
    impaired: Impairment[Datagram] | None = None


class Surroundings(Protocol):
    """What a client needs of its world."""

    now: float
    policy: CodecPolicy

    def transmit(self, data: bytes, client: Client) -> None: ...

    def join(self, client: Client) -> None: ...

    def request_id(self) -> RequestId: ...

    def ask(self, command: PublishOffer | PlayOffer) -> Answered | Refused: ...


class Client:
    """STUN, DTLS and SRTP of one client; what it sends and keeps is for the two kinds below."""

    _hosts = 0

    def __init__(self, world: Surroundings, name: str, text: OfferText) -> None:
        Client._hosts = Client._hosts % 60_000 + 1
        self.world = world
        self.name = name
        self.peer_id = PeerId(name)
        self.text = text
        self.address: Address = ("203.0.113.9", 2000 + Client._hosts)
        self.up, self.down = Link(), Link()
        self.answer = ""
        self.remote_ufrag = self.remote_pwd = ""
        self.is_nominating = True
        self.is_checking = True
        self.checks_answered = 0
        self.checked = 0
        """Questions of the plane that were answered."""
        self.srtp_out: SrtpSender | None = None
        self.srtp_in: SrtpReceiver | None = None
        self.opening_failed = 0
        self.feedback: list[rtcp.AnyRtcpPacket] = []
        """RTCP of the plane, decrypted, in order of arrival."""
        self.rtcp_times: list[float] = []
        self.twcc: list[bytes] = []
        """Transport-wide feedback, decrypted: aiortc does not read it."""
        self._check_at = world.now
        self._dtls: DtlsEndpoint | None = None

    @property
    def is_connected(self) -> bool:
        return self.srtp_out is not None

    @property
    def has_goodbye(self) -> bool:
        return self._dtls is not None and self._dtls.state is DtlsState.CLOSED

    # --- set-up ---

    def accept(self, answer: Answered) -> None:
        self.answer = answer.sdp
        self.remote_ufrag = _value(answer.sdp, "ice-ufrag")
        self.remote_pwd = _value(answer.sdp, "ice-pwd")
        role: DtlsRole = "client" if _value(answer.sdp, "setup") == "passive" else "server"
        algorithm, value = _value(answer.sdp, "fingerprint").split()
        trusted = (Fingerprint(algorithm, value),)
        self._dtls = DtlsEndpoint(role, CLIENT_CERTIFICATE, trusted, self.world.now)
        self.world.join(self)

    def check(self) -> bytes:
        """A connectivity check with the present credentials (RFC 8445 §7.1)."""
        message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{self.remote_ufrag}:{self.text.ufrag}"
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLING"] = 1
        if self.is_nominating:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(self.remote_pwd.encode())
        return bytes(message)

    # --- time and datagrams ---

    def act(self, now: float) -> None:
        if self.is_checking and now >= self._check_at:
            self._check_at = now + (CHECK_INTERVAL_S if self.is_connected else 0.1)
            self.world.transmit(self.check(), self)
        if self._dtls is not None:
            deadline = self._dtls.next_deadline()
            if deadline is not None and deadline <= now:
                self._dtls.handle_timeout(now)
            self._collect()

    def _answer_check(self, request: stun.Message) -> None:
        """As every agent must (RFC 8445 §7.3)."""
        answer = stun.Message(
            stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("198.51.100.1", 7882)
        answer.add_message_integrity(self.text.pwd.encode())
        self.world.transmit(bytes(answer), self)

    def receive(self, data: bytes, now: float) -> None:
        if is_stun(data):
            message = stun.parse_message(data)
            if message.message_class is stun.Class.REQUEST:
                if message.check_message_integrity(self.text.pwd.encode()):
                    self.checked += 1
                    self._answer_check(message)
                return
            if not message.check_message_integrity(self.remote_pwd.encode()):
                return  # not for us, as far as we can tell
            self.checks_answered += 1
            if self._dtls is not None and self._dtls.state is DtlsState.NEW:
                self._dtls.start(now)
        elif is_dtls(data):
            assert self._dtls is not None, "nobody speaks DTLS before the answer"
            self._dtls.handle_datagram(data, now)
        elif is_rtp_or_rtcp(data) and self.srtp_in is not None:
            self._open(data, now)
        self._collect()

    def _open(self, data: bytes, now: float) -> None:
        assert self.srtp_in is not None, "keys come first"
        if is_rtcp(data):
            plain = self.srtp_in.unprotect_rtcp(data)
            if plain is not None:
                if plain[0] & 0x1F == 15 and plain[1] == 205:
                    self.twcc.append(plain)
                    return
                packets = rtcp.parse_compound_untrusted(plain)
                self.feedback += packets
                self.rtcp_times += [now] * len(packets)
                self.take_feedback(packets, now)
        else:
            plain = self.srtp_in.unprotect_rtp(data)
            if plain is not None:
                self.take_rtp(plain, now)
        if plain is None:
            self.opening_failed += 1

    def take_feedback(self, packets: list[rtcp.AnyRtcpPacket], now: float) -> None:
        """What a client does with RTCP beyond keeping it."""

    def take_rtp(self, plain: bytes, now: float) -> None:
        """What a client does with RTP."""

    def _collect(self) -> None:
        dtls = self._dtls
        if dtls is None:
            return
        while (data := dtls.poll_transmit()) is not None:
            self.world.transmit(data, self)
        while (event := dtls.poll_event()) is not None:
            if isinstance(event, DtlsConnected):
                self.srtp_out = SrtpSender(event.profile, event.local_key)
                self.srtp_in = SrtpReceiver(event.profile, event.remote_key)

    def goodbye(self) -> None:
        """Close by DTLS close_notify."""
        assert self._dtls is not None, "offer first"
        self._dtls.close(self.world.now)
        self._collect()

    def vanish(self) -> None:
        """Both ways are dead from now on."""
        self.up.is_cut = self.down.is_cut = True

    def return_(self) -> None:
        self.up.is_cut = self.down.is_cut = False

    def send_rtcp(self, plain: bytes) -> None:
        assert self.srtp_out is not None, "run until connected"
        self.world.transmit(self.srtp_out.protect_rtcp(plain), self)

    def send_rtp(self, plain: bytes) -> None:
        if self.srtp_out is not None:
            self.world.transmit(self.srtp_out.protect_rtp(plain), self)


# --- publishers -----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Camera:
    """Frames of `packets` each at `fps`; a key frame when asked (if it listens) and every
    `keyframe_every_s`. `packets` of the last seconds are kept for RTX."""

    seq: int
    rtp_timestamp: int
    fps: float = 30.0
    packets: int = 2
    listens: bool = True
    keyframe_every_s: float = 1000.0
    is_on: bool = True
    ignores_nacks: bool = False
    picture_id: int = 100
    next_at: float = 0.0
    keyframe_at: float = 0.0
    is_asked: bool = True
    keyframes: int = 0
    captured: dict[int, float] = field(default_factory=dict)
    """When each packet (wire number) was captured."""
    kept: dict[int, bytes] = field(default_factory=dict)

    def turn_deaf(self, *, keyframe_every_s: float) -> None:
        """Ignore PLIs, as OBS and FFmpeg do; the first of the steady key frames comes at once."""
        self.listens = False
        self.keyframe_every_s = keyframe_every_s
        self.keyframe_at = 0.0


class Publisher(Client):
    """Sends what its `camera` and `microphone` make; answers PLIs and NACKs like a browser."""

    MEDIA_SSRC, RTX_SSRC, AUDIO_SSRC = 0x1001, 0x1002, 0x1003

    def __init__(self, world: Surroundings, name: str, text: OfferText) -> None:
        super().__init__(world, name, text)
        chance = random.Random(name)
        self.camera = Camera(seq=chance.getrandbits(16), rtp_timestamp=chance.getrandbits(32))
        self.microphone = Camera(
            seq=chance.getrandbits(16), rtp_timestamp=chance.getrandbits(32), fps=50.0, packets=1
        )
        self.rtx_seq = 40
        self.transport_seq = 65_530
        """Of the next packet, where the offer has transport-wide numbers."""
        self.plis = 0
        self.nacked: list[int] = []
        self.sends_red = False
        """Each audio packet repeats the one before; set it once RED was answered."""
        self.said = b""
        self._report_at = world.now
        self._video_origin = self._audio_origin = world.now

    @property
    def owner(self) -> str:
        return f"{self.name.partition('#')[0]}/s1"

    @property
    def camera_id(self) -> str:
        return f"{self.owner}/camera"

    @property
    def microphone_id(self) -> str:
        return f"{self.owner}/microphone"

    def offer(self) -> Answered:
        if self.text.announces:
            mids = iter(("0", "1"))
            if self.text.audio:
                self.text.ssrcs[next(mids)] = (self.AUDIO_SSRC, 0)
            if self.text.video:
                self.text.ssrcs[next(mids)] = (self.MEDIA_SSRC, self.RTX_SSRC)
        command = PublishOffer(
            self.world.request_id(),
            self.peer_id,
            str(self.text),
            self.owner,
            SOURCES,
            self.world.policy,
        )
        answer = self.world.ask(command)
        assert isinstance(answer, Answered), answer
        self.accept(answer)
        return answer

    def act(self, now: float) -> None:
        super().act(now)
        if self.srtp_out is None:
            return
        if self.text.video and self.camera.is_on and now >= self.camera.next_at:
            self._send_frame(now)
        if self.text.audio and self.microphone.is_on and now >= self.microphone.next_at:
            self._send_audio(now)
        if now >= self._report_at:
            self._report_at = now + 1.0
            self._send_reports(now)

    def _extensions(self, more: dict[int, bytes] | None = None) -> dict[int, bytes] | None:
        """Header extensions of the next packet."""
        if not self.text.twcc:
            return more
        value = self.transport_seq.to_bytes(2, "big")
        self.transport_seq = (self.transport_seq + 1) & 0xFFFF
        return {TWCC_ID: value, **(more or {})}

    def _send_frame(self, now: float) -> None:
        camera = self.camera
        camera.next_at = now + 1 / camera.fps
        is_key = now >= camera.keyframe_at or (camera.is_asked and camera.listens)
        if is_key:
            camera.keyframe_at = now + camera.keyframe_every_s
            camera.keyframes += 1
            camera.is_asked = False
        timestamp = self.video_timestamp(now)
        camera.picture_id += 1
        for index in range(camera.packets):
            is_last = index + 1 == camera.packets
            label = f"{self.name}:{camera.seq}:".encode()
            payload = vp8_payload(
                keyframe=is_key,
                start=index == 0,
                picture_id=camera.picture_id,
                body=label.ljust(60 if is_last else 100, b"."),
            )
            packet = rtp_bytes(
                camera.seq,
                timestamp,
                ssrc=self.MEDIA_SSRC,
                payload_type=VP8_PT if "vp8" in self.text.video_codecs else H264_PT,
                payload=payload,
                marker=is_last,
                extensions=self._extensions(),
            )
            camera.captured[camera.seq] = now
            camera.kept[camera.seq] = packet
            camera.seq = (camera.seq + 1) & 0xFFFF
            self.send_rtp(packet)

    def _send_audio(self, now: float) -> None:
        microphone = self.microphone
        microphone.next_at = now + 1 / microphone.fps
        payload_type, payload = AUDIO_PT, f"{self.name}:{microphone.seq}:".encode()
        if self.sends_red:
            older, self.said = [(960, self.said)] if self.said else [], payload
            payload_type, payload = RED_PT, red_payload(payload, older)
        packet = rtp_bytes(
            microphone.seq,
            self.audio_timestamp(now),
            ssrc=self.AUDIO_SSRC,
            payload_type=payload_type,
            payload=payload,
            extensions=self._extensions({AUDIO_LEVEL_ID: b"\x85"}),
        )
        microphone.captured[microphone.seq] = now
        microphone.kept[microphone.seq] = packet
        microphone.seq = (microphone.seq + 1) & 0xFFFF
        self.send_rtp(packet)

    def video_timestamp(self, captured: float) -> int:
        ticks = round((captured - self._video_origin) * 90_000)
        return (self.camera.rtp_timestamp + ticks) & 0xFFFFFFFF

    def audio_timestamp(self, captured: float) -> int:
        ticks = round((captured - self._audio_origin) * 48_000)
        return (self.microphone.rtp_timestamp + ticks) & 0xFFFFFFFF

    def _send_reports(self, now: float) -> None:
        ntp = rtcp.ntp64(now + CLIENTS_WALL_OFFSET_S)
        compound = b""
        if self.text.video:
            stamp = self.video_timestamp(now)
            compound += rtcp.build_sender_report(self.MEDIA_SSRC, ntp, stamp, 1, 1)
        if self.text.audio:
            stamp = self.audio_timestamp(now)
            compound += rtcp.build_sender_report(self.AUDIO_SSRC, ntp, stamp, 1, 1)
        self.send_rtcp(compound)

    def take_feedback(self, packets: list[rtcp.AnyRtcpPacket], now: float) -> None:
        for packet in packets:
            if rtcp.is_pli(packet):
                self.plis += 1
                self.camera.is_asked = True
            elif rtcp.is_nack(packet):
                assert isinstance(packet, rtcp.RtcpRtpfbPacket)
                self.nacked += packet.lost
                if packet.media_ssrc == self.AUDIO_SSRC:
                    self.repeat(packet.lost)
                elif not self.camera.ignores_nacks:
                    self.resend(packet.lost)

    def repeat(self, seqs: Iterable[int]) -> None:
        """Sound, as it was: it has no RTX."""
        for seq in seqs:
            packet = self.microphone.kept.get(seq)
            if packet is not None:
                self.send_rtp(packet)

    def resend(self, seqs: Iterable[int]) -> None:
        """Pictures, by RTX (RFC 4588), or as they were without it."""
        for seq in seqs:
            packet = self.camera.kept.get(seq)
            if packet is None:
                continue
            if not self.text.rtx:
                self.send_rtp(packet)
                continue
            header = parse_rtp_untrusted(packet)
            self.rtx_seq += 1
            again = rtp_bytes(
                self.rtx_seq,
                header.rtp_timestamp,
                ssrc=self.RTX_SSRC,
                payload_type=VP8_RTX_PT,
                payload=seq.to_bytes(2, "big") + packet[header.payload_start :],
                marker=header.marker,
                extensions=self._extensions(),
            )
            self.send_rtp(again)


# --- viewers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """One RTP packet as a viewer got it. `original` is the number an RTX packet repeats."""

    at: float
    header: RtpHeader
    payload: bytes
    extensions: dict[int, bytes]
    original: int | None
    plain: bytes

    @property
    def source(self) -> str:
        """Who captured it."""
        return self._label()[0]

    @property
    def source_seq(self) -> int:
        """Its number at its publisher."""
        return int(self._label()[1])

    def _label(self) -> list[str]:
        found = re.search(rb"([a-z0-9#-]+):(\d+):", self.payload)
        assert found is not None, self.payload
        return [part.decode() for part in found.groups()]

    @property
    def is_keyframe_start(self) -> bool:
        return inspect_untrusted("vp8", self.payload)[0]

    @property
    def picture_id(self) -> int:
        descriptor = inspect_untrusted("vp8", self.payload)[1]
        assert descriptor is not None
        return descriptor.picture_id

    @property
    def seq(self) -> int:
        return self.header.seq if self.original is None else self.original


class Viewer(Client):
    """Keeps all it is sent, by the mid whose SSRC it came on; sends nothing unless told."""

    def __init__(self, world: Surroundings, name: str, text: OfferText) -> None:
        super().__init__(world, name, text)
        self.received: dict[str, list[Received]] = {}
        self.answered: Answered | None = None
        self._mids: dict[int, tuple[str, bool]] = {}
        self.media_ssrc: dict[str, int] = {}
        self.rtx_ssrc: dict[str, int] = {}

    def offer(self, max_video: int = 4) -> Answered:
        command = PlayOffer(
            self.world.request_id(),
            self.peer_id,
            str(self.text),
            max_video=max_video,
            policy=self.world.policy,
        )
        answer = self.world.ask(command)
        assert isinstance(answer, Answered), answer
        self.answered = answer
        for slot in answer.slots:
            self.received[slot.mid] = []
            section = answer.sdp.partition(f"a=mid:{slot.mid}\r\n")[2].partition("m=")[0]
            ssrcs = list(dict.fromkeys(int(each) for each in re.findall(r"a=ssrc:(\d+)", section)))
            self._mids[ssrcs[0]] = (slot.mid, False)
            self.media_ssrc[slot.mid] = ssrcs[0]
            if len(ssrcs) > 1:
                self._mids[ssrcs[1]] = (slot.mid, True)
                self.rtx_ssrc[slot.mid] = ssrcs[1]
        self.accept(answer)
        return answer

    def take_rtp(self, plain: bytes, now: float) -> None:
        header = parse_rtp_untrusted(plain)
        mid, is_rtx = self._mids[header.ssrc]
        payload = plain[header.payload_start : header.payload_end]
        extensions = read_extensions_untrusted(plain, header)
        original = int.from_bytes(payload[:2], "big") if is_rtx else None
        if is_rtx:
            payload = payload[2:]
        self.received[mid].append(Received(now, header, payload, extensions, original, plain))

    def media(self, mid: str) -> list[Received]:
        """First transmissions only."""
        return [each for each in self.received[mid] if each.original is None]

    def send_nack(self, mid: str, seqs: Iterable[int]) -> None:
        self.send_rtcp(rtcp.build_nack(1, self.media_ssrc[mid], seqs))

    def send_pli(self, mid: str) -> None:
        self.send_rtcp(rtcp.build_pli(1, self.media_ssrc[mid]))

    def reports(self, mid: str) -> list[rtcp.RtcpSrPacket]:
        """Sender reports of that slot."""
        return [
            each
            for each in self.feedback
            if isinstance(each, rtcp.RtcpSrPacket) and each.ssrc == self.media_ssrc[mid]
        ]


def _value(sdp: str, name: str) -> str:
    found = re.search(rf"^a={name}:(.*?)\r?$", sdp, re.MULTILINE)
    assert found is not None, f"the answer has no {name}"
    return found.group(1)
