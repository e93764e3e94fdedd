"""The page on settings says everything that there is, and nothing else."""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path

import msgspec
import pytest

from clew.settings import Settings, settings_of
from clew.settings.environment import OVERRIDES
from clew.settings.reference import TABLES, render_reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render_reference(), "python -m clew.settings.reference > docs/reference/settings.md"


def structs_below(kind: typing.Any) -> set[type[msgspec.Struct]]:
    """Every struct that a setting may be made of."""
    found: set[type[msgspec.Struct]] = set()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found.add(kind)
        for hint in typing.get_type_hints(kind).values():
            found |= structs_below(hint)
    for arg in typing.get_args(kind):
        found |= structs_below(arg)
    return found


def test_every_table_has_its_part_of_the_page() -> None:
    assert structs_below(Settings) - {Settings} == {kind for _, kind, _ in TABLES}
    tables = {title.strip("[]").split(".")[0].split("]")[0] for title, _, _ in TABLES if title.startswith("[")}
    declared = {field.name for field in msgspec.structs.fields(Settings) if not field.name.endswith("_defaults")}
    assert tables == declared


def test_every_setting_and_variable_is_on_the_page() -> None:
    text = PAGE.read_text()
    for _, kind, _ in TABLES:
        for field in msgspec.structs.fields(kind):
            assert f"\n| `{field.name}` |" in text
    assert all(f"`{name}`" in text for name in OVERRIDES)


def test_the_example_on_the_page_is_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert set(tomllib.loads(example)) == {"project", "value", "retrain"}
    assert settings_of(example).retrain["delay"].pipeline == "train.py:train"


@pytest.mark.parametrize("page", ["design/checks.md", "explanation/value-contract.md", "explanation/gate.md"])
def test_examples_on_other_pages_are_read(page: str) -> None:
    examples = re.findall(r"```toml\n(.*?)```", (PAGE.parents[1] / page).read_text(), re.DOTALL)
    assert examples
    for example in examples:
        settings_of(example)
