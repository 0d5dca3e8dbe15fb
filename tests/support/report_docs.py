"""The tables of docs/loadtest-report.md, from the docstrings of the model, between
`<!-- name -->` marks.

`python -m tests.support.report_docs` writes them anew; a test checks that they are current.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.report import model
from loadtest.scenario.slo_names import MEANINGS

PATH: Final = Path(__file__).parents[2] / "docs" / "loadtest-report.md"
_KIND: Final = {"Report": "report", "Growth": "growth", "Comparison": "comparison"}


class Field(NamedTuple):
    name: str
    kind: str
    about: str


class Part(NamedTuple):
    """A class of the model."""

    name: str
    about: str
    fields: tuple[Field, ...]


def parts() -> Iterator[Part]:
    """The outermost first: as a reader of the JSON meets them."""
    tree = ast.parse(Path(model.__file__).read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in sorted(classes, key=lambda node: node.name not in _KIND):
        yield Part(node.name, _line(ast.get_docstring(node) or ""), tuple(_fields(node)))


def _fields(node: ast.ClassDef) -> Iterator[Field]:
    for place, entry in enumerate(node.body):
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
            after = node.body[place + 1] if place + 1 < len(node.body) else None
            yield Field(entry.target.id, _kind(ast.unparse(entry.annotation)), _about(after))


def _about(entry: ast.stmt | None) -> str:
    if isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant):
        return _line(str(entry.value.value))
    return ""


def _kind(annotation: str) -> str:
    """In the words of JSON."""
    kind = re.sub(r"tuple\[(\w+), \.\.\.\]", r"list of \1", annotation)
    kind = re.sub(r"dict\[str, (\w+)\]", r"object of \1", kind).replace("object of Any", "object")
    for python, plain in (("str", "string"), ("float", "number"), ("int", "integer"),
                          ("bool", "true or false"), ("None", "null")):  # fmt: skip
        kind = re.sub(rf"\b{python}\b", plain, kind)
    return kind.replace(" | ", " or ")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _model() -> str:
    written = []
    for part in parts():
        rows = [(f"`{field.name}`", field.kind, field.about) for field in part.fields]
        if part.name in _KIND:
            rows.insert(0, ("`kind`", "string", f"`{_KIND[part.name]}`"))
        table = _table(("field", "type", "meaning"), rows)
        about = f"{part.about}\n\n" if part.about else ""
        written.append(f"### {part.name}\n\n{about}{table}")
    return "\n\n".join(written)


def _limits() -> str:
    rows = [(f"`{name.value}`", _line(about)) for name, about in MEANINGS.items()]
    return _table(("limit", "held against"), rows)


def sections() -> dict[str, str]:
    """The written parts by the name of their mark."""
    return {"model": _model(), "limits": _limits()}


def written(text: str) -> str:
    """The page with every written part current. Raises ValueError when a mark is missing."""
    for name, content in sections().items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
        text, found = mark.subn(lambda m, c=content: f"{m[1]}{c}{m[2]}", text)  # type: ignore[misc] # lambda default
        if found != 1:
            raise ValueError(f"docs/loadtest-report.md needs one mark named {name}")
    return text


if __name__ == "__main__":
    PATH.write_text(written(PATH.read_text(encoding="utf-8")), encoding="utf-8")
