from __future__ import annotations

import os
import subprocess
import sys

import pytest

from loadtest.network.names import interface_names, is_stale, namespace_name, owner_of

IFNAMSIZ = 16
"""With the zero at its end."""


def test_names_tell_whose_they_are() -> None:
    for name in (namespace_name(), *interface_names()):
        assert owner_of(name) == os.getpid()
        assert not is_stale(name)


def test_the_longest_interface_name_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 2**22)
    for name in interface_names():
        assert len(name) < IFNAMSIZ
        assert owner_of(name) == 2**22


@pytest.mark.parametrize(
    "name", ["lo", "lm", "lm-", "lm-12", "lm-12-zzzz", "lm-12-abcd-", "lmv1234i", "lm0av1234", "x"]
)
def test_names_of_others_are_not_ours(name: str) -> None:
    assert owner_of(name) is None
    assert not is_stale(name)


def test_what_the_dead_left_is_stale() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert is_stale(f"lm-{gone.pid}-00ff")
    assert is_stale(f"lm{gone.pid:x}v00ffo")
