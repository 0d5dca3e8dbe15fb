from __future__ import annotations

import pytest

from server.redaction import Redactor

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(b"salt")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {TOKEN} refused", TOKEN),
        (f"GET /room/a#token={TOKEN}", TOKEN),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("connect redis://user:geheim@store:6379/0", "geheim"),
        ("password=geheim&x=1", "geheim"),
        ('Link: <turn:a.example>; username="9:u_1"; credential="geheim="', "geheim"),
        ("IceServer(username='9:u_1', credential='geheim=')", "geheim"),
        ("peer 203.0.113.7:5000 left", "203.0.113.7"),
        ("from ('198.51.100.23', 40000)", "198.51.100.23"),
        ("no route to 10.1.2.3.", "10.1.2.3"),
        ("candidate:1 1 udp 2130706431 192.168.1.7 7882 typ host", "192.168.1.7"),
        ("peer [2001:db8::1]:443", "2001:db8::1"),
        ("peer ::ffff:192.0.2.9 left", "192.0.2.9"),
        ("addr=fe80::1", "fe80::1"),
    ],
)
def test_hides(redactor: Redactor, text: str, secret: str) -> None:
    assert secret not in redactor.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "listening on 0.0.0.0:7880",
        "http://127.0.0.1:7880/room/demo",
        "http://[::1]:7880",
        "12:34:56 valkey 9.1.2 started",
        "aiohttp 3.14.5, Python 3.11.7",
        "media.worker: 12 packets",
        "fingerprint AB:CD:EF:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10",
        "std::vector",
    ],
)
def test_leaves_alone(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


def test_an_address_keeps_one_pseudonym_within_a_run_only(redactor: Redactor) -> None:
    first, second = redactor.text("192.0.2.1"), redactor.text("192.0.2.2")
    assert first == redactor.text("192.0.2.1") != second
    assert first != Redactor(b"another run").text("192.0.2.1")


def test_fields_by_their_name(redactor: Redactor) -> None:
    assert redactor.field("token", "abc") == "***"
    assert redactor.field("password", 7) == "***"
    assert redactor.field("credential", "abc=") == "***"
    assert redactor.field("turn_secret", "abc") == "***"
    name = str(redactor.field("name", "王小明"))
    assert name.startswith("person-")
    assert "王" not in name
    assert redactor.field("user", "") == ""
    assert redactor.field("room", "demo") == "demo"
