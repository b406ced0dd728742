"""JSON that a stranger wrote and that may be large: bounded in length and in number of values before it is parsed."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs.json_object import parse_object
from llmplan.errors import DataError

MAX_JSON_BYTES: Final = 100_000_000
"""the safetensors library's own limit of a header"""
MAX_MARKS: Final = 2_000_000
"""brackets, braces and commas: 250,000 tensors of a header, and a few hundred megabytes once parsed at worst"""
_DAMAGED: Final = "download the file again: it is damaged, or not a checkpoint's"


def parse_bounded(raw: bytes, where: str, *, is_config: bool = False) -> dict[str, Any]:
    """One JSON object; a header strictly, a config as leniently as its own library reads it."""
    if len(raw) > MAX_JSON_BYTES:
        raise DataError(
            f"{where}: {len(raw):,} bytes of JSON are more than the {MAX_JSON_BYTES:,} that are read",
            hints=[_DAMAGED],
        )
    if sum(raw.count(mark) for mark in (b"[", b"{", b",")) > MAX_MARKS:
        raise DataError(f"{where}: more values than the header of a checkpoint has", hints=[_DAMAGED])
    return parse_object(raw, where, is_strict=not is_config)
