from __future__ import annotations

import pytest

from signaling.ids import Subject
from signaling.options import RoomOptions
from signaling.turn import TurnServers
from signaling.views import IceServer

URL = "turn:turn.example:3478?transport=udp"
SECRET = "north wind and the sun"
NOW_MS = 1_767_348_000_999
STUN = IceServer(urls=("stun:stun.example:3478",))


@pytest.fixture
def turn() -> TurnServers:
    return TurnServers(urls=(URL,), secret=SECRET, ttl_s=21_600)


def test_the_credential_is_the_one_that_openssl_computes(turn: TurnServers) -> None:
    # printf 1767369600:u_1 | openssl dgst -sha1 -hmac "north wind and the sun" -binary | base64
    assert turn.for_person(Subject("u_1"), NOW_MS) == IceServer(
        urls=(URL,), username="1767369600:u_1", credential="vDseNIpqkvhGHgh5mTb7XxSDoc0="
    )


def test_another_person_and_another_second_have_another_one(turn: TurnServers) -> None:
    made = [
        turn.for_person(Subject("u_1"), NOW_MS),
        turn.for_person(Subject("u_2"), NOW_MS),
        turn.for_person(Subject("u_1"), NOW_MS + 1),
    ]
    assert len({server.credential for server in made}) == 3


def test_the_secret_is_not_shown(turn: TurnServers) -> None:
    assert SECRET not in repr(turn)
    assert SECRET not in repr(RoomOptions(turn=turn))


def test_stun_servers_stay(turn: TurnServers) -> None:
    subject = Subject("u_1")
    with_turn = RoomOptions(ice_servers=(STUN,), turn=turn)
    assert with_turn.ice_servers_for(subject, NOW_MS) == (STUN, turn.for_person(subject, NOW_MS))
    assert RoomOptions(ice_servers=(STUN,)).ice_servers_for(subject, NOW_MS) == (STUN,)
