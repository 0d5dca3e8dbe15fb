"""ICE-TCP (RFC 6544) of the media port with a client of raw sockets: connectivity checks in frames
of RFC 4571, in this process and through the seam of a worker's own."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from aioice import stun

from media.framing import Deframer, framed
from media.seam import Answered, IceRestarted, PeerId, PlayOffer, RestartIce
from media.seam_socket import RemoteMedia
from media.worker import LocalMedia
from tests.network.test_seam_process import worker
from tests.support.media import PATIENCE_S, MediaDesk, local_media
from tests.support.plane_offer import OfferText

OFFER = OfferText(direction="recvonly")
CANDIDATE = re.compile(r"(\d+) 1 (udp|tcp) (\d+) (\S+) (\d+) typ host( tcptype passive)?")


class Caller:
    """The controlling side of a WHEP player that has no UDP."""

    def __init__(self, answer: Answered) -> None:
        self.ufrag = value(answer.sdp, "ice-ufrag")
        self.pwd = value(answer.sdp, "ice-pwd")
        self.port = tcp_port(re.findall(r"a=candidate:(.+?)\r\n", answer.sdp))
        self._deframer = Deframer()
        self._answers: deque[stun.Message] = deque()

    def check(self, pwd: str | None = None) -> stun.Message:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{self.ufrag}:{OFFER.ufrag}"
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLING"] = 1
        message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity((self.pwd if pwd is None else pwd).encode())
        return message

    async def answer(self, reader: asyncio.StreamReader) -> stun.Message:
        """The next STUN message of the server; DTLS beside it is passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._answers:
                data = await reader.read(65536)
                assert data, "the server closed the connection"
                frames = self._deframer.frames_untrusted(data)
                self._answers += [stun.parse_message(each) for each in frames if each[0] < 4]
        answer = self._answers.popleft()
        assert answer.check_message_integrity(self.pwd.encode())
        return answer


def value(sdp: str, name: str) -> str:
    found = re.search(rf"a={name}:(\S+)", sdp)
    assert found is not None, name
    return found[1]


def tcp_port(candidates: list[str] | tuple[str, ...]) -> int:
    """That of the only TCP candidate, which comes after UDP and shares its port number."""
    parsed = [CANDIDATE.fullmatch(each) for each in candidates]
    assert all(parsed), candidates
    (udp, tcp) = (each.groups() for each in parsed if each is not None)
    assert (udp[1], udp[5]) == ("udp", None)
    assert (tcp[1], tcp[5]) == ("tcp", " tcptype passive")
    assert udp[0] != tcp[0], "RFC 8445 §5.1.1.3: another transport is another foundation"
    assert int(udp[2]) > int(tcp[2])
    assert udp[3:5] == tcp[3:5]
    return int(tcp[4])


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def play(desk: MediaDesk, peer: str) -> Caller:
    request_id = desk.request_id()
    desk.media.send(PlayOffer(request_id, PeerId(peer), str(OFFER)))
    answer = await desk.answer_of(request_id)
    assert isinstance(answer, Answered), answer
    return Caller(answer)


async def assert_checks_are_answered(caller: Caller) -> None:
    async with connected(caller.port) as (reader, writer):
        first, second = caller.check(), caller.check()
        # Two checks, cut where no message ends.
        stream = framed(bytes(first)) + framed(bytes(second))
        for start in range(0, len(stream), 45):
            writer.write(stream[start : start + 45])
            await writer.drain()
        for sent in (first, second):
            answer = await caller.answer(reader)
            assert answer.transaction_id == sent.transaction_id
            assert answer.message_class is stun.Class.RESPONSE
            mapped = answer.attributes["XOR-MAPPED-ADDRESS"]
            assert mapped == writer.get_extra_info("sockname")


async def test_checks_are_answered_in_frames() -> None:
    async with local_media() as desk:
        caller = await play(desk, "ann")
        await assert_checks_are_answered(caller)


async def test_a_wrong_password_is_not_answered() -> None:
    async with local_media() as desk:
        caller = await play(desk, "ann")
        async with connected(caller.port) as (reader, writer):
            forged, genuine = caller.check(pwd="x" * 32), caller.check()
            writer.write(framed(bytes(forged)) + framed(bytes(genuine)))
            answer = await caller.answer(reader)
            assert answer.transaction_id == genuine.transaction_id
        assert isinstance(desk.media, LocalMedia)
        stats = desk.media.tcp_stats
        assert stats is not None
        assert stats.datagrams_in == 2


async def test_a_restart_offers_tcp_again_and_takes_a_new_connection() -> None:
    async with local_media() as desk:
        caller = await play(desk, "ann")
        await assert_checks_are_answered(caller)
        request_id = desk.request_id()
        desk.media.send(RestartIce(request_id, PeerId("ann"), OFFER.ufrag, "p" * 24))
        restarted = await desk.wait(IceRestarted, lambda event: event.request_id == request_id)
        assert tcp_port(restarted.candidates) == caller.port
        caller.ufrag, caller.pwd = restarted.ufrag, restarted.pwd
        await assert_checks_are_answered(caller)


async def test_a_media_process_of_its_own_takes_tcp(tmp_path: Path) -> None:
    async with worker(tmp_path) as media:
        remote: RemoteMedia = await media.connect()
        caller = await play(MediaDesk(remote), "ann")
        await assert_checks_are_answered(caller)
        await remote.close()


async def test_a_media_process_may_do_without(tmp_path: Path) -> None:
    async with worker(tmp_path, "--no-tcp") as media:
        remote = await media.connect()
        desk = MediaDesk(remote)
        request_id = desk.request_id()
        desk.media.send(PlayOffer(request_id, PeerId("ann"), str(OFFER)))
        answer = await desk.answer_of(request_id)
        assert isinstance(answer, Answered)
        assert " tcp " not in answer.sdp
        await remote.close()
