"""WHIP in, WHEP out, through the real server over real UDP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from loadtest.room_client import RoomClient
from loadtest.rtc.light_peer import (
    AUDIO_PT,
    CM_SHA1,
    GCM,
    VIDEO_PT,
    Direction,
    LightPeer,
    PeerError,
    SrtpProfile,
)
from tests.support.crowd_room import sending
from tests.support.drop_filter import drop_every
from tests.support.server import LiveServer, live

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live", "sending", "until"]
ENOUGH = 60
LOST_EVERY = 20


@contextlib.asynccontextmanager
async def peer_of(direction: Direction, **options: Any) -> AsyncIterator[LightPeer]:  # noqa: ANN401  # of LightPeer
    peer = LightPeer(direction, **options)
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def show(live: LiveServer, room: str, **options: Any) -> AsyncIterator[LightPeer]:  # noqa: ANN401  # of LightPeer
    """A publisher that sends, with those options."""
    async with peer_of("sendonly", **options) as source:
        await source.connect(live.http, f"/whip/{room}", live.token("hana", "host", room))
        async with sending(source):
            yield source


async def until(condition: Callable[[], bool], within_s: float = 15) -> None:
    """Real packets take real time: look again until it holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - counters of what the network brings tell nobody
            await asyncio.sleep(0.01)


async def test_what_one_publishes_the_other_plays(live: LiveServer) -> None:
    room = live.new_room()
    host, viewer = live.token("hana", "host", room), live.token("vera", "viewer", room)
    sizes: list[int] = []
    enough = asyncio.Event()

    def take(plain: bytes, now: float) -> None:
        sizes.append(len(plain))
        if len(sizes) == ENOUGH:
            enough.set()

    async with peer_of("sendonly") as source, peer_of("recvonly") as player:
        await source.connect(live.http, f"/whip/{room}", host)
        player.sample_every, player.on_rtp = 1, take
        async with sending(source):
            await player.connect(live.http, f"/whep/{room}", viewer)
            async with asyncio.timeout(10):
                await player.receiving.wait()
                await enough.wait()
        assert sorted(stream.kind for stream in player.streams.values()) == ["audio", "video"]
        assert all(stream.holes == 0 for stream in player.streams.values())
        assert sum(stream.packets for stream in player.streams.values()) == player.packets
        assert len(sizes) == player.packets
        assert sum(sizes) < player.bytes
        counts = player.counts
        assert (counts.packets, counts.bytes) == (player.packets, player.bytes)
        assert (counts.overflows, counts.unopened) == (0, 0)
        staff = live.token("sam", "staff", room)
        async with RoomClient(live.running.socket_url, staff) as watcher:
            assert watcher.welcome["show"]["phase"] == "live"
            # The DELETE tells at once what silence would tell after seconds.
            await source.close(live.http, host)
            lost = await watcher.wait_for("show_changed", within_s=3)
            assert lost["show"]["phase"] == "host_lost"


async def test_many_viewers_count_the_same(live: LiveServer) -> None:
    room = live.new_room()
    async with show(live, room), contextlib.AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(peer_of("recvonly")) for _ in range(20)]
        for number, peer in enumerate(crowd):
            token = live.token(f"v{number}", "viewer", room)
            await peer.connect(live.http, f"/whep/{room}", token)
            assert peer.srtp_profile is GCM
        await until(lambda: all(peer.packets > 200 for peer in crowd))
        counts = [peer.counts for peer in crowd]
        assert not any(peer.reads_whole and not peer._reception._follow_budget for peer in crowd)
        assert all(len(peer.streams) == 2 for peer in crowd)
        assert [(each.holes, each.duplicates, each.overflows) for each in counts] == [
            (0, 0, 0)
        ] * 20
        assert all(each.rrs_sent == each.nacks_sent == 0 for each in counts)


@pytest.mark.parametrize("profile", [GCM, CM_SHA1])
async def test_both_profiles_carry_both_ways(live: LiveServer, profile: SrtpProfile) -> None:
    room = live.new_room()
    opened: list[bytes] = []
    async with (
        show(live, room, srtp=(profile,)) as source,
        peer_of("recvonly", srtp=(profile,)) as player,
    ):
        player.sample_every, player.on_rtp = 1, lambda plain, now: opened.append(plain)
        await player.connect(live.http, f"/whep/{room}", live.token("vera", "viewer", room))
        assert source.srtp_profile is player.srtp_profile is profile
        await until(lambda: len(opened) >= ENOUGH)
        assert {plain[1] & 0x7F for plain in opened} == {AUDIO_PT, VIDEO_PT}
        assert player.counts.unopened == 0


async def test_what_the_network_loses_is_counted_exactly(live: LiveServer) -> None:
    room = live.new_room()
    async with show(live, room), peer_of("recvonly", feedback=False) as player:
        await player.connect(live.http, f"/whep/{room}", live.token("vera", "viewer", room))
        drop_every(player._transport.socket, LOST_EVERY, VIDEO_PT)
        await until(lambda: player.counts.holes > 20)
        counts = player.counts
        # A drop behind the newest packet is no hole yet.
        assert counts.overflows - 1 <= counts.holes <= counts.overflows
        (video,) = [each for each in player.streams.values() if each.kind == "video"]
        assert video.holes == counts.holes
        assert counts.recovered == 0


