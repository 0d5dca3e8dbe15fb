"""Chromium, here or inside a network namespace, where all it sends crosses that one's link."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from loadtest.network.namespace import Namespace

CHROMIUM_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@contextlib.asynccontextmanager
async def chromium(
    flags: Sequence[str] = (), *, inside: Namespace | None = None, folder: Path
) -> AsyncIterator[Browser]:
    """`folder` takes a script of ours. Raises `RuntimeError` where there is no Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        raise RuntimeError("no chromium on this machine: apt-get install chromium")
    if inside is not None:
        command = shlex.join([*inside.prefix(), executable])
        script = folder / f"chromium-in-{inside.name}"
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
        executable = str(script)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=[*CHROMIUM_FLAGS, *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()
