"""Many workers as one plane: who is asked what, and what a dead worker costs."""

from __future__ import annotations

import msgspec

from media.crossings import LINGER_S
from media.placement import Placement
from media.pool import (
    MAX_TRIES,
    MAX_WAITING,
    STATS_LIMIT_S,
    STUCK_S,
    TOTALS_INTERVAL_S,
    WORKER_LOST,
    WorkerPool,
)
from media.seam import (
    Answered,
    ClosePeer,
    Command,
    Event,
    ExportTrack,
    IceRestarted,
    ImportTrack,
    MuteTrack,
    PauseSlot,
    PeerClosed,
    PeerConnected,
    PeerId,
    PeerStats,
    PlayOffer,
    PointSlot,
    PublishOffer,
    QueryStats,
    Refused,
    RequestId,
    RestartIce,
    SlotInfo,
    Stats,
    StopRelay,
    TrackFormat,
    TrackId,
    TrackInfo,
)

NOW = 100.0
HOST, ANN = PeerId("host"), PeerId("ann")
CAMERA = TrackId("host/s1/camera")
VP8 = TrackFormat(96, 90_000)


def commands(pool: WorkerPool) -> list[tuple[int, Command]]:
    """What is to be sent, without the polls of totals."""
    found = []
    while (each := pool.poll_command()) is not None:
        if not (isinstance(each[1], QueryStats) and each[1].peer_ids == ("",)):
            found.append(each)
    return found


def events(pool: WorkerPool) -> list[Event]:
    found = []
    while (each := pool.poll_event()) is not None:
        found.append(each)
    return found


def pool_of(workers: int, share: int = 1000) -> WorkerPool:
    pool = WorkerPool("/relay/{}".format, Placement(share))
    for worker in range(workers):
        pool.handle_up(worker, NOW)
    return pool


def publish(peer: str, group: str = "room") -> PublishOffer:
    return PublishOffer(RequestId(f"r-{peer}"), PeerId(peer), "v=0", "host/s1", {}, group=group)


def play(peer: str, group: str = "room") -> PlayOffer:
    return PlayOffer(RequestId(f"r-{peer}"), PeerId(peer), "v=0", group=group)


def published(peer: str, track: TrackId = CAMERA) -> Answered:
    info = TrackInfo(track, "0", "video", "camera", "vp8")
    return Answered(
        RequestId(f"r-{peer}"), PeerId(peer), "v=0", "tag", tracks=(info,), formats=(VP8,)
    )


def played(peer: str) -> Answered:
    slots = (SlotInfo("0", "video", ("vp8",)),)
    return Answered(RequestId(f"r-{peer}"), PeerId(peer), "v=0", "tag", slots=slots)


def stats(request: str, peers: tuple[PeerStats, ...] = (), **totals: int) -> Stats:
    return Stats(RequestId(request), peers, totals)


def of_peer(peer: str) -> PeerStats:
    zeros = dict.fromkeys(PeerStats.__struct_fields__[: -len(PeerStats.__struct_defaults__)], 0)
    known = {"peer_id": peer, "state": "connected", "dropped": {}}
    unknown = dict.fromkeys(("srtp_profile", "rtt_ms", "estimate_bps"))
    return msgspec.convert({**zeros, **known, **unknown}, PeerStats)


def live_room(pool: WorkerPool) -> None:
    """A host and a viewer, answered."""
    for offer, answered in ((publish("host"), published("host")), (play("ann"), played("ann"))):
        pool.handle_command(offer, NOW)
        [(worker, sent)] = commands(pool)
        assert sent == offer
        pool.handle_event(worker, answered, NOW)
        assert events(pool) == [answered]


def test_a_room_lives_on_one_worker_and_its_commands_go_there() -> None:
    pool = pool_of(2)
    live_room(pool)
    asked: list[Command] = [
        PointSlot(ANN, "0", CAMERA, 1),
        PauseSlot(ANN, "0", True),
        MuteTrack(CAMERA, True),
        RestartIce(RequestId("ice"), ANN, "ufrag", "pwd"),
        ClosePeer(HOST, "enough"),
    ]
    for command in asked:
        pool.handle_command(command, NOW)
    assert commands(pool) == [(0, command) for command in asked]
    pool.handle_command(publish("other", "elsewhere"), NOW)
    assert commands(pool) == [(1, publish("other", "elsewhere"))]


