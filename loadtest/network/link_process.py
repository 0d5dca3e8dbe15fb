"""Our own impaired link: two TUN devices and the process between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from dataclasses import replace
from typing import Final

from loadtest.network.conditions import LinkConditions
from loadtest.network.counts import LinkCounts
from loadtest.network.errors import NetworkError
from loadtest.network.iproute import ip, to_its_end
from loadtest.network.names import interface_names
from loadtest.network.namespace import Namespace
from loadtest.network.subnet import Subnet
from loadtest.network.tun import MTU_BYTES, QUEUE_PACKETS, open_tun
from loadtest.network.tun_link import arguments_for, counts_from, text_of
from loadtest.network.veth import configure

_ANSWER_S: Final = 20.0
"""It answers at once; to start, Python takes a second on a busy machine."""


class LinkProcess:
    """Owns the process and, through it, both devices: they go when it ends."""

    def __init__(self, namespace: Namespace, subnet: Subnet) -> None:
        self._namespace = namespace
        self._subnet = subnet
        self._inside_name, self._outside_name = interface_names()
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()
        self._unread = 0
        """Answers to come: more than one when somebody did not wait for theirs."""
        self._last: LinkCounts | None = None

    async def start(self, conditions: LinkConditions, seed: int) -> int:
        """The pid of the process. Raises `NetworkError`. `stop` in any case."""
        with contextlib.ExitStack() as descriptors:
            inside, outside = await to_its_end(self._open, descriptors)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "loadtest.network.tun_link"),
                *arguments_for(inside, outside, conditions, seed),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(inside, outside),
            )
        await self.counts()
        return self._process.pid

    def _open(self, descriptors: contextlib.ExitStack) -> tuple[int, int]:
        outside = open_tun(self._outside_name)
        descriptors.callback(os.close, outside)
        inside = self._namespace.call(lambda: open_tun(self._inside_name))
        descriptors.callback(os.close, inside)
        for where, name in (
            ((), self._outside_name),
            (("-n", self._namespace.name), self._inside_name),
        ):
            ip(*where, "link", "set", name, "mtu", str(MTU_BYTES), "txqueuelen", str(QUEUE_PACKETS))
        configure(self._namespace, self._inside_name, self._outside_name, self._subnet)
        return inside, outside

    async def change(self, conditions: LinkConditions) -> None:
        """These hold when it returns. Raises `NetworkError` when the link is gone."""
        if self._process is None:
            raise NetworkError("the link is not up")
        await self._ask(text_of(conditions))

    async def counts(self) -> LinkCounts:
        """Now, or the last ones when the link is gone. Raises `NetworkError` when it died."""
        return await self._ask("")

    async def _ask(self, line: str) -> LinkCounts:
        process = self._process
        if process is None:
            if self._last is None:
                raise NetworkError("the link was never up")
            return self._last
        assert process.stdin is not None, "start() asks for a pipe"
        async with self._asking:
            with contextlib.suppress(ConnectionError):  # the missing answer tells
                process.stdin.write(f"{line}\n".encode())
                self._unread += 1
                await process.stdin.drain()
            counts = await self._answer(process)
        overrun = counts.overrun + await to_its_end(self._overrun)
        self._last = replace(counts, overrun=overrun)
        return self._last

    async def _answer(self, process: asyncio.subprocess.Process) -> LinkCounts:
        assert process.stdout is not None, "start() asks for a pipe"
        assert process.stderr is not None, "start() asks for a pipe"
        try:
            async with asyncio.timeout(_ANSWER_S):
                # Only the last one tells of now.
                while line := await process.stdout.readline():
                    self._unread -= 1
                    if self._unread == 0:
                        return counts_from(line.decode())
                complaint = (await process.stderr.read()).decode(errors="replace").split("\n")
        except TimeoutError as error:
            raise NetworkError(f"the link did not answer within {_ANSWER_S:g} s") from error
        reason = next((line for line in reversed(complaint) if line), "no reason given")
        raise NetworkError(f"the link's process ended: {reason}")

    def _overrun(self) -> int:
        """Packets that the kernel could not keep for the process."""
        outside = transmit_drops(_proc_net_dev(), self._outside_name)
        return outside + transmit_drops(self._namespace.call(_proc_net_dev), self._inside_name)

    async def stop(self) -> None:
        """Keeps the last counts. May be repeated."""
        process = self._process
        if process is None:
            return
        try:
            with contextlib.suppress(NetworkError):  # it died: whoever asked for counts heard
                await self.counts()
        finally:
            self._process = None
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends by itself when its stdin does."""
    assert process.stdin is not None, "start() asks for a pipe"
    process.stdin.close()
    try:
        async with asyncio.timeout(_ANSWER_S):
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _proc_net_dev() -> str:
    # Of this thread, which may be inside: /proc/net is the namespace of the main thread.
    with open("/proc/thread-self/net/dev") as file:
        return file.read()


def transmit_drops(proc_net_dev: str, interface: str) -> int:
    """The column of that interface in /proc/net/dev: what was sent to it and not taken; 0 when it
    is gone."""
    for line in proc_net_dev.splitlines():
        name, _, columns = line.partition(":")
        if name.strip() == interface:
            return int(columns.split()[11])
    return 0
