"""The whole plane in memory: connecting, silence, addresses, limits, goodbyes, statistics."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from media.downlink import OutStream
from media.ice import Address
from media.peer import Peer
from media.publisher import PublishedTrack
from media.seam import (
    Answered,
    ClosePeer,
    IceRestarted,
    PeerClosed,
    PeerConnected,
    PeerHeard,
    PeerId,
    PeerSilent,
    PlayOffer,
    PublishOffer,
    QualitySample,
    Refused,
    RestartIce,
    SlotLive,
    TrackStarted,
)
from media.source_track import SourceTrack
from media.viewer import ViewerSlot
from tests.support.plane_client import SOURCES, Client, Publisher, Viewer
from tests.support.plane_offer import OfferText
from tests.support.plane_world import World

AUDIO, VIDEO = "0", "1"
STRANGER: Address = ("192.0.2.66", 666)


def live_room(world: World) -> tuple[Publisher, Viewer]:
    """A publisher, and a viewer who sees and hears him."""
    host, viewer = world.publish("host"), world.play("ann")
    world.run(1.2)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.3)
    assert len(world.of(SlotLive)) == 2
    return host, viewer


def tables(world: World) -> dict[str, int]:
    """Sizes of the plane's tables."""
    names = ("peers", "publishers", "connecting", "addresses", "ufrags", "tracks")
    totals = world.stats().totals
    return {name: totals[name] for name in names}


# --- connecting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
def test_a_peer_connects_in_either_dtls_role(setup: str) -> None:
    world = World()
    host, viewer = world.publish("host", setup=setup), world.play("ann", setup=setup)
    world.run(0.5)
    assert host.is_connected
    assert viewer.is_connected
    connected = {event.peer_id: event.srtp_profile for event in world.of(PeerConnected)}
    assert connected == dict.fromkeys(("host", "ann"), "SRTP_AEAD_AES_128_GCM")
    assert {event.track.track_id for event in world.of(TrackStarted)} == {
        host.camera_id,
        host.microphone_id,
    }


def test_how_long_connecting_took_is_told() -> None:
    world = World()
    world.publish("host")
    world.run(0.5)
    (connected,) = world.of(PeerConnected)
    assert connected.ice_ms is not None
    assert connected.dtls_ms is not None
    assert 0 <= connected.ice_ms < 500
    assert 0 < connected.dtls_ms < 500


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_handshake_survives_reordering(seed: int) -> None:
    world = World(seed)
    host = world.publish("host", setup="passive")
    host.up.reorder = host.down.reorder = 0.4
    world.run(1)
    assert host.is_connected
    assert [event.peer_id for event in world.of(PeerConnected)] == ["host"]


def test_who_never_checks_is_closed_after_thirty_seconds() -> None:
    world = World()
    host = world.publish("host")
    host.vanish()
    world.run(29.5)
    assert not world.of(PeerClosed)
    world.run(1)
    assert world.of(PeerClosed) == [PeerClosed(PeerId("host"), "ice_timeout")]


def test_a_handshake_that_stops_half_way_is_closed() -> None:
    world = World()
    host = world.publish("host")
    while not host.checks_answered:
        world.step()
    host.srtp_out = None
    for _ in range(400):  # checks go on, DTLS does not
        world.receive([(host.check(), host.address)])
        host.vanish()
        world.run(0.1)
    assert world.of(PeerClosed) == [PeerClosed(PeerId("host"), "dtls_timeout")]


# --- silence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["publisher", "viewer"])
def test_silence_is_told_after_five_seconds_and_ends_after_thirty(kind: str) -> None:
    world = World()
    host, viewer = live_room(world)
    client: Client = host if kind == "publisher" else viewer
    client.vanish()
    world.run(2.4)  # a viewer was last heard up to 2.5 s before
    assert not world.of(PeerSilent)
    world.run(3.7)
    assert world.of(PeerSilent) == [PeerSilent(client.peer_id)]
    client.return_()
    world.run(2.6)
    assert world.of(PeerHeard) == [PeerHeard(client.peer_id)]
    client.vanish()
    world.run(27.4)
    assert not world.of(PeerClosed)
    world.run(3.7)
    assert world.of(PeerClosed) == [PeerClosed(client.peer_id, "silent")]


