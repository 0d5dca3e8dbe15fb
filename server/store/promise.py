"""What an acknowledgement of a store means: which writes survive which failure."""

from __future__ import annotations

from typing import Final, Literal

PromiseName = Literal["fsync", "everysec", "memory", "unknown"]

_STRENGTH: Final[dict[PromiseName, int]] = {"unknown": 0, "memory": 0, "everysec": 1, "fsync": 2}
_MEANING: Final[dict[PromiseName, str]] = {
    "fsync": "an acknowledged write is on disk",
    "everysec": "a power failure or a crash of its machine loses up to a second of acknowledged"
    " writes",
    "memory": "a restart loses what was not saved: acknowledged writes are in memory only",
    "unknown": "it does not let us read its configuration, so ask its operator",
}

APPENDFSYNC: Final = {"fsync": "always", "everysec": "everysec", "memory": "no"}
"""Our durability setting -> the directive of the same promise."""


class Promise:
    """One promise, comparable: `is_weaker_than` compares what survives."""

    def __init__(self, name: PromiseName) -> None:
        self.name: Final[PromiseName] = name

    @property
    def meaning(self) -> str:
        return _MEANING[self.name]

    def is_weaker_than(self, wanted: Promise) -> bool:
        """An unknown promise is not called weaker: nobody knows."""
        return self.name != "unknown" and _STRENGTH[self.name] < _STRENGTH[wanted.name]

    def __str__(self) -> str:
        return f"{self.name}: {self.meaning}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Promise) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def promise_of(appendonly: str | None, appendfsync: str | None) -> Promise:
    """From the values of `CONFIG GET`; None where it was forbidden."""
    if appendonly is None or appendfsync is None:
        return Promise("unknown")
    if appendonly != "yes":
        return Promise("memory")
    if appendfsync == "always":
        return Promise("fsync")
    # `no` leaves it to the kernel, some 30 s: weaker than a second, but it survives our restart.
    return Promise("everysec" if appendfsync == "everysec" else "memory")
