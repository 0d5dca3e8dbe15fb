"""What a bearer may do: the grants, the presets of roles, and their LiveKit-shaped spelling.

Deny by default (DESIGN 7.9): a grant that neither the role nor the token names is not there.
"""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from signaling.views import Role

ROLES: Final[tuple[Role, ...]] = get_args(Role)

_TALK: Final = frozenset({"chat", "ask", "like"})
_STAFF: Final = frozenset({"manage_stage", "manage_questions", "see_profiles", "api"})
_ON_AIR: Final = frozenset({"publish", "host_show"})

GRANTS: Final[frozenset[str]] = _TALK | _STAFF | _ON_AIR | {"request_mic"}
"""Every grant there is; unknown ones in a token are ignored."""

ROLE_GRANTS: Final[dict[Role, frozenset[str]]] = {
    "viewer": _TALK | {"request_mic"},
    # A viewer in a seat publishes because the stage says so, not because the token does.
    "guest": _TALK | {"request_mic"},
    "staff": _TALK | _STAFF,
    "host": _TALK | _STAFF | _ON_AIR,
}


class VideoGrant(msgspec.Struct, frozen=True, rename="camel"):
    """LiveKit's `video` claim. An absent boolean is `None`: the role decides."""

    room: str = ""
    room_join: bool = False
    room_admin: bool | None = None
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: tuple[str, ...] | None = None


class LiveGrant(msgspec.Struct, frozen=True, omit_defaults=True):
    """Our private `live` claim. `grants`, where given, replaces the preset of the role."""

    role: Role | None = None
    grants: tuple[str, ...] | None = None
    publish_key: str | None = None


def granted(video: VideoGrant, live: LiveGrant) -> frozenset[str]:
    """The grants of a token's claims.

    `live.grants` or the role's preset says what is given; without either, the booleans of `video`
    that are true. A boolean that is false takes away.
    """
    if live.grants is not None:
        given = GRANTS & frozenset(live.grants)
    elif live.role is not None:
        given = ROLE_GRANTS[live.role]
    else:
        given = _given_by_video(video)
    return given - _taken_by_video(video)


def _given_by_video(video: VideoGrant) -> frozenset[str]:
    """For tokens of LiveKit's SDKs, which know no `live` claim."""
    given: frozenset[str] = frozenset()
    if video.can_publish:
        given |= {"publish"}
    if video.can_publish_data:
        given |= _TALK
    if video.room_admin:
        given |= _STAFF
    return given


def _taken_by_video(video: VideoGrant) -> frozenset[str]:
    taken: frozenset[str] = frozenset()
    # We do not narrow publishing by source, so a narrowed permission is none at all.
    narrowed = video.can_publish_sources is not None and not (
        {"camera", "microphone"} <= set(video.can_publish_sources)
    )
    if video.can_publish is False or narrowed:
        taken |= _ON_AIR
    if video.can_publish_data is False:
        taken |= _TALK
    if video.room_admin is False:
        taken |= _STAFF
    return taken


def video_grant(room: str, grants: frozenset[str]) -> VideoGrant:
    """The `video` claim that says the same as `grants`, for readers that know only LiveKit's."""
    return VideoGrant(
        room=room,
        room_join=True,
        # None: not said. Saying false would take away what `live.grants` gives singly.
        room_admin=True if grants >= _STAFF else None,
        can_publish="publish" in grants,
        can_subscribe=True,
        can_publish_data=True if grants & _TALK else None,
    )
