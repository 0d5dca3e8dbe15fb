from __future__ import annotations

import pytest

from server.grants import GRANTS, ROLE_GRANTS, ROLES, LiveGrant, VideoGrant, granted, video_grant

TALK = {"chat", "ask", "like"}


def test_presets_are_those_of_the_design() -> None:
    assert set(ROLE_GRANTS) == set(ROLES)
    assert ROLE_GRANTS["viewer"] == ROLE_GRANTS["guest"] == TALK | {"request_mic"}
    assert "publish" not in ROLE_GRANTS["staff"]
    assert ROLE_GRANTS["host"] == GRANTS - {"request_mic"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gives_its_preset(role: str) -> None:
    live = LiveGrant(role=role)  # type: ignore[arg-type]  # one of ROLES
    assert granted(VideoGrant(), live) == ROLE_GRANTS[live.role or "viewer"]


def test_nothing_said_is_nothing_given() -> None:
    assert granted(VideoGrant(room="r", room_join=True), LiveGrant()) == frozenset()


@pytest.mark.parametrize(
    ("video", "given"),
    [
        (VideoGrant(can_publish=True), {"publish"}),
        (VideoGrant(can_publish_data=True), TALK),
        (VideoGrant(room_admin=True), ROLE_GRANTS["staff"] - TALK),
        (VideoGrant(can_publish=True, can_publish_sources=("camera", "microphone")), {"publish"}),
        (VideoGrant(can_publish=True, can_publish_sources=("microphone",)), set()),
    ],
)
def test_tokens_of_livekits_sdks(video: VideoGrant, given: set[str]) -> None:
    assert granted(video, LiveGrant()) == given


def test_single_grants_replace_the_preset_and_unknown_ones_are_ignored() -> None:
    live = LiveGrant(role="host", grants=("publish", "fly"))
    assert granted(VideoGrant(), live) == {"publish"}


@pytest.mark.parametrize(
    ("video", "taken"),
    [
        (VideoGrant(can_publish=False), {"publish", "host_show"}),
        (VideoGrant(can_publish_data=False), TALK),
        (VideoGrant(room_admin=False), ROLE_GRANTS["staff"] - TALK),
    ],
)
def test_a_false_takes_away_from_a_role(video: VideoGrant, taken: set[str]) -> None:
    assert granted(video, LiveGrant(role="host")) == ROLE_GRANTS["host"] - taken


@pytest.mark.parametrize("grants", [*ROLE_GRANTS.values(), frozenset({"publish", "host_show"})])
def test_the_video_claim_takes_nothing_from_what_we_sign(grants: frozenset[str]) -> None:
    assert granted(video_grant("r", grants), LiveGrant(grants=tuple(grants))) == grants