def test_media_alone_keeps_a_publisher_from_being_silent() -> None:
    world = World()
    host, _ = live_room(world)
    host.is_checking = False
    world.run(8)
    assert not world.of(PeerSilent)


# --- ICE restart, roaming, theft ------------------------------------------------------------------


def restart(world: World, client: Client) -> IceRestarted:
    command = RestartIce(world.request_id(), client.peer_id, "newUfrag", "newPassword0123456789ab")
    world.command(command)
    restarted = world.events[-1]
    assert isinstance(restarted, IceRestarted)
    return restarted


def test_an_ice_restart_moves_the_session_to_another_address_and_media_goes_on() -> None:
    world = World()
    host, viewer = live_room(world)
    restarted = restart(world, viewer)
    assert restarted.candidates == ("1 1 udp 2130706431 198.51.100.1 7882 typ host",)
    world.run(0.5)
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1, "the old path works meanwhile"
    viewer.remote_ufrag, viewer.remote_pwd = restarted.ufrag, restarted.pwd
    viewer.text.ufrag = "newUfrag"
    world.move(viewer, ("203.0.113.200", 40_000))
    world.receive([(viewer.check(), viewer.address)])
    moved = world.now
    viewer.text.pwd = "newPassword0123456789ab"
    world.run(1)
    received = viewer.media(VIDEO)
    assert received[-1].at > world.now - 0.1
    assert min(packet.at for packet in received if packet.at > moved) < moved + 0.1
    assert not world.of(PeerClosed)
    assert host.is_connected


def test_restarting_over_and_over_keeps_two_pairs_of_credentials_at_most() -> None:
    world = World()
    _, viewer = live_room(world)
    tags = [restart(world, viewer).ufrag for _ in range(50)]
    world.step()
    answered = viewer.checks_answered
    viewer.remote_ufrag = tags[-2]
    world.receive([(viewer.check(), viewer.address)])
    world.run(0.05)
    assert viewer.checks_answered == answered, "replaced before it was used"
    assert world.stats().totals["dropped_unknown_ufrag"] == 1
    assert tables(world)["ufrags"] == 3, "the host's, and two of the viewer's"


def test_restarting_an_unknown_peer_is_refused() -> None:
    world = World()
    world.command(RestartIce(world.request_id(), PeerId("x"), "newUfrag", "newPassword0123456789"))
    refused = world.events[-1]
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_peer"


def test_a_viewer_who_moves_is_followed_by_his_media() -> None:
    world = World()
    host, viewer = live_room(world)
    old = viewer.address
    world.move(viewer, ("203.0.113.200", 40_000))
    world.receive([(viewer.check(), viewer.address)])
    world.run(0.03)  # a round trip of 20 ms: the new address is asked first
    assert viewer.checked == 1
    moved = len(world.sent)
    world.run(1)
    assert old not in {address for address, _ in world.sent[moved:]}
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    viewer.send_pli(VIDEO)
    before = host.plis
    world.run(1.2)
    assert host.plis == before + 1, "his feedback is understood from there"


@pytest.mark.parametrize("is_nominating", [True, False])
def test_a_router_that_gives_another_port_is_followed(is_nominating: bool) -> None:
    """Nothing is told: the next check comes from elsewhere, the old address is dead."""
    world = World()
    _, viewer = live_room(world)
    viewer.is_nominating = is_nominating
    world.run(1)
    world.move(viewer, (viewer.address[0], 40_000))
    world.run(6)  # two checks: the second comes when the old path has been quiet for 3 s
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    assert not world.of(PeerSilent)


def test_a_forged_address_never_gets_media() -> None:
    """A member who nominates a stranger's address aims a stream at him; the stranger is asked."""
    world = World()
    _, member = live_room(world)
    before = len(world.sent)
    bytes_in = 0
    for _ in range(20):
        forged = member.check()
        bytes_in += len(forged)
        world.receive([(forged, STRANGER)])
        world.run(0.2)
    to_stranger = [data for address, data in world.sent[before:] if address == STRANGER]
    assert len(to_stranger) == 40, "an answer and a question for each check"
    assert sum(map(len, to_stranger)) < 3 * bytes_in
    assert member.media(VIDEO)[-1].at > world.now - 0.1


