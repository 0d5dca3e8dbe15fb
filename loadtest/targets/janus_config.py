"""Janus as we start it: its shipped defaults, and only what a private instance must change."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtest.targets.target import TargetError

NOT_INSTALLED: Final = "janus is not installed: apt-get install janus"
DEBUG_LEVEL: Final = 3
"""Warnings; 4, as shipped, writes several lines a viewer."""
_MODULES: Final = {
    "plugins": "libjanus_videoroom.so",
    "transports": "libjanus_websockets.so",
}
_PLACES: Final = (
    "/usr/lib/*/janus",
    "/usr/lib/janus",
    "/usr/local/lib/janus",
    "/opt/janus/lib/janus",
)


def write_config(folder: Path, *, address: str, port: int, event_loops: int | None) -> None:
    """Fill `folder` for `janus --configs-folder`: VideoRoom and WebSockets alone, no admin
    interface, no STUN. Raises `TargetError` when the modules are not there."""
    modules = _modules_folder()
    for kind, module in _MODULES.items():
        chosen = folder / kind
        chosen.mkdir()
        (chosen / module).symlink_to(modules / kind / module)
    (folder / "none").mkdir()
    (folder / "janus.jcfg").write_text(_core(folder, address, event_loops))
    (folder / "janus.transport.websockets.jcfg").write_text(_websockets(address, port))
    # Without rooms of its own: the shipped file has two for demonstration.
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: {\n}\n")


def _modules_folder() -> Path:
    for pattern in _PLACES:
        for place in sorted(Path("/").glob(pattern.removeprefix("/"))):
            if all((place / kind / module).exists() for kind, module in _MODULES.items()):
                return place
    raise TargetError(NOT_INSTALLED)


def _core(folder: Path, address: str, event_loops: int | None) -> str:
    loops = "" if event_loops is None else f"\tevent_loops = {event_loops}\n"
    return (
        "general: {\n"
        f'\tconfigs_folder = "{folder}"\n'
        f'\tplugins_folder = "{folder}/plugins"\n'
        f'\ttransports_folder = "{folder}/transports"\n'
        f'\tevents_folder = "{folder}/none"\n'
        f'\tloggers_folder = "{folder}/none"\n'
        f"\tdebug_level = {DEBUG_LEVEL}\n"
        "\tdebug_colors = false\n"
        f'\tinterface = "{address}"\n'
        f"{loops}"
        "}\n"
        "nat: {\n"
        f'\tice_enforce_list = "{address}"\n'
        "}\n"
    )


def _websockets(address: str, port: int) -> str:
    return (
        "general: {\n"
        '\tjson = "compact"\n'
        "\tws = true\n"
        f"\tws_port = {port}\n"
        f'\tws_ip = "{address}"\n'
        "\twss = false\n"
        "}\n"
        "admin: {\n"
        "\tadmin_ws = false\n"
        "}\n"
    )
