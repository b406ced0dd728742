"""Where words go: the answer to stdout, everything else to stderr, colour only where a terminal wants it.

rich is imported inside the functions that draw, so that `--help` and JSON never pay for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias

if TYPE_CHECKING:
    from llmplan.report.blocks import Document

OutputFormat: TypeAlias = Literal["table", "json", "markdown", "csv"]

MIN_WIDTH = 80
MAX_WIDTH = 500
PIPED_WIDTH = 100
"""the width when nobody says: no COLUMNS, no terminal"""


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR wins, then FORCE_COLOR; else colour for a terminal that is not dumb."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def width(environ: Mapping[str, str]) -> int:
    """COLUMNS, else the terminal's, else 100; never below 80, where five rows stop being readable."""
    stated = environ.get("COLUMNS", "")
    if stated.isdecimal() and int(stated) > 0:
        return min(max(int(stated[:9]), MIN_WIDTH), MAX_WIDTH)
    return min(max(shutil.get_terminal_size((PIPED_WIDTH, 24)).columns, MIN_WIDTH), MAX_WIDTH)


def answer(
    output_format: OutputFormat,
    *,
    record: Callable[[], Mapping[str, Any]],
    document: Callable[[], Document],
    texts: Mapping[str, Callable[[], str]] | None = None,
) -> None:
    """Print the answer in the format asked for; only the one that is needed is built. `texts` are a command's own."""
    if texts and output_format in texts:
        sys.stdout.write(texts[output_format]())
    elif output_format == "json":
        print_json(record())
    elif output_format == "markdown":
        print_markdown(document())
    else:
        print_document(document())


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object, indented; never NaN or Infinity, which are not JSON."""
    print(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False))


def json_text(record: Mapping[str, Any]) -> str:
    """One JSON object as one line of text; escaped where it holds what no encoding has (half of a surrogate pair)."""
    text = _ENCODER.encode(record)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(record, allow_nan=False)
    return text


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def print_json_line(record: Mapping[str, Any], more: str = "") -> None:
    """One JSON object on one line; `more` is the text of another one, whose keys follow."""
    text = json_text(record)
    sys.stdout.write((f"{text[:-1]}, {more[1:]}" if more else text) + "\n")


def print_markdown(document: Document) -> None:
    """The document as Markdown."""
    from llmplan.report import markdown

    sys.stdout.write(harmless(markdown.render(document), colour=False))


def print_document(document: Document) -> None:
    """The document as tables on stdout."""
    from llmplan.report import table

    _draw(table.render(document), sys.stdout)


def _draw(drawables: Iterable[Any], stream: TextIO) -> None:
    from rich.console import Console, Group

    colour = wants_colour(stream, os.environ)
    console = Console(
        file=stream,
        width=width(os.environ),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for drawable in drawables:
            console.print(Group(drawable), crop=False)  # a bare text would be wrapped whatever it says itself
    text = harmless(capture.get(), colour=colour)
    stream.write(text if colour else _without_padding(text))


def _without_padding(text: str) -> str:
    """rich fills cells up with spaces, which only a coloured background would need."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CONTROLS_BUT_COLOUR = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")


def harmless(text: str, *, colour: bool) -> str:
    """Text in which nothing but colours can command a terminal: names in it come from files and from the network."""
    return (_CONTROLS_BUT_COLOUR if colour else _CONTROLS).sub("\N{REPLACEMENT CHARACTER}", text)


def say(message: str) -> None:
    """A remark beside the answer."""
    _remark(message)


def warn(message: str) -> None:
    """Something that the user should know before trusting the answer."""
    _remark(f"{_painted('warning:', '33')} {message}")


def fail(message: str, hints: Iterable[str] = ()) -> None:
    """An error and what to try."""
    _remark(f"{_painted('error:', '1;31')} {message}")
    for hint in hints:
        _remark(f"{_painted('hint:', '36')} {hint}")


def _remark(text: str) -> None:
    """A line on stderr; where stderr takes nothing, the exit code still says how it went."""
    with contextlib.suppress(OSError):
        print(harmless(text, colour=wants_colour(sys.stderr, os.environ)), file=sys.stderr)


def _painted(word: str, code: str) -> str:
    return f"\x1b[{code}m{word}\x1b[0m" if wants_colour(sys.stderr, os.environ) else word