async def test_a_viewer_with_feedback_gets_its_losses_again(live: LiveServer) -> None:
    room = live.new_room()
    async with show(live, room) as source, peer_of("recvonly", feedback=True) as player:
        await player.connect(live.http, f"/whep/{room}", live.token("vera", "viewer", room))
        drop_every(player._transport.socket, LOST_EVERY, VIDEO_PT)
        await until(lambda: player.counts.recovered > 20 and player.counts.rrs_sent > 1)
        counts = player.counts
        assert counts.holes <= 2, "but for the newest"
        assert counts.nacks_sent >= 20
        assert counts.rtx_received >= counts.recovered
        assert counts.rembs_sent == counts.rrs_sent
        assert counts.unopened == 0
        assert counts.reordered == 0
        assert "rtx" in {each.kind for each in player.streams.values()}
        # The publisher lost nothing.
        assert source.counts.resent == 0


async def test_a_publisher_answers_nacks_of_the_server(live: LiveServer) -> None:
    room = live.new_room()
    async with show(live, room) as source, peer_of("recvonly") as player:
        await player.connect(live.http, f"/whep/{room}", live.token("vera", "viewer", room))
        send, dropped = source._transport.send, []

        def lossy(datagram: bytes) -> None:
            number = int.from_bytes(datagram[2:4], "big")
            if datagram[1] & 0x7F == VIDEO_PT and number % LOST_EVERY == 3:
                dropped.append(number)
            else:
                send(datagram)

        source._transport.send = lossy  # type: ignore[method-assign]  # the uplink loses
        await until(lambda: source.counts.resent > 10)
        counts = source.counts
        assert counts.nacks_received > 0
        assert counts.resent >= len(dropped) - 2
        await until(lambda: player.counts.holes == 0)


async def test_latency_is_read_from_marks(live: LiveServer) -> None:
    room = live.new_room()
    delays: list[float] = []
    loop = asyncio.get_running_loop()
    async with show(live, room), peer_of("recvonly") as player:
        started = loop.time()
        await player.connect(live.http, f"/whep/{room}", live.token("vera", "viewer", room))
        await until(lambda: player.packets > 50)
        assert not player.reads_whole or player._reception._follow_budget
        player.on_latency = delays.append
        await until(lambda: len(delays) >= 20)
        assert all(0 < delay < loop.time() - started for delay in delays)
        player.on_latency = None
        assert not player.reads_whole or player._reception._follow_budget


async def test_a_server_that_stops_answering_is_noticed(live: LiveServer) -> None:
    room = live.new_room()
    deaths: list[str] = []
    async with peer_of("sendonly") as peer:
        await peer.connect(live.http, f"/whip/{room}", live.token("hana", "host", room))
        peer.on_dead = lambda: deaths.append(peer.why_dead)
        # The answers stay away; the clock of the consent is moved instead of waited for.
        ice = peer._transport.ice
        ice.handle_timeout(ice._heard_at + 20)
        peer._transport._progress()
        assert peer.dead
        assert deaths == ["no answer to ICE checks any more"]


async def test_a_connection_that_the_server_closes_is_noticed(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("hana", "host", room)
    ended = asyncio.Event()
    async with peer_of("sendonly") as first, peer_of("sendonly") as second:
        await first.connect(live.http, f"/whip/{room}", token)
        first.on_dead = ended.set
        # The same person from another device takes the seat over.
        await second.connect(live.http, f"/whip/{room}", token)
        async with asyncio.timeout(10):
            await ended.wait()
        assert first.why_dead == "the server closed the connection"
        assert not second.dead


async def test_a_refusal_is_raised_with_the_servers_words(live: LiveServer) -> None:
    room = live.new_room()
    for token, path, words in (
        ("nonsense", f"/whip/{room}", "401.*bad_token"),
        (live.token("vera", "viewer", room), f"/whip/{room}", "403.*forbidden"),
        (live.token("vera", "viewer", room), f"/whep/{room}", "409.*not_live"),
    ):
        async with peer_of("recvonly") as peer:
            with pytest.raises(PeerError, match=words) as refusal:
                await peer.connect(live.http, path, token)
            assert refusal.value.status == int(words[:3])


async def test_what_takes_too_long_is_given_up(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("hana", "host", room)
    async with peer_of("sendonly") as peer:
        with pytest.raises(PeerError, match=r"no answer from /whip/.* within 0 s"):
            await peer.connect(live.http, f"/whip/{room}", token, timeout_s=0)


async def test_garbage_on_its_port_is_harmless(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("hana", "host", room)
    async with peer_of("sendonly") as peer:
        await peer.connect(live.http, f"/whip/{room}", token)
        for datagram in (b"", b"\x80", b"\xff" * 5, b"\x16\xfe\xfd" + bytes(20), b"\x00"):
            peer._reception.take_untrusted(datagram, len(datagram), None)
        assert peer.packets == 0
        assert not peer.dead
