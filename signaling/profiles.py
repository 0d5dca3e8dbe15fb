"""What a room may ask the retention store about a person."""

from __future__ import annotations

from typing import Protocol

from signaling.ids import ShopId, Subject
from signaling.views import ProfileView


class ProfileSource(Protocol):
    """Implemented by `server.retention.profile.Profiles`."""

    async def profile(self, shop: ShopId, subject: Subject, /) -> ProfileView:
        """An unknown person has an empty profile. Raises `Refusal("store_unavailable")`."""
        ...
