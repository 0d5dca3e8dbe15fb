"""Addresses with holes."""

from __future__ import annotations

import pytest

from loadtest.targets.target import TargetError
from loadtest.targets.url_template import UrlTemplate


def test_holes_are_filled_and_percent_encoded() -> None:
    template = UrlTemplate("http://h:1985/rtc/v1/whip/?app=live&stream={room}&who={user}")
    assert template.fill(room="a b", user="小/美&") == (
        "http://h:1985/rtc/v1/whip/?app=live&stream=a%20b&who=%E5%B0%8F%2F%E7%BE%8E%26"
    )


def test_what_is_filled_in_is_not_a_template() -> None:
    assert UrlTemplate("http://h/{room}/{user}").fill(room="{user}", user="u") == (
        "http://h/%7Buser%7D/u"
    )


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://h:8889/{room}/whip", "h", 8889),
        ("https://h/{room}", "h", 443),
        ("http://[::1]/x", "::1", 80),
    ],
)
def test_where_it_points(text: str, host: str, port: int) -> None:
    template = UrlTemplate(text)
    assert (template.host, template.port) == (host, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "http://h/{rom}",
            r"http://h/{rom}: unknown placeholder {rom}; there are {room} and {user}",
        ),
        ("h:8889/whip", "starts with http:// or https://"),
        ("http:///whip", "and a host"),
        ("rtmp://h/live", "starts with http:// or https://"),
        ("http://h:99999/x", "[Pp]ort"),
    ],
)
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        UrlTemplate(text)
    assert "\n" not in str(caught.value)
