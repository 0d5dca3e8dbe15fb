"""What goes wrong between a light peer and a server."""

from __future__ import annotations

from typing import Final

QUOTED_CHARACTERS: Final = 200


class PeerError(Exception):
    """The server refused, or the connection could not be made: one line that names the step.

    `status` is the HTTP status of a refusal, None when HTTP was not what failed; `retry_after_s`
    is what the server said with it.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def quoted(text: str) -> str:
    """The beginning of a server's words, as one line."""
    return " ".join(text.split())[:QUOTED_CHARACTERS]