def test_events_pass_through_in_order() -> None:
    pool = pool_of(2)
    live_room(pool)
    said: list[Event] = [
        PeerConnected(ANN, "SRTP_AEAD_AES_128_GCM"),
        IceRestarted(RequestId("ice"), ANN, "tag", "u", "p", ()),
        PeerClosed(ANN, "deleted"),
    ]
    for event in said:
        pool.handle_event(0, event, NOW)
    assert events(pool) == said


def test_commands_about_the_unknown_are_counted() -> None:
    pool = pool_of(1)
    for command in (
        PointSlot(ANN, "0", CAMERA, 1),
        ClosePeer(ANN, "x"),
        MuteTrack(CAMERA, True),
    ):
        pool.handle_command(command, NOW)
    assert commands(pool) == []
    assert pool.totals()["ignored"] == 3
    pool.handle_command(RestartIce(RequestId("ice"), ANN, "ufrag", "pwd"), NOW)
    [refused] = events(pool)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.request_id) == ("unknown_peer", "ice")


def test_the_peers_of_a_lost_worker_are_closed_and_nobody_else() -> None:
    pool = pool_of(2)
    live_room(pool)
    pool.handle_command(publish("other", "elsewhere"), NOW)
    commands(pool)
    pool.handle_event(1, published("other", TrackId("other/s1/camera")), NOW)
    events(pool)
    pool.handle_lost(0, NOW)
    assert events(pool) == [PeerClosed(HOST, WORKER_LOST), PeerClosed(ANN, WORKER_LOST)]
    assert commands(pool) == []
    assert pool.workers == (1,)
    pool.handle_command(MuteTrack(CAMERA, True), NOW)
    assert commands(pool) == [], "its tracks are forgotten"
    pool.handle_command(publish("host again"), NOW)
    assert commands(pool) == [(1, publish("host again"))], "others take over"


def test_an_offer_that_a_dying_worker_did_not_answer_goes_to_another() -> None:
    pool = pool_of(2)
    pool.handle_command(publish("host"), NOW)
    assert commands(pool) == [(0, publish("host"))]
    pool.handle_lost(0, NOW)
    assert commands(pool) == [(1, publish("host"))]
    assert events(pool) == []
    pool.handle_event(1, published("host"), NOW)
    assert events(pool) == [published("host")]


def test_an_offer_that_kills_its_workers_is_refused() -> None:
    pool = pool_of(MAX_TRIES + 1)
    pool.handle_command(publish("poison"), NOW)
    for _ in range(MAX_TRIES):
        [(worker, _)] = commands(pool)
        pool.handle_lost(worker, NOW)
    assert commands(pool) == []
    [refused] = events(pool)
    assert isinstance(refused, Refused)
    assert (refused.peer_id, refused.code) == ("poison", "too_many_peers")
    assert pool.workers != ()


def test_offers_wait_for_the_next_worker() -> None:
    pool = pool_of(0)
    for offer in (publish("host"), play("ann"), play("bob")):
        pool.handle_command(offer, NOW)
    pool.handle_command(ClosePeer(ANN, "abandoned"), NOW)
    assert commands(pool) == []
    assert events(pool) == [PeerClosed(ANN, "abandoned")]
    pool.handle_up(0, NOW)
    assert commands(pool) == [(0, publish("host")), (0, play("bob"))]


def test_an_offer_closed_before_its_answer_is_not_offered_again() -> None:
    pool = pool_of(2)
    pool.handle_command(play("ann"), NOW)
    pool.handle_command(ClosePeer(ANN, "abandoned"), NOW)
    assert commands(pool) == [(0, play("ann")), (0, ClosePeer(ANN, "abandoned"))]
    pool.handle_lost(0, NOW)
    assert commands(pool) == []
    assert events(pool) == [PeerClosed(ANN, "abandoned")]


