from __future__ import annotations

from pathlib import Path

import pytest

from server.store.config_file import embedded_config, quoted


def config(durability: str = "fsync", folder: str = "/data/store") -> dict[str, str]:
    text = embedded_config(
        folder=Path(folder), socket_path=Path(folder) / "s", durability=durability
    )
    lines = [line.split(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: value.strip('"') for name, value in lines}


def test_never_on_the_network_and_never_forgetful() -> None:
    found = config()
    assert found["port"] == "0"
    assert found["unixsocketperm"] == "700"
    assert found["maxmemory-policy"] == "noeviction"
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")


@pytest.mark.parametrize(
    ("durability", "appendonly", "appendfsync"),
    [("everysec", "yes", "everysec"), ("memory", "no", "no")],
)
def test_weaker_promises(durability: str, appendonly: str, appendfsync: str) -> None:
    found = config(durability)
    assert (found["appendonly"], found["appendfsync"]) == (appendonly, appendfsync)


def test_a_path_cannot_add_a_directive() -> None:
    text = embedded_config(
        folder=Path('/a b/"c"\nport 6379'), socket_path=Path("/s"), durability="fsync"
    )
    assert "\nport 6379" not in text
    assert r'dir "/a b/\"c\"\x0aport 6379"' in text


@pytest.mark.parametrize(
    ("value", "text"), [("", '""'), ("a b", '"a b"'), ("数", r'"\xe6\x95\xb0"'), ("\\", r'"\\"')]
)
def test_quoting(value: str, text: str) -> None:
    assert quoted(value) == text
