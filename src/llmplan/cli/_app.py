"""The application: the commands, and the one place where exceptions become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from llmplan import __version__
from llmplan.cli import _console
from llmplan.errors import LlmplanError, UsageError, nearest

EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_USAGE = 2

COMMANDS = (
    "hardware",
    "memory",
    "predict",
    "recommend",
    "cost",
    "simulate",
    "workload",
    "finetune",
    "emit-config",
    "check",
    "observe",
    "calibrate",
    "catalog",
    "prices",
    "doctor",
)
"""in the order of the help; each is a module of this package, `-` written `_`, which adds itself with `register`"""

EPILOG = (
    "Exit codes: 0 ok, 1 could not do it, 2 usage, 3 no feasible plan, 4 a limit exceeded, 70 a bug, 130 interrupted. "
    "Every flag marked with an environment variable reads it; flags win over the environment, the environment over "
    "a workload file."
)


def build(commands: Sequence[str] = COMMANDS) -> typer.Typer:
    """The typer application with these commands (all of them: what the help lists). The others are not imported."""
    app = typer.Typer(
        name="llmplan",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        add_completion=True,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(root)
    for name in commands:
        import_module(f"llmplan.cli.{name.replace('-', '_')}").register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"llmplan {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Plan how to serve a large language model: memory, speed and price of five strategies, offline."""


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing escapes as a traceback."""
    _reopen_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _reopen_closed_streams() -> None:
    """A stream that the caller closed (`>&-`) is None: what goes there goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - lives as long as the process


def _dispatch(argv: Sequence[str]) -> int:
    try:
        named = [name for name in argv[:1] if name in COMMANDS]
        app = build(named or COMMANDS)
        code = typer.main.get_command(app).main(list(argv), prog_name="llmplan", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except LlmplanError as error:
        _console.fail(error.message, error.hints or _help_hint(error, argv))
        return error.exit_code
    except typer.Abort:
        return EXIT_INTERRUPTED
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            raise stop.__context__ from None
        return stop.code if isinstance(stop.code, int) else 1
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _console.fail(f"{where}{error.strerror or error}")
        return 1
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return _usage(error, argv)
        return _bug(argv)


def _help_hint(error: LlmplanError, argv: Sequence[str]) -> list[str]:
    """Where a mistake in the question carries no better advice, the help of its command."""
    return [" ".join(["llmplan", *_named(argv), "--help"])] if isinstance(error, UsageError) else []


def _usage(error: Any, argv: Sequence[str]) -> int:
    """Say what typer's parser found wrong with the arguments, with the nearest names that exist."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return EXIT_USAGE
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else " ".join(["llmplan", *_named(argv)])
    message = error.message or error.format_message()
    hints: list[str] = []
    wanted = getattr(error, "option_name", None)
    if context is not None and wanted and type(error).__name__ == "NoSuchOption":
        message = f"{command} has no option {wanted}"
        known = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
        hints += [f"did you mean {', '.join(near)}?"] if (near := nearest(wanted, known)) else []
    elif message.lower().startswith("no such command"):
        name = message.split("'")[1]
        message = f"{command} has no command {name!r}"
        near = nearest(name, context.command.commands) if context is not None else []
        hints += [f"did you mean {', '.join(near)}?"] if near else []
    else:
        message = error.format_message().rstrip(".")
        message = message[:1].lower() + message[1:]
    _console.fail(message, [*hints, f"{command} --help"])
    return int(error.exit_code)


def _named(argv: Sequence[str]) -> list[str]:
    """The command in the arguments, where typer's error does not say which it was."""
    return [argument for argument in argv[:1] if not argument.startswith("-")]


def _bug(argv: Sequence[str]) -> int:
    """Keep a log that can be pasted into a bug report, and say where it is."""
    from llmplan.cli import _bug_log

    report = _bug_log.compose(argv, sys.exc_info()[1])
    path = None if os.environ.get("LLMPLAN_DEBUG") else _bug_log.write(report, os.environ)
    if path is None:
        _console.say(report)
        _console.fail("this is a bug in llmplan", hints=["please report it with the text above"])
    else:
        last_line = report.rstrip().rpartition("\n")[2]
        _console.fail(
            f"this is a bug in llmplan: {last_line}",
            hints=[f"please report it with the contents of {path}", "LLMPLAN_DEBUG=1 shows them here instead"],
        )
    return EXIT_BUG


def _reader_gone() -> int:
    """The reader of a pipe had enough (`| head`): no error, and the interpreter's last flush must not make it one."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(devnull)
    return 0
