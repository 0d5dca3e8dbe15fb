"""Who may hold a connection: numbers, proof, and time counted by hand."""

from __future__ import annotations

from media.tcp_guests import (
    MAX_STRANGERS_PER_HOST,
    PROVE_WITHIN_S,
    QUIET_FOR_S,
    GuestList,
)


def test_strangers_of_one_host_are_limited_and_others_are_not_kept_out() -> None:
    guests = GuestList(max_strangers_per_host=2)
    first, second = guests.admit("192.0.2.1", 0.0), guests.admit("192.0.2.1", 0.0)
    assert first is not None
    assert second is not None
    assert guests.admit("192.0.2.1", 0.0) is None
    assert guests.admit("192.0.2.2", 0.0) is not None
    guests.prove(first)
    guests.prove(first)
    assert guests.admit("192.0.2.1", 0.0) is not None
    assert guests.admit("192.0.2.1", 0.0) is None
    guests.leave(second)
    guests.leave(second)
    assert guests.admit("192.0.2.1", 0.0) is not None
    assert guests.admit("192.0.2.1", 0.0) is None


def test_strangers_of_all_hosts_are_limited() -> None:
    guests = GuestList(max_strangers=3)
    admitted = [guests.admit(f"192.0.2.{number}", 0.0) for number in range(4)]
    assert [guest is not None for guest in admitted] == [True, True, True, False]


def test_proven_ones_are_limited_too() -> None:
    guests = GuestList(max_guests=2)
    for number in range(2):
        guest = guests.admit(f"192.0.2.{number}", 0.0)
        assert guest is not None
        guests.prove(guest)
    assert guests.admit("192.0.2.9", 0.0) is None
    assert len(guests) == 2


def test_a_stranger_has_ten_seconds() -> None:
    guests = GuestList()
    guest = guests.admit("192.0.2.1", 100.0)
    assert guest is not None
    assert guests.overdue(100.0 + PROVE_WITHIN_S - 0.1) == []
    assert guests.overdue(100.0 + PROVE_WITHIN_S) == [(guest, "unproven")]


def test_a_connection_that_nothing_is_sent_on_is_given_up() -> None:
    guests = GuestList()
    guest = guests.admit("192.0.2.1", 0.0)
    assert guest is not None
    guests.prove(guest)
    now = 0.0
    for _ in range(10):  # used once between two looks, for ten minutes
        guest.is_used = True
        now += QUIET_FOR_S
        assert guests.overdue(now) == []
    assert guests.overdue(now + QUIET_FOR_S - 0.1) == []
    assert guests.overdue(now + QUIET_FOR_S) == [(guest, "quiet")]


def test_nothing_is_kept_of_who_left() -> None:
    guests = GuestList()
    for _ in range(3 * MAX_STRANGERS_PER_HOST):
        guest = guests.admit("192.0.2.1", 0.0)
        assert guest is not None
        guests.leave(guest)
    assert len(guests) == 0
    assert guests.overdue(1e9) == []
