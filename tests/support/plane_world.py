"""A media plane, its clients, and time, in one memory.

Nothing here opens a socket or waits: `World.run` counts time by hand in steps of 5 ms. Datagrams
travel over links that lose, delay and reorder by a seeded chance.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import Final, TypeVar

from loadtest.network.impairment import Impairment
from media.assembly import PlaneOptions
from media.certificate import Certificate
from media.exports import SendFrames
from media.ice import Address
from media.plane import MediaPlane
from media.relay import no_links
from media.relay_frames import Frame
from media.seam import (
    Answered,
    ClosePeer,
    CodecPolicy,
    Command,
    Event,
    MuteTrack,
    PauseSlot,
    PeerId,
    PlayOffer,
    PointSlot,
    PublishOffer,
    QueryStats,
    Refused,
    RequestId,
    Stats,
    TrackId,
)
from tests.support.dtls_pair import ANY_DAY
from tests.support.plane_client import Client, Datagram, Link, Publisher, Viewer
from tests.support.plane_offer import OfferText

E = TypeVar("E")

STEP_S: Final = 0.005
START_S: Final = 5_000.0
WALL_OFFSET_S: Final = 1_790_000_000.0
SERVER: Final[Address] = ("198.51.100.1", 7882)
DEFAULT_POLICY: Final = CodecPolicy()
_IP_UDP_BYTES: Final = 28
SERVER_CERTIFICATE: Final = Certificate.generate(ANY_DAY)


@dataclass(slots=True)
class _Wire:
    """What is under way in one direction."""

    chance: random.Random
    _heap: list[tuple[float, int, bytes, Address, Address]] = field(default_factory=list)
    _count: int = 0
    _impaired: list[Impairment[Datagram]] = field(default_factory=list)

    def send(self, data: bytes, source: Address, target: Address, link: Link, now: float) -> None:
        if link.impaired is not None:
            if link.impaired not in self._impaired:
                self._impaired.append(link.impaired)
            link.impaired.take((data, source, target), len(data) + _IP_UDP_BYTES, now)
            return
        if link.is_cut or self.chance.random() < link.loss:
            return
        arrival = now + link.delay_s
        if self.chance.random() < link.reorder:
            arrival += link.late_s
        self._count += 1
        heapq.heappush(self._heap, (arrival, self._count, data, source, target))

    def arrived(self, now: float) -> list[Datagram]:
        due = [each for link in self._impaired for each in link.due(now)]
        while self._heap and self._heap[0][0] <= now:
            _, _, data, source, target = heapq.heappop(self._heap)
            due.append((data, source, target))
        return due


class World:
    """One plane, its clients, and time. Also the plane's `RunSender`."""

    def __init__(
        self,
        seed: int = 1,
        *,
        policy: CodecPolicy = DEFAULT_POLICY,
        send_frames: SendFrames = no_links,
        **limits: int,
    ) -> None:
        self.now = START_S
        self.policy = policy
        self.takes_turns = True
        """False leaves turns of the fan-out to the test."""
        self.events: list[Event] = []
        self.clients: dict[Address, Client] = {}
        self.sent: list[tuple[Address, bytes]] = []
        """Every datagram that the plane sent."""
        chance = random.Random(seed)
        self._to_plane = _Wire(random.Random(seed + 1))
        self._to_clients = _Wire(random.Random(seed + 2))
        self._numbers = 0
        self.plane = MediaPlane(
            PlaneOptions(
                addresses=((str(SERVER[0]), int(SERVER[1])),),
                certificate=SERVER_CERTIFICATE,
                wall_offset_s=WALL_OFFSET_S,
                randbits=chance.getrandbits,
                **limits,
            ),
            self,
            send_frames,
        )

    # --- the plane's way out ---

    def send(self, data: bytes | memoryview, address: Address, /) -> None:
        self._deliver(bytes(data), address)

    def send_run(self, view: memoryview, segment_bytes: int, address: Address, /) -> None:
        data = bytes(view)
        for at in range(0, len(data), segment_bytes):
            self._deliver(data[at : at + segment_bytes], address)

    def _deliver(self, data: bytes, address: Address) -> None:
        self.sent.append((address, data))
        client = self.clients.get(address)
        if client is not None:
            self._to_clients.send(data, SERVER, address, client.down, self.now)

    # --- commands and events ---

    def command(self, command: Command) -> None:
        self.plane.handle_command(command, self.now)
        self._drain()

    def sent_to(self, address: Address) -> list[bytes]:
        return [data for target, data in self.sent if target == address]

    def request_id(self) -> RequestId:
        self._numbers += 1
        return RequestId(f"req-{self._numbers}")

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def ask(self, command: PublishOffer | PlayOffer) -> Answered | Refused:
        self.command(command)
        reply = self.events[-1]
        assert isinstance(reply, Answered | Refused)
        return reply

    def stats(self, *peers: str) -> Stats:
        wanted = tuple(PeerId(peer) for peer in peers)
        self.command(QueryStats(self.request_id(), wanted))
        return self.of(Stats)[-1]

    def point(self, viewer: Client, mid: str, track: str | None, generation: int) -> None:
        track_id = None if track is None else TrackId(track)
        self.command(PointSlot(viewer.peer_id, mid, track_id, generation))

    def mute(self, track: str, muted: bool) -> None:
        self.command(MuteTrack(TrackId(track), muted))

    def pause(self, viewer: Client, mid: str, paused: bool) -> None:
        self.command(PauseSlot(viewer.peer_id, mid, paused))

    def close(self, client: Client, reason: str = "test") -> None:
        self.command(ClosePeer(client.peer_id, reason))

    # --- time ---

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        for _ in range(round(seconds / STEP_S)):
            self.step()

    def step(self) -> None:
        self.now += STEP_S
        for client in list(dict.fromkeys(self.clients.values())):
            client.act(self.now)
        batch = self.take_uplink()
        if batch or (self.takes_turns and self.plane.is_behind):
            self.receive(batch)
        deadline = self.plane.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.plane.handle_timeout(self.now)
            self._drain()
        for data, _, target in self._to_clients.arrived(self.now):
            receiver = self.clients.get(target)
            if receiver is not None:
                receiver.receive(data, self.now)

    def take_uplink(self) -> list[tuple[bytes, Address]]:
        """The datagrams that have arrived for the plane by now, instead of giving them to it."""
        return [(data, source) for data, source, _ in self._to_plane.arrived(self.now)]

    def receive(self, batch: list[tuple[bytes, Address]]) -> None:
        """Hand datagrams to the plane, past any link."""
        self.plane.handle_datagrams(batch, self.now)
        self._drain()

    def relayed(self, link: str, frames: list[Frame]) -> None:
        """Hand the plane what another worker sent."""
        self.plane.handle_relayed(link, frames, self.now)
        self._drain()

    def _drain(self) -> None:
        while self.takes_turns and self.plane.is_behind:
            self.plane.handle_turn(self.now)
        while (transmit := self.plane.poll_transmit()) is not None:
            self._deliver(*transmit)
        while (event := self.plane.poll_event()) is not None:
            self.events.append(event)

    # --- clients ---

    def transmit(self, data: bytes, client: Client) -> None:
        self._to_plane.send(data, client.address, SERVER, client.up, self.now)

    def join(self, client: Client) -> None:
        self.clients[client.address] = client

    def move(self, client: Client, address: Address) -> None:
        """The client has another address from now on; nothing reaches the old one."""
        del self.clients[client.address]
        client.address = address
        self.clients[address] = client

    def publish(self, name: str, **changes: object) -> Publisher:
        """Offer and start to connect; `run` a moment for the rest."""
        publisher = Publisher(self, name, OfferText(direction="sendonly", **changes))  # type: ignore[arg-type]  # a table of settings
        publisher.offer()
        return publisher

    def play(self, name: str, **changes: object) -> Viewer:
        """Offer and start to connect; `run` a moment for the rest."""
        viewer = Viewer(self, name, OfferText(direction="recvonly", **changes))  # type: ignore[arg-type]  # a table of settings
        viewer.offer()
        return viewer
