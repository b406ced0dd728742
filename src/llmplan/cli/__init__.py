"""The shell: arguments in, answers out. The only place that knows about terminals, files and exit codes."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    from llmplan.cli._app import run

    return run(argv)
