"""Links between workers over real Unix sockets: order, both ways, a slow reader, broken bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.relay_frames import Frame, Kind, frame
from media.relay_socket import MAX_UNSENT_BYTES, RelayPort

PATIENCE_S = 10.0


class End:
    """A port that keeps what comes, and from which link."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames: list[Frame] = []
        self.links: set[str] = set()
        self._news = asyncio.Event()
        self.port = RelayPort(asyncio.get_running_loop(), path, self._take)

    def _take(self, link: str, frames: list[Frame], now: float) -> None:
        assert now > 0
        self.links.add(link)
        self.frames += frames
        self._news.set()

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.frames) < count:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[tuple[End, End]]:
    pair = End(tmp_path / "a"), End(tmp_path / "b")
    yield pair
    for each in pair:
        each.port.close()


async def test_frames_keep_their_order_and_answers_go_back_on_the_same_link(
    ends: tuple[End, End],
) -> None:
    a, b = ends
    assert b.path.stat().st_mode & 0o777 == 0o600
    for number in range(1000):
        a.port.send(str(b.path), frame(Kind.PACKET, number, 1, bytes(1200)))
    await b.wait(1000)
    assert [each.channel for each in b.frames] == list(range(1000))
    [link] = b.links
    b.port.send(link, frame(Kind.KEYFRAME, 7))
    await a.wait(1)
    assert a.frames == [Frame(Kind.KEYFRAME, 7, 0, b"")]
    assert a.links == {str(b.path)}
    assert (a.port.dropped, b.port.dropped) == (0, 0)


async def test_what_nobody_reads_is_dropped_whole_and_the_rest_arrives(tmp_path: Path) -> None:
    a, path = End(tmp_path / "a"), tmp_path / "slow"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        piece = frame(Kind.PACKET, 1, 0, bytes(60_000))
        for _ in range(2 * MAX_UNSENT_BYTES // len(piece)):
            a.port.send(str(path), piece)
        assert a.port.dropped > 0
        reader, _ = listener.accept()
        reader.setblocking(False)
        got = bytearray()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while len(got) < MAX_UNSENT_BYTES // 2 or len(got) % len(piece):
                got += await loop.sock_recv(reader, 1 << 20)
        assert bytes(got) == piece * (len(got) // len(piece)), "cut at frames only"
        reader.close()
    a.port.close()


async def test_a_link_to_nobody_drops_and_comes_up_with_its_reader(tmp_path: Path) -> None:
    a, path = End(tmp_path / "a"), tmp_path / "later"
    a.port.send(str(path), frame(Kind.HELLO, 1))
    a.port.send("17", frame(Kind.HELLO, 1))
    assert a.port.dropped == 2
    path.touch()  # what a killed worker leaves
    later = End(path)
    a.port.send(str(path), frame(Kind.HELLO, 2))
    await later.wait(1)
    assert later.frames == [Frame(Kind.HELLO, 2, 0, b"")]
    later.port.close()
    later.port.close()
    a.port.close()


async def test_broken_bytes_end_their_link_alone(ends: tuple[End, End]) -> None:
    a, b = ends
    reader, writer = await asyncio.open_unix_connection(str(b.path))
    writer.write(b"\x00\x01\x00")
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    a.port.send(str(b.path), frame(Kind.HELLO, 3))
    await b.wait(1)
    assert [each.channel for each in b.frames] == [3]
