from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.grants import ROLE_GRANTS, ROLES
from server.settings import KeySettings
from server.signing import LEEWAY_S, MAX_TOKEN_CHARS, SigningKeys, TokenClaims, make_claims
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId
from signaling.views import Role

NOW = 1_800_000_000.0
SECRET = "a" * 32
OLD = "o" * 32
MAIN, OTHER = ShopId("main"), ShopId("other")


def key(**fields: object) -> KeySettings:
    return KeySettings.model_validate({"secret": SECRET, **fields})


KEYS = SigningKeys({"k1": key(), "k2": key(secret="b" * 32, shop="other")})


def claims(role: Role = "viewer", shop: ShopId = MAIN) -> TokenClaims:
    return make_claims(
        shop=shop, room=RoomId("r1"), user="u1", name="小李", role=role, now=NOW, ttl_s=600
    )


def forged(secret: str = SECRET, **changes: Any) -> str:  # noqa: ANN401 any JSON
    """A token with a good signature and these members changed; None leaves one out."""
    payload = {
        "iss": "k1",
        "sub": "u1",
        "exp": int(NOW) + 60,
        "video": {"room": "r1", "roomJoin": True},
        "live": {"role": "viewer"},
        **changes,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    # By hand below PyJWT's checks of what it signs.
    return jwt.PyJWS().encode(json.dumps(payload).encode(), secret, algorithm="HS256")


def refusal(token: str, now: float = NOW, keys: SigningKeys = KEYS) -> str:
    with pytest.raises(Refusal) as caught:
        keys.verify(token, now)
    return caught.value.code


@pytest.mark.parametrize("role", ROLES)
def test_what_is_minted_is_verified(role: Role) -> None:
    found = KEYS.verify(KEYS.mint(claims(role)), NOW)
    assert found.key_id == "k1"
    assert (found.shop, found.room, found.user, found.name, found.role) == (
        "main",
        "r1",
        "u1",
        "小李",
        role,
    )
    assert found.grants == ROLE_GRANTS[role]
    assert found.exp == NOW + 600
    assert found.publish_key is None


def test_narrowed_grants_and_publish_keys_travel() -> None:
    narrow = TokenClaims(
        shop=OTHER,
        room=RoomId("r1"),
        user="u1",
        name="",
        role="host",
        grants=frozenset({"publish", "host_show"}),
        exp=int(NOW) + 9,
        publish_key="pk7",
    )
    found = KEYS.verify(KEYS.mint(narrow), NOW)
    assert found.grants == narrow.grants
    assert found.publish_key == "pk7"
    assert found.shop == "other"
    assert found.key_id == "k2"


def test_the_shop_is_the_keys_never_the_tokens() -> None:
    with pytest.raises(ValueError, match="no signing key"):
        KEYS.mint(claims(shop=ShopId("stranger")))
    wrong_key = TokenClaims(
        shop=MAIN,
        room=RoomId("r1"),
        user="u",
        name="",
        role="viewer",
        grants=frozenset(),
        exp=0,
        key_id="k2",
    )
    with pytest.raises(ValueError, match="no signing key"):
        KEYS.mint(wrong_key)


def test_expiry_has_a_small_leeway() -> None:
    token = KEYS.mint(claims())
    KEYS.verify(token, NOW + 600 + LEEWAY_S)
    assert refusal(token, NOW + 600 + LEEWAY_S + 1) == "token_expired"


def test_not_before() -> None:
    token = forged(nbf=int(NOW) + 30)
    assert refusal(token) == "bad_token"
    KEYS.verify(token, NOW + 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": "k9"},
        {"iss": 1},
        {"iss": "k2"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "u" * 129},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": True},
        {"nbf": "x"},
        {"name": 7},
        {"video": None},
        {"video": []},
        {"video": {"room": "r1"}},
        {"video": {"room": "r1", "roomJoin": "true"}},
        {"video": {"room": "a/b", "roomJoin": True}},
        {"video": {"room": "r1", "roomJoin": True, "canSubscribe": False}},
        {"live": {"role": "boss"}},
        {"live": {"grants": "publish"}},
        {"aud": "somebody else"},
    ],
    ids=str,
)
def test_signed_but_wrong(changes: dict[str, Any]) -> None:
    assert refusal(forged(**changes)) == "bad_token"


def test_unknown_members_are_ignored() -> None:
    token = forged(metadata="x", attributes={"a": "b"}, live={"role": "viewer", "lanes": ["chat"]})
    assert KEYS.verify(token, NOW).role == "viewer"


def test_without_a_role_one_is_a_viewer_with_what_video_says() -> None:
    video = {"room": "r1", "roomJoin": True, "canPublishData": True}
    found = KEYS.verify(forged(live=None, video=video), NOW)
    assert found.role == "viewer"
    assert found.grants == {"chat", "ask", "like"}


def _segment(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256", "", None, 7])
def test_the_algorithm_is_pinned(algorithm: object) -> None:
    good = forged()
    header = _segment({"alg": algorithm, "typ": "JWT"})
    body, signature = good.split(".")[1:]
    assert refusal(f"{header}.{body}.{signature}") == "bad_token"
    assert refusal(f"{header}.{body}.") == "bad_token"


def test_another_secret() -> None:
    assert refusal(forged(secret="x" * 32)) == "bad_token"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "eyJ", "\x00", "é.é.é", "x" * (MAX_TOKEN_CHARS + 1)]
)
def test_not_a_token(token: str) -> None:
    assert refusal(token) == "bad_token"


@given(st.text(max_size=200) | st.lists(st.text(max_size=40), min_size=3, max_size=3).map(".".join))
def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    """Invariant: any text is refused as `bad_token`; no other exception leaves `verify`."""
    assert refusal(text) == "bad_token"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)))  # fmt: skip
def test_any_payload_is_refused_and_nothing_else(payload: object) -> None:
    """Invariant: unsigned JSON of any shape is refused as `bad_token`."""
    header = _segment({"alg": "HS256", "typ": "JWT"})
    assert refusal(f"{header}.{_segment(payload)}.c2ln") == "bad_token"


def test_the_previous_secret_counts_until_its_time() -> None:
    until = datetime.fromtimestamp(NOW + 100, UTC)
    keys = SigningKeys({"k1": key(previous_secret=OLD, previous_until=until)})
    old = forged(secret=OLD, exp=int(NOW) + 1000)
    assert keys.verify(old, NOW + 99).user == "u1"
    assert refusal(old, NOW + 100, keys) == "bad_token"
    assert keys.verify(keys.mint(claims()), NOW).user == "u1"


def test_mint_signs_with_the_new_secret() -> None:
    until = datetime.fromtimestamp(NOW + 100, UTC)
    keys = SigningKeys({"k1": key(previous_secret=OLD, previous_until=until)})
    jwt.decode(keys.mint(claims()), SECRET, algorithms=["HS256"], options={"verify_exp": False})


def test_secrets_are_not_shown() -> None:
    assert repr(KEYS) == "SigningKeys(k1, k2)"
