"""Write docs/reference/cli.md: the `--help` of every command, as typer prints it.

python scripts/make_cli_reference.py            writes the page
python scripts/make_cli_reference.py --check    exits 1 if the page is not up to date
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import sys
from pathlib import Path

from llmplan.cli import main

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
COMMANDS = (
    (), ("hardware",), ("memory",), ("predict",), ("recommend",), ("cost",), ("simulate",),
    ("finetune",), ("emit-config",), ("check",),
    ("workload",), ("workload", "describe"), ("workload", "generate"),
    ("observe",), ("calibrate",),
    ("catalog",), ("catalog", "list"), ("catalog", "show"), ("catalog", "check"), ("prices",),
    ("prices", "show"), ("prices", "update"), ("prices", "diff"), ("prices", "check"), ("doctor",),
)  # fmt: skip
INTRODUCTION = """# Command line

This page is the `--help` of every command; `python scripts/make_cli_reference.py` writes it and a test keeps it
up to date (typer {typer}). The answer goes to stdout, everything else to stderr; piped output has the same content
without colour (`NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` are respected, `COLUMNS` sets the width).

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | could not do it: a file, a catalogue entry, the machine |
| 2 | usage: the question is malformed |
| 3 | no feasible plan: it does not fit, or no strategy is within the limits |
| 4 | a limit was exceeded: `--max-usd-per-month`, `--require-slo`, `--strict` |
| 70 | a bug in llmplan: please report it with the log |
| 130 | interrupted |

Precedence: flag, then `LLMPLAN_*` environment variable, then `--workload FILE`, then default. An error is one
`error:` line on stderr, followed by `hint:` lines. Shapes of `--json`: [json.md](json.md).
"""


def typer_version() -> str:
    """The release of typer that lays the help out: another one may wrap it differently."""
    return ".".join(importlib.metadata.version("typer").split(".")[:2])


def help_of(command: tuple[str, ...]) -> str:
    """What `llmplan COMMAND --help` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main([*command, "--help"])
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def page() -> str:
    """The whole page."""
    for name in ("COLUMNS", "FORCE_COLOR"):
        os.environ.pop(name, None)
    parts = [INTRODUCTION.replace("{typer}", typer_version())]
    for command in COMMANDS:
        title = " ".join(("llmplan", *command))
        parts.append(f"## {title}\n\n```\n{help_of(command)}\n```\n")
    return "\n".join(parts)


def run(argv: list[str]) -> int:
    """Write the page, or compare it."""
    text = page()
    if "--check" in argv:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current == text:
            return 0
        print(f"{PAGE} is out of date: run python {Path(__file__).name}", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
