"""Tokens signed here are those that the server believes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from loadtest.targets.target import Role
from loadtest.targets.tokens import KeyPair
from server.grants import ROLE_GRANTS
from server.settings import KeySettings
from server.signing import SigningKeys
from signaling.ids import DEFAULT_SHOP

KEY = KeyPair.random()
SIGNING = SigningKeys(
    {KEY.key_id: KeySettings.model_validate({"secret": KEY.secret, "shop": DEFAULT_SHOP})}
)


@pytest.mark.parametrize("role", get_args(Role))
def test_the_server_gives_each_role_its_grants(role: Role) -> None:
    claims = SIGNING.verify(KEY.mint("spring-sale", "小美", role))
    assert (claims.room, claims.user, claims.role) == ("spring-sale", "小美", role)
    assert claims.grants == ROLE_GRANTS[role]


def test_a_token_outlives_a_long_run() -> None:
    claims = SIGNING.verify(KEY.mint("r", "u", "viewer"))
    assert claims.exp - claims.exp % 3600 > 0
    four_hours_on = claims.exp - 20 * 3600
    SIGNING.verify(KEY.mint("r", "u", "viewer"), now=float(four_hours_on))


def test_a_folder_keeps_its_key(tmp_path: Path) -> None:
    first = KeyPair.of_folder(tmp_path)
    assert KeyPair.of_folder(tmp_path) == first
    assert (tmp_path / "loadtest.key").stat().st_mode & 0o077 == 0, "nobody else reads it"


def test_the_secret_is_not_shown() -> None:
    assert KEY.secret not in repr(KEY)
