"""Grants decide; roles are presets of grants."""

from __future__ import annotations

import pytest

from signaling.errors import Refusal
from tests.support.room_driver import ANN, HOST, STAFF


def test_a_missing_grant_is_forbidden_by_name() -> None:
    ANN.require("ask")
    with pytest.raises(Refusal, match="manage_stage") as refused:
        ANN.require("manage_stage")
    assert (refused.value.code, refused.value.http) == ("forbidden", 403)


def test_host_and_staff_see_everything() -> None:
    assert HOST.is_staff
    assert STAFF.is_staff
    assert not ANN.is_staff
