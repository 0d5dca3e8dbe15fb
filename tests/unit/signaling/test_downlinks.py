"""Many viewers follow the stage in slices, each with the newest map."""

from __future__ import annotations

import asyncio

from media.seam import PeerId, SlotInfo, TrackId
from signaling.downlinks import SLICE, Downlink, Downlinks
from signaling.identity import Identity
from signaling.ids import ConnId, RoomId, SeatNo, ShopId, Subject
from signaling.media_link import MediaLink
from signaling.media_owner import MediaOwner
from signaling.protocol import DirectMessage, SlotAssigned, Slots
from signaling.slots import LiveTrack
from signaling.tasks import TaskSet
from tests.support.recording_media import RecordingMedia

SLOTS = (SlotInfo("0", "audio", ("opus",)), SlotInfo("1", "video", ("vp8",)))


def track(name: str, seat: int = 0) -> LiveTrack:
    return LiveTrack(TrackId(f"{name}/x/camera"), SeatNo(seat), Subject(name), "camera", "video")


class Hall:
    def __init__(self) -> None:
        self.media = RecordingMedia()
        self.tasks = TaskSet("test")
        self.downlinks = Downlinks(MediaLink(self.media), self.tasks)
        self.told: dict[str, list[DirectMessage]] = {}

    def add(self, name: str) -> Downlink:
        told = self.told.setdefault(name, [])
        who = Identity(ShopId("s"), RoomId("r"), Subject(name), name, name, "viewer", frozenset())
        owner = MediaOwner(who, ConnId(f"c-{name}"), told.append)
        down = Downlink(PeerId(f"p-{name}"), owner, SLOTS)
        self.downlinks.add(down)
        return down

    async def settled(self) -> None:
        async with asyncio.timeout(5):
            await asyncio.gather(*self.tasks.running())


async def test_everybody_follows_and_nobodys_own_track_comes_back() -> None:
    hall = Hall()
    downs = [hall.add(f"v{n}") for n in range(2 * SLICE + 5)]
    hall.downlinks.show((track("v3"),))
    await hall.settled()
    shown = [down for down in downs if down.map[1].track_id == "v3/x/camera"]
    assert len(shown) == len(downs) - 1
    assert downs[3].map[1].track_id is None
    assert hall.told["v3"] == []
    assert [type(m) for m in hall.told["v0"]] == [SlotAssigned]


async def test_a_change_during_the_round_wins() -> None:
    hall = Hall()
    downs = [hall.add(f"v{n}") for n in range(2 * SLICE)]
    hall.downlinks.show((track("a"),))
    await asyncio.sleep(0)
    hall.downlinks.show((track("b"),))
    late = hall.add("late")
    await hall.settled()
    assert {down.map[1].subject for down in [*downs, late]} == {"b"}
    assert downs[0].generation_of("1") == 2
    assert downs[-1].generation_of("1") == 1
    assert downs[0].generation_of("9") is None


async def test_a_lost_socket_is_told_the_whole_map_later() -> None:
    hall = Hall()
    down = hall.add("a")
    down.owner.detach()
    hall.downlinks.show((track("b"),))
    await hall.settled()
    assert hall.told["a"] == []
    down.owner.attach(down.owner.who, ConnId("c2"), hall.told["a"].append)
    hall.downlinks.tell_map(down)
    assert hall.told["a"] == [Slots(peer_id="p-a", slots=down.map)]
    assert hall.downlinks.of_conn("c2") == [down]
    assert hall.downlinks.of_conn("") == hall.downlinks.without_socket() == []
    assert hall.downlinks.remove(down.peer_id) is down
    assert hall.downlinks.get(down.peer_id) is None
