"""The shell: what it advertises, what it says when it cannot start, and how it stops."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest

from media.seam import (
    Answered,
    Event,
    PeerClosed,
    PeerId,
    PlayOffer,
    PointSlot,
    QueryStats,
    RequestId,
    Stats,
)
from media.worker import LocalMedia, MediaUnavailable, advertised_addresses
from tests.support.plane_offer import OfferText

PLAY = PlayOffer(RequestId("r"), PeerId("ann"), str(OfferText(direction="recvonly")))


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.7", "::1", "2001:db8::1"])
def test_a_bound_address_is_advertised_as_it_is(host: str) -> None:
    assert advertised_addresses(host) == (host,)


def test_localhost_is_an_address_to_browsers() -> None:
    assert advertised_addresses("localhost") == ("127.0.0.1",)


def test_a_wildcard_stands_for_this_machines_addresses_the_best_first() -> None:
    four, both = advertised_addresses("0.0.0.0"), advertised_addresses("::")
    assert four
    assert all(ipaddress.ip_address(each).version == 4 for each in four)
    assert set(four) <= set(both) or all(ipaddress.ip_address(each).is_loopback for each in four)
    versions = [ipaddress.ip_address(each).version for each in both]
    assert versions == sorted(versions)
    for found in (four, both):
        loopbacks = [ipaddress.ip_address(each).is_loopback for each in found]
        assert all(loopbacks) or not any(loopbacks)


async def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        media = LocalMedia(host="127.0.0.1", port=port)
        with pytest.raises(MediaUnavailable) as unavailable:
            await media.start()
    message = str(unavailable.value)
    assert f"127.0.0.1:{port}" in message
    assert "in use" in message
    assert "--udp-port" in message
    assert not media.is_bound
    await media.close()


@pytest.mark.parametrize(
    ("host", "port", "advertised"),
    [
        ("127.0.0.1", 99_999, ()),
        ("192.0.2.1", 0, ()),
        ("no..host", 0, ()),
        ("127.0.0.1", 0, ("media.example.com",)),
    ],
)
async def test_what_cannot_work_is_said_at_the_start(
    host: str, port: int, advertised: tuple[str, ...]
) -> None:
    media = LocalMedia(host=host, port=port, advertised=advertised)
    with pytest.raises(MediaUnavailable):
        await media.start()
    assert not media.is_bound


async def test_advertised_addresses_reach_the_answer_in_their_order() -> None:
    media = LocalMedia(host="127.0.0.1", port=0, advertised=["203.0.113.7", "2001:db8::7"])
    events: asyncio.Queue[Event] = asyncio.Queue()
    media.subscribe(events.put_nowait)
    await media.start()
    media.send(PLAY)
    assert events.empty(), "events come in a later turn, as over a socket"
    answer = await events.get()
    assert isinstance(answer, Answered)
    port = str(media.port)
    assert candidates_of(answer) == [
        ["udp", "203.0.113.7", port],
        ["udp", "2001:db8::7", port],
        ["tcp", "203.0.113.7", port],
        ["tcp", "2001:db8::7", port],
    ]
    await media.close()


def candidates_of(answer: Answered) -> list[list[str]]:
    """Transport, address and port of each."""
    lines = [line.split() for line in answer.sdp.splitlines() if "a=candidate" in line]
    return [[line[2], *line[4:6]] for line in lines]


async def test_without_tcp_nothing_listens_and_nothing_is_said_of_it() -> None:
    media = LocalMedia(host="127.0.0.1", port=0, tcp=False)
    events: asyncio.Queue[Event] = asyncio.Queue()
    media.subscribe(events.put_nowait)
    await media.start()
    media.send(PLAY)
    answer = await events.get()
    assert isinstance(answer, Answered)
    assert candidates_of(answer) == [["udp", "127.0.0.1", str(media.port)]]
    assert media.tcp_stats is None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", media.port)
    await media.close()


async def test_a_tcp_port_in_use_is_named_with_both_ways_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        media = LocalMedia(host="127.0.0.1", port=port)
        with pytest.raises(MediaUnavailable) as unavailable:
            await media.start()
        message = str(unavailable.value)
        assert f"TCP 127.0.0.1:{port}" in message
        assert "in use" in message
        assert "--udp-port" in message
        assert "media_tcp: false" in message
        assert not media.is_bound
        await media.close()
        without = LocalMedia(host="127.0.0.1", port=port, tcp=False)
        await without.start()  # and UDP was given back
        await without.close()


async def test_a_burst_of_commands_is_answered_in_order() -> None:
    media = LocalMedia(host="127.0.0.1", port=0)
    events: list[Event] = []
    media.subscribe(events.append)
    await media.start()
    media.send(PLAY)
    for number in range(100):
        media.send(PointSlot(PeerId("ann"), "1", None, number))
        media.send(QueryStats(RequestId(str(number))))
    await asyncio.sleep(0)
    stats = [event.request_id for event in events if isinstance(event, Stats)]
    assert stats == [RequestId(str(number)) for number in range(100)]
    await media.close()
    assert isinstance(events[-1], PeerClosed)
    assert events[-1].reason == "shutting_down"
    await media.close()