def test_nothing_is_sent_once_consent_is_over() -> None:
    world = World()
    _, viewer = live_room(world)
    viewer.vanish()
    world.run(20)
    assert viewer.address in {address for address, _ in world.sent[-50:]}, (
        "until then it may come back, and sees the picture at once"
    )
    world.run(11)
    assert world.of(PeerClosed)
    closed = len(world.sent)
    world.run(2)
    assert viewer.address not in {address for address, _ in world.sent[closed:]}


def test_a_publisher_who_moves_goes_on() -> None:
    world = World()
    host, viewer = live_room(world)
    world.move(host, ("203.0.113.200", 40_000))
    world.receive([(host.check(), host.address)])
    world.run(1)
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    assert host.rtcp_times[-1] > world.now - 1.1


def test_a_check_with_a_victims_address_leaves_the_victim_alone() -> None:
    world = World()
    host, victim = live_room(world)
    thief = world.play("thief")
    world.run(0.5)
    world.point(thief, VIDEO, host.camera_id, 1)
    world.run(1.2)
    forged = thief.check()
    before = len(world.sent)
    for client in (victim, host):
        for _ in range(5):
            world.receive([(forged, client.address)])
    assert world.sent[before:] == []
    world.run(1)
    assert victim.opening_failed == host.opening_failed == 0
    assert victim.media(VIDEO)[-1].at > world.now - 0.1
    assert thief.media(VIDEO)[-1].at > world.now - 0.1
    assert world.stats("thief").peers[0].dropped["address_taken"] == 10
    victim.send_pli(VIDEO)
    plis = host.plis
    world.run(1.2)
    assert host.plis == plis + 1


def test_the_address_of_a_silent_peer_can_be_taken_over_by_the_next() -> None:
    """A browser that was reloaded may come back from the very same port of its router."""
    world = World()
    host, viewer = live_room(world)
    viewer.vanish()
    world.run(1)
    again = Viewer(world, "ann2", OfferText(direction="recvonly"))
    again.address = viewer.address
    again.offer()
    world.run(6)
    assert again.is_connected
    world.point(again, VIDEO, host.camera_id, 1)
    world.run(1.2)
    assert again.media(VIDEO)


def test_an_address_that_was_left_is_free() -> None:
    world = World()
    _, viewer = live_room(world)
    left = viewer.address
    world.move(viewer, ("203.0.113.200", 40_000))
    world.receive([(viewer.check(), viewer.address)])
    other = Viewer(world, "bob", OfferText(direction="recvonly"))
    other.address = left
    other.offer()
    world.run(0.5)
    assert other.is_connected


def test_roaming_forever_keeps_a_bounded_number_of_addresses() -> None:
    world = World()
    _, viewer = live_room(world)
    for port in range(1, 200):
        world.move(viewer, ("203.0.113.200", port))
        world.receive([(viewer.check(), viewer.address)])
    assert tables(world)["addresses"] <= 1 + 17
    world.close(viewer)
    assert tables(world)["addresses"] == 1


# --- junk -----------------------------------------------------------------------------------------


def junk() -> Iterator[tuple[str, bytes]]:
    rtp = b"\x80\x60" + bytes(10)
    yield "too_short", b""
    yield "too_short", b"\x80"
    yield "unknown_address", rtp
    yield "unknown_address", b"\x81\xc9" + bytes(10)
    yield "unknown_address", b"\x80\x60" + os.urandom(65_000)
    yield "unknown_address", b"\x16\xfe\xfd" + bytes(20)
    yield "unknown_protocol", b"\x05" * 30
    yield "unknown_protocol", b"\x00" * 30
    yield "unknown_protocol", b"\xff" * 65_507
    yield "unknown_ufrag", b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)


