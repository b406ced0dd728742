"""CSV tables with a fixed header, read strictly: a column that is missing or a row that is short is an error."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Final, TypeAlias

from llmplan.errors import DataError

Row: TypeAlias = dict[str, str]

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
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in COLUMNS[name] if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}:1: the column {missing[0]!r} is missing")
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(f"{path}:{reader.line_num}: the row has not {len(reader.fieldnames or ())} fields")
                rows.append({key: value.strip() for key, value in row.items()})
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


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
        raise DataError(f"{column}: {text!r} is not a number (row {describe(row)})") from None
    if not math.isfinite(value):
        raise DataError(f"{column}: {text!r} is not a finite number (row {describe(row)})")
    return int(value) if value.is_integer() and abs(value) < 2**53 and "e" not in text.lower() else value


def describe(row: Row) -> str:
    """The cells that tell a row from others."""
    keys = ("provider", "instance_type", "model", "gpu", "region", "topic", "item")
    return ", ".join(row[key] for key in keys if row.get(key))
