"""Where peers go: rooms whole, large ones spread, nobody on a dead worker."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from media.placement import BUSIER, OPENING_COST, Placement
from media.seam import PeerId


def placement(workers: int, share: int = 10) -> Placement:
    made = Placement(share)
    for worker in range(workers):
        made.add_worker(worker)
    return made


def viewers(placement: Placement, group: str, count: int, name: str = "v") -> Counter[int | None]:
    return Counter(
        placement.place_viewer(PeerId(f"{group}-{name}{number}"), group) for number in range(count)
    )


def test_a_room_within_its_share_stays_with_its_host() -> None:
    made = placement(3)
    assert made.place_publisher(PeerId("host"), "a") == 0
    assert viewers(made, "a", 9) == {0: 9}
    assert made.place_publisher(PeerId("guest"), "a") == 0, "a stage is never split"


def test_rooms_go_to_the_least_busy_worker() -> None:
    made = placement(3)
    homes = [made.place_publisher(PeerId(f"host{n}"), f"room{n}") for n in range(6)]
    assert homes == [0, 1, 2, 0, 1, 2]


def test_a_room_beyond_its_share_is_spread_evenly() -> None:
    made = placement(2, share=10)
    made.place_publisher(PeerId("host"), "a")
    assert viewers(made, "a", OPENING_COST) == {0: OPENING_COST}, "not worth a crossing yet"
    assert viewers(made, "a", 400, "w")[1] > 200
    assert abs(made.load(0) - made.load(1)) <= 1


def test_a_small_room_leaves_a_home_that_is_far_busier_than_others() -> None:
    made = placement(2, share=10_000)
    made.place_publisher(PeerId("small"), "small")
    for number in range(BUSIER):
        made.place_publisher(PeerId(f"p{number}"), "other" if number == 0 else "small")
    assert made.worker_of(PeerId("p0")) == 1
    assert viewers(made, "small", 1) == {0: 1}
    assert viewers(made, "small", 1, "w") == {1: 1}


def test_the_dead_are_named_and_the_rest_of_a_room_is_its_new_home() -> None:
    made = placement(3, share=1)
    made.place_publisher(PeerId("host"), "a")
    made.place_publisher(PeerId("other"), "b")
    spread = viewers(made, "a", 2 * OPENING_COST + 4)
    assert spread[0]
    assert spread[2]
    lost = made.remove_worker(0)
    assert lost[0] == "host"
    assert len(lost) == 1 + spread[0]
    assert made.worker_of(PeerId("host")) is None
    assert made.workers == (1, 2)
    assert made.place_publisher(PeerId("host again"), "a") == 2, "where its viewers are"
    assert made.worker_of(PeerId("other")) == 1, "the others noticed nothing"


def test_without_any_worker_nobody_is_placed() -> None:
    made = placement(1)
    made.place_publisher(PeerId("host"), "a")
    made.remove_worker(0)
    assert made.place_publisher(PeerId("host"), "a") is None
    assert made.place_viewer(PeerId("ann"), "a") is None
    assert made.worker_of(PeerId("ann")) is None
    made.add_worker(0)
    assert made.place_viewer(PeerId("ann"), "a") == 0


def test_a_home_is_forgotten_with_its_last_peer() -> None:
    made = placement(2)
    made.place_publisher(PeerId("host"), "a")
    made.release(PeerId("host"))
    made.release(PeerId("host"))
    made.place_publisher(PeerId("other"), "b")
    assert made.place_publisher(PeerId("host"), "a") == 1


@pytest.mark.parametrize("seed", range(5))
def test_books_stay_in_order_whatever_happens(seed: int) -> None:
    rng = random.Random(seed)
    made, here, up = placement(3, share=5), dict[PeerId, int](), {0, 1, 2}
    for number in range(2000):
        match rng.randrange(10):
            case 0 if here:
                gone = rng.choice(list(here))
                made.release(gone)
                del here[gone]
            case 1:
                worker = rng.randrange(3)
                if worker in up:
                    assert set(made.remove_worker(worker)) == {
                        each for each, where in here.items() if where == worker
                    }
                    here = {each: where for each, where in here.items() if where != worker}
                    up.remove(worker)
                else:
                    made.add_worker(worker)
                    up.add(worker)
            case kind:
                place = made.place_publisher if kind < 4 else made.place_viewer
                peer_id = PeerId(str(number))
                worker_of = place(peer_id, f"room{rng.randrange(4)}")
                assert (worker_of in up) if up else worker_of is None
                if worker_of is not None:
                    here[peer_id] = worker_of
        assert {each: made.worker_of(each) for each in here} == here
        assert sum(map(made.load, made.workers)) == len(here)
