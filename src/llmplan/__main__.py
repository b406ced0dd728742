"""`python -m llmplan` and the console script."""

import sys


def run() -> None:
    """Run the command line with the process's arguments and exit with its code."""
    try:
        from llmplan.cli import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    run()
