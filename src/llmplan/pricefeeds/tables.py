"""CSV tables with a fixed header, read strictly: a column that is missing or a row that is short is an error."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Final, TypeAlias

from llmplan.errors import DataError

Row: TypeAlias = dict[str, str]


class ReadRow(Row):
    """A row that knows its place, `file:line`."""

    place: str = ""


COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "gpu_prices": (
        "provider", "instance_type", "gpu", "gpu_count", "vcpus", "memory_gib", "region",
        "on_demand_usd_per_hour", "spot_usd_per_hour", "spot_kind", "source", "as_of",
    ),
    "serverless_gpu": (
        "provider", "gpu", "usd_per_second", "mode", "scale_to_zero", "billing_granularity",
        "min_billing_or_idle", "extra_charges", "source", "as_of", "confidence",
    ),
    "token_api_prices": (
        "provider", "model", "input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok",
        "batch_input_usd_per_mtok", "batch_output_usd_per_mtok", "context", "deprecation_date", "source", "as_of",
    ),
    "cpu_prices": (
        "provider", "instance_type", "vcpus", "memory_gib", "arch", "region", "on_demand_usd_per_hour",
        "spot_usd_per_hour", "source", "as_of",
    ),
    "cost_facts": ("topic", "item", "value", "unit", "source", "as_of", "confidence", "note"),
    "spot_interruption_aws": ("region", "instance_type", "interruption_bucket", "source", "as_of"),
}  # fmt: skip
"""The columns that each table must have; others are ignored."""


def read_table(folder: Path, name: str) -> list[Row]:
    """The rows of `<folder>/<name>.csv`; an absent file is an empty table."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    rows: list[Row] = []
    try:
        missing = [column for column in COLUMNS[name] if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path}:1: the column {missing[0]!r} is missing")
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{path}:{reader.line_num}: the row has not {len(reader.fieldnames or ())} fields")
            read = ReadRow((key, value.strip()) for key, value in row.items())
            read.place = f"{path}:{reader.line_num}"
            rows.append(read)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.reader.line_num}: not a CSV table: {error}") from None
    return rows


def _text(path: Path) -> str:
    """A file as text, with or without the mark that spreadsheets put before it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 text", hints=["save it as CSV in UTF-8"]) from None


def number(row: Row, column: str) -> float | None:
    """A cell as a finite number, None if it is empty.

    >>> number({"price": "1.50"}, "price"), number({"price": ""}, "price")
    (1.5, None)
    """
    text = row[column]
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise misfit(row, f"{column}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise misfit(row, f"{column}: {text!r} is not a finite number")
    return int(value) if value.is_integer() and abs(value) < 2**53 and "e" not in text.lower() else value


def misfit(row: Row, what: str) -> DataError:
    """What is wrong with a row, at its place in the file."""
    place = f"{row.place}: " if isinstance(row, ReadRow) else ""
    return DataError(f"{place}{what} (row {describe(row)})")


def describe(row: Row) -> str:
    """The cells that tell a row from others."""
    keys = ("provider", "instance_type", "model", "gpu", "region", "topic", "item")
    return ", ".join(row[key] for key in keys if row.get(key))
