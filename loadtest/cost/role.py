"""What a process is, in a word or two, from its name and arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*$")
_TITLE = re.compile(r"[\w.-]+: [\w-]+ process")
"""How nginx and others rename themselves: `nginx: worker process`."""
_FLAGS_WITH_VALUE = frozenset({"-W", "-X"})


def role_of(name: str, arguments: Sequence[str]) -> str:
    """The program's name without its arguments; of Python the module or script that it runs."""
    if not arguments:
        return name
    titled = _TITLE.match(arguments[0])
    if titled:
        return titled[0]
    if _PYTHON.match(PurePath(arguments[0]).name) or _PYTHON.match(name):
        return _python_role(arguments[1:]) or name
    return name


def _python_role(arguments: Sequence[str]) -> str:
    words = iter(arguments)
    for word in words:
        if word == "-m":
            return f"python -m {next(words, '')}".rstrip()
        if word == "-c":
            return _command_role(next(words, ""))
        if word in _FLAGS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return f"python {PurePath(word).name}"
    return ""


def _command_role(code: str) -> str:
    """Children of multiprocessing start as `python -c "from multiprocessing.spawn import ..."`."""
    for module in ("spawn", "forkserver", "resource_tracker"):
        if f"multiprocessing.{module}" in code:
            return f"python multiprocessing {module}"
    return "python -c"
