"""Whom to believe behind an https:// or wss:// address."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, NamedTuple, Self


class Trust(NamedTuple):
    """The authorities of this machine, and `authority` (PEM) if it is there. With `pin`, instead,
    what that file holds or has signed, by whatever name: for a server whose files we see
    ourselves, reached by an address that its certificate may not have."""

    authority: Path | None = None
    pin: Path | None = None

    def context(self) -> ssl.SSLContext:
        if self.pin is not None:
            context = ssl.create_default_context(cafile=self.pin)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = False
            return context
        context = ssl.create_default_context()
        if self.authority is not None and self.authority.is_file():
            context.load_verify_locations(self.authority)
        return context

    def as_texts(self) -> list[str | None]:
        """For another process; `of_texts` reads it."""
        return [None if path is None else str(path) for path in self]

    @classmethod
    def of_texts(cls, texts: list[str | None]) -> Self:
        return cls(*(None if text is None else Path(text) for text in texts))


OF_THIS_MACHINE: Final = Trust()
