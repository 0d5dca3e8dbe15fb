"""Two receivers of one stream, made by different people, and what each says it received.

They join at different moments, so their totals differ. What must agree to the packet is how the
totals grow over a part that begins and ends with nothing on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from aiortc import RTCPeerConnection

from loadtest.rtc.light_peer import LightPeer
from server.app_keys import MEDIA
from tests.support.clip_parts import ClipParts
from tests.support.server import LiveServer

PATIENCE_S = 15.0
POLL_S = 0.1
KINDS = ("audio", "video")


class Received(NamedTuple):
    """Of one stream."""

    packets: int = 0
    lost: int = 0

    def since(self, earlier: Received) -> Received:
        return Received(self.packets - earlier.packets, self.lost - earlier.lost)


ByKind = dict[str, Received]
Reader = Callable[[], Awaitable[ByKind]]


def light_reader(peer: LightPeer) -> Reader:
    """What a light viewer counted."""

    async def read() -> ByKind:
        return {
            stream.kind: Received(stream.packets, stream.holes) for stream in peer.streams.values()
        }

    return read


def aiortc_reader(pc: RTCPeerConnection) -> Reader:
    """What aiortc's receivers report."""

    async def read() -> ByKind:
        reports = [
            report
            for receiver in pc.getReceivers()
            for report in (await receiver.getStats()).values()
            if report.type == "inbound-rtp"
        ]
        return {each.kind: Received(each.packetsReceived, each.packetsLost) for each in reports}

    return read


class Part(NamedTuple):
    """What was sent (a number left out counts as lost), and what each reader counted of it."""

    sent: ByKind
    read: list[ByKind]


class Comparison:
    """Readers of one publisher's streams; they are the only viewers of `server`."""

    def __init__(self, server: LiveServer, source: ClipParts, readers: Sequence[Reader]) -> None:
        self._media = server.running.app[MEDIA]
        self._source = source
        self._readers = readers

    async def start(self) -> None:
        """Send until every reader receives every kind, and all of it has arrived."""
        async with asyncio.timeout(PATIENCE_S):
            while not all(self._is_complete(each) for each in await self._read()):
                await self._source.send(0.3)
        await self._wait_quiet()

    async def part(self, seconds: float, *, withhold: int = 0) -> Part:
        """How the figures grew over the next part; `withhold` as in `ClipParts`."""
        before = [self._sent(), *await self._read()]
        self._source.withhold = withhold
        await self._source.send(seconds)
        self._source.withhold = 0
        # A loss shows by what comes after it.
        await self._source.send(0.3)
        await self._wait_quiet()
        after = [self._sent(), *await self._read()]
        sent, *read = (
            {kind: late[kind].since(early[kind]) for kind in KINDS}
            for early, late in zip(before, after, strict=True)
        )
        return Part(sent, read)

    def _sent(self) -> ByKind:
        """As a receiver of everything would see it."""
        source = self._source
        return {kind: Received(source.sent[kind], source.withheld[kind]) for kind in KINDS}

    async def _read(self) -> list[ByKind]:
        return [await read() for read in self._readers]

    @staticmethod
    def _is_complete(counts: ByKind) -> bool:
        return all(counts.get(kind, Received()).packets > 0 for kind in KINDS)

    async def _wait_quiet(self) -> None:
        """Until the server has all that was sent, and the readers have all that it sent on."""
        settled = 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                while settled < 2:
                    await asyncio.sleep(POLL_S)
                    settled = settled + 1 if self._is_quiet(await self._read()) else 0
        except TimeoutError as error:
            totals = self._media.totals()
            raise AssertionError(
                f"sent {self._source.sent}, server {totals}, read {await self._read()}"
            ) from error

    def _is_quiet(self, counts: Sequence[ByKind]) -> bool:
        totals = self._media.totals()
        received = sum(each.packets for by_kind in counts for each in by_kind.values())
        return (totals["packets_in"], totals["packets_out"]) == (
            self._source.sent.total(),
            received,
        )