@pytest.mark.parametrize(("reason", "data"), list(junk()))
def test_junk_from_strangers_is_counted_and_nothing_else(reason: str, data: bytes) -> None:
    world = World()
    world.receive([(data, STRANGER)])
    assert world.stats().totals[f"dropped_{reason}"] == 1
    assert world.sent == []


def test_junk_from_members_costs_only_themselves() -> None:
    world = World()
    host, viewer = live_room(world)
    good = viewer.check()
    for address in (host.address, viewer.address):
        for data in [each for _, each in junk()] + [good[:cut] for cut in range(len(good))]:
            world.receive([(data, address)])
    world.run(1)
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1
    of_host, of_viewer = (peer.dropped for peer in world.stats("host", "ann").peers)
    assert of_host["srtp"] >= 2
    assert of_host["srtcp"] >= 1
    assert of_viewer["viewer_rtp"] >= 2


def test_replayed_media_is_dropped() -> None:
    world = World()
    host, _ = live_room(world)
    before = world.stats("host").peers[0]
    packet = b""
    transmit = world.transmit

    def keep(data: bytes, client: Client) -> None:
        nonlocal packet
        if data[0] == 0x80 and data[1] & 0x7F == 96:
            packet = data
        transmit(data, client)

    world.transmit = keep  # type: ignore[method-assign]  # listening on the wire
    world.run(0.1)
    for _ in range(3):
        world.receive([(packet, host.address)])
    assert world.stats("host").peers[0].dropped["srtp"] == before.dropped.get("srtp", 0) + 3


# --- limits and refusals --------------------------------------------------------------------------


def code_of(reply: Answered | Refused) -> str:
    return reply.code if isinstance(reply, Refused) else "answered"


def play(world: World, peer: str, sdp: str | None = None) -> str:
    text = str(OfferText(direction="recvonly")) if sdp is None else sdp
    return code_of(world.ask(PlayOffer(world.request_id(), PeerId(peer), text)))


def test_peers_are_limited() -> None:
    world = World(max_peers=2)
    assert [play(world, f"p{number}") for number in range(3)] == [
        "answered",
        "answered",
        "too_many_peers",
    ]
    world.command(ClosePeer(PeerId("p0"), "test"))
    assert play(world, "p3") == "answered"


def test_handshakes_are_limited() -> None:
    world = World(max_connecting=1)
    world.play("ann")
    assert play(world, "bob") == "too_many_peers"
    world.run(0.5)
    assert play(world, "bob") == "answered"


def test_a_peer_id_in_use_is_refused_and_its_peer_lives_on() -> None:
    world = World()
    host, viewer = live_room(world)
    assert play(world, "ann") == "bad_sdp"
    command = PublishOffer(world.request_id(), PeerId("host"), str(host.text), host.owner, SOURCES)
    assert code_of(world.ask(command)) == "bad_sdp"
    world.run(0.5)
    assert viewer.media(VIDEO)[-1].at > world.now - 0.1


@pytest.mark.parametrize("sdp", ["", "v=0", "v=0\r\nm=video 9 RTP/AVP 96\r\n", "\x00" * 50])
def test_a_broken_offer_is_refused(sdp: str) -> None:
    world = World()
    assert play(world, "ann", sdp) == "bad_sdp"
    assert world.stats().totals["refused"] == 1
    assert set(tables(world).values()) == {0}


# --- closing --------------------------------------------------------------------------------------


def test_close_says_goodbye_to_everybody() -> None:
    world = World()
    host, viewer = live_room(world)
    world.plane.close(world.now, "shutting_down")
    world.run(0.1)
    assert {(event.peer_id, event.reason) for event in world.of(PeerClosed)} == {
        ("host", "shutting_down"),
        ("ann", "shutting_down"),
    }
    assert host.has_goodbye
    assert viewer.has_goodbye
    assert world.plane.next_deadline() is None


def test_a_commanded_close_is_always_followed_by_peer_closed_once() -> None:
    world = World()
    host, viewer = live_room(world)
    world.close(viewer, "left")
    world.close(viewer, "left")
    world.run(0.2)
    assert world.of(PeerClosed) == [PeerClosed(viewer.peer_id, "left")]
    assert viewer.has_goodbye
    assert world.stats().totals["ignored"] == 1
    assert host.is_connected


