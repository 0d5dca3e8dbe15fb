"""A bounded queue of records on disk: where events wait while the store is away.

Segment files `<number>.seg`, oldest first, each a run of records

    0        4        8
    +--------+--------+---------------+
    | length | crc32  | record bytes  |     length and crc32 little-endian, crc32 of the bytes
    +--------+--------+---------------+

`append` returns when the records are on disk (fsync). A segment is read whole and deleted when all
of it has been delivered; a crash in between delivers it again, which event ids make harmless. The
end of a segment may be torn by a crash: reading stops at the first record that is not whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<II")
MAX_RECORD_BYTES: Final = 1 << 20
"""A length beyond it is damage, not a record."""
DEFAULT_SEGMENT_BYTES: Final = 1 << 20
"""Small: what a crash may deliver twice is at most one segment."""
DEFAULT_MAX_BYTES: Final = 256 << 20


class SpoolInUse(Exception):
    """Another process has this folder."""


class SpoolFull(Exception):
    """The limit is reached or the disk is full; nothing of this batch was kept."""


class Spool:
    """Blocking: call it from a thread. One process and one caller at a time.

    Raises `SpoolInUse` when the folder is taken, OSError when it cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._active: int | None = None
        """File descriptor of the segment that is written, the newest of `_segments`."""
        self._active_bytes = 0
        self.damaged = 0
        """Segments whose end could not be read; that end is kept as `*.bad` for a look."""
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise SpoolInUse(f"{folder} is used by another process") from error
        found = sorted(int(p.stem) for p in folder.glob("*.seg") if p.stem.isdecimal())
        self._segments = found
        self._bytes = {number: self._path(number).stat().st_size for number in found}

    @property
    def is_empty(self) -> bool:
        return not self._segments

    @property
    def size_bytes(self) -> int:
        return sum(self._bytes.values())

    def append(self, records: Sequence[bytes]) -> None:
        """Keeps all records or none, and returns when they are on disk. Raises `SpoolFull`."""
        blob = b"".join(
            part
            for record in records
            for part in (_HEADER.pack(len(record), zlib.crc32(record)), record)
        )
        if self.size_bytes + len(blob) > self._max_bytes:
            raise SpoolFull(f"the spool holds its limit of {self._max_bytes} bytes")
        try:
            if self._active is None or self._active_bytes >= self._segment_bytes:
                self._open_segment()
            self._write(blob)
        except OSError as error:
            self._abandon_tail()
            raise SpoolFull(str(error)) from error
        self._active_bytes += len(blob)
        self._bytes[self._segments[-1]] = self._active_bytes

    def oldest(self) -> list[bytes]:
        """The whole records of the oldest segment (then closed to writes); empty: nothing left."""
        while self._segments:
            number = self._segments[0]
            if number == self._segments[-1]:
                self._close_active()
            data = self._path(number).read_bytes()
            records, good_bytes = split_records(data)
            if good_bytes < len(data):
                self.damaged += 1
                self._path(number).with_suffix(".bad").write_bytes(data[good_bytes:])
                os.truncate(self._path(number), good_bytes)
                self._bytes[number] = good_bytes
            if records:
                return records
            self.drop_oldest()
        return []

    def drop_oldest(self) -> None:
        """Forgets the oldest segment: everything in it has been delivered."""
        number = self._segments.pop(0)
        if not self._segments:
            self._close_active()
        del self._bytes[number]
        self._path(number).unlink(missing_ok=True)
        self._sync_folder()

    def close(self) -> None:
        self._close_active()
        os.close(self._lock)

    def _write(self, blob: bytes) -> None:
        assert self._active is not None, "a segment is open"
        view = memoryview(blob)
        while view:
            view = view[os.write(self._active, view) :]
        os.fdatasync(self._active)

    def _open_segment(self) -> None:
        self._close_active()
        number = self._segments[-1] + 1 if self._segments else 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._active = os.open(self._path(number), flags, 0o600)
        self._active_bytes = 0
        self._segments.append(number)
        self._bytes[number] = 0
        self._sync_folder()

    def _abandon_tail(self) -> None:
        """After a failed write or sync: cut what may be half written, never append behind it."""
        if self._active is None:
            return
        with contextlib.suppress(OSError):  # a torn tail is cut on reading, too
            os.ftruncate(self._active, self._active_bytes)
            os.fsync(self._active)
        self._close_active()

    def _close_active(self) -> None:
        if self._active is not None:
            os.close(self._active)
            self._active = None

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}.seg"


def split_records(data: bytes) -> tuple[list[bytes], int]:
    """The whole records at the front, and how many bytes they take. Never raises."""
    records: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, at)
        start = at + _HEADER.size
        record = data[start : start + length]
        if length > MAX_RECORD_BYTES or len(record) < length or zlib.crc32(record) != checksum:
            break
        records.append(record)
        at = start + length
    return records, at
