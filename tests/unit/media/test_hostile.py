"""What strangers and hostile members can make the plane send and keep, measured in bytes."""

from __future__ import annotations

import struct

import pytest

from media import rtcp
from media.demux import is_dtls
from media.downlink import RESEND_BURST, RESENDS_PER_S
from media.ice import Address
from tests.support.plane_client import Client, Viewer
from tests.support.plane_offer import OfferText
from tests.support.plane_world import World
from tests.unit.media.test_plane import STRANGER, VIDEO, live_room, tables


def sent_to(world: World, address: Address, since: int = 0) -> int:
    """Bytes."""
    return sum(len(data) for target, data in world.sent[since:] if target == address)


def client_hello(client: Client) -> bytes:
    """The first DTLS datagram of a client in the active role."""
    assert client._dtls is not None
    client._dtls.start(client.world.now)
    data = client._dtls.poll_transmit()
    assert data is not None
    assert is_dtls(data)
    return data


# --- before the handshake -------------------------------------------------------------------------


def test_strangers_get_nothing_whatever_they_send() -> None:
    world = World()
    host, viewer = live_room(world)
    forged = bytearray(viewer.check())
    forged[-20] ^= 1
    before = len(world.sent)
    for data in (bytes(forged), host.check()[:-8], b"\x16\xfe\xfd" + bytes(200), bytes(1400)):
        world.receive([(data, ("192.0.2.66", port)) for port in range(1, 50)])
    assert world.sent[before:] == []
    assert tables(world)["addresses"] == 2


def test_the_answer_to_a_check_is_smaller_than_the_check() -> None:
    world = World()
    _, viewer = live_room(world)
    before, check = len(world.sent), viewer.check()
    world.receive([(check, viewer.address)])
    assert 0 < sent_to(world, viewer.address, before) < len(check)


@pytest.mark.parametrize("setup", ["active", "passive"])
def test_one_forged_check_of_a_member_buys_few_bytes(setup: str) -> None:
    """His check names a third party, who never answers: some flights of the handshake go there,
    for five seconds. (A member was let in by HTTP and knows a password: no stranger does this.)"""
    world = World()
    member = Viewer(world, "member", OfferText(direction="recvonly", setup=setup))
    member.is_checking = False
    member.offer()
    world.receive([(member.check(), STRANGER)])
    if setup == "active":
        world.receive([(client_hello(member), STRANGER)])
    world.run(7)
    bought = sent_to(world, STRANGER)
    assert 0 < bought < 5_000
    after = len(world.sent)
    world.run(28)
    assert sent_to(world, STRANGER, after) == 0
    assert tables(world)["peers"] == 0


# --- members --------------------------------------------------------------------------------------


def test_a_nack_storm_buys_what_the_budget_allows() -> None:
    world = World()
    _, viewer = live_room(world)
    mid = viewer.media_ssrc[VIDEO]
    newest = viewer.media(VIDEO)[-1].seq
    storm = rtcp.build_nack(1, mid, [(newest - each) & 0xFFFF for each in range(200, 0, -1)])
    seconds, resent = 4, len(viewer.received[VIDEO]) - len(viewer.media(VIDEO))
    for _ in range(seconds * 50):
        for _ in range(4):
            viewer.send_rtcp(storm)
        world.run(0.02)
    resent = len(viewer.received[VIDEO]) - len(viewer.media(VIDEO)) - resent
    asked = seconds * 50 * 4 * 200
    assert asked == 160_000
    assert 100 < resent <= RESEND_BURST + RESENDS_PER_S * (seconds + 1)
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1


def test_a_pli_storm_reaches_the_publisher_once_a_second() -> None:
    world = World()
    host, viewer = live_room(world)
    before = host.plis
    for _ in range(3 * 50):
        for _ in range(20):
            viewer.send_pli(VIDEO)
            viewer.send_rtcp(rtcp.build_fir(1, viewer.media_ssrc[VIDEO], 1))
        world.run(0.02)
    assert 2 <= host.plis - before <= 4


def test_replayed_and_forged_rtcp_is_dropped() -> None:
    world = World()
    host, viewer = live_room(world)
    assert viewer.srtp_out is not None
    data = viewer.srtp_out.protect_rtcp(rtcp.build_pli(1, viewer.media_ssrc[VIDEO]))
    forged = bytearray(data)
    forged[10] ^= 1
    before = world.stats("ann").peers[0].dropped.get("srtcp", 0)
    world.receive([(data, viewer.address)] * 5 + [(bytes(forged), viewer.address)] * 5)
    assert world.stats("ann").peers[0].dropped["srtcp"] == before + 4 + 5
    world.receive([(data, host.address)])
    assert world.stats("host").peers[0].dropped["srtcp"] == 1, "it is not his"


def nonsense(ssrc: int) -> list[bytes]:
    """Well-formed RTCP that makes no sense, each under the largest datagram."""
    report = struct.pack("!IB3sIIII", ssrc, 255, b"\x7f\xff\xff", 0xFFFFFFFF, 0xFFFFFFFF, 1, 1)
    receiver_report = struct.pack("!BBHI", 0x9F, 201, 1 + 6 * 31, 1) + report * 31
    twcc = struct.pack("!BBHIIHH", 0x8F, 205, 4, 1, ssrc, 0xFFFF, 0xFFFF) + b"\xff\xff\xff\xff"
    remb_fci = b"REMB" + bytes((1, 0xFF, 0xFF, 0xFF)) + ssrc.to_bytes(4, "big")
    remb = struct.pack("!BBHII", 0x8F, 206, 2 + len(remb_fci) // 4, 1, 0) + remb_fci
    many_fir = (
        struct.pack("!BBHII", 0x84, 206, 2 + 2 * 150, 1, 0) + struct.pack("!II", ssrc, 0) * 150
    )
    return [
        receiver_report,
        twcc,
        remb,
        many_fir,
        struct.pack("!BBH", 0x80, 207, 0) * 300,
        struct.pack("!BBHI", 0x81, 203, 1, ssrc) * 100,
        struct.pack("!BBHII", 0x81, 205, 302, 1, ssrc) + b"\xff" * 1200,
    ]


def test_rtcp_nonsense_changes_nothing_and_is_not_kept() -> None:
    world = World()
    host, viewer = live_room(world)
    sizes = tables(world)
    for client, ssrc in ((viewer, viewer.media_ssrc[VIDEO]), (host, host.MEDIA_SSRC)):
        for _ in range(20):
            for plain in nonsense(ssrc):
                client.send_rtcp(plain)
            world.run(0.02)
    world.run(1.5)
    assert tables(world) == sizes
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    dropped = world.stats("ann").peers[0].dropped
    assert dropped["rtcp_too_many"] == 40
    assert len(dropped) <= 64
