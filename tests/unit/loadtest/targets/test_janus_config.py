"""What a private Janus is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.targets import janus_config
from loadtest.targets.janus_config import write_config
from loadtest.targets.target import TargetError


def written(folder: Path, event_loops: int | None) -> str:
    folder.mkdir()
    write_config(folder, address="10.0.0.2", port=8188, event_loops=event_loops)
    return (folder / "janus.jcfg").read_text()


def test_event_loops_are_set_only_when_asked_for(tmp_path: Path) -> None:
    unset, two = written(tmp_path / "unset", None), written(tmp_path / "two", 2)
    assert "event_loops =" not in unset
    assert two.replace("/two", "/unset").replace("\tevent_loops = 2\n", "") == unset


def test_one_plugin_one_transport_no_rooms(tmp_path: Path) -> None:
    core = written(tmp_path / "j", None)
    for kind in ("plugins", "transports"):
        assert f'{kind}_folder = "{tmp_path}/j/{kind}"' in core
        (module,) = (tmp_path / "j" / kind).iterdir()
        assert module.resolve().is_file()
    assert "room-" not in (tmp_path / "j" / "janus.plugin.videoroom.jcfg").read_text()
    sockets = (tmp_path / "j" / "janus.transport.websockets.jcfg").read_text()
    assert 'ws_ip = "10.0.0.2"' in sockets
    assert "admin_ws = false" in sockets


def test_without_janus_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janus_config, "_PLACES", (f"{tmp_path}/nowhere",))
    with pytest.raises(TargetError, match="apt-get install janus"):
        write_config(tmp_path, address="10.0.0.2", port=8188, event_loops=None)
