from __future__ import annotations

from pathlib import Path

import pytest

from server.errors import SettingsError
from server.settings import Settings
from server.settings_fields import setting_fields
from server.settings_sources import load_settings, nearest_setting

SECRET = "s" * 32


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "lianmai.yaml"


def mistakes(
    config: Path | None = None,
    environ: dict[str, str] | None = None,
    flags: dict[str, object] | None = None,
) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, environ or {}, config)
    return [str(problem) for problem in caught.value.problems]


def test_nothing_given_is_the_defaults() -> None:
    assert load_settings({"port": None}, {"PATH": "/bin"}) == Settings()


def test_flags_beat_environment_beats_file(config: Path) -> None:
    config.write_text("port: 1\nudp_port: 1\nhost: file\ntls: auto\n")
    environ = {"LIANMAI_PORT": "2", "LIANMAI_UDP_PORT": "2", "LIANMAI_ROOM_SEATS": "6"}
    settings = load_settings({"port": 3, "tls.mode": "off"}, environ, config)
    assert (settings.port, settings.udp_port, settings.host) == (3, 2, "file")
    assert (settings.room.seats, settings.tls.mode) == (6, "off")


def test_a_section_is_merged_member_by_member(config: Path) -> None:
    config.write_text("room:\n  seats: 6\n  slots_audio: 2\n")
    room = load_settings({}, {"LIANMAI_ROOM_SLOTS_AUDIO": "3"}, config).room
    assert (room.seats, room.slots_audio) == (6, 3)


def test_environment_gives_lists_maps_and_secrets() -> None:
    settings = load_settings(
        {},
        {
            "LIANMAI_PUBLIC_IP": "192.0.2.1,192.0.2.2",
            "LIANMAI_CODECS_VIDEO": '["h264"]',
            "LIANMAI_KEYS": f'{{"k": {{"secret": "{SECRET}", "shop": "s1"}}}}',
            "LIANMAI_REDIS": "redis://:geheim@store",
            "LIANMAI_TLS": "auto",
            "LIANMAI_ROOM_SEAT_GRACE_S": "1m30s",
            "LIANMAI_INTERNAL_PORT": "",
        },
    )
    assert settings.public_ip == ["192.0.2.1", "192.0.2.2"]
    assert settings.codecs.video == ["h264"]
    assert settings.keys["k"].shop == "s1"
    assert settings.redis is not None
    assert settings.tls.mode == "auto"
    assert settings.room.seat_grace_s == 90
    assert settings.internal_port is None


def test_every_mistake_at_once_with_its_place(config: Path) -> None:
    config.write_text("port: 70000\nroom:\n  seets: 4\ntls: files\nudp_port: x\n")
    found = mistakes(
        config, {"LIANMAI_PROT": "1", "LIANMAI_PUBLIC_IP": "1.2.3"}, {"internal_port": "y"}
    )
    assert found == [
        "LIANMAI_PROT (environment): no such setting; the nearest is LIANMAI_PORT",
        "port (lianmai.yaml, line 1): must be less than or equal to 65535",
        "udp_port (lianmai.yaml, line 5): must be a valid integer, unable to parse string as an"
        " integer",
        "public_ip (environment LIANMAI_PUBLIC_IP): '1.2.3' is no IP address",
        "tls (lianmai.yaml, line 4): mode files needs both tls.cert and tls.key",
        "room.seets (lianmai.yaml, line 3): no such setting; the nearest is room.seats",
        "internal_port (flag --internal-port): must be a valid integer, unable to parse string as"
        " an integer",
    ]


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        (("prot",), "port"),
        (("udp-port",), "udp_port"),
        (("udpPort",), "udp_port"),
        (("seats",), "room.seats"),
        (("rooms",), "room"),
        (("room", "seat"), "room.seats"),
        (("room", "invite_timeout"), "room.invite_timeout_s"),
        (("keys", "k1", "secrets"), "keys.k1.secret"),
        (("tls", "crt"), "tls.cert"),
    ],
)
def test_names_the_nearest(unknown: tuple[str, ...], nearest: str) -> None:
    assert nearest_setting(unknown) == nearest


@pytest.mark.parametrize("word", ["", "zzzzzzzz", "配置", "a" * 500])
def test_there_is_always_a_nearest(word: str) -> None:
    assert nearest_setting((word,))


def test_a_password_in_a_flag_is_refused_and_not_repeated() -> None:
    (found,) = mistakes(flags={"redis": "redis://:geheim@store"})
    assert "LIANMAI_REDIS" in found
    assert "geheim" not in found


def test_secrets_with_mistakes_are_not_repeated() -> None:
    found = mistakes(environ={"LIANMAI_KEYS": '{"k": {"secret": "geheim"}}'})
    assert "32 characters" in found[0]
    assert "geheim" not in found[0]


def test_secrets_in_broken_yaml_are_not_repeated() -> None:
    (found,) = mistakes(environ={"LIANMAI_KEYS": '{"k": {"secret": "geheim"'})
    assert found == "keys (environment LIANMAI_KEYS): is neither YAML nor JSON"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "port: 1\nport: 2\n",
            "port (lianmai.yaml, line 2): written before, at lianmai.yaml, line 1",
        ),
        ("room: {seats: 3, seats: 4}", "room.seats (lianmai.yaml, line 1): written before"),
        ("- port\n", "config (lianmai.yaml): must be a map of settings"),
        ("port: [1\n", "config (lianmai.yaml, line 2): no valid YAML"),
        ("room: 3\n", "room (lianmai.yaml, line 1): must be a valid dictionary"),
        ("7: x\n", "7 (lianmai.yaml, line 1): no such setting"),
    ],
)
def test_broken_files(config: Path, text: str, message: str) -> None:
    config.write_text(text)
    assert mistakes(config)[0].startswith(message)


def test_a_missing_file(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path / "none.yaml")
    assert found.endswith("none.yaml): cannot be read: No such file or directory")


def test_the_file_may_be_named_or_given_by_the_environment(config: Path) -> None:
    config.write_text("port: 5\n")
    assert load_settings({}, {"LIANMAI_CONFIG": str(config)}).port == 5
    assert load_settings({}, {"LIANMAI_CONFIG_BODY": "port: 6"}).port == 6


def test_an_empty_file_is_fine(config: Path) -> None:
    config.write_text("# nothing yet\n")
    assert load_settings({}, {}, config) == Settings()


def test_variables_of_kubernetes_and_clients_are_not_ours() -> None:
    environ = {
        "LIANMAI_SERVICE_HOST": "10.0.0.1",
        "LIANMAI_SERVICE_PORT_HTTP": "7880",
        "LIANMAI_PORT": "tcp://10.0.0.1:7880",
        "LIANMAI_PORT_7880_TCP_ADDR": "10.0.0.1",
        "LIANMAI_TOKEN": "eyJ",
    }
    assert load_settings({}, environ) == Settings()


def test_environment_names_are_unique_and_every_setting_says_what_it_is() -> None:
    fields = list(setting_fields())
    assert len({field.env for field in fields}) == len(fields)
    assert [field.name for field in fields if not field.description] == []