def test_no_more_offers_wait_than_a_plane_would_let_connect() -> None:
    pool = pool_of(0)
    for number in range(MAX_WAITING):
        pool.handle_command(play(str(number)), NOW)
    assert events(pool) == []
    pool.handle_command(play("one more"), NOW)
    [refused] = events(pool)
    assert isinstance(refused, Refused)
    assert (refused.peer_id, refused.code) == ("one more", "too_many_peers")


def test_a_refused_offer_leaves_nothing_behind() -> None:
    pool = pool_of(1)
    pool.handle_command(play("ann"), NOW)
    refused = Refused(RequestId("r-ann"), ANN, "bad_sdp", "no")
    pool.handle_event(0, refused, NOW)
    assert events(pool) == [refused]
    assert pool.load(0) == 0


def test_an_id_in_use_is_refused_and_its_peer_lives_on() -> None:
    pool = pool_of(2)
    live_room(pool)
    pool.handle_command(play("ann"), NOW)
    [refused] = events(pool)
    assert isinstance(refused, Refused)
    assert refused.code == "bad_sdp"
    assert pool.load(0) == 2


def test_a_restart_of_ice_that_dies_with_its_worker_is_refused() -> None:
    pool = pool_of(1)
    live_room(pool)
    pool.handle_command(RestartIce(RequestId("ice"), ANN, "ufrag", "pwd"), NOW)
    pool.handle_lost(0, NOW)
    first, *others = events(pool)
    assert isinstance(first, Refused)
    assert (first.request_id, first.code) == ("ice", "unknown_peer")
    assert {event.peer_id for event in others if isinstance(event, PeerClosed)} == {HOST, ANN}


def test_statistics_are_gathered_from_the_workers_that_have_somebody_to_tell_of() -> None:
    pool = pool_of(3)
    live_room(pool)
    pool.handle_command(publish("other", "elsewhere"), NOW)
    commands(pool)
    pool.handle_event(1, published("other", TrackId("other/s1/camera")), NOW)
    events(pool)
    ids = (ANN, PeerId("other"), PeerId("nobody"))
    pool.handle_command(QueryStats(RequestId("q"), ids), NOW)
    assert commands(pool) == [
        (0, QueryStats(RequestId("q"), (ANN,))),
        (1, QueryStats(RequestId("q"), (PeerId("other"),))),
    ]
    pool.handle_event(1, stats("q", (of_peer("other"),), packets_in=5), NOW)
    assert events(pool) == []
    pool.handle_event(0, stats("q", (of_peer("ann"),), packets_in=7), NOW)
    [merged] = events(pool)
    assert isinstance(merged, Stats)
    assert [each.peer_id for each in merged.peers] == ["other", "ann"]
    assert merged.totals["packets_in"] == 12


def test_statistics_of_nobody_and_of_everybody() -> None:
    pool = pool_of(2)
    pool.handle_command(QueryStats(RequestId("none"), (PeerId("nobody"),)), NOW)
    [nothing] = events(pool)
    assert isinstance(nothing, Stats)
    assert nothing.peers == ()
    pool.handle_command(QueryStats(RequestId("all")), NOW)
    assert [worker for worker, _ in commands(pool)] == [0, 1]
    pool.handle_event(0, stats("all", packets_in=1), NOW)
    pool.handle_lost(1, NOW)
    [answer] = events(pool)
    assert isinstance(answer, Stats)
    assert answer.totals["packets_in"] == 1


def test_a_worker_that_does_not_answer_is_left_out_after_a_while() -> None:
    pool = pool_of(2)
    pool.handle_command(QueryStats(RequestId("all")), NOW)
    pool.handle_event(1, stats("all", (of_peer("ann"),)), NOW)
    pool.handle_timeout(NOW + STATS_LIMIT_S - 0.1)
    assert events(pool) == []
    pool.handle_timeout(NOW + STATS_LIMIT_S)
    [answer] = events(pool)
    assert isinstance(answer, Stats)
    assert [each.peer_id for each in answer.peers] == ["ann"]
    pool.handle_event(0, stats("all"), NOW)
    assert events(pool) == [], "too late"


