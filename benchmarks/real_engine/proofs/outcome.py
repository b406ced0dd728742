"""What a proof reads and writes. Standard library only: it runs in an engine's own environment."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

Case = tuple[Path, dict[str, Any]]


def cases(folder: Path) -> Iterator[Case]:
    """Folder and intent of every random plan that was emitted."""
    for path in sorted(folder.glob("*/intent.json")):
        yield path.parent, json.loads(path.read_text(encoding="utf-8"))


def emitted_cases(folder: Path) -> tuple[list[Case], list[dict[str, str]]]:
    """The plans that have files, and those that llmplan itself refused to emit."""
    every = list(cases(folder))
    refused = [
        {"case": intent["case"], "error": intent["not_emitted"]} for _, intent in every if "not_emitted" in intent
    ]
    return [case for case in every if "not_emitted" not in case[1]], refused


def record(
    path: Path, *, proof: str, engine: str, distribution: str, started_s: float, accepted: int,
    refused: list[dict[str, str]], **more: Any,
) -> None:  # fmt: skip
    """The result of a proof. `refused`: case and error of each; `started_s`: time.monotonic() at its start."""
    result = {
        "proof": proof,
        "date": datetime.now(UTC).date().isoformat(),
        "engine": {"name": engine, "version": version(distribution)},
        "seconds": round(time.monotonic() - started_s),
        "cases": accepted + len(refused),
        "accepted": accepted,
        "refused": refused,
        **more,
    }
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Settings that did not arrive as they were meant."""
    return [f"{name} is {found.get(name)!r}, planned {value!r}" for name, value in wanted.items()
            if found.get(name) != value]  # fmt: skip


def attempt(work: Callable[[], list[str]]) -> str | None:
    """None when it went through without a complaint, else what it says. Variables that engines set on the way are
    gone after it."""
    before = dict(os.environ)
    try:
        problems = work()
    except SystemExit as stop:
        return f"the parser stopped with {stop.code}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        os.environ.clear()
        os.environ.update(before)
    return "; ".join(problems) or None


def refusals(every: list[Case], check: Callable[[Path, dict[str, Any]], list[str]]) -> list[dict[str, str]]:
    """The servers that were not as predicted, and what was otherwise; each is said when it has been tried."""
    refused = []
    for folder, intent in every:
        problem = attempt(lambda folder=folder, intent=intent: check(folder, intent))
        if problem:
            refused.append({"case": intent["case"], "error": problem})
        print(intent["case"], problem or "as predicted", file=sys.stderr, flush=True)
    return refused
