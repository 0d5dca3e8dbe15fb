"""How long tokens of whom live."""

from __future__ import annotations

import time

from server.signing import JOIN_TTL_S, make_claims
from server.token_renewal import GUEST_TTL_S, ttl_of
from signaling.ids import DEFAULT_SHOP, RoomId


def test_guests_keep_theirs_longer() -> None:
    customer = make_claims(
        shop=DEFAULT_SHOP, room=RoomId("r1"), user="vera", role="viewer", now=time.time()
    )
    guest = make_claims(
        shop=DEFAULT_SHOP, room=RoomId("r1"), user="guest:x", role="viewer", now=time.time()
    )
    assert ttl_of(customer) == JOIN_TTL_S
    assert ttl_of(guest) == GUEST_TTL_S
