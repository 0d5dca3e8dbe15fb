"""What a viewer costs: CPU of joining (SDP, ICE, DTLS) and memory while there, and after leaving.

    python -m tests.bench.bench_join [--quick] [--whole] [--json FILE]

The media plane alone, with Chromium's offer; datagrams are passed by hand, and the clients' half
of the handshake is not counted. HTTP and the kernel come on top of it: `--whole` measures all of it
(`tests/bench/whole_join.py`).
Memory is the growth of this process while viewers are there, whose clients are gone again.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from aioice import stun

from media.assembly import PlaneOptions
from media.certificate import Certificate, Fingerprint
from media.demux import is_dtls
from media.dtls import DtlsEndpoint
from media.ice import Address
from media.plane import MediaPlane
from media.seam import Answered, ClosePeer, PeerConnected, PeerId, PlayOffer, RequestId
from tests.bench.bench_fanout import NoSender, describe_machine
from tests.bench.whole_join import whole
from tests.support.dtls_pair import ANY_DAY

OFFER: Final = Path(__file__).parents[1] / "vectors/sdp/chromium_play.sdp"
CLIENT: Final = Certificate.generate(ANY_DAY)
SERVER: Final = Certificate.generate(ANY_DAY)


@dataclass(slots=True)
class Row:
    """Microseconds of CPU per join, KiB per viewer; `kept_kib` is what half of the churn left, in
    all, beyond what the other half had left."""

    viewers: int
    sdp_us: float
    ice_us: float
    dtls_us: float
    join_us: float
    viewer_kib: float
    churned: int
    kept_kib: float


@dataclass(slots=True)
class Spent:
    """Nanoseconds of CPU in the plane."""

    sdp: int = 0
    ice: int = 0
    dtls: int = 0
    joins: int = 0

    @property
    def total(self) -> int:
        return self.sdp + self.ice + self.dtls


@dataclass(slots=True)
class Door:
    """A plane, and clients that join it one after the other."""

    plane: MediaPlane
    offer: str
    now: float = 1000.0
    spent: Spent = field(default_factory=Spent)

    def join(self, number: int) -> PeerId:
        """One whole join; the client is forgotten, its viewer stays."""
        peer_id, address = PeerId(f"viewer-{number}"), ("203.0.113.9", number % 60_000 + 1)
        self.now += 0.001
        started = time.process_time_ns()
        self.plane.handle_command(PlayOffer(RequestId(str(number)), peer_id, self.offer), self.now)
        self.spent.sdp += time.process_time_ns() - started
        answered = next(each for each in self._events() if isinstance(each, Answered))
        self._give(_check(answered.sdp), address)
        fingerprint = Fingerprint(*_value(answered.sdp, "fingerprint").split())
        client = DtlsEndpoint("client", CLIENT, (fingerprint,), self.now)
        client.start(self.now)
        while True:
            flight = _flight(client)
            for data in flight:
                self._give(data, address)
            self.now += 0.001
            for data in self._datagrams():
                if is_dtls(data):
                    client.handle_datagram(data, self.now)
            if any(isinstance(each, PeerConnected) for each in self._events()):
                break
            assert flight, "the handshake stopped"
        self.spent.joins += 1
        return peer_id

    def leave(self, peer_id: PeerId) -> None:
        self.plane.handle_command(ClosePeer(peer_id, "left"), self.now)
        self._datagrams()
        self._events()

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            self.plane.handle_timeout(self.now)
            self._datagrams()
            self._events()

    def _give(self, data: bytes, address: Address) -> None:
        started = time.process_time_ns()
        self.plane.handle_datagrams([(data, address)], self.now)
        took = time.process_time_ns() - started
        if is_dtls(data):
            self.spent.dtls += took
        else:
            self.spent.ice += took

    def _datagrams(self) -> list[bytes]:
        made = []
        while (transmit := self.plane.poll_transmit()) is not None:
            made.append(transmit[0])
        return made

    def _events(self) -> list[object]:
        made: list[object] = []
        while (event := self.plane.poll_event()) is not None:
            made.append(event)
        return made


def open_door() -> Door:
    chance = random.Random(1)
    options = PlaneOptions(
        addresses=(("198.51.100.1", 7882),),
        certificate=SERVER,
        wall_offset_s=1_790_000_000.0,
        randbits=chance.getrandbits,
        max_peers=100_000,
        max_connecting=100_000,
    )
    offer = OFFER.read_text()
    ours = f"a=fingerprint:{CLIENT.fingerprint.algorithm} {CLIENT.fingerprint.value}"
    lines = [ours if line.startswith("a=fingerprint:") else line for line in offer.splitlines()]
    return Door(MediaPlane(options, NoSender()), "\r\n".join(lines) + "\r\n")


def _check(answer: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    offered = _value(OFFER.read_text(), "ice-ufrag")
    message.attributes["USERNAME"] = f"{_value(answer, 'ice-ufrag')}:{offered}"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(_value(answer, "ice-pwd").encode())
    return bytes(message)


def _value(sdp: str, name: str) -> str:
    return sdp.partition(f"a={name}:")[2].splitlines()[0]


def _flight(client: DtlsEndpoint) -> list[bytes]:
    made = []
    while (data := client.poll_transmit()) is not None:
        made.append(data)
    return made


def resident_kib() -> float:
    """Of this process, private pages alone."""
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return float(line.split()[1])
    raise AssertionError("the kernel tells private pages")


def measure(viewers: int, churned: int) -> Row:
    door = open_door()
    for number in range(20):  # memos and allocators warm up
        door.leave(door.join(number))
    door.rest(40.0)
    door.spent = Spent()
    before = resident_kib()
    peers = [door.join(number) for number in range(viewers)]
    door.rest(15.0)
    viewer_kib = (resident_kib() - before) / viewers
    spent = door.spent
    for peer_id in peers:
        door.leave(peer_id)
    for number in range(churned // 2):
        door.leave(door.join(number))
    halfway = resident_kib()
    for number in range(churned // 2):
        door.leave(door.join(number))
    kept = resident_kib() - halfway

    def each_us(nanoseconds: int) -> float:
        return round(nanoseconds / viewers / 1000, 1)

    return Row(
        viewers,
        each_us(spent.sdp),
        each_us(spent.ice),
        each_us(spent.dtls),
        each_us(spent.total),
        round(viewer_kib, 1),
        churned,
        round(kept, 1),
    )


def main(arguments: Sequence[str]) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few viewers: does it still run?")
    parser.add_argument("--whole", action="store_true", help="a real server's CPU as well")
    parser.add_argument("--churn", type=int, default=2000, help="who join and leave afterwards")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    chosen = parser.parse_args(arguments)
    rows = [measure(5, 10)] if chosen.quick else [measure(300, chosen.churn)]
    about = describe_machine()
    print(" · ".join(f"{name} {value}" for name, value in about.items()))
    print("viewers  SDP us  ICE us  DTLS us  join us  KiB/viewer  churned  kept KiB")
    for row in rows:
        print(
            f"{row.viewers:7}  {row.sdp_us:6.0f}  {row.ice_us:6.0f}  {row.dtls_us:7.0f}"
            f"  {row.join_us:7.0f}  {row.viewer_kib:10.1f}  {row.churned:7}  {row.kept_kib:8.0f}"
        )
    report: dict[str, object] = {**about, "rows": [asdict(row) for row in rows]}
    if chosen.whole:
        joined = whole(3, 1) if chosen.quick else whole(120, 20)
        report["whole"] = asdict(joined)
        print(
            f"{joined.joins} whole joins: server {joined.server_us:.0f} us, "
            f"store {joined.store_us:.0f} us"
        )
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report))
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