def test_totals_are_asked_for_while_a_worker_is_up() -> None:
    pool = pool_of(1)
    assert pool.next_deadline() == NOW
    pool.handle_timeout(NOW)
    worker_and_query = pool.poll_command()
    assert worker_and_query is not None
    query = worker_and_query[1]
    assert isinstance(query, QueryStats)
    pool.handle_event(0, stats(query.request_id, packets_in=3, tracks=1), NOW)
    assert events(pool) == [], "asked by the pool, not by signaling"
    assert pool.totals() == {"packets_in": 3, "tracks": 1, "ignored": 0}
    assert pool.next_deadline() == NOW + TOTALS_INTERVAL_S
    pool.handle_lost(0, NOW)
    assert pool.totals() == {"packets_in": 3, "ignored": 0}
    pool.handle_timeout(NOW + TOTALS_INTERVAL_S)
    assert pool.next_deadline() is None


def test_a_worker_that_says_nothing_is_stuck_until_it_does() -> None:
    pool = pool_of(2)
    pool.handle_timeout(NOW)
    queries = [pool.poll_command(), pool.poll_command()]
    pool.handle_event(1, stats("totals-1"), NOW + 1)
    now = NOW
    while now < NOW + STUCK_S:
        assert pool.stuck(now) == ()
        now += TOTALS_INTERVAL_S
        pool.handle_timeout(now)
        while (asked := pool.poll_command()) is not None:
            assert asked[0] == 1, "who has not answered is not asked again"
            pool.handle_event(1, stats("totals"), now)
    assert len(queries) == 2
    assert pool.stuck(now) == (0,)
    pool.handle_event(0, stats("totals-1"), now)
    assert pool.stuck(now) == ()


def test_a_stuck_worker_that_was_ended_begins_anew() -> None:
    pool = pool_of(1)
    pool.handle_timeout(NOW)
    assert pool.stuck(NOW + STUCK_S) == (0,)
    pool.handle_lost(0, NOW + STUCK_S)
    pool.handle_up(0, NOW + STUCK_S + 1)
    assert pool.stuck(NOW + STUCK_S + 1) == ()


def test_a_viewer_elsewhere_gets_his_tracks_across_and_they_end_with_the_publisher() -> None:
    pool = pool_of(2)
    live_room(pool)
    pool.handle_command(play("far", "another room"), NOW)
    assert commands(pool) == [(1, play("far", "another room"))]
    pool.handle_event(1, played("far"), NOW)
    point = PointSlot(PeerId("far"), "0", CAMERA, 1)
    pool.handle_command(point, NOW)
    (first, imported), (second, exported), last = commands(pool)
    assert (first, second, last) == (1, 0, (1, point)), "the track is there before the slot"
    assert isinstance(imported, ImportTrack)
    assert isinstance(exported, ExportTrack)
    assert exported.link == "/relay/1"
    mute = MuteTrack(CAMERA, True)
    pool.handle_command(mute, NOW)
    assert commands(pool) == [(0, mute), (1, mute)]
    pool.handle_event(0, PeerClosed(HOST, "deleted"), NOW)
    assert commands(pool) == [(1, StopRelay(imported.channel))]


def test_a_crossing_ends_with_its_last_viewer() -> None:
    pool = pool_of(2)
    live_room(pool)
    pool.handle_command(play("far", "another room"), NOW)
    pool.handle_event(1, played("far"), NOW)
    pool.handle_command(PointSlot(PeerId("far"), "0", CAMERA, 1), NOW)
    commands(pool)
    pool.handle_event(1, PeerClosed(PeerId("far"), "left"), NOW)
    pool.handle_timeout(NOW + LINGER_S)
    assert commands(pool) == [(0, StopRelay(1)), (1, StopRelay(1))]


def test_a_lost_importer_is_told_to_the_exporter() -> None:
    pool = pool_of(2)
    live_room(pool)
    pool.handle_command(play("far", "another room"), NOW)
    pool.handle_event(1, played("far"), NOW)
    pool.handle_command(PointSlot(PeerId("far"), "0", CAMERA, 1), NOW)
    commands(pool)
    events(pool)
    pool.handle_lost(1, NOW)
    assert commands(pool) == [(0, StopRelay(1))]
    assert events(pool) == [PeerClosed(PeerId("far"), WORKER_LOST)]
