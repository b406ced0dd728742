"""Every public formula names its parameters with units, its validity and its reference, and shows an example."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import llmplan

SOURCE = Path(llmplan.__file__).parent
PACKAGES = ("memory", "perf", "pricing")
RESULTS = ("float", "int", "float | None")
PLAIN = ("float", "int", "str", "bool", "Layers")
"""Types of which an example can be written in a line."""


def formulae(package: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The public functions of a package that return a number."""
    for path in sorted((SOURCE / package).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if public and isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) in RESULTS:
                yield f"{path.relative_to(SOURCE)}:{node.name}", node


def missing(node: ast.FunctionDef) -> list[str]:
    """What a formula's docstring does not say."""
    text = ast.get_docstring(node) or ""
    parameters = [*node.args.args, *node.args.kwonlyargs]
    kinds = [ast.unparse(each.annotation) if each.annotation else "" for each in parameters]
    lacking = [f"parameter {each.arg}" for each in parameters if each.arg not in text]
    lacking += ["a unit"] if {"float", "int"} & set(kinds) and "[" not in text else []
    lacking += [word for word, marks in NEEDED.items() if not any(mark in text for mark in marks)]
    lacking += ["an example"] if all(kind in PLAIN for kind in kinds) and ">>>" not in text else []
    return lacking


NEEDED = {"a reference": ("Reference",), "its validity": ("Valid", "Notes")}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_formula_is_documented(package: str) -> None:
    found = list(formulae(package))
    assert found
    assert {name: lacking for name, node in found if (lacking := missing(node))} == {}


def test_an_undocumented_formula_is_noticed() -> None:
    (node,) = ast.parse("def f_s(size_bytes: float) -> float:\n    return size_bytes").body
    assert isinstance(node, ast.FunctionDef)
    assert missing(node) == ["parameter size_bytes", "a unit", "a reference", "its validity", "an example"]
