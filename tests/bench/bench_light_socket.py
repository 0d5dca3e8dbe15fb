"""What a received frame costs a light room socket, in this process alone, without a network.

    python -m tests.bench.bench_light_socket [--quick]

"known": the same bytes as one of the last frames, as a broadcast is at every socket but the first.
"new": a frame that no socket has seen. "sampled": a known frame whose stamps are read. "decoded":
what a client pays that decodes each frame. A read from a real socket comes on top.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loadtest.sockets.frames import BINARY, TEXT, FrameParser
from loadtest.sockets.lianmai_socket import LianmaiSocket
from loadtest.sockets.shared import Shared
from loadtest.sockets.stamp import stamp
from loadtest.sockets.tally import decode, tally_of
from loadtest.targets.target import Encoding, OnDelay
from server.ws_frames import frame as server_frame
from signaling.codec import encode
from signaling.protocol import Batch, ChatSaid
from signaling.views import ChatView

SIZES: Final = (1, 5, 50)
ENCODINGS: Final[tuple[Encoding, ...]] = ("json", "msgpack")
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """Microseconds of CPU per frame, median of the rounds."""

    encoding: Encoding
    messages: int
    bytes: int
    known_us: float
    new_us: float
    sampled_us: float
    decoded_us: float


def chat_frame(encoding: Encoding, messages: int, number: int) -> bytes:
    """As the server puts it on the wire; `number` makes it a new one."""
    now_us = time.time_ns() // 1000
    said = tuple(
        ChatSaid(
            ChatView(
                message_id=f"m_{number:06d}{n:03d}",
                subject="u_3kfW9a12",
                name="小雨的朋友",
                role="viewer",
                text=stamp("这个颜色好好看，主播可以再转一圈吗？", now_us - n),
                at_ms=1_767_348_001_000 + n,
            )
        )
        for n in range(messages)
    )
    payload = encode(Batch(messages=said, chat=f"k3v9.1767348001000-{number}"), encoding)
    return server_frame(TEXT if encoding == "json" else BINARY, payload)


def receiver(encoding: Encoding, on_delay: OnDelay | None = None) -> Callable[[bytes], None]:
    """What `LightSocket` does with the bytes of a read."""
    room_socket = LianmaiSocket(
        "ws://nowhere.invalid/ws",
        "",
        encoding=encoding,
        on_delay=on_delay,
        manages=False,
        tcp=None,
        host=None,
        tls=None,
        shared=Shared(),
        rng=None,
    )
    parser = FrameParser()

    def receive(data: bytes) -> None:
        for _, payload in parser.feed(data):
            room_socket._on_message(payload)

    return receive


def decoder(encoding: Encoding) -> Callable[[bytes], None]:
    parser = FrameParser()

    def receive(data: bytes) -> None:
        for _, payload in parser.feed(data):
            tally_of(decode(payload, encoding))

    return receive


def cost_us(receive: Callable[[bytes], None], frames: list[bytes]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for data in frames:
            receive(data)
        rounds.append((time.process_time() - start) / len(frames) * 1e6)
    return statistics.median(rounds)


def measure(encoding: Encoding, messages: int, frames: int) -> Row:
    new = [chat_frame(encoding, messages, n) for n in range(frames)]
    # Copies, as every read makes its own bytes.
    known = [bytes(bytearray(new[0])) for _ in range(frames)]
    return Row(
        encoding,
        messages,
        len(new[0]),
        known_us=cost_us(receiver(encoding), known),
        new_us=cost_us(receiver(encoding), new),
        sampled_us=cost_us(receiver(encoding, lambda *_: None), known),
        decoded_us=cost_us(decoder(encoding), new),
    )


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="see that it runs")
    frames = 50 if arguments.parse_args().quick else 2000
    print(
        f"{'':8} {'messages':>8} {'bytes':>6} {'known':>7} {'new':>7} {'sampled':>8} {'decoded':>8}"
    )
    for encoding in ENCODINGS:
        for messages in SIZES:
            row = measure(encoding, messages, frames)
            print(
                f"{encoding:8} {messages:8} {row.bytes:6} {row.known_us:7.2f} {row.new_us:7.2f} "
                f"{row.sampled_us:8.2f} {row.decoded_us:8.2f}  us a frame"
            )


if __name__ == "__main__":
    asyncio.run(main())
