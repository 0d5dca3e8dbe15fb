"""Bars of seats from one look at their transports to the next."""

from __future__ import annotations

from media.seam import PeerId
from signaling.identity import Identity
from signaling.ids import ConnId, RoomId, SeatNo, ShopId, Subject
from signaling.media_owner import MediaOwner
from signaling.seat_signals import SeatSignals
from signaling.uplinks import Uplink
from signaling.views import SeatSignal
from tests.support.media_stats import peer_stats, track_with

GUEST = SeatNo(1)


def uplink(name: str, *, is_connected: bool = True, is_silent: bool = False) -> Uplink:
    who = Identity(
        shop=ShopId("s"),
        room=RoomId("r"),
        subject=Subject("u_ann"),
        user="ann",
        name="Ann",
        role="viewer",
        grants=frozenset(),
    )
    made = Uplink(PeerId(name), MediaOwner(who, ConnId("c")), frozenset({"camera"}), 0)
    made.is_connected, made.is_silent = is_connected, is_silent
    return made


def second_look(*ups: Uplink, **fields: object) -> tuple[SeatSignal, ...]:
    """What is told at the second look, 2 s after the first, when 300 kbit/s came from each."""
    signals = SeatSignals()
    seats = [(GUEST, list(ups))]
    first = {up.peer_id: peer_stats(up.peer_id, bytes_in=5_000) for up in ups}
    assert signals.read(seats, first, 10.0) == ()
    then = {up.peer_id: peer_stats(up.peer_id, bytes_in=80_000, **fields) for up in ups}
    return signals.read(seats, then, 12.0)


def test_a_seat_is_judged_from_the_second_look_on() -> None:
    (signal,) = second_look(uplink("p1"), loss=0.03, rtt_ms=83.0)
    assert signal == SeatSignal(seat=1, bars=3, loss_pm=30, kbps=300, rtt_ms=80)


def test_jitter_counts_where_layers_are_sent() -> None:
    (shaken,) = second_look(uplink("p1"), tracks=(track_with(jitter_ms=120.0),))
    assert shaken.bars == 2
    (paused,) = second_look(uplink("p1"), tracks=(track_with(jitter_ms=120.0, bitrate_bps=0),))
    assert paused.bars == 4


def test_a_silent_seat_has_no_bars_and_one_that_never_connected_is_not_listed() -> None:
    (silent,) = second_look(uplink("p1", is_silent=True))
    assert silent.bars == 0
    assert second_look(uplink("p1", is_connected=False)) == ()
    assert second_look() == ()


def test_of_two_transports_the_better_one_counts_and_both_bitrates() -> None:
    (signal,) = second_look(uplink("old", is_silent=True), uplink("new"))
    assert (signal.bars, signal.kbps) == (4, 600)


def test_small_changes_say_nothing_new() -> None:
    one = second_look(uplink("p1"), loss=0.011, rtt_ms=41.0)
    other = second_look(uplink("p1"), loss=0.009, rtt_ms=38.0)
    assert one == other


def test_a_transport_without_statistics_is_forgotten() -> None:
    signals, seats = SeatSignals(), [(GUEST, [uplink("p1")])]
    signals.read(seats, {PeerId("p1"): peer_stats("p1", bytes_in=5_000)}, 10.0)
    assert signals.read(seats, {}, 12.0) == ()
    assert signals.read(seats, {PeerId("p1"): peer_stats("p1", bytes_in=80_000)}, 14.0) == ()
