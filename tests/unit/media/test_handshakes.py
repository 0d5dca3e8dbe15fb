"""A crowd at the door: handshakes go on a few steps at a time, and media goes on beside them."""

from __future__ import annotations

from media.demux import is_dtls
from media.handshakes import MAX_WAITING, TURN_STEPS, Datagram, Handshakes
from media.ice import Address
from tests.support.plane_client import Viewer
from tests.support.plane_world import STEP_S, World
from tests.unit.media.test_plane import live_room

CROWD = 3 * TURN_STEPS + 1


def datagram(number: int) -> Datagram:
    return bytes([number & 0xFF]), ("192.0.2.1", number)


def test_a_turn_takes_a_few_and_the_rest_in_order() -> None:
    handshakes = Handshakes()
    handshakes.begin_turn()
    came = [datagram(number) for number in range(CROWD)]
    passed = [each for each in came if handshakes.may_pass() or not handshakes.put(each)]
    assert passed == came[:TURN_STEPS]
    turns = []
    while handshakes.is_behind:
        turns.append(handshakes.take())
    assert [each for turn in turns for each in turn] == came[TURN_STEPS:]
    assert max(map(len, turns)) == TURN_STEPS


def test_what_waits_is_not_overtaken() -> None:
    handshakes = Handshakes()
    handshakes.put(datagram(1))
    handshakes.begin_turn()
    assert not handshakes.may_pass()
    assert handshakes.take() == [datagram(1)]
    handshakes.begin_turn()
    assert handshakes.may_pass()


def test_the_queue_is_bounded() -> None:
    handshakes = Handshakes()
    taken = [handshakes.put(datagram(number)) for number in range(MAX_WAITING + 2)]
    assert taken == [True] * MAX_WAITING + [False] * 2


def first_flights(world: World, crowd: list[Viewer]) -> list[Datagram]:
    """What the crowd sends to begin its handshakes, taken off the wire."""
    held: dict[Address, Datagram] = {}
    given = 0
    while len(held) < len(crowd):
        world.now += STEP_S
        for viewer in crowd:
            viewer.act(world.now)
        batch = world.take_uplink()
        held |= {each[1]: each for each in batch if is_dtls(each[0])}
        world.receive([each for each in batch if not is_dtls(each[0])])
        for address, data in world.sent[given:]:
            if (client := world.clients.get(address)) in crowd and client is not None:
                client.receive(data, world.now)
        given = len(world.sent)
    return list(held.values())


def answered(world: World, crowd: list[Viewer], since: int) -> int:
    """How many of the crowd have got a flight."""
    addresses = {viewer.address for viewer in crowd}
    sent = world.sent[since:]
    return len({address for address, data in sent if address in addresses and is_dtls(data)})


def test_a_crowd_holds_up_no_media_and_everybody_gets_in() -> None:
    world = World()
    host, watching = live_room(world)
    crowd = [world.play(f"guest-{number}") for number in range(CROWD)]
    flights = first_flights(world, crowd)
    host.act(world.now + 1.0)
    world.now += 1.0
    frame = [each for each in world.take_uplink() if each[1] == host.address]
    assert frame, "the host has sent meanwhile"
    world.takes_turns = False
    sent, forwarded = len(world.sent), world.plane.totals()["fanout_packets"]
    world.receive(flights + frame)
    assert world.plane.totals()["fanout_packets"] > forwarded, "behind a crowd, in the same turn"
    steps = [answered(world, crowd, sent)]
    while world.plane.is_behind:
        world.plane.handle_turn(world.now)
        world.receive([])
        steps.append(answered(world, crowd, sent) - sum(steps))
    assert steps == [TURN_STEPS, TURN_STEPS, TURN_STEPS, 1]
    world.takes_turns = True
    world.run(2.0)
    assert all(viewer.is_connected for viewer in crowd)
    assert watching.is_connected


def test_who_left_while_waiting_is_passed_over() -> None:
    world = World()
    crowd = [world.play(f"guest-{number}") for number in range(TURN_STEPS + 2)]
    flights = first_flights(world, crowd)
    world.takes_turns = False
    world.receive(flights)
    last = next(viewer for viewer in crowd if viewer.address == flights[-1][1])
    world.close(last)
    sent = len(world.sent)
    world.takes_turns = True
    world.receive([])
    assert answered(world, crowd, sent) == 1
    assert answered(world, [last], sent) == 0
