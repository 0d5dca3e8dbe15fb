"""Server frames, read back by the reader of another library half: aiohttp's client parser."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol

from server.ws_frames import BINARY, TEXT, FrameCache, close_frame, frame
from signaling.close_codes import CloseCode


async def read(data: bytes) -> tuple[WSMsgType, object, object]:
    loop = asyncio.get_running_loop()
    queue = WebSocketDataQueue(BaseProtocol(loop), 2**20, loop=loop)
    reader = WebSocketReader(queue, 2**22, compress=False, decode_text=False)
    failed, rest = reader.feed_data(data)
    assert not failed, rest
    message = await queue.read()
    return message.type, message.data, message.extra


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
async def test_payloads_of_every_length_form(size: int) -> None:
    payload = bytes(size)
    assert (await read(frame(BINARY, payload)))[:2] == (WSMsgType.BINARY, payload)


async def test_text_is_marked_as_text() -> None:
    payload = "适合油皮吗？".encode()
    assert (await read(frame(TEXT, payload)))[:2] == (WSMsgType.TEXT, payload)


@pytest.mark.parametrize("code", list(CloseCode))
async def test_every_close_code_travels_with_its_name(code: CloseCode) -> None:
    assert await read(close_frame(code, code.reason)) == (WSMsgType.CLOSE, code, code.reason)


def test_a_close_reason_never_exceeds_a_control_frame() -> None:
    assert len(close_frame(4000, "x" * 500)) == 2 + 125


def test_one_frame_is_built_for_a_payload_given_many_times() -> None:
    cache = FrameCache()
    payload = b"x" * 300
    assert cache.frame(TEXT, payload) is cache.frame(TEXT, payload)
    assert cache.frame(BINARY, payload)[0] != cache.frame(TEXT, payload)[0]


def test_equal_payloads_of_other_identity_get_their_own_right_frame() -> None:
    cache = FrameCache(size=2)
    for number in range(1000):
        payload = b"%d" % number
        assert cache.frame(TEXT, payload) == frame(TEXT, payload)
