"""Chromium inside a network namespace: all it sends and receives crosses that network's link."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.network.impaired import ImpairedNetwork
from loadtest.targets.program import Program
from tests.browser.conftest import FAKE_CAMERA


def seen_from(network: ImpairedNetwork, program: Program) -> Program:
    """The program by the address that it has at the other end of the link."""
    port = program.url.rpartition(":")[2]
    return program._replace(url=f"http://{network.gateway_address}:{port}")


@contextlib.asynccontextmanager
async def chromium_inside(
    network: ImpairedNetwork, program: Program, folder: Path, *flags: str
) -> AsyncIterator[Browser]:
    """`program` as it is seen from there; `folder` takes a script of ours."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "no chromium: run `make test` as root, or install chromium"
    inside = folder / f"chromium-in-{network.namespace.name}"
    command = shlex.join([*network.namespace.prefix(), chromium])
    inside.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    inside.chmod(0o755)
    # Cameras are for secure pages; over a link there is no localhost.
    secure = f"--unsafely-treat-insecure-origin-as-secure={program.url}"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=inside, args=[*CHROMIUM_FLAGS, *FAKE_CAMERA, secure, *flags]
        )
        try:
            yield started
        finally:
            await started.close()
