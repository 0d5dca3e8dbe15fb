"""Frames of the seam: whole, cut, oversized; and what becomes of peers when the front goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from media.seam import (
    Answered,
    ClosePeer,
    CodecPolicy,
    Command,
    Event,
    EventHandler,
    ExportTrack,
    ImportTrack,
    MuteTrack,
    PauseSlot,
    PeerClosed,
    PeerId,
    PeerStats,
    PlayOffer,
    PointSlot,
    PublishOffer,
    QueryStats,
    RequestId,
    RestartIce,
    Stats,
    StopRelay,
    TrackFormat,
    TrackId,
    TrackInfo,
)
from media.seam_socket import (
    FRONT_GONE,
    MAX_FRAME_BYTES,
    RemoteMedia,
    SeamClosed,
    SeamServer,
    pack_frame,
    read_frame,
)

PEER, REQUEST = PeerId("p"), RequestId("r")
COMMANDS: list[Command] = [
    PublishOffer(REQUEST, PEER, "v=0", "o/s", {"audio": "microphone"}, CodecPolicy(("opus",))),
    PlayOffer(REQUEST, PEER, "v=0", 1, 2),
    RestartIce(REQUEST, PEER, "ufrag", "pwd"),
    PointSlot(PEER, "0", TrackId("o/s/camera"), 4),
    PointSlot(PEER, "0", None, 5),
    PauseSlot(PEER, "0", True),
    MuteTrack(TrackId("o/s/camera"), False),
    ClosePeer(PEER, "because"),
    QueryStats(REQUEST, (PEER,)),
    ExportTrack(1, TrackId("o/s/camera"), "/run/2.relay"),
    ImportTrack(
        1,
        TrackInfo(TrackId("o/s/camera"), "1", "video", "camera", "vp9", ("l", "h")),
        TrackFormat(98, 90_000, parameters=(("profile-id", "0"),)),
    ),
    StopRelay(1),
]
PATIENCE_S = 5.0


def decoder() -> msgspec.msgpack.Decoder[Command]:
    return msgspec.msgpack.Decoder(Command)


async def read(data: bytes) -> Command:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_frame(reader, decoder())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: type(each).__name__)
async def test_a_frame_carries_a_command(command: Command) -> None:
    assert await read(pack_frame(command)) == command


async def test_a_frame_cut_anywhere_ends_the_seam() -> None:
    whole = pack_frame(COMMANDS[0])
    for cut in range(len(whole)):
        with pytest.raises(SeamClosed):
            await read(whole[:cut])


async def test_frames_arriving_byte_by_byte_are_the_same() -> None:
    reader = asyncio.StreamReader()
    task = asyncio.ensure_future(read_frame(reader, decoder()))
    for byte in pack_frame(COMMANDS[3]):
        reader.feed_data(bytes((byte,)))
        await asyncio.sleep(0)
    assert await task == COMMANDS[3]


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x02" + msgspec.msgpack.encode({})[:1] + b"\x80",
        b"\x00\x00\x00\x05" + msgspec.msgpack.encode("PING"),
    ],
)
async def test_what_is_no_frame_of_ours_ends_the_seam(data: bytes) -> None:
    with pytest.raises(SeamClosed):
        await read(data)


async def test_the_statistics_of_a_full_process_fit() -> None:
    required = PeerStats.__struct_fields__[: -len(PeerStats.__struct_defaults__)]
    said = {
        "peer_id": "x" * 22,
        "state": "connected",
        "srtp_profile": "SRTP_AEAD_AES_128_GCM",
        "loss": 0.123456789,
        "dropped": {f"some_reason_{number}": 2**40 for number in range(10)},
        "rtt_ms": 123.456,
        "estimate_bps": 2**32,
    }
    peer = msgspec.convert(dict.fromkeys(required, 2**40) | said, PeerStats)
    frame = pack_frame(Stats(REQUEST, (peer,) * 20_000, {}))
    assert len(frame) < MAX_FRAME_BYTES


# --- server and client over a real Unix socket ----------------------------------------------------


class Recorder:
    """A `MediaPort` that keeps commands; `answer` and `closed` play the plane's events."""

    def __init__(self) -> None:
        self.commands: asyncio.Queue[Command] = asyncio.Queue()
        self.handler: EventHandler | None = None

    def send(self, command: Command) -> None:
        self.commands.put_nowait(command)

    def subscribe(self, handler: EventHandler) -> None:
        self.handler = handler

    def emit(self, event: Event) -> None:
        assert self.handler is not None
        self.handler(event)

    async def next(self) -> Command:
        async with asyncio.timeout(PATIENCE_S):
            return await self.commands.get()


