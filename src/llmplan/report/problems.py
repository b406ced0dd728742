"""What `catalog check` found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from llmplan.report.blocks import Document, Items, Paragraph
from llmplan.report.json import Record, schema


class Problem(Protocol):
    """One thing that is wrong (`error`) or worth knowing (`warning`)."""

    @property
    def severity(self) -> str:
        """`error` or `warning`."""

    @property
    def path(self) -> Path | None:
        """The file, None for the catalogue as a whole."""

    @property
    def message(self) -> str:
        """What is wrong, with its position."""


def document(problems: Iterable[Problem]) -> Document:
    """Errors, then warnings, then how many of each."""
    found = list(problems)
    errors = tuple(line(each) for each in found if is_error(each))
    warnings = tuple(line(each) for each in found if not is_error(each))
    blocks: list[Items | Paragraph] = []
    if errors:
        blocks.append(Items(title="Errors", items=errors, tone="bad"))
    if warnings:
        blocks.append(Items(title="Warnings", items=warnings, tone="warn"))
    blocks.append(Paragraph(text=f"{len(errors)} errors, {len(warnings)} warnings", tone="bad" if errors else "plain"))
    return tuple(blocks)


def record(problems: Iterable[Problem]) -> Record:
    """`llmplan catalog check --json`."""
    return {
        "schema": schema("catalog.check"),
        "problems": [
            {"severity": each.severity, "path": str(each.path) if each.path else None, "message": each.message}
            for each in problems
        ],
    }


def line(problem: Problem) -> str:
    """The message, led by its file unless it names the file itself."""
    path = str(problem.path) if problem.path else ""
    return problem.message if not path or path in problem.message else f"{path}: {problem.message}"


def is_error(problem: Problem) -> bool:
    """Whether it makes the catalogue unusable as it is."""
    return problem.severity == "error"
