"""The standard set of `make bench`: each part is a `lianmai loadtest` that anybody can repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Part:
    """`quick` are the arguments of a run that only proves that it works."""

    name: str
    title: str
    about: str
    arguments: str
    quick: str

    @property
    def command(self) -> str:
        return f"lianmai loadtest {self.arguments}"


PLAN: Final = (
    Part(
        "forwarding",
        "Forwarding: what each more viewer costs",
        "One host sends VP8 at 1.2 Mbit/s and Opus, viewers only count. Server and tester share"
        " the machine, over loopback.",
        "one-host-many-viewers --video-resolution high --duration 26s --grow 1,10,50,100,200,400",
        "one-host-many-viewers --video-resolution low --duration 16s --grow 1,3",
    ),
    Part(
        "janus",
        "Forwarding beside Janus",
        "The same stream to 100 viewers, each server in a network namespace of its own behind a"
        " veth pair, GRO off at the reader; in turn.",
        "one-host-many-viewers --video-resolution high --duration 26s --target lianmai"
        " --target janus --target janus:event_loops=2 --rounds 2",
        "one-host-many-viewers --video-resolution low --subscribers 3 --duration 16s"
        " --target lianmai --target janus",
    ),
    Part(
        "chat",
        "Chat: what each more socket costs",
        "100 danmaku a second, the whole path: socket in, limits, lanes, room log on disk"
        " (fsync), fan-out, socket out.",
        "--sockets 3000 --danmaku-rate 100/s --num-per-second 150 --duration 45s"
        " --grow 100,1000,3000",
        "--sockets 50 --danmaku-rate 20/s --num-per-second 50 --duration 8s --grow 10,50",
    ),
    Part(
        "nchan",
        "Chat beside Nchan",
        "100 danmaku a second to 1,000 sockets, in turn. Nchan keeps messages in memory and knows"
        " no lanes, limits or questions.",
        "--sockets 1000 --danmaku-rate 100/s --num-per-second 150 --duration 25s"
        " --target lianmai --target nchan --rounds 2",
        "--sockets 30 --danmaku-rate 20/s --num-per-second 50 --duration 8s"
        " --target lianmai --target nchan",
    ),
    Part(
        "questions",
        "Questions in a flood",
        "300 danmaku a second and 5 questions a second in a room of 500 sockets: how long from the"
        " asker's sending to the host's console.",
        "--sockets 500 --danmaku-rate 300/s --question-rate 5/s --num-per-second 150"
        " --duration 25s",
        "--sockets 20 --danmaku-rate 30/s --question-rate 2/s --num-per-second 50 --duration 8s",
    ),
    Part(
        "workers",
        "Media beside a flood: in the front's loop, and in a worker",
        "50 viewers of one host while 200 danmaku a second go to 1,000 sockets: what the flood adds"
        " to the forwarding delay, media in the front and in a process of its own, in turn.",
        "--subscribers 50 --video-resolution low --sockets 1000 --danmaku-rate 200/s"
        " --num-per-second 150 --duration 30s --target lianmai --target lianmai:media_workers=1"
        " --rounds 3",
        "--subscribers 3 --video-resolution low --sockets 20 --danmaku-rate 20/s"
        " --num-per-second 50 --duration 8s --target lianmai --target lianmai:media_workers=1",
    ),
)