async def closed(remote: RemoteMedia) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await remote.closed.wait()


async def test_commands_and_events_keep_their_order(tmp_path: Path) -> None:
    media, path = Recorder(), tmp_path / "seam"
    server = SeamServer(media, path)
    await server.start()
    assert path.stat().st_mode & 0o777 == 0o600
    remote = await RemoteMedia.connect(path)
    events: asyncio.Queue[Event] = asyncio.Queue()
    remote.subscribe(events.put_nowait)
    for command in COMMANDS:
        remote.send(command)
    assert [await media.next() for _ in COMMANDS] == COMMANDS
    for number in range(20):
        media.emit(PeerClosed(PEER, str(number)))
    async with asyncio.timeout(PATIENCE_S):
        got = [await events.get() for _ in range(20)]
    assert got == [PeerClosed(PEER, str(number)) for number in range(20)]
    await remote.close()
    await closed(remote)
    await server.close()


async def test_a_second_front_is_turned_away_and_a_later_one_is_not(tmp_path: Path) -> None:
    media, path = Recorder(), tmp_path / "seam"
    server = SeamServer(media, path)
    await server.start()
    first, second = await RemoteMedia.connect(path), await RemoteMedia.connect(path)
    first.subscribe(lambda event: None)
    second.subscribe(lambda event: None)
    await closed(second)
    first.send(COMMANDS[7])
    assert await media.next() == COMMANDS[7]
    await first.close()
    await second.close()
    third = await RemoteMedia.connect(path)
    third.subscribe(lambda event: None)
    third.send(COMMANDS[8])
    assert await media.next() == COMMANDS[8]
    await third.close()
    await server.close()


async def test_a_broken_frame_closes_the_connection_and_nothing_else(tmp_path: Path) -> None:
    media, path = Recorder(), tmp_path / "seam"
    server = SeamServer(media, path)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(pack_frame(COMMANDS[6]) + b"\x00\x00\x00\x01\xc1" + pack_frame(COMMANDS[7]))
    assert await media.next() == COMMANDS[6]
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    remote = await RemoteMedia.connect(path)
    remote.send(COMMANDS[5])
    assert await media.next() == COMMANDS[5], "what followed the broken frame was not carried out"
    remote.subscribe(lambda event: None)
    await remote.close()
    await server.close()


async def test_the_peers_of_a_front_that_goes_are_closed(tmp_path: Path) -> None:
    media, path = Recorder(), tmp_path / "seam"
    server = SeamServer(media, path)
    await server.start()
    remote = await RemoteMedia.connect(path)
    remote.subscribe(lambda event: None)
    remote.send(COMMANDS[1])
    await media.next()
    for name in ("a", "b"):
        media.emit(Answered(REQUEST, PeerId(name), "v=0", "tag"))
    media.emit(PeerClosed(PeerId("a"), "left"))
    await remote.close()
    assert await media.next() == ClosePeer(PeerId("b"), FRONT_GONE)
    media.emit(Answered(REQUEST, PeerId("late"), "v=0", "tag"))
    assert await media.next() == ClosePeer(PeerId("late"), FRONT_GONE)
    await server.close()
