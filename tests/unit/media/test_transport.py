"""PeerTransport: its phases by hand, and against aiortc (another make) over loopback UDP."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from aioice import stun
from aiortc import (
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters

from media.certificate import Certificate, DtlsRole, Fingerprint
from media.demux import is_dtls, is_rtcp, is_rtp_or_rtcp, is_stun
from media.dtls import DtlsConnected, DtlsEndpoint
from media.ice import Address
from media.srtp import AEAD_AES_128_GCM, SrtpSender
from media.transport import (
    AddressChanged,
    Closed,
    Connected,
    Heard,
    PeerTransport,
    RemoteTransport,
    Silent,
    TransportEvent,
)
from media.udp import UdpPort
from tests.support.dtls_pair import ANY_DAY

WIFI: Address = ("192.0.2.1", 5000)
CELL: Address = ("198.51.100.7", 6000)
UFRAG, PWD = "serverUfrag1", "server-password-0123456789"
REMOTE_UFRAG, REMOTE_PWD = "cliU", "client-password-0123456789"


class Peer:
    """A peer by hand: sends checks and runs a DTLS endpoint of ours in the other role."""

    def __init__(self, dtls_role: DtlsRole, now: float = 0.0) -> None:
        certificate, ours = Certificate.generate(ANY_DAY), Certificate.generate(ANY_DAY)
        remote = RemoteTransport(REMOTE_UFRAG, REMOTE_PWD, (certificate.fingerprint,))
        self.transport = PeerTransport(
            local_ufrag=UFRAG,
            local_pwd=PWD,
            remote=remote,
            dtls_role=dtls_role,
            certificate=ours,
            now=now,
        )
        other: DtlsRole = "client" if dtls_role == "server" else "server"
        self.dtls = DtlsEndpoint(other, certificate, (ours.fingerprint,), now)
        self.sent: list[tuple[bytes, Address]] = []

    def check(self, address: Address, now: float, *, nominate: bool = True) -> None:
        self.transport.handle_stun(binding_request(UFRAG, PWD, nominate=nominate), address, now)

    def answer_question(self, now: float) -> None:
        """Answer what it asked of the address that a check came from (its last datagram)."""
        while (transmit := self.transport.poll_transmit()) is not None:
            self.sent.append(transmit)
        data, address = self.sent[-1]
        request = stun.parse_message(data)
        assert request.message_class is stun.Class.REQUEST
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
        self.transport.handle_stun(bytes(answer), address, now)

    def exchange(self, address: Address, now: float) -> None:
        busy = True
        while busy:
            busy = False
            while (transmit := self.transport.poll_transmit()) is not None:
                busy = True
                self.sent.append(transmit)
                if is_dtls(transmit[0]):
                    self.dtls.handle_datagram(transmit[0], now)
            while (data := self.dtls.poll_transmit()) is not None:
                busy = True
                self.transport.handle_dtls(data, address, now)

    def connect(self, now: float) -> DtlsConnected:
        self.check(WIFI, now)
        self.dtls.start(now)
        self.exchange(WIFI, now)
        connected = self.dtls.poll_event()
        assert isinstance(connected, DtlsConnected)
        return connected

    def events(self) -> list[TransportEvent]:
        found = []
        while (event := self.transport.poll_event()) is not None:
            found.append(event)
        return found


def binding_request(
    ufrag: str, pwd: str, *, remote: str = REMOTE_UFRAG, nominate: bool = False
) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:{remote}"
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(pwd.encode())
    return bytes(message)


@pytest.mark.parametrize("role", ["client", "server"])
def test_ice_then_dtls_then_srtp(role: DtlsRole) -> None:
    peer = Peer(role)
    assert peer.transport.state == "new"
    assert peer.transport.next_deadline() == 30.0
    connected = peer.connect(1.0)
    assert peer.events() == [AddressChanged(WIFI), Connected("SRTP_AEAD_AES_128_GCM")]
    assert peer.transport.state == "connected"
    assert peer.transport.address == WIFI
    srtp_in, srtp_out = peer.transport.srtp_in, peer.transport.srtp_out
    assert srtp_in is not None
    assert srtp_out is not None
    packet = b"\x80\x60\x00\x01" + bytes(8) + b"hello"
    theirs = SrtpSender(AEAD_AES_128_GCM, connected.local_key)
    assert srtp_in.unprotect_rtp(theirs.protect_rtp(packet)) == packet
    assert peer.transport.next_deadline() == 6.0


@pytest.mark.parametrize("role", ["server", "client"])
def test_the_handshake_tells_the_round_trip(role: DtlsRole) -> None:
    peer = Peer(role)
    peer.check(WIFI, 1.0)
    peer.dtls.start(1.0)
    now, under_way = 1.0, 0.04
    while peer.transport.srtp_in is None:
        assert now < 2, "no handshake"
        theirs = []
        while (transmit := peer.transport.poll_transmit()) is not None:
            if is_dtls(transmit[0]):
                peer.dtls.handle_datagram(transmit[0], now + under_way)
        while (data := peer.dtls.poll_transmit()) is not None:
            theirs.append(data)
        now += 2 * under_way
        for data in theirs:
            peer.transport.handle_dtls(data, WIFI, now)
    assert peer.transport.handshake_rtt_s == pytest.approx(2 * under_way)


def test_a_flight_sent_twice_tells_no_round_trip() -> None:
    peer = Peer("server")
    peer.check(WIFI, 1.0)
    peer.dtls.start(1.0)
    hello = peer.dtls.poll_transmit()
    assert hello is not None
    peer.transport.handle_dtls(hello, WIFI, 1.0)
    again = peer.transport.next_deadline()
    assert again is not None
    peer.transport.handle_timeout(again)
    peer.exchange(WIFI, again + 0.001)
    assert peer.transport.srtp_in is not None
    assert peer.transport.handshake_rtt_s is None


def test_dtls_is_ignored_before_a_check_vouched_for_the_address() -> None:
    peer = Peer("server")
    peer.dtls.start(0.0)
    hello = peer.dtls.poll_transmit()
    assert hello is not None
    peer.transport.handle_dtls(hello, WIFI, 0.0)
    assert peer.transport.poll_transmit() is None
    peer.check(WIFI, 0.1)
    peer.sent.clear()
    peer.exchange(WIFI, 0.1)
    assert not any(is_dtls(data) for data, _ in peer.sent), "from another address: still ignored"
    peer.transport.handle_dtls(hello, CELL, 0.2)
    assert peer.transport.poll_transmit() is None


def test_a_client_speaks_first_and_only_to_a_proven_address() -> None:
    peer = Peer("client")
    peer.transport.handle_timeout(0.5)
    assert peer.transport.poll_transmit() is None
    peer.check(CELL, 1.0, nominate=False)
    first, second = peer.transport.poll_transmit(), peer.transport.poll_transmit()
    assert first is not None
    assert second is not None
    assert is_stun(first[0])
    assert is_dtls(second[0])
    assert second[1] == CELL


def test_a_moving_peer_changes_the_address_and_keeps_its_keys() -> None:
    peer = Peer("server")
    peer.connect(1.0)
    peer.events()
    srtp_in = peer.transport.srtp_in
    peer.check(CELL, 3.0)
    peer.answer_question(3.1)
    assert peer.events() == [AddressChanged(CELL)]
    assert peer.transport.address == CELL
    assert peer.transport.is_valid_address(WIFI)
    assert peer.transport.srtp_in is srtp_in


def test_silence_and_media_again() -> None:
    peer = Peer("server")
    peer.connect(1.0)
    peer.events()
    peer.transport.handle_timeout(6.0)
    assert peer.events() == [Silent()]
    peer.transport.heard(8.0)
    assert peer.events() == [Heard()]
    assert peer.transport.next_deadline() == 13.0
    peer.transport.handle_timeout(13.0)
    peer.transport.handle_timeout(38.0)
    assert peer.events() == [Silent(), Closed("silent")]
    assert peer.transport.state == "closed"
    assert peer.transport.next_deadline() is None


def test_no_check_ever() -> None:
    peer = Peer("server", now=10.0)
    peer.transport.handle_timeout(40.0)
    assert peer.events() == [Closed("ice_timeout")]


def test_checks_without_dtls_end_in_dtls_timeout() -> None:
    peer = Peer("server")
    for tick in range(31):
        peer.check(WIFI, float(tick))
        peer.transport.handle_timeout(float(tick))
    assert [event for event in peer.events() if isinstance(event, Closed)] == [
        Closed("dtls_timeout", "no handshake within 30 s")
    ]


def test_a_handshake_that_nobody_checks_for_is_not_repeated() -> None:
    """One check with a forged address must not buy half a minute of ClientHellos."""
    peer = Peer("client")
    peer.check(WIFI, 0.0)
    for tick in range(1, 300):
        peer.transport.handle_timeout(tick / 10)
    late = list(iter(peer.transport.poll_transmit, None))
    hellos = [data for data, _ in late if is_dtls(data)]
    assert 3 <= len(hellos) <= 8, "0, 0.2, 0.6, 1.4 and 3 s, and OpenSSL's own at 1 and 3 s"
    assert len(hellos[0]) < 400


def test_a_wrong_fingerprint_closes() -> None:
    peer = Peer("server")
    stranger = DtlsEndpoint("client", Certificate.generate(ANY_DAY), peer.dtls._fingerprints, 0.0)
    peer.dtls = stranger
    peer.check(WIFI, 0.0)
    stranger.start(0.0)
    peer.exchange(WIFI, 0.0)
    last = peer.events()[-1]
    assert isinstance(last, Closed)
    assert last.reason == "dtls_failed"
    assert peer.transport.srtp_in is None


def test_closing_tells_the_peer_and_is_final() -> None:
    peer = Peer("server")
    peer.connect(1.0)
    peer.events()
    peer.transport.close(2.0, "replaced")
    peer.transport.close(3.0)
    assert peer.events() == [Closed("replaced")]
    farewell = peer.transport.poll_transmit()
    assert farewell is not None
    assert is_dtls(farewell[0])
    peer.check(WIFI, 4.0)
    peer.transport.heard(4.0)
    peer.transport.handle_timeout(99.0)
    assert peer.events() == []
    assert peer.transport.poll_transmit() is None


def test_the_peers_close_notify_closes() -> None:
    peer = Peer("client")
    peer.connect(1.0)
    peer.events()
    peer.dtls.close(2.0)
    peer.exchange(WIFI, 2.0)
    assert peer.events() == [Closed("remote_closed")]


def test_ice_restart_keeps_media_running_and_changes_the_tag() -> None:
    peer = Peer("server")
    peer.connect(1.0)
    peer.events()
    old_tag = peer.transport.ice_tag
    new = peer.transport.restart_ice("cliV", "client-password-new-0123456")
    assert peer.transport.ice_tag != old_tag
    assert set(peer.transport.local_ufrags) == {new.ufrag, UFRAG}
    peer.transport.handle_stun(binding_request(new.ufrag, new.pwd, remote="cliV"), CELL, 2.0)
    peer.answer_question(2.1)
    assert peer.events() == [AddressChanged(CELL)]
    assert list(peer.transport.local_ufrags) == [new.ufrag]
    assert peer.transport.state == "connected"


def test_drops_are_counted_by_reason() -> None:
    peer = Peer("server")
    peer.transport.handle_stun(b"junk", WIFI, 0.0)
    peer.check(WIFI, 0.0)
    peer.transport.handle_dtls(b"x", WIFI, 0.0)
    assert peer.transport.dropped == {"bad_stun": 1, "bad_dtls": 1}


# --- another make, over real UDP ---


class Shell:
    """The smallest shell: one UDP port, one transport, one timer."""

    def __init__(self, transport: PeerTransport) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = transport
        self.port = UdpPort(self.loop, "127.0.0.1", 0, self.on_batch)
        self.connected = self.loop.create_future()
        self.closed = self.loop.create_future()
        self.packets: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.timer: asyncio.TimerHandle | None = None
        self.pump()

    def on_batch(self, batch: list[tuple[bytes, Address]], now: float) -> None:
        for data, address in batch:
            if is_stun(data):
                self.transport.handle_stun(data, address, now)
            elif is_dtls(data):
                self.transport.handle_dtls(data, address, now)
            elif is_rtp_or_rtcp(data) and self.transport.srtp_in is not None:
                opener = self.transport.srtp_in
                opened = opener.unprotect_rtcp if is_rtcp(data) else opener.unprotect_rtp
                self.packets.put_nowait(opened(data))
        self.pump()

    def pump(self) -> None:
        while (transmit := self.transport.poll_transmit()) is not None:
            self.port.send(*transmit)
        while (event := self.transport.poll_event()) is not None:
            if isinstance(event, Connected):
                self.connected.set_result(event)
            elif isinstance(event, Closed):
                self.closed.set_result(event)
        if self.timer is not None:
            self.timer.cancel()
        deadline = self.transport.next_deadline()
        if deadline is not None:
            self.timer = self.loop.call_at(deadline, self.on_timer, deadline)

    def on_timer(self, deadline: float) -> None:
        self.transport.handle_timeout(max(deadline, self.loop.time()))
        self.pump()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.timer is not None:
                self.timer.cancel()
            self.port.close()


@pytest.mark.parametrize("role", ["client", "server"])
async def test_aiortc_connects_over_loopback(role: DtlsRole) -> None:
    gatherer = RTCIceGatherer(iceServers=[])
    await gatherer.gather()
    ice = RTCIceTransport(gatherer)
    # The client always offers and offers are controlling towards a lite agent (RFC 8445 §6.1.1).
    ice._connection.ice_controlling = True
    theirs = RTCCertificate.generateCertificate()
    dtls = RTCDtlsTransport(ice, [theirs])
    dtls._set_role("client" if role == "server" else "server")
    parameters = gatherer.getLocalParameters()
    assert parameters.usernameFragment is not None
    assert parameters.password is not None
    ours = Certificate.generate(ANY_DAY)
    transport = PeerTransport(
        local_ufrag=UFRAG,
        local_pwd=PWD,
        remote=RemoteTransport(
            parameters.usernameFragment,
            parameters.password,
            tuple(Fingerprint(each.algorithm, each.value) for each in theirs.getFingerprints()),
        ),
        dtls_role=role,
        certificate=ours,
        now=asyncio.get_running_loop().time(),
    )
    shell = Shell(transport)
    with shell.running():
        host, port = shell.port.address[:2]
        await ice.addRemoteCandidate(RTCIceCandidate(1, "1", host, port, 2130706431, "udp", "host"))
        await ice.addRemoteCandidate(None)
        async with asyncio.timeout(20):
            await ice.start(RTCIceParameters(UFRAG, PWD, iceLite=True))
            fingerprint = RTCDtlsFingerprint(ours.fingerprint.algorithm, ours.fingerprint.value)
            await dtls.start(RTCDtlsParameters(fingerprints=[fingerprint]))
            await shell.connected
            assert dtls.state == "connected"
            packet = b"\x80\x60\x00\x01" + bytes(8) + b"hello"
            await dtls._send_rtp(packet)
            assert await shell.packets.get() == packet
            await dtls.stop()
            assert await shell.closed == Closed("remote_closed")
            await ice.stop()
