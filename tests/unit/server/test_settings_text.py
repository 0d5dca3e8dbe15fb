from __future__ import annotations

import re
from pathlib import Path

from server.settings import Settings
from server.settings_fields import setting_fields
from server.settings_sources import load_settings
from server.settings_text import sample_yaml, settings_markdown

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"


def uncommented(sample: str) -> str:
    """The sample with every setting's # taken away (explanations have a blank after theirs)."""
    lines = [re.sub(r"^#((?:  )*\w+:)", r"\1", line) for line in sample.splitlines()]
    return "\n".join(lines)


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(sample_yaml())
    assert load_settings({}, {}, path) == Settings()


def test_the_sample_uncommented_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(uncommented(sample_yaml()))
    settings = load_settings({}, {}, path)
    assert set(settings.keys) == {"shopkey1"}
    assert settings.model_copy(update={"keys": {}}) == Settings()


def test_the_sample_has_every_setting() -> None:
    sample = sample_yaml()
    for field in setting_fields():
        assert f"{field.path[-1]}:" in sample
        assert field.description.split()[0] in sample


def test_docs_are_in_step_with_the_model() -> None:
    assert DOCS.read_text() == settings_markdown(), "run: make docs"
