"""A trace's bytes in blocks of whole lines: a file or stdin, plain or gzip, whatever it is called."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from llmplan.catalogs.traces.tally import ENDLESS, TRUNCATED, Tally
from llmplan.errors import DataError

STDIN: Final = "-"
BLOCK_BYTES: Final = 1 << 20
MAX_LINE_BYTES: Final = 1 << 20
"""no row of a trace is as long"""
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, each with its newline, and the number of the first."""

    data: bytes
    first_line: int


def blocks(source: str, tally: Tally) -> Generator[Block, None, None]:
    """The lines of a source, about a megabyte at a time.

    A line longer than `MAX_LINE_BYTES` is left out, and a stream that breaks ends there; both are told to `tally`.
    """
    rest, line, dropping = b"", 1, False
    given = False
    try:
        for chunk in _chunks(source):
            data, given = rest + chunk, True
            if dropping:
                newline = data.find(b"\n")
                if newline < 0:
                    rest = b""
                    continue
                data, line, dropping = data[newline + 1 :], line + 1, False
            end = data.rfind(b"\n") + 1
            if end:
                yield Block(data[:end], line)
                line += data.count(b"\n", 0, end)
            rest = data[end:]
            if len(rest) > MAX_LINE_BYTES:
                tally.rows += 1
                tally.note(ENDLESS, line)
                rest, dropping = b"", True
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        if not given:
            raise DataError(f"{source}: the gzip stream is broken at its start: {error}") from None
        tally.note(TRUNCATED, line)
        return
    if rest:
        yield Block(rest + b"\n", line)


def _chunks(source: str) -> Iterator[bytes]:
    """Decompressed bytes, as many at a time as the stream gives."""
    try:
        with _opened(source) as stream:
            while chunk := stream.read(BLOCK_BYTES):
                yield chunk
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from None


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    """The decompressed stream; a file is closed at the end, stdin is not ours to close."""
    with ExitStack() as stack:
        if source == STDIN:
            raw: IO[bytes] = sys.stdin.buffer
        else:
            raw = stack.enter_context(Path(source).expanduser().open("rb"))
        head = raw.peek(2)[:2] if isinstance(raw, io.BufferedReader) else b""
        if head == _GZIP:
            raw = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=raw)))
        yield raw
