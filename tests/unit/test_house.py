"""The house rules that a machine can check: who may import whom, and what cores may not import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "signaling", "media", "loadtest")

MAY_IMPORT = {
    "media": {"media"},
    "signaling": {"signaling", "media"},
    "server": {"server", "signaling", "media"},
    "loadtest": {"loadtest"},
}
# The command line starts the load tools, and the demo the synthetic host and viewers.
MAY_START_LOADTEST = {"server/commands.py", "server/demo.py"}

# Modules of media and signaling that move bytes, arm timers or talk to the store. All others in
# there are cores. A new shell is written here by hand: it should be a decision.
SHELLS = {
    "media/relay_socket.py",
    "media/seam_socket.py",
    "media/tcp.py",
    "media/udp.py",
    "media/worker.py",
    "signaling/admission.py",
    "signaling/broadcast.py",
    "signaling/chat_door.py",
    "signaling/clock.py",
    "signaling/connection.py",
    "signaling/downlinks.py",
    "signaling/gather.py",
    "signaling/group_writer.py",
    "signaling/housekeeping.py",
    "signaling/log_reader.py",
    "signaling/media_link.py",
    "signaling/presence.py",
    "signaling/room_index.py",
    "signaling/room_store.py",
    "signaling/seat_reporter.py",
    "signaling/service.py",
    "signaling/stay.py",
    "signaling/tasks.py",
}
CORES_NEVER_IMPORT = {
    "aiohttp",
    "asyncio",
    "multiprocessing",
    "os",
    "random",
    "redis",
    "select",
    "selectors",
    "socket",
    "subprocess",
    "threading",
    "time",
}


class Import(NamedTuple):
    module: str
    names: tuple[str, ...]
    line: int
    is_lazy: bool
    """Inside a function: loaded when that is called."""
    is_for_types: bool
    """Under `if TYPE_CHECKING:`: never loaded."""

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> list[Import]:
    return list(_imports(ast.parse(path.read_text()), is_lazy=False, is_for_types=False))


def _imports(node: ast.AST, *, is_lazy: bool, is_for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, (), child.lineno, is_lazy, is_for_types)
        elif isinstance(child, ast.ImportFrom):
            names = tuple(alias.name for alias in child.names)
            assert child.level == 0, f"line {child.lineno}: write imports out in full"
            yield Import(child.module or "", names, child.lineno, is_lazy, is_for_types)
        else:
            yield from _imports(
                child,
                is_lazy=is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef),
                is_for_types=is_for_types or _is_type_checking(child),
            )


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    allowed = set(MAY_IMPORT[package])
    if name_of(path) in MAY_START_LOADTEST:
        allowed.add("loadtest")
    wrong = [
        f"line {found.line}: {package} may not import {found.module}"
        for found in imports_of(path)
        if found.root in PACKAGES and found.root not in allowed
    ]
    assert not wrong


def test_the_command_line_loads_no_load_tools_until_asked() -> None:
    # Their modules are named in strings there, and imported by the command that needs them.
    eager = [found for found in imports_of(ROOT / "server/commands.py") if found.root == "loadtest"]
    assert not eager


def cores() -> list[Path]:
    inside = [
        path for path in sources() if path.relative_to(ROOT).parts[0] in {"media", "signaling"}
    ]
    return [path for path in inside if name_of(path) not in SHELLS]


@pytest.mark.parametrize("path", cores(), ids=name_of)
def test_cores_import_no_input_or_output(path: Path) -> None:
    wrong = [
        f"line {found.line}: a core may not import {found.module}"
        for found in imports_of(path)
        if found.root in CORES_NEVER_IMPORT
        and not found.is_for_types
        # A seeded generator handed in is fine; the global one is not.
        and not (found.module == "random" and found.names == ("Random",))
    ]
    assert not wrong


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in sources()}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("name", sorted(SHELLS))
def test_every_shell_of_the_list_is_one(name: str) -> None:
    """What imports no input or output is a core, and is to be held to that."""
    assert any(found.root in CORES_NEVER_IMPORT for found in imports_of(ROOT / name))
