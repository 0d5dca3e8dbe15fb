"""What media hears reaches the room, also across a store that was away."""

from __future__ import annotations

from media import seam
from signaling.ids import RoomId, ShopId
from tests.support.rooms import Node
from tests.support.store import StoreProcess


async def test_what_happened_while_the_store_was_away_is_told_after(
    own_store: StoreProcess, shop: ShopId, room: RoomId
) -> None:
    async with Node(own_store.url, shop, room) as node:
        staff = await node.join("sue", "staff")
        obs = await node.service.whip_publish(node.identity("hugo", "host"), "audio video")
        node.media.connect(obs.peer_id)
        await staff.link.until(lambda: staff.link.of("seat_changed"))
        own_store.kill()
        node.media.say(seam.PeerSilent(obs.peer_id))
        own_store.start()
        await staff.link.until(
            lambda: staff.link.of("show_changed")[-1]["show"]["phase"] == "host_lost"
        )
        node.media.say(seam.PeerHeard(obs.peer_id))
        await staff.link.until(lambda: staff.link.of("show_changed")[-1]["show"]["phase"] == "live")


async def test_another_nodes_seat_is_not_ours_to_report(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    async with Node(store_url, shop, room) as media, Node(store_url, shop, room) as console:
        obs = await media.service.whip_publish(media.identity("hugo", "host"), "audio video")
        media.media.connect(obs.peer_id)
        host = await console.join("hugo", "host")
        await host.link.until(
            lambda: host.link.of("seat_changed") or host.welcome["stage"]["seats"]
        )
        await media.service._rooms[host.who.ref].reporter.wait_idle()
        await host.drop("client_closed")
        await console.service._rooms[host.who.ref].reporter.wait_idle()
        view = await console.service.room(shop, room)
        assert view.phase == "live"
        state = console.service._store.cached(host.who.ref)
        assert state is not None
        seat = state.stage.seat_of("s-hugo")
        assert seat is not None
        assert set(seat.sources) == {"camera", "microphone"}
