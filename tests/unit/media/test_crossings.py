"""Which tracks cross to which worker: once each, as long as somebody there looks, and told in
order."""

from __future__ import annotations

import random

import pytest

from media.crossings import LINGER_S, Crossings, Sent
from media.seam import (
    ExportTrack,
    ImportTrack,
    MuteTrack,
    PeerId,
    StopRelay,
    TrackFormat,
    TrackId,
    TrackInfo,
)

NOW = 100.0
HOST, ANN, BOB = PeerId("host"), PeerId("ann"), PeerId("bob")
CAMERA, MICROPHONE = TrackId("h/s/camera"), TrackId("h/s/microphone")
TRACKS = (
    TrackInfo(CAMERA, "1", "video", "camera", "vp8"),
    TrackInfo(MICROPHONE, "0", "audio", "microphone", "opus"),
)
FORMATS = (TrackFormat(96, 90_000), TrackFormat(111, 48_000, 2))


def published() -> Crossings:
    """A host's two tracks on worker 0."""
    made = Crossings("/run/{}.relay".format)
    made.publish(HOST, 0, TRACKS, FORMATS)
    return made


def begun(channel: int, to: int, place: int = 0) -> list[Sent]:
    info, form = TRACKS[place], FORMATS[place]
    return [
        (to, ImportTrack(channel, info, form)),
        (0, ExportTrack(channel, info.track_id, f"/run/{to}.relay")),
    ]


def stopped(channel: int, *workers: int) -> list[Sent]:
    return [(worker, StopRelay(channel)) for worker in workers]


def test_at_home_nothing_crosses() -> None:
    made = published()
    assert made.point(ANN, 0, "v", CAMERA, NOW) == []
    assert made.point(ANN, 1, "v", None, NOW) == []
    assert made.point(ANN, 1, "v", TrackId("un/known/camera"), NOW) == []
    assert len(made) == 0


def test_a_track_crosses_once_to_each_worker() -> None:
    made = published()
    assert made.point(ANN, 1, "v", CAMERA, NOW) == begun(1, 1)
    assert made.point(BOB, 1, "v", CAMERA, NOW) == []
    assert made.point(ANN, 1, "a", MICROPHONE, NOW) == begun(2, 1, 1)
    assert made.point(PeerId("far"), 2, "v", CAMERA, NOW) == begun(3, 2)
    assert len(made) == 3


def test_a_crossing_ends_a_while_after_its_last_slot_left() -> None:
    made = published()
    made.point(ANN, 1, "v", CAMERA, NOW)
    made.point(BOB, 1, "v", CAMERA, NOW)
    made.point(ANN, 1, "v", None, NOW)
    assert made.next_deadline() is None, "one is still there"
    made.forget_viewer(BOB, NOW + 1)
    assert made.next_deadline() == NOW + 1 + LINGER_S
    assert made.handle_timeout(NOW + LINGER_S) == []
    assert made.handle_timeout(NOW + 1 + LINGER_S) == stopped(1, 0, 1)
    assert made.next_deadline() is None
    assert made.point(ANN, 1, "v", CAMERA, NOW + 20) == begun(2, 1), "a channel is never used again"


def test_who_comes_back_in_time_finds_it() -> None:
    made = published()
    made.point(ANN, 1, "v", CAMERA, NOW)
    made.point(ANN, 1, "v", MICROPHONE, NOW)
    assert made.point(ANN, 1, "v", CAMERA, NOW + 5) == []
    assert made.next_deadline() == NOW + 5 + LINGER_S, "the other one"
    assert made.handle_timeout(NOW + 5 + LINGER_S) == stopped(2, 0, 1)


def test_pointing_at_the_same_track_again_changes_nothing() -> None:
    made = published()
    made.point(ANN, 1, "v", CAMERA, NOW)
    assert made.point(ANN, 1, "v", CAMERA, NOW) == []
    assert made.next_deadline() is None


def test_mutes_reach_both_ends_and_later_ones() -> None:
    made = published()
    made.point(ANN, 1, "v", CAMERA, NOW)
    mute = MuteTrack(CAMERA, True)
    assert made.mute(mute) == [(0, mute), (1, mute)]
    late = made.point(BOB, 2, "v", CAMERA, NOW)
    assert late == [begun(2, 2)[0], (2, mute), begun(2, 2)[1]], "muted before it can be seen"
    made.mute(MuteTrack(CAMERA, False))
    assert made.point(PeerId("c"), 3, "v", CAMERA, NOW) == begun(3, 3)
    assert made.mute(MuteTrack(TrackId("un/known/camera"), True)) == []


def test_a_publisher_who_leaves_ends_his_crossings_at_their_other_ends() -> None:
    made = published()
    made.point(ANN, 1, "v", CAMERA, NOW)
    made.point(BOB, 2, "v", CAMERA, NOW)
    assert made.unpublish(HOST) == stopped(1, 1) + stopped(2, 2)
    assert made.unpublish(HOST) == []
    assert len(made) == 0
    assert made.point(ANN, 1, "v", CAMERA, NOW) == []
    made.forget_viewer(BOB, NOW)
    assert made.next_deadline() is None


def test_the_same_track_of_a_newer_transport_stays() -> None:
    made = published()
    newer = PeerId("host again")
    made.publish(newer, 1, TRACKS, FORMATS)
    made.unpublish(HOST)
    assert made.point(ANN, 1, "v", CAMERA, NOW) == []
    assert made.mute(MuteTrack(CAMERA, True)) == [(1, MuteTrack(CAMERA, True))]


@pytest.mark.parametrize(("lost", "told"), [(0, (1,)), (1, (0,))])
def test_a_lost_worker_is_told_to_the_other_end_only(lost: int, told: tuple[int, ...]) -> None:
    made = published()
    made.point(ANN, 1, "v", CAMERA, NOW)
    assert made.lose(lost) == stopped(1, *told)
    assert len(made) == 0
    assert made.lose(2) == []


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_no_end_is_left_open(seed: int) -> None:
    rng = random.Random(seed)
    made, now = Crossings(str), NOW
    ends: dict[int, set[int]] = {}
    homes: dict[str, int] = {}

    def tell(sent: list[Sent]) -> None:
        for worker, command in sent:
            match command:
                case ImportTrack() | ExportTrack():
                    ends.setdefault(command.channel, set()).add(worker)
                case StopRelay():
                    ends[command.channel].remove(worker)

    def leave(name: str) -> None:
        """The publisher's own worker ends its exports with the track."""
        home = homes.pop(name)
        for worker, command in made.unpublish(PeerId(name)):
            assert isinstance(command, StopRelay)
            assert ends.pop(command.channel) == {worker, home}

    for _ in range(1500):
        now += rng.random()
        name, viewer = f"p{rng.randrange(6)}", rng.randrange(12)
        match rng.randrange(7):
            case 0 if name not in homes:
                homes[name] = rng.randrange(3)
                info = TrackInfo(TrackId(f"{name}/s/camera"), "0", "video", "camera", "vp8")
                made.publish(PeerId(name), homes[name], (info,), (FORMATS[0],))
            case 1 if name in homes:
                leave(name)
            case 2:
                tell(made.handle_timeout(now))
            case 3:
                made.forget_viewer(PeerId(f"v{viewer}"), now)
            case _:
                track = TrackId(f"{name}/s/camera") if rng.random() < 0.9 else None
                tell(made.point(PeerId(f"v{viewer}"), viewer % 3, "v", track, now))
        assert len(made) == sum(map(bool, ends.values()))
    for name in list(homes):
        leave(name)
    assert len(made) == 0
    assert not any(ends.values())
    assert made.next_deadline() is None
