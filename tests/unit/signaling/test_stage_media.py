"""Seats, tracks and slots together, with scripted media on the real store."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Literal

import pytest

from media import seam
from media.seam import PeerId
from signaling import protocol as p
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId, Subject
from signaling.options import RoomOptions
from signaling.quality import is_sampled
from tests.support.media_stats import peer_stats
from tests.support.rooms import Node, Person

_keys = (f"k{n}" for n in itertools.count())
BOTH = {"0": "microphone", "1": "camera"}
OFFER = "audio video"
PLAY = "audio video audio video"


def key() -> str:
    return next(_keys)


@pytest.fixture
async def node(store_url: str, shop: ShopId, room: RoomId) -> AsyncIterator[Node]:
    async with Node(store_url, shop, room) as node:
        yield node


async def publish(person: Person) -> str:
    """Offer camera and microphone and let them arrive; returns the peer id."""
    peer = await person.answer(p.Publish(key(), OFFER, dict(BOTH)))  # type: ignore[arg-type]
    person.node.media.connect(peer)
    return peer


async def go_live(node: Node) -> tuple[Person, str]:
    host = await node.join("hugo", "host")
    peer = await publish(host)
    await host.link.until(lambda: _sources(host, 0) == ["camera", "microphone"])
    return host, peer


async def seat(host: Person, person: Person) -> None:
    await host.ok(p.Invite(key(), person.who.subject))
    await person.link.next("invite_sent")
    await person.ok(p.AcceptInvite(key()))
    await host.link.until(lambda: _subject(host, 1) == person.who.subject)


def _seats(person: Person) -> dict[int, dict[str, object]]:
    """The stage as this client knows it."""
    seats = {s["seat"]: s for s in person.welcome["stage"].get("seats", [])}
    for message in person.link.messages:
        if message["type"] in ("seat_taken", "seat_changed"):
            seats[message["seat"]["seat"]] = message["seat"]
        elif message["type"] == "seat_left":
            seats.pop(message["seat"], None)
    return seats


def _sources(person: Person, number: int) -> list[str]:
    found = _seats(person).get(number, {}).get("sources") or []
    assert isinstance(found, list)
    return sorted(found)


def _subject(person: Person, number: int) -> object:
    return _seats(person).get(number, {}).get("subject")


def _phase(person: Person) -> str:
    changes = person.link.of("show_changed")
    return str((changes[-1] if changes else person.welcome)["show"]["phase"])


async def test_a_host_who_publishes_starts_the_show(node: Node) -> None:
    viewer = await node.join("ann")
    host, _ = await go_live(node)
    await viewer.link.until(lambda: _sources(viewer, 0) == ["camera", "microphone"])
    assert _phase(viewer) == "live"
    assert [m["state"] for m in host.link.of("peer_state")] == ["connected"]


async def test_whip_starts_the_show_and_comes_back_by_replacing(node: Node) -> None:
    viewer = await node.join("ann")
    obs = node.identity("hugo", "host")
    first = await node.service.whip_publish(obs, OFFER)
    node.media.connect(first.peer_id)
    await viewer.link.until(lambda: _sources(viewer, 0) == ["camera", "microphone"])
    assert node.service.media_session(first.peer_id) == first
    second = await node.service.whip_publish(obs, OFFER)
    assert node.media.closed() == {}
    node.media.connect(second.peer_id)
    await node.media.until(lambda: first.peer_id in node.media.closed())
    assert node.media.closed() == {first.peer_id: "replaced"}
    await viewer.link.until(lambda: node.service.media_session(first.peer_id) is None)
    assert _phase(viewer) == "live"
    await node.service.close_media(second.peer_id)
    await viewer.link.until(lambda: _phase(viewer) == "host_lost")


async def test_another_host_cannot_take_the_seat(node: Node) -> None:
    await go_live(node)
    other = node.identity("heidi", "host")
    with pytest.raises(Refusal) as refused:
        await node.service.whip_publish(other, OFFER)
    assert refused.value.code == "source_taken"


async def test_a_refused_offer_starts_nothing(node: Node) -> None:
    host = await node.join("hugo", "host")
    for code in ("bad_sdp", "unsupported_codec", "too_many_tracks", "not_bundled"):
        await host.session.handle(p.Publish(key(), f"refuse:{code}", {}))
        await host.link.next("error", code=code)
    assert _phase(host) == "scheduled"
    assert node.service.stats().peers == 0


async def test_publishing_needs_a_seat(node: Node) -> None:
    ann = await node.join("ann")
    await ann.session.handle(p.Publish(key(), OFFER, {}))
    await ann.link.next("error", code="not_live")
    await go_live(node)
    await ann.session.handle(p.Publish(key(), OFFER, {}))
    await ann.link.next("error", code="not_on_stage")


async def test_playing_needs_a_live_show(node: Node) -> None:
    ann = await node.join("ann")
    await ann.session.handle(p.Play(key(), PLAY))
    error = await ann.link.next("error", code="not_live")
    assert error["retry_after_ms"] > 0
    with pytest.raises(Refusal) as refused:
        await node.service.whep_play(node.identity("w"), "audio video")
    assert refused.value.code == "not_live"
    assert refused.value.retry_after_ms


async def test_a_guest_appears_in_slots_without_a_new_offer(node: Node) -> None:
    host, host_peer = await go_live(node)
    guest, viewer = await node.join("ann"), await node.join("bob")
    peer = await viewer.answer(p.Play(key(), PLAY))
    slots = (await viewer.link.next("slots"))["slots"]
    host_tracks = {t.track_id for t in node.media.tracks[PeerId(host_peer)]}
    assert {s.get("track_id") for s in slots} == {*host_tracks, None}
    await seat(host, guest)
    own = await guest.answer(p.Play(key(), PLAY))
    guest_peer = await publish(guest)
    await viewer.link.until(lambda: len(viewer.link.of("slot_assigned")) == 2)
    guest_tracks = {t.track_id for t in node.media.tracks[PeerId(guest_peer)]}
    assert {*node.media.pointed(peer).values()} == host_tracks | guest_tracks
    assigned = viewer.link.of("slot_assigned")[0]
    assert assigned["slot"]["seat"] == 1
    assert assigned["slot"]["subject"] == "s-ann"
    assert {*node.media.pointed(own).values()} - {None} == host_tracks, "own tracks come not back"

    mid, generation = assigned["slot"]["mid"], assigned["slot"]["generation"]
    node.media.say(seam.SlotLive(PeerId(peer), mid, generation - 1, 1, None))
    node.media.say(seam.SlotLive(PeerId(peer), mid, generation, 9000, 1_700_000_000_000))
    live = await viewer.link.next("slot_live")
    assert (live["mid"], live["rtp_timestamp"]) == (mid, 9000)
    node.media.say(seam.SlotUnsupported(PeerId(peer), mid, generation, "av1"))
    assert (await viewer.link.next("slot_problem"))["code"] == "unsupported_codec"


async def test_removing_a_guest_closes_the_uplink_and_empties_slots(node: Node) -> None:
    host, _ = await go_live(node)
    guest, viewer = await node.join("ann"), await node.join("bob")
    await seat(host, guest)
    guest_peer = await publish(guest)
    peer = await viewer.answer(p.Play(key(), PLAY))
    await host.link.until(lambda: _sources(host, 1) == ["camera", "microphone"])
    await host.ok(p.RemoveGuest(key(), "s-ann"))
    await guest.link.next("peer_state", peer_id=guest_peer, state="closed", reason="removed")
    await viewer.link.until(lambda: _subject(viewer, 1) is None)
    await node.media.until(lambda: None in node.media.pointed(peer).values())
    assert list(node.media.pointed(peer).values()).count(None) == 2
    await guest.session.handle(p.Publish(key(), OFFER, {}))
    await guest.link.next("error", code="not_on_stage")
    left = await node.sink.next("mic.left")
    assert left.props["reason"] == "removed"


async def test_mutes_reach_media(node: Node) -> None:
    host, _ = await go_live(node)
    guest = await node.join("ann")
    await seat(host, guest)
    peer = await publish(guest)
    await host.link.until(lambda: _sources(host, 1) == ["camera", "microphone"])
    track = node.media.tracks[PeerId(peer)][0].track_id
    await host.ok(p.MuteSeat(key(), "s-ann", "microphone", True))
    await node.media.until(lambda: seam.MuteTrack(track, True) in node.media.commands)
    await host.ok(p.MuteSeat(key(), "s-ann", "microphone", False))
    await node.media.until(lambda: seam.MuteTrack(track, False) in node.media.commands)


async def test_a_silent_guest_is_reconnecting_and_may_come_back(node: Node) -> None:
    host, _ = await go_live(node)
    guest = await node.join("ann")
    await seat(host, guest)
    peer = PeerId(await publish(guest))
    node.media.say(seam.PeerSilent(peer))
    await host.link.until(lambda: _seats(host)[1].get("reconnecting_until_ms"))
    node.media.say(seam.PeerHeard(peer))
    await host.link.until(lambda: not _seats(host)[1].get("reconnecting_until_ms"))


async def test_a_silent_guest_loses_the_seat_after_the_grace(node: Node) -> None:
    host, _ = await go_live(node)
    guest = await node.join("ann")
    await seat(host, guest)
    peer = PeerId(await publish(guest))
    node.media.say(seam.PeerSilent(peer))
    await host.link.until(lambda: _seats(host)[1].get("reconnecting_until_ms"))
    node.clock.ahead_ms = 16_000
    left = await host.link.next("seat_left")
    assert left["reason"] == "grace_expired"
    await node.media.until(lambda: node.media.closed().get(peer) == "grace_expired")


async def test_a_lost_host_ends_the_show_after_the_grace(node: Node) -> None:
    host, peer = await go_live(node)
    viewer = await node.join("ann")
    player = await node.service.whep_play(node.identity("w"), "audio video")
    node.media.say(seam.PeerSilent(PeerId(peer)))
    await viewer.link.until(lambda: _phase(viewer) == "host_lost")
    node.media.say(seam.PeerHeard(PeerId(peer)))
    await viewer.link.until(lambda: _phase(viewer) == "live")
    node.media.end(peer, "silent")
    await viewer.link.until(lambda: _phase(viewer) == "host_lost")
    assert _sources(viewer, 0) == []
    node.clock.ahead_ms = 61_000
    await viewer.link.until(lambda: _phase(viewer) == "ended")
    await node.media.until(lambda: node.media.closed().get(player.peer_id) == "show_ended")
    await host.link.next("seat_left", reason="show_ended")


async def test_all_transports_of_a_room_are_one_group_of_media(node: Node) -> None:
    await go_live(node)
    await node.service.whep_play(node.identity("w"), "audio video")
    offers = [c for c in node.media.commands if isinstance(c, seam.PublishOffer | seam.PlayOffer)]
    assert {type(offer) for offer in offers} == {seam.PublishOffer, seam.PlayOffer}
    assert {offer.group for offer in offers} == {f"{node.shop}/{node.room}"}


async def test_a_resumed_socket_finds_its_transports(node: Node) -> None:
    host, _ = await go_live(node)
    guest = await node.join("ann")
    await seat(host, guest)
    up, down = await publish(guest), await guest.answer(p.Play(key(), PLAY))
    await host.link.until(lambda: _sources(host, 1) == ["camera", "microphone"])
    place = guest.link.resume()
    await guest.drop()
    back = await node.join("ann", resume=place, conn=guest.session.conn)
    slots = await back.link.next("slots")
    assert slots["peer_id"] == down
    assert node.media.closed() == {}
    assert not _seats(host)[1].get("reconnecting_until_ms")
    await back.ok(p.StopMedia(key(), up))
    await back.link.next("peer_state", peer_id=up, state="closed", reason="stopped")
    stranger = await node.join("bob")
    assert (await stranger.say(p.StopMedia(key(), down)))["code"] == "unknown_peer"


async def test_a_socket_that_stays_away_loses_its_transports(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    async with Node(store_url, shop, room, RoomOptions(seat_grace_ms=200)) as node:
        host, _ = await go_live(node)
        guest = await node.join("ann")
        await seat(host, guest)
        up, down = await publish(guest), await guest.answer(p.Play(key(), PLAY))
        await guest.drop()
        await node.media.until(lambda: {up, down} <= node.media.closed().keys())
        left = await host.link.next("seat_left")
        assert (left["subject"], left["reason"]) == ("s-ann", "grace_expired")
        await node.sink.next("room.left")


async def test_a_guest_who_reloads_keeps_the_seat(node: Node) -> None:
    host, _ = await go_live(node)
    guest = await node.join("ann")
    await seat(host, guest)
    peer = await publish(guest)
    await host.link.until(lambda: _sources(host, 1) == ["camera", "microphone"])
    await guest.drop("client_closed")
    node.media.end(peer, "remote_closed")
    await host.link.until(lambda: _seats(host)[1].get("reconnecting_until_ms"))
    again = await node.join("ann")
    await host.link.until(lambda: not _seats(host)[1].get("reconnecting_until_ms"))
    await publish(again)
    await host.link.until(lambda: _sources(host, 1) == ["camera", "microphone"])


async def test_whep_session_restart_and_stats(node: Node) -> None:
    await go_live(node)
    player = await node.service.whep_play(node.identity("w"), "audio video")
    restarted = await node.service.restart_ice(player.peer_id, "u", "p")
    session = node.service.media_session(player.peer_id)
    assert session is not None
    assert session.ice_tag == restarted.ice_tag == "tag2"
    node.media.stats[player.peer_id] = peer_stats(player.peer_id, packets_out=7)
    [peer] = (await node.service.media_stats(node.shop, node.room)).peers
    assert (peer.subject, peer.door, peer.stats.packets_out) == ("s-w", "http", 7)
    with pytest.raises(Refusal) as refused:
        await node.service.media_stats(node.shop, RoomId("nowhere"))
    assert refused.value.code == "room_not_found"
    await node.service.close_media(player.peer_id)
    with pytest.raises(Refusal) as refused:
        await node.service.restart_ice(player.peer_id, "u", "p")
    assert refused.value.code == "unknown_peer"


async def test_a_second_play_replaces_the_first(node: Node) -> None:
    await go_live(node)
    viewer = await node.join("ann")
    first = await viewer.answer(p.Play(key(), PLAY))
    await viewer.answer(p.Play(key(), PLAY))
    assert node.media.closed() == {first: "replaced"}


# --- upkeep of transports -------------------------------------------------------------------------


def _shapes(node: Node) -> list[tuple[str, str, str, str | None]]:
    return [
        (c.peer_id, c.mid, c.size, c.max_layer)
        for c in node.media.commands
        if isinstance(c, seam.ShapeSlot)
    ]


async def test_a_viewer_shapes_his_own_slots_and_only_when_something_changes(node: Node) -> None:
    await go_live(node)
    ann, ben = await node.join("ann"), await node.join("ben")
    peer = await ann.answer(p.Play(key(), PLAY))
    await ann.session.handle(p.ShapeSlot(peer, "1", "small", "medium"))
    await ann.session.handle(p.ShapeSlot(peer, "1", "small", "medium"))
    await ann.session.handle(p.ShapeSlot(peer, "9", "hidden"))
    await ann.session.handle(p.ShapeSlot("gone", "1", "hidden"))
    await ben.session.handle(p.ShapeSlot(peer, "1", "hidden"))
    await ann.session.handle(p.ShapeSlot(peer, "1", "hidden"))
    assert _shapes(node) == [(peer, "1", "small", "medium"), (peer, "1", "hidden", None)]
    assert ann.link.of("error") == ben.link.of("error") == []


async def test_shaping_is_limited_and_leaves_the_buttons_alone(node: Node) -> None:
    await go_live(node)
    ann = await node.join("ann")
    peer = await ann.answer(p.Play(key(), PLAY))
    for _ in range(100):
        await ann.session.handle(p.ShapeSlot(peer, "1", "hidden"))
        await ann.session.handle(p.ShapeSlot(peer, "1", "big"))
    error = await ann.link.next("error", code="rate_limited")
    assert error["retry_after_ms"] > 0
    assert len(_shapes(node)) < 100
    await ann.ok(p.RequestMic(key()))


async def test_ice_restarts_by_its_owner_alone(node: Node) -> None:
    host, peer = await go_live(node)
    ufrag, pwd = "u" * 4, "p" * 22
    await host.session.handle(p.RestartIce("r1", peer, ufrag, pwd))
    restarted = await host.link.next("ice_restarted", id="r1")
    assert (restarted["peer_id"], restarted["ufrag"], restarted["pwd"]) == (peer, "u", "p")
    assert seam.RestartIce in {type(c) for c in node.media.commands}
    ann = await node.join("ann")
    await ann.session.handle(p.RestartIce("r2", peer, ufrag, pwd))
    await ann.link.next("error", id="r2", code="unknown_peer")


async def test_a_trickled_candidate_is_acknowledged(node: Node) -> None:
    host, peer = await go_live(node)
    await host.ok(p.Trickle(key(), peer, "candidate:1 1 udp 1 192.0.2.1 9 typ host"))
    await host.ok(p.Trickle(key(), peer, None))
    assert (await host.say(p.Trickle(key(), "gone", None)))["code"] == "unknown_peer"


async def test_candidates_are_limited(node: Node) -> None:
    host, peer = await go_live(node)
    replies = [await host.say(p.Trickle(key(), peer, None)) for _ in range(80)]
    assert replies[-1]["code"] == "rate_limited"
    assert [reply["type"] for reply in replies[:20]] == ["ack"] * 20


# --- quality --------------------------------------------------------------------------------------


def _report(peer: str, **fields: int) -> p.ReportQuality:
    told = {"window_ms": 10_000, "loss_pm": 0, "fps": 25, "width": 720, "height": 1280}
    rest = {"kbps_in": 900, "kbps_out": 0, "freezes": 1, "freeze_ms": 300, "concealed_pm": 0}
    return p.ReportQuality(peer_id=peer, **(told | rest | fields))


def _sample(peer: str, direction: Literal["uplink", "downlink"]) -> seam.QualitySample:
    return seam.QualitySample(PeerId(peer), direction, 10.0, 900_000, 0.01, 40.0)


def _unsampled() -> str:
    return next(f"ann{n}" for n in range(99) if not is_sampled(Subject(f"s-ann{n}")))


async def test_whoever_sits_is_sampled_and_of_viewers_one_in_ten(node: Node) -> None:
    host, camera = await go_live(node)
    name = _unsampled()
    viewer = await node.join(name)
    player = await viewer.answer(p.Play(key(), PLAY))
    await viewer.session.handle(_report(player))
    node.media.say(_sample(player, "downlink"))
    assert node.sink.of("qoe.sample") == []
    node.media.say(_sample(camera, "uplink"))
    node.media.say(_sample(camera, "uplink"))
    [event] = node.sink.of("qoe.sample")
    assert (event.subject, event.props["role"], event.props["dir"]) == ("s-hugo", "host", "publish")
    assert event.show_id
    assert event.conn == host.session.conn
    await seat(host, viewer)
    node.media.say(_sample(player, "downlink"))
    on_stage = next(e for e in node.sink.of("qoe.sample") if e.subject == f"s-{name}")
    assert on_stage.props["freeze_ms"] == 300


async def test_operators_see_how_joining_went_and_what_the_client_said(node: Node) -> None:
    _, camera = await go_live(node)
    ann, ben = await node.join("ann"), await node.join("ben")
    player = await ann.answer(p.Play(key(), PLAY))
    for peer in (camera, player):
        node.media.stats[PeerId(peer)] = peer_stats(peer)
    connected = seam.PeerConnected(PeerId(player), "SRTP", ice_ms=20.04, dtls_ms=31.0)
    node.media.say(connected)
    told = p.ReportJoin(player, http_ms=31, first_frame_ms=164)
    await ann.session.handle(told)
    await ann.session.handle(_report(player))
    await ben.session.handle(_report(player, freezes=77))
    await ben.session.handle(_report("gone"))
    assert ben.link.of("error") == []
    seen = await node.service.media_stats(node.shop, node.room)
    by_direction = {peer.direction: peer for peer in seen.peers}
    assert (by_direction["publish"].seat, by_direction["play"].seat) == (0, None)
    mine = by_direction["play"]
    assert (mine.join.ice_ms, mine.join.dtls_ms) == (20.0, 31.0)
    assert mine.join.answer_ms is not None
    assert mine.join.answer_ms >= 0
    assert (mine.join.client_http_ms, mine.join.client_first_frame_ms) == (31, 164)
    assert mine.reported is not None
    assert (mine.reported.freezes, mine.reported.fps) == (1, 25)
    assert seen.left_out == 0
    figures = node.service.figures
    assert figures.ice_s["play"].sum == pytest.approx(0.02, abs=0.001)
    assert figures.answer_s["play"].count == figures.answer_s["publish"].count == 1
    assert figures.reports == 1


async def test_the_list_of_transports_is_bounded(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signaling.service.MAX_PEERS", 1)
    _, camera = await go_live(node)
    player = await (await node.join("ann")).answer(p.Play(key(), PLAY))
    for peer in (camera, player):
        node.media.stats[PeerId(peer)] = peer_stats(peer)
    seen = await node.service.media_stats(node.shop, node.room)
    assert [peer.direction for peer in seen.peers] == ["publish"]
    assert seen.left_out == 1


async def test_consoles_alone_are_told_how_seats_are_heard_and_only_what_is_new(node: Node) -> None:
    host, camera = await go_live(node)
    viewer = await node.join("ann")

    async def look(kbytes: int, **fields: float) -> None:
        node.clock.ahead_ms += 2_500
        total = node.media.stats.get(PeerId(camera), peer_stats(camera)).bytes_in + kbytes * 1000
        node.media.stats[PeerId(camera)] = peer_stats(camera, bytes_in=total, **fields)
        await node.service._housekeeping.tell_signals()

    await look(300)
    await look(300, rtt_ms=40.0)
    first = await host.link.next("seat_quality")
    assert [(s["seat"], s["bars"], s["rtt_ms"]) for s in first["seats"]] == [(0, 4, 40)]
    await look(300, rtt_ms=41.0)
    await look(300, rtt_ms=41.0, loss=0.3)
    await host.link.until_count("seat_quality", 2)
    assert host.link.of("seat_quality")[1]["seats"][0]["bars"] == 1
    staff = await node.join("sam", "staff")
    await look(300, rtt_ms=41.0, loss=0.3)
    assert (await staff.link.next("seat_quality"))["seats"][0]["bars"] == 1
    node.media.end(camera, "left")
    await look(0)
    await host.link.until(lambda: host.link.of("seat_quality")[-1]["seats"] == [])
    assert viewer.link.of("seat_quality") == []


async def test_media_is_not_asked_while_no_console_is_open(node: Node) -> None:
    obs = node.identity("hugo", "host")
    node.media.connect((await node.service.whip_publish(obs, OFFER)).peer_id)
    viewer = await node.join("ann")
    await viewer.link.until(lambda: _sources(viewer, 0) == ["camera", "microphone"])
    await node.service._housekeeping.tell_signals()
    assert seam.QueryStats not in {type(command) for command in node.media.commands}
