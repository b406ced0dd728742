"""The page of architectures is what its script writes, and every type that is read is on it."""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path
from typing import Any

from llmplan.catalogs.hf_config import known_types, read_config
from llmplan.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "architectures.md"


@cache
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "make_architectures.py"))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == script()["page"](), "run python scripts/make_architectures.py"


def test_every_type_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not [name for name in known_types() if f"`{name}`" not in page]


def test_every_family_has_an_example() -> None:
    """Mixers and feed-forwards of the page are read off a model, not off a style."""
    failed = {}
    for family in script()["families"]():
        try:
            read_config(script()["example"](family), model_id="example")
        except DataError as error:
            failed[family.model_types[0]] = error.message
    assert not failed
