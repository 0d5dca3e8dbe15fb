"""The opening handshake, against the example of RFC 6455 §1.3 and servers that get it wrong."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sockets.upgrade import Address, Upgrade, UpgradeError

NONCE = base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Protocol: lianmai.json\r\n\r\n"
)


def upgrade(*subprotocols: str) -> Upgrade:
    return Upgrade(
        Address("ws://server.example:8080/ws?room=1"),
        nonce=NONCE,
        subprotocols=subprotocols or ("lianmai.json",),
        headers={"Origin": "https://shop.example"},
    )


def test_the_request() -> None:
    first, *fields = upgrade("chat", "superchat").request.decode().split("\r\n")
    assert first == "GET /ws?room=1 HTTP/1.1"
    assert fields[-2:] == ["", ""]
    assert set(fields[:-2]) == {
        "Host: server.example:8080",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Origin: https://shop.example",
    }


@pytest.mark.parametrize("rest", [b"", b"\x81\x02hi"])
def test_what_follows_the_head_is_frames(rest: bytes) -> None:
    opening = upgrade()
    assert opening.feed(HEAD + rest) == rest
    assert opening.subprotocol == "lianmai.json"


@pytest.mark.parametrize("cut", range(1, len(HEAD)))
def test_the_head_may_come_in_pieces(cut: int) -> None:
    opening = upgrade()
    assert opening.feed(HEAD[:cut]) is None
    assert opening.feed(HEAD[cut:] + b"\x89\x00") == b"\x89\x00"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"Upgrade: websocket", b"Upgrade: h2c", "without Upgrade"),
        (b"Connection: Upgrade", b"Connection: close", "without Connection"),
        (b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"AAAALMBiTxaQ9kYGzzhZRbK+xOo=", "wrong Sec-WebSocket"),
        (b"lianmai.json", b"lianmai.msgpack", "subprotocol that was not offered"),
        (b"Upgrade: w", b"Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: w", "extension"),
        (b"HTTP/1.1 101", b"SSH-2.0-OpenSSH", "not HTTP"),
        (b"HTTP/1.1 101", b"HTTP/1.1 9e9", "not HTTP"),
    ],
)
def test_an_answer_that_is_wrong(old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(UpgradeError, match=says):
        upgrade().feed(HEAD.replace(old, new))


def test_a_refusal_shows_status_and_the_start_of_its_body() -> None:
    opening = upgrade()
    assert opening.feed(b"HTTP/1.1 503 No\r\nContent-Length: 300\r\n\r\n") is None
    with pytest.raises(UpgradeError) as refused:
        opening.feed(b"room is full " + b"x" * 287)
    assert refused.value.status == 503
    assert "503: room is full xxx" in str(refused.value)
    assert len(str(refused.value)) < 250


def test_a_refusal_without_a_body() -> None:
    with pytest.raises(UpgradeError, match=r"answered 404$"):
        upgrade().feed(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def test_an_end_in_between_says_what_came() -> None:
    opening = upgrade()
    assert opening.feed(b"HTTP/1.1 500 Oops\r\n\r\nit bro") is None
    assert opening.end().status == 500
    assert "it bro" in str(opening.end())
    assert "ended before" in str(upgrade().end())


def test_a_head_without_an_end_is_refused() -> None:
    with pytest.raises(UpgradeError, match="no end"):
        upgrade().feed(b"HTTP/1.1 101 X\r\n" + b"a: b\r\n" * 4000)


@given(st.binary(max_size=200), st.booleans())
def test_any_answer_is_accepted_or_refused(answer: bytes, after_head: bool) -> None:
    """Invariant: `UpgradeError`, now or at the end; nobody guesses our key."""
    opening = upgrade()
    with contextlib.suppress(UpgradeError):
        rest = opening.feed(b"HTTP/1.1 " + answer + b"\r\n\r\n" if after_head else answer)
        assert rest is None
        raise opening.end()


@pytest.mark.parametrize("url", ["http://a/ws", "ws://", "a:1", "wss:///ws"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a ws"):
        Address(url)


def test_an_address() -> None:
    plain, secure = Address("ws://[::1]:81"), Address("wss://server.example/ws")
    assert (plain.host, plain.port, plain.path, plain.is_tls) == ("::1", 81, "/", False)
    assert (secure.host, secure.port, secure.authority) == ("server.example", 443, "server.example")
    assert secure.is_tls
