"""Examples in docstrings are true, in every module that has any."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import llmplan

SOURCE = Path(llmplan.__file__).parent
MODULES = sorted(
    ".".join(("llmplan", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0