def test_a_peers_own_goodbye_closes_it() -> None:
    world = World()
    _, viewer = live_room(world)
    viewer.goodbye()
    world.run(0.1)
    assert world.of(PeerClosed) == [PeerClosed(viewer.peer_id, "remote_closed")]


def media_objects() -> Counter[str]:
    gc.collect()
    kinds = (Peer, PublishedTrack, SourceTrack, ViewerSlot, OutStream)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


@pytest.mark.parametrize("way", ["command", "goodbye", "silence"])
def test_peers_who_left_are_held_by_nothing(way: str) -> None:
    before = media_objects()
    world = World()
    host, guest = world.publish("host"), world.publish("guest", pli=False)
    guest.camera.turn_deaf(keyframe_every_s=2.0)
    viewers = [world.play(f"v{number}") for number in range(5)]
    world.run(1.2)
    for viewer in viewers:
        world.point(viewer, VIDEO, host.camera_id, 1)
        world.point(viewer, AUDIO, host.microphone_id, 1)
    world.run(1)
    for number, viewer in enumerate(viewers):
        world.point(viewer, VIDEO, (guest if number % 2 else host).camera_id, 2)
    clients: list[Client] = [*viewers[:3], host, guest, *viewers[3:]]
    for client in clients:
        if way == "command":
            world.close(client)
        elif way == "goodbye":
            client.goodbye()
        else:
            client.vanish()
    world.run(40 if way == "silence" else 0.2)
    assert len(world.of(PeerClosed)) == len(clients)
    assert set(tables(world).values()) == {0}
    assert world.plane.next_deadline() is None
    assert media_objects() == before


def test_viewers_who_left_are_not_held_by_the_tracks_that_stay() -> None:
    before = media_objects()
    world = World()
    host, guest = world.publish("host"), world.publish("guest")
    viewer = world.play("ann")
    world.run(1.2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.2)
    guest.camera.listens = False
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(0.2)
    world.close(viewer)
    world.run(0.2)
    left = media_objects() - before
    assert (left["Viewer"], left["ViewerSlot"], left["OutStream"]) == (0, 0, 0)
    assert left["PublishedTrack"] == 4


# --- statistics -----------------------------------------------------------------------------------


def test_statistics_tell_what_happened() -> None:
    world = World()
    host, viewer = live_room(world)
    viewer.send_nack(VIDEO, [viewer.media(VIDEO)[-2].header.seq])
    viewer.send_pli(VIDEO)
    world.run(1.5)
    host.camera.is_on = host.microphone.is_on = False
    world.run(0.1)
    stats = world.stats()
    by_peer = {peer.peer_id: peer for peer in stats.peers}
    up, down = by_peer[host.peer_id], by_peer[viewer.peer_id]
    assert (up.state, down.state) == ("connected", "connected")
    assert up.packets_in > 200
    assert up.bytes_in > 50 * up.packets_in
    assert up.plis_out == host.plis
    assert down.packets_out == sum(len(viewer.media(mid)) for mid in (AUDIO, VIDEO))
    assert (down.nacks_in, down.plis_in, down.retransmitted) == (1, 1, 1)
    assert stats.totals["peers"] == 2
    assert stats.totals["publishers"] == 1
    assert stats.totals["tracks"] == 2
    assert stats.totals["opened"] == 2
    assert stats.totals["fanout_packets"] == down.packets_out
    assert [peer.peer_id for peer in world.stats("ann", "nobody").peers] == ["ann"]


def test_quality_is_told_every_ten_seconds() -> None:
    world = World()
    _, _ = live_room(world)
    world.run(21)
    samples = world.of(QualitySample)
    assert Counter((each.peer_id, each.direction) for each in samples) == {
        ("host", "uplink"): 2,
        ("ann", "downlink"): 2,
    }
    for sample in samples:
        assert 10 <= sample.window_s < 11.2
        assert sample.bitrate_bps > 20_000
        assert sample.loss == 0
