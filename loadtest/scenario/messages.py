"""A validation's findings as lines for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from loadtest.scenario.checks import DoesNotFit
from loadtest.scenario.errors import did_you_mean
from loadtest.scenario.model import Part
from loadtest.scenario.slo_names import SloName
from loadtest.scenario.yaml_source import Source

_KEY: Final = "[key]"
"""How pydantic marks a problem with the key of a map."""

_WORDS: Final = {
    "Input should be": "must be",
    "String should have": "must have",
    "Tuple should have": "must have",
    "Dictionary should have": "must have",
    " after validation, not 0": "",
    "Field required": "is missing",
    "a valid tuple": "two durations such as [30s, 10m]",
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid string": "a text",
}
NAME_RULE: Final = "must be a name of 1-32 letters, digits, _ or -, the first no sign"


def problems_of(error: ValidationError, model: type[Part], source: Source) -> list[str]:
    """One line each: where it is written, its key, what is wrong."""
    return [
        f"{source.place(tuple(key.split('.')))}: {key}: {text}"
        for detail in error.errors(include_url=False, include_input=False)
        for key, text in _key_and_text(detail, model)
    ]


def keys_of(model: type[Part]) -> list[str]:
    """The keys that files use, in order."""
    return [info.alias or name for name, info in model.model_fields.items()]


def part_at(model: type[Part], path: tuple[str, ...]) -> type[Part] | None:
    """The part that holds the keys below `path`; None when there is none. A map's names count as
    one step."""
    part: type[Part] | None = model
    is_map = False
    for step in path:
        if is_map:
            is_map = False  # the step is a name that the writer chose
            continue
        if part is None:
            return None
        fields = {info.alias or name: info for name, info in part.model_fields.items()}
        annotation = fields[step].annotation if step in fields else None
        part = inner_part(annotation)
        is_map = is_mapping(annotation)
    return part


def is_mapping(annotation: Any) -> bool:  # noqa: ANN401 -- annotations have no common type
    return getattr(annotation, "__origin__", None) is dict


def inner_part(annotation: Any) -> type[Part] | None:  # noqa: ANN401 -- as above
    """The part in `X`, `X | None`, `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    found = (inner_part(inner) for inner in get_args(annotation))
    return next((part for part in found if part is not None), None)


def _key_and_text(detail: ErrorDetails, model: type[Part]) -> Iterator[tuple[str, str]]:
    reason = detail.get("ctx", {}).get("error")
    if isinstance(reason, DoesNotFit):
        for problem in reason.problems:
            key, _, text = problem.partition(": ")
            yield key, text
        return
    path = tuple(str(step) for step in detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        yield ".".join(path), _unknown_key(path, model)
    elif path[-1:] == (_KEY,):
        key = path[-2]
        yield ".".join(path[:-1]), _unknown_name(key, kind)
    else:
        yield ".".join(path) or "file", _sentence(detail["msg"], kind)


def _unknown_key(path: tuple[str, ...], model: type[Part]) -> str:
    part = part_at(model, path[:-1])
    return f"there is no such key{did_you_mean(path[-1], keys_of(part)) if part else ''}"


def _unknown_name(key: str, kind: str) -> str:
    if kind == "enum":
        return f"there is no such figure{did_you_mean(key, list(SloName))}"
    return NAME_RULE


def _sentence(message: str, kind: str) -> str:
    """Pydantic's words, from our reader's side."""
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return "must be a map of keys"
    if kind == "string_pattern_mismatch":
        return NAME_RULE
    if kind == "path_type":
        return "must be the path of a file"
    message = message.removeprefix("Value error, ")
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message
