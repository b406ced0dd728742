"""`python -m llmplan` and the console script."""

import gc
import sys

GARBAGE_EVERY = 200_000
"""New objects between two searches for cycles: a run keeps nearly all that it makes, and the usual 700 would go through
it hundreds of times for nothing."""


def run() -> None:
    """Run the command line with the process's arguments and exit with its code."""
    gc.set_threshold(GARBAGE_EVERY)
    try:
        from llmplan.cli import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    run()
