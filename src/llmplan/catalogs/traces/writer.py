"""Traffic as a file that the readers here know: CSV, or JSON lines with the blocks that prompts share."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from llmplan.spec.requests import Requests, Traffic

HEADER = "arrival_s,input_tokens,output_tokens"


def write_csv(traffic: Traffic, write: Callable[[str], object]) -> tuple[int, float]:
    """Rows as text; how many there were, and the time of the last. Times have microseconds."""
    total, last_s, begun = 0, 0.0, False
    for run in traffic:
        if not begun:
            write(HEADER + (",tenant\n" if run.tenant is not None else "\n"))
            begun = True
        columns = [run.arrival_s.tolist(), run.input_tokens.tolist(), run.output_tokens.tolist()]
        row = "%.6f,%d,%d\n"
        if run.tenant is not None:
            columns.append(run.tenant.tolist())
            row = "%.6f,%d,%d,%d\n"
        write("".join([row % cells for cells in zip(*columns, strict=True)]))
        total, last_s = total + len(run), float(run.arrival_s[-1]) if len(run) else last_s
    if not begun:
        write(HEADER + "\n")
    return total, last_s


def write_json_lines(traffic: Traffic, write: Callable[[str], object]) -> tuple[int, float]:
    """The same as JSON lines, with the ids of shared blocks."""
    total, last_s = 0, 0.0
    for run in traffic:
        write("".join(_json_rows(run)))
        total, last_s = total + len(run), float(run.arrival_s[-1]) if len(run) else last_s
    return total, last_s


def _json_rows(run: Requests) -> Iterator[str]:
    tenants = None if run.tenant is None else run.tenant.tolist()
    columns = zip(run.arrival_s.tolist(), run.input_tokens.tolist(), run.output_tokens.tolist(), strict=True)
    for row, (arrival_s, prompt, answer) in enumerate(columns):
        record: dict[str, Any] = {"arrival_s": round(arrival_s, 6), "input_tokens": prompt, "output_tokens": answer}
        if tenants is not None:
            record["tenant"] = tenants[row]
        if run.prefixes is not None:
            record |= {"block_tokens": run.prefixes.block_tokens, "block_ids": list(run.prefixes.of(row))}
        yield json.dumps(record) + "\n"


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file that appears when it is complete; gzip without a date where its name ends so. A device is written to."""
    target = path if path.exists() and not path.is_file() else path.with_name(f".{path.name}.part")
    raw = target.open("wb")
    try:
        if path.suffix == ".gz":
            zipped = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6)
            with zipped:
                yield cast("IO[str]", _Text(cast("IO[bytes]", zipped)))
        else:
            yield cast("IO[str]", _Text(raw))
        raw.close()
        if target != path:
            os.replace(target, path)
    except BaseException:
        raw.close()
        if target != path:
            target.unlink(missing_ok=True)
        raise


class _Text:
    """Writes text as UTF-8, whatever the platform's line ends."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Append."""
        self._stream.write(text.encode())
