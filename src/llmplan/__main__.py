"""`python -m llmplan` and the console script."""

import sys


def run() -> None:
    """Run the command line with the process's arguments and exit with its code."""
    from llmplan.cli import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
