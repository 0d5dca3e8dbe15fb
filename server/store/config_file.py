"""The configuration of the embedded store, written anew at every start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from server.store.promise import APPENDFSYNC

HEADER: Final = "# Made by lianmai at every start; changes here are lost.\n"


def embedded_config(*, folder: Path, socket_path: Path, durability: str) -> str:
    """The text of valkey.conf. `durability` as in the settings."""
    directives = {
        # Only this machine, only this user: a socket in a private folder, no TCP.
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "no" if durability == "memory" else "yes",
        "appendfsync": APPENDFSYNC[durability],
        # After a power failure the last, unacknowledged command may be cut: start without it.
        "aof-load-truncated": "yes",
        # The append-only file is the one truth; no snapshots beside it.
        "save": "",
        # A full store refuses writes. It never throws rooms or profiles away.
        "maxmemory-policy": "noeviction",
        # As in a cluster, there is one database.
        "databases": "1",
        "daemonize": "no",
        "logfile": "",
        "loglevel": "notice",
        "always-show-logo": "no",
        # Its command line stays as we gave it, so that an orphan is recognised.
        "set-proc-title": "no",
    }
    return HEADER + "".join(f"{name} {quoted(value)}\n" for name, value in directives.items())


def quoted(value: str) -> str:
    """A value as the server's parser reads it back, whatever bytes a path has."""
    out = []
    for byte in value.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 0x20 <= byte < 0x7F:
            out.append(char)
        else:
            out.append(f"\\x{byte:02x}")
    return f'"{"".join(out)}"'
