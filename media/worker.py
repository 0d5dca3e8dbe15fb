"""The I/O shell of the media plane: one port number, one timer, real clocks and randomness.

In the front's own event loop it is `LocalMedia`; as a process of its own

    python -m media.worker --socket PATH --udp-port 7882 --advertise 203.0.113.7

it offers the same `MediaPort` on a Unix socket (`media.seam_socket`). Here time and chance enter:
`loop.time()` is the machines' `now`, the wall clock is read once at start, `secrets` makes SSRCs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import ipaddress
import logging
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import ifaddr
import msgspec
import uvloop

from media.assembly import PlaneOptions
from media.certificate import Certificate
from media.delay_line import MAX_DELAY_MS, Batch, DelayLine
from media.exports import SendFrames
from media.garbage import settle_garbage
from media.ice import Address
from media.plane import MediaPlane
from media.ports import MediaPorts
from media.relay import no_links
from media.relay_frames import Frame
from media.relay_socket import RelayPort
from media.sdp import TcpCandidate
from media.seam import Command, EventHandler, Stats
from media.seam_socket import SeamServer
from media.tcp import TcpPort, TcpStats
from media.udp import OnBatch, UdpPort, UdpStats

MIN_TIMER_S: Final = 0.001
"""A deadline that has passed already waits this long, so that a mistake cannot spin the loop."""
FREE_PORT_TRIES: Final = 16
"""A UDP port that the kernel chose may be taken as a TCP port; a given one is tried once."""

logger = logging.getLogger(__name__)


class MediaUnavailable(Exception):
    """The media port cannot be used; the message names the fix."""


class LocalMedia:
    """`MediaPort` in this event loop. `start` binds the port; `close` ends every peer.

    `tcp` offers TCP on the same port number to those whose network blocks UDP (RFC 6544).
    `debug_forward_delay_ms` (0..1000) holds everything received for so long, for load tests only.
    `relay` is the path where other workers reach this one; None: it is alone.
    """

    def __init__(
        self,
        *,
        host: str = "0.0.0.0",
        port: int = 7882,
        advertised: Sequence[str] = (),
        max_peers: int = 20_000,
        tcp: bool = True,
        debug_forward_delay_ms: int = 0,
        relay: Path | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._advertised = tuple(advertised)
        self._max_peers = max_peers
        self._has_tcp = tcp
        self._udp: UdpPort | None = None
        self._tcp: TcpPort | None = None
        self._ports: MediaPorts | None = None
        self._plane: MediaPlane | None = None
        self._handler: EventHandler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_drain_due = False
        self._is_turn_due = False
        self._delay_ms = debug_forward_delay_ms
        self._line = DelayLine(debug_forward_delay_ms / 1000) if debug_forward_delay_ms else None
        self._release_timer: asyncio.TimerHandle | None = None
        self._relay_path = relay
        self._relay: RelayPort | None = None

    @property
    def port(self) -> int:
        """The bound port, UDP and TCP alike (chosen by the kernel when 0 was asked for)."""
        assert self._udp is not None, "start() comes first"
        return int(self._udp.address[1])

    @property
    def ports(self) -> tuple[int, ...]:
        """The one; as several workers have several."""
        return (self.port,)

    @property
    def is_bound(self) -> bool:
        return self._udp is not None

    @property
    def udp_stats(self) -> UdpStats:
        assert self._udp is not None, "start() comes first"
        return self._udp.stats()

    @property
    def tcp_stats(self) -> TcpStats | None:
        """None without TCP."""
        return None if self._tcp is None else self._tcp.stats()

    def totals(self) -> dict[str, int]:
        """`Stats.totals` without asking by the seam, for metrics of the same process: the plane's,
        and those of its ports (`udp_*`, `tcp_*`)."""
        assert self._plane is not None, "start() comes first"
        totals = self._plane.totals() | _udp_totals(self.udp_stats)
        if self._tcp is not None:
            totals |= _tcp_totals(self._tcp.stats())
        if self._relay is not None:
            totals["relayed_dropped"] += self._relay.dropped
        return totals if self._line is None else totals | {"dropped_held": self._line.dropped}

    def subscribe(self, handler: EventHandler) -> None:
        assert self._handler is None, "there is one receiver of events"
        self._handler = handler

    async def start(self) -> None:
        """Bind the port; raises `MediaUnavailable`."""
        loop = self._loop = asyncio.get_running_loop()
        hosts = _checked(self._advertised) or advertised_addresses(self._host)
        # Chosen once: a server that is not slowed pays nothing for the switch.
        take = self._on_batch if self._line is None else self._hold
        self._udp, self._tcp = udp, tcp = self._bind(loop, take)
        self._ports = None if tcp is None else MediaPorts(udp, tcp)
        self._plane = MediaPlane(
            PlaneOptions(
                addresses=self._candidates(hosts),
                certificate=Certificate.generate(datetime.now(UTC)),
                wall_offset_s=time.time() - loop.time(),
                randbits=secrets.randbits,
                max_peers=self._max_peers,
            ),
            udp if self._ports is None else self._ports,
            self._open_relay(loop),
        )
        logger.info("media_started port=%d candidates=%s", self.port, ",".join(hosts))
        shortage = udp.shortage()
        if shortage is not None:
            logger.warning("media_buffers_small %s", shortage)
        if self._line is not None:
            logger.warning("media_slowed_on_purpose delay_ms=%d", self._delay_ms)

    def _open_relay(self, loop: asyncio.AbstractEventLoop) -> SendFrames:
        if self._relay_path is None:
            return no_links
        self._relay = RelayPort(loop, self._relay_path, self._on_relayed)
        return self._relay.send

    def _bind(
        self, loop: asyncio.AbstractEventLoop, take: OnBatch
    ) -> tuple[UdpPort, TcpPort | None]:
        for left in reversed(range(FREE_PORT_TRIES if self._port == 0 else 1)):
            try:
                udp = UdpPort(loop, self._host, self._port, take)
            except (OSError, OverflowError) as error:
                raise self._unavailable("UDP", self._port, error) from error
            if not self._has_tcp:
                return udp, None
            port = int(udp.address[1])
            try:
                return udp, TcpPort(loop, self._host, port, take)
            except OSError as error:
                udp.close()
                if not left:
                    raise self._unavailable("TCP", port, error) from error
        raise AssertionError("the last try returns or raises")

    def _unavailable(self, protocol: str, port: int, error: Exception) -> MediaUnavailable:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        without = ", or do without TCP (media_tcp: false)" if protocol == "TCP" else ""
        return MediaUnavailable(
            f"{protocol} {self._host}:{port} cannot be used ({reason}); "
            f"choose another with --udp-port, or stop the program that has it{without}"
        )

    def _candidates(self, hosts: Sequence[str]) -> tuple[tuple[str, int], ...]:
        """Every host by UDP, then, for networks that block it, every host by TCP."""
        by_udp = tuple((host, self.port) for host in hosts)
        by_tcp = tuple(TcpCandidate(host, self.port) for host in hosts) if self._has_tcp else ()
        return by_udp + by_tcp

    def send(self, command: Command) -> None:
        assert self._plane is not None, "start() comes first"
        assert self._loop is not None, "start() comes first"
        self._plane.handle_command(command, self._loop.time())
        # Events of a command reach its sender in a later turn, as they would over a socket; one
        # turn serves all commands of a burst (a switch points thousands of slots at once).
        if not self._is_drain_due:
            self._is_drain_due = True
            self._loop.call_soon(self._drain)

    async def close(self) -> None:
        """Say goodbye to every peer and free the port."""
        if self._plane is not None and self._loop is not None:
            self._plane.close(self._loop.time(), "shutting_down")
            self._drain()
        for timer in (self._timer, self._release_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._release_timer = None
        if self._relay is not None:
            self._relay.close()
            self._relay = None
        if self._tcp is not None:
            self._tcp.close()
        if self._udp is not None:
            self._udp.close()
        self._udp = self._tcp = self._ports = None

    def _on_batch(self, batch: list[tuple[bytes, Address]], now: float) -> None:
        assert self._plane is not None, "the socket opens with the plane"
        self._plane.handle_datagrams(batch, now)
        self._drain()

    def _on_relayed(self, link: str, frames: list[Frame], now: float) -> None:
        assert self._plane is not None, "links open with the plane"
        self._plane.handle_relayed(link, frames, now)
        self._drain()

    def _hold(self, batch: Batch, now: float) -> None:
        """In the place of `_on_batch` on a server that is slowed on purpose."""
        assert self._line is not None, "only a slowed server holds"
        self._line.handle_batch(batch, now)
        self._arm_release()

    def _arm_release(self) -> None:
        assert self._line is not None, "only a slowed server holds"
        assert self._loop is not None, "the socket opens in the loop"
        deadline = self._line.next_deadline()
        if deadline is not None and self._release_timer is None:
            self._release_timer = self._loop.call_at(deadline, self._release, deadline)

    def _release(self, deadline: float) -> None:
        assert self._line is not None, "only a slowed server holds"
        assert self._loop is not None, "the timer belongs to the loop"
        self._release_timer = None
        # A timer may fire a hair early: the deadline has come all the same.
        now = max(deadline, self._loop.time())
        for batch in self._line.take_due(now):
            self._on_batch(batch, now)
        self._arm_release()

    def _on_timer(self) -> None:
        assert self._plane is not None, "the timer is armed by the plane's deadline"
        assert self._loop is not None, "the timer belongs to the loop"
        deadline = self._plane.next_deadline()
        now = self._loop.time()
        self._timer = None
        self._plane.handle_timeout(now if deadline is None else max(deadline, now))
        self._drain()

    def _on_turn(self) -> None:
        """A portion of a fan-out that was too large for one go; the sockets were read since."""
        self._is_turn_due = False
        if self._plane is not None and self._loop is not None:
            self._plane.handle_turn(self._loop.time())
            self._drain()

    def _drain(self) -> None:
        """Hand out everything that an input caused, then re-arm the one timer."""
        self._is_drain_due = False
        plane, udp, loop = self._plane, self._udp, self._loop
        if plane is None or udp is None or loop is None:
            return
        send_control = udp.send if self._ports is None else self._ports.send_control
        while (transmit := plane.poll_transmit()) is not None:
            send_control(*transmit)
        while (event := plane.poll_event()) is not None:
            if isinstance(event, Stats):
                event = msgspec.structs.replace(event, totals=self.totals())
            if self._handler is not None:
                self._handler(event)
        if plane.is_behind and not self._is_turn_due:
            self._is_turn_due = True
            loop.call_soon(self._on_turn)
        self._arm(plane.next_deadline(), loop)

    def _arm(self, deadline: float | None, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return  # it fires early enough, and then looks again
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = loop.call_at(max(deadline, loop.time() + MIN_TIMER_S), self._on_timer)


def _udp_totals(stats: UdpStats) -> dict[str, int]:
    return {f"udp_{name}": count for name, count in dataclasses.asdict(stats).items()}


def _tcp_totals(stats: TcpStats) -> dict[str, int]:
    closed = {f"tcp_closed_{reason}": count for reason, count in stats.closed.items()}
    counts = dataclasses.asdict(stats)
    del counts["closed"]
    return {f"tcp_{name}": count for name, count in counts.items()} | closed


def advertised_addresses(host: str) -> tuple[str, ...]:
    """What to put into candidates for a socket bound to `host`: that address, or for a wildcard
    every address of this machine, IPv4 first, loopback only when there is nothing else."""
    bound = _resolve(host)
    if not bound.is_unspecified:
        return (str(bound),)
    found = [address for address in _interface_addresses() if address.version <= bound.version]
    ranked = sorted(found, key=lambda address: (address.version, address.is_loopback))
    outside = [str(address) for address in ranked if not address.is_loopback]
    return tuple(outside or [str(address) for address in ranked])


def _resolve(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as it is, a name (localhost) as what it stands for here."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.gethostbyname(host))
    except (OSError, UnicodeError) as error:
        raise MediaUnavailable(
            f"UDP cannot be bound to {host!r} ({error}); give an address with --host"
        ) from error


def _checked(addresses: Sequence[str]) -> tuple[str, ...]:
    """Candidates are addresses, not names (RFC 8839 §5.1)."""
    for each in addresses:
        try:
            ipaddress.ip_address(each)
        except ValueError as error:
            raise MediaUnavailable(
                f"{each!r} cannot be advertised to browsers: an IP address is needed"
            ) from error
    return tuple(addresses)


def _interface_addresses() -> Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            address = ipaddress.ip_address(text)
            if not address.is_link_local:
                yield address


async def _serve(args: argparse.Namespace) -> None:
    media = LocalMedia(
        host=args.host,
        port=args.udp_port,
        advertised=args.advertise,
        tcp=args.tcp,
        debug_forward_delay_ms=args.debug_forward_delay_ms,
        relay=args.relay,
    )
    await media.start()
    seam = SeamServer(media, args.socket)
    await seam.start()
    protocols = "UDP and TCP" if args.tcp else "UDP"
    settle_garbage()
    print(f"media ready on {protocols} {media.port}", flush=True)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    await media.close()
    await seam.close()


def _delay_ms(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MAX_DELAY_MS:
        raise argparse.ArgumentTypeError(f"{value} is not within 0..{MAX_DELAY_MS} ms")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m media.worker", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket of the seam")
    parser.add_argument("--relay", type=Path, help="Unix socket for other workers (absolute path)")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--udp-port", type=int, default=7882)
    parser.add_argument("--advertise", action="append", default=[], metavar="IP")
    parser.add_argument(
        "--no-tcp", dest="tcp", action="store_false", help="no TCP on the port number of UDP"
    )
    parser.add_argument(
        "--debug-forward-delay-ms",
        type=_delay_ms,
        default=0,
        metavar=f"0..{MAX_DELAY_MS}",
        help="hold everything received for so long: for load tests only",
    )
    args = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(_serve(args))
    except MediaUnavailable as error:
        print(f"media: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
