"""Chromium in a network namespace, and ways for its packets to vanish there without a word."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, async_playwright

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.network.iproute import ip
from loadtest.network.namespace import Namespace
from loadtest.network.veth import Link
from tests.browser.conftest import FAKE_CAMERA

_SINK: Final = "sink"
_DRAIN: Final = "drain"
_SINK_TABLE: Final = "99"


@contextlib.asynccontextmanager
async def chromium_inside(
    namespace: Namespace, folder: Path, *flags: str
) -> AsyncIterator[Browser]:
    """All of its processes run in the namespace; it is driven over a pipe, which no network has."""
    executable = shutil.which("chromium")
    assert executable is not None, "no chromium: run `make test` as root, or install chromium"
    wrapper = folder / "chromium-inside"
    prefix = " ".join(namespace.prefix())
    wrapper.write_text(f'#!/bin/sh\nexec {prefix} {executable} "$@"\n')
    wrapper.chmod(0o755)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=wrapper, args=[*CHROMIUM_FLAGS, *FAKE_CAMERA, *flags]
        )
        try:
            yield started
        finally:
            await started.close()


def vanish(link: Link, protocol: Literal["udp", "tcp"], port: int | None = None) -> None:
    """What is sent inside by that protocol (to that port) goes to an interface where nobody is:
    no error, no answer, as at a firewall that drops."""
    inside = ("-n", link.namespace.name)
    if _SINK not in ip(*inside, "-o", "link", "show"):
        ip(*inside, "link", "add", _SINK, "type", "veth", "peer", "name", _DRAIN)
        ip(*inside, "link", "set", _DRAIN, "up")
        # Without ARP nobody is looked for, so nobody is found missing.
        ip(*inside, "link", "set", _SINK, "arp", "off", "up")
        route = ("default", "dev", _SINK, "src", link.inside_address)
        ip(*inside, "route", "add", *route, "table", _SINK_TABLE)
    which = ("ipproto", protocol, *(() if port is None else ("dport", str(port))))
    ip(*inside, "rule", "add", "pref", "10", *which, "lookup", _SINK_TABLE)
