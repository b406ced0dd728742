"""Put what the demo prints into README.md, where the block starts with the command itself.

python scripts/make_readme_example.py

The prices are those of the day that the block names, so that it changes with the catalogue and not with the calendar.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

from llmplan.cli import main

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"^\$ llmplan (?P<command>recommend .*)\n(?P<answer>(?:.*\n)*?)```$", re.MULTILINE)
PRICE_DATE = re.compile(r"^  prices +of (\d{4}-\d\d-\d\d),", re.MULTILINE)
LAST_SECTION = "\nFigures from\n"
"""left out of the README: it lists sources"""


def answer(command: str, price_date: str) -> str:
    """What the command prints, in plain text."""
    for name in ("COLUMNS", "FORCE_COLOR"):
        os.environ.pop(name, None)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main([*shlex.split(command), "--as-of", price_date])
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    return text.split(LAST_SECTION)[0].rstrip() + "\n"


def updated(page: str) -> str:
    """The page with the answer of today's catalogue in its block."""
    block = BLOCK.search(page)
    stated = PRICE_DATE.search(block["answer"]) if block else None
    if block is None or stated is None:
        raise SystemExit("README.md has no block with the answer of `llmplan recommend` and its price date")
    return page[: block.start("answer")] + answer(block["command"], stated[1]) + page[block.end("answer") :]


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
