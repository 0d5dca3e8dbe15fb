from __future__ import annotations

import pytest
from pydantic import ValidationError

from server.settings import KeySettings, Settings

SECRET = "s" * 32


def test_defaults_are_those_of_the_design() -> None:
    settings = Settings()
    assert (settings.port, settings.udp_port, settings.durability) == (7880, 7882, "fsync")
    assert (settings.room.seats, settings.room.seat_grace_s, settings.room.host_grace_s) == (
        4,
        15,
        60,
    )
    assert settings.codecs.video == ["vp8", "h264"]
    assert settings.tls.mode == "off"


def test_secrets_are_never_shown() -> None:
    settings = Settings.model_validate(
        {
            "redis": "redis://:geheim@store:6379",
            "keys": {"k": {"secret": SECRET}},
            "turn_secret": "geheim as well, and long",
        }
    )
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "geheim" not in text
        assert SECRET not in text


def test_each_media_worker_has_a_port() -> None:
    def ports(**values: int) -> tuple[int, ...]:
        return Settings.model_validate(values).media_ports

    assert ports() == (7882,)
    assert ports(media_workers=1) == (7882,)
    assert ports(media_workers=3, udp_port=9000) == (9000, 9001, 9002)
    assert ports(media_workers=2, udp_port=65534) == (65534, 65535)
    assert ports(media_workers=2, udp_port=0) == (0, 0), "any free ones"


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 65536}, "less than or equal to 65535"),
        ({"public_ip": "1.2.3"}, "no IP address"),
        ({"redis": "http://x"}, "must be redis://"),
        ({"tls": "files"}, "needs both tls.cert and tls.key"),
        ({"tls": "maybe"}, "'off', 'auto' or 'files'"),
        ({"internal_port": 7880}, "must differ"),
        ({"media_workers": -1}, "greater than or equal to 0"),
        ({"media_workers": 2, "udp_port": 65535}, "up to 65535"),
        ({"keys": {"a b": {"secret": SECRET}}}, "key id 'a b'"),
        ({"keys": {"k": {"secret": "short"}}}, "32 characters"),
        ({"keys": {"k": {"secret": SECRET, "shop": "x/y"}}}, "a shop is"),
        ({"keys": {"k": {"secret": SECRET, "previous_secret": SECRET}}}, "come together"),
        ({"room": {"seats": 0}}, "greater than or equal to 1"),
        ({"room": {"invite_timeout_s": "soon"}}, "no duration"),
        ({"codecs": {"video": []}}, "at least 1"),
        ({"turn_servers": "turn://a", "turn_secret": SECRET}, "is no TURN address"),
        ({"turn_servers": "turn:a.example"}, "turn_servers needs turn_secret"),
        ({"turn_secret": "short"}, "16 characters"),
        ({"turn_ttl_s": "59s"}, "1m to 7d"),
        ({"turn_ttl_s": "8d"}, "1m to 7d"),
        ({"codecs": {"audio": ["red"]}}, "name opus too"),
        ({"codecs": {"audio": ["pcmu"]}}, "'opus' or 'red'"),
        ({"debug_forward_delay_ms": 1001}, "less than or equal to 1000"),
        ({"debug_forward_delay_ms": -1}, "greater than or equal to 0"),
    ],
)
def test_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(values)


@pytest.mark.parametrize(("written", "mode"), [("auto", "auto"), (False, "off"), ("off", "off")])
def test_tls_has_a_short_form(written: object, mode: str) -> None:
    assert Settings.model_validate({"tls": written}).tls.mode == mode


@pytest.mark.parametrize(("written", "value"), [(True, "on"), (False, "off"), ("only", "only")])
def test_bare_on_and_off_of_yaml(written: object, value: str) -> None:
    assert Settings.model_validate({"projector": written}).projector == value


def test_lists_may_be_words_with_commas() -> None:
    settings = Settings.model_validate(
        {"public_ip": "192.0.2.1, 2001:db8::1", "codecs": {"video": "H264,VP8"}}
    )
    assert settings.public_ip == ["192.0.2.1", "2001:db8::1"]
    assert settings.codecs.video == ["h264", "vp8"]


def test_a_time_without_zone_is_utc() -> None:
    key = KeySettings.model_validate(
        {"secret": SECRET, "previous_secret": SECRET, "previous_until": "2027-01-01T00:00:00"}
    )
    assert key.previous_until is not None
    assert key.previous_until.utcoffset() is not None
