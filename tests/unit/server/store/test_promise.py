from __future__ import annotations

import pytest

from server.store.promise import APPENDFSYNC, Promise, PromiseName, promise_of


@pytest.mark.parametrize(
    ("appendonly", "appendfsync", "name"),
    [
        ("yes", "always", "fsync"),
        ("yes", "everysec", "everysec"),
        ("yes", "no", "memory"),
        ("no", "always", "memory"),
        (None, None, "unknown"),
        ("yes", None, "unknown"),
    ],
)
def test_what_a_configuration_promises(
    appendonly: str | None, appendfsync: str | None, name: str
) -> None:
    assert promise_of(appendonly, appendfsync).name == name


@pytest.mark.parametrize("name", ["fsync", "everysec"])
def test_our_own_configuration_promises_what_it_says(name: PromiseName) -> None:
    assert promise_of("yes", APPENDFSYNC[name]) == Promise(name)


def test_order() -> None:
    fsync, everysec, memory = Promise("fsync"), Promise("everysec"), Promise("memory")
    assert everysec.is_weaker_than(fsync)
    assert memory.is_weaker_than(everysec)
    assert not fsync.is_weaker_than(fsync)
    assert not Promise("unknown").is_weaker_than(fsync), "nobody knows"
