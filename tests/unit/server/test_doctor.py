from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from server.cli import main
from server.doctor import machine, media, network, relays, storage
from server.doctor.command import examine
from server.settings import Settings


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings.model_validate(
        {"data_dir": tmp_path / "data", "port": 0, "udp_port": 0, **values}
    )


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_store_starts_and_is_measured(tmp_path: Path) -> None:
    check = await storage.store(settings(tmp_path))
    assert check.status in {"ok", "warn"}, check
    assert "an acknowledged write is on disk" in check.detail
    assert "p99" in check.detail
    assert left_in(tmp_path) == []


async def test_a_store_that_is_away(tmp_path: Path) -> None:
    check = await storage.store(settings(tmp_path, redis=f"unix://{tmp_path}/none"))
    assert check.status == "fail"
    assert "cannot reach the store" in check.detail


def test_ports(tmp_path: Path) -> None:
    assert network.tcp_port(settings(tmp_path, host="127.0.0.1")).status == "ok"
    assert network.udp_port(settings(tmp_path, host="127.0.0.1")).status == "ok"
    assert network.media_tcp_port(settings(tmp_path, host="127.0.0.1")).status == "ok"


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        check = network.udp_port(
            settings(tmp_path, host="127.0.0.1", udp_port=other.getsockname()[1])
        )
    assert (check.status, "in use" in check.detail) == ("fail", True)
    assert "--udp-port" in check.fix


def test_a_media_tcp_port_in_use_or_not_wanted(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        values = {"host": "127.0.0.1", "udp_port": other.getsockname()[1]}
        check = network.media_tcp_port(settings(tmp_path, **values))
        without = network.media_tcp_port(settings(tmp_path, **values, media_tcp=False))
    assert (check.status, "in use" in check.detail) == ("fail", True)
    assert "media_tcp: false" in check.fix
    assert (without.status, "switched off" in without.detail) == ("ok", True)


async def test_the_ports_of_all_media_workers_are_looked_at(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        values = {"host": "127.0.0.1", "udp_port": taken - 1, "media_workers": 2}
        checks = await examine(settings(tmp_path, **values))
    found = [check for check in checks if check.name == "UDP port"]
    assert len(found) == 2
    assert (found[1].status, str(taken) in found[1].detail) == ("fail", True)
    assert len([check for check in checks if check.name == "media TCP port"]) == 2


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    check = network.tcp_port(settings(tmp_path, host="192.0.2.77"))
    assert check.status == "fail"
    assert "does not have" in check.detail


async def test_relays_that_nobody_can_reach(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        urls = [
            f"turn:127.0.0.1:{taken.getsockname()[1]}?transport=tcp",
            "turn:no-such-host.invalid?transport=udp",
        ]
        told = settings(tmp_path, turn_servers=urls, turn_secret="s" * 16)
        refused, unknown = await relays.relays(told)
    assert (refused.status, "firewall" in refused.fix) == ("fail", True), refused
    assert (unknown.status, "name" in unknown.fix) == ("fail", True), unknown


async def test_without_relays_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert await relays.relays(settings(tmp_path)) == []


def test_libraries_are_whole() -> None:
    for check in (media.srtp(), media.dtls(), media.codecs(), machine.event_loop()):
        assert check.status == "ok", check


def test_a_data_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert machine.nearest_folder(tmp_path / "a" / "b" / "c" / "d") == tmp_path / "a" / "b"


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_certificates_are_not_made_by_looking(tmp_path: Path, mode: str) -> None:
    assert network.certificate(settings(tmp_path, tls=mode)).status == "ok"
    assert left_in(tmp_path) == []


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    files = {"mode": "files", "cert": tmp_path / "c", "key": tmp_path / "k"}
    assert network.certificate(settings(tmp_path, tls=files)).status == "fail"


def test_every_warning_says_how_to_mend_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--format=json", "--host=127.0.0.1", "--port=0", "--udp-port=0", "--data-dir"]
    code = main(["doctor", *arguments, str(tmp_path / "data")])
    checks = json.loads(capsys.readouterr().out)
    assert code == (1 if any(check["status"] == "fail" for check in checks) else 0)
    assert [check for check in checks if check["status"] != "ok" and not check["fix"]] == []


def test_exit_code_1_when_one_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--host=192.0.2.77", "--port=0", "--udp-port=0", "--data-dir"]
    assert main(["doctor", *arguments, str(tmp_path / "data")]) == 1
    assert "HTTP port" in capsys.readouterr().out
