"""Rows as they stand in the file, with what is wrong with each: from CSV blocks and from JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmplan.catalogs.traces import numbers
from llmplan.catalogs.traces.fields import fields_of
from llmplan.catalogs.traces.layout import Columns
from llmplan.catalogs.traces.source import Block
from llmplan.catalogs.traces.tally import BLOCKS, NOT_AN_OBJECT, Codes
from llmplan.spec.requests import Floats, Integers

_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Columns of a block. A time is `whole` + `part`: of seconds since 1970 for ISO times, else in the file's unit
    with `whole` zero. Values of rows with a code are not to be used."""

    lines: Integers
    codes: Codes
    whole: Integers
    part: Floats
    input_tokens: Floats
    output_tokens: Floats
    tenants: Sequence[str] | None = None
    blocks: Sequence[Sequence[int]] | None = None
    block_tokens: int | None = None

    def __len__(self) -> int:
        return len(self.lines)


def csv_rows(block: Block, columns: Columns) -> RawRows:
    """The rows of a block of CSV lines."""
    roles = [role for role in ("arrival", "input", "output", "tenant") if role in columns.names]
    fields = fields_of(block, [columns.index(role) for role in roles], len(columns.header), numeric=3)
    count = len(fields.lines)
    whole = np.zeros(count, dtype=np.int64)
    if columns.unit == "iso":
        whole, part, codes = numbers.times(fields.columns[0])
    else:
        part, codes = numbers.numbers(fields.columns[0])
    prompts, wrong_prompts = numbers.numbers(fields.columns[1])
    answers, wrong_answers = numbers.numbers(fields.columns[2])
    tenants = None
    if "tenant" in columns.names:
        texts = np.ascontiguousarray(fields.columns[3])
        tenants = texts.view(f"S{texts.shape[1]}").ravel().tolist() if count else []
        tenants = [name.decode("utf-8", "replace") for name in tenants]
    return RawRows(
        lines=fields.lines,
        codes=_first(fields.codes, codes, wrong_prompts, wrong_answers),
        whole=whole,
        part=part,
        input_tokens=prompts,
        output_tokens=answers,
        tenants=tenants,
    )


def json_rows(block: Block, columns: Columns) -> RawRows:
    """The rows of a block of JSON lines, one object each."""
    texts = block.data.split(b"\n")
    lines = [block.first_line + at for at, text in enumerate(texts) if text.strip()]
    objects = [_object(text) for text in texts if text.strip()]
    broken = np.array([NOT_AN_OBJECT if each is None else 0 for each in objects], dtype=np.uint8)
    rows: list[Mapping[str, Any]] = [each if each is not None else {} for each in objects]
    whole = np.zeros(len(rows), dtype=np.int64)
    if columns.unit == "iso":
        read = [numbers.time(row.get(columns.names["arrival"])) for row in rows]
        whole = np.array([each[0] for each in read], dtype=np.int64)
        part = np.array([each[1] for each in read], dtype=float)
        codes = np.array([each[2] for each in read], dtype=np.uint8)
    else:
        part, codes = _values(rows, columns.names["arrival"])
    prompts, wrong_prompts = _values(rows, columns.names["input"])
    answers, wrong_answers = _values(rows, columns.names["output"])
    tenants = [str(row.get(columns.names["tenant"], "")) for row in rows] if "tenant" in columns.names else None
    blocks, wrong_blocks = _blocks(rows, columns.blocks) if columns.blocks else (None, np.zeros_like(broken))
    return RawRows(
        lines=np.array(lines, dtype=np.int64),
        codes=_first(broken, codes, wrong_prompts, wrong_answers, wrong_blocks),
        whole=whole,
        part=part,
        input_tokens=prompts,
        output_tokens=answers,
        tenants=tenants,
        blocks=blocks,
        block_tokens=columns.block_tokens or _block_tokens(rows),
    )


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[Floats, Codes]:
    """One key of every row as numbers."""
    values = [row.get(name) for row in rows]
    if all(type(value) in (int, float) for value in values):
        try:
            found = np.array(values, dtype=float)
        except OverflowError:
            found = np.array([np.nan])
        if np.isfinite(found).all():
            return found, np.zeros(len(found), dtype=np.uint8)
    read = [numbers.number(value) for value in values]
    return np.array([each[0] for each in read], dtype=float), np.array([each[1] for each in read], dtype=np.uint8)


def _blocks(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[list[int]], Codes]:
    """The ids of leading blocks; none where a row has no such key."""
    found, codes = [], np.zeros(len(rows), dtype=np.uint8)
    for at, row in enumerate(rows):
        ids = row.get(name) or []
        good = isinstance(ids, list) and all(type(each) is int and 0 <= each <= _LARGEST_ID for each in ids)
        codes[at] = 0 if good else BLOCKS
        found.append(ids if good else [])
    return found, codes


def _block_tokens(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """What the rows themselves say of the size of blocks."""
    return next((each for row in rows if type(each := row.get("block_tokens")) is int and each > 0), None)


def _first(*codes: Codes) -> Codes:
    """The first thing that is wrong with each row."""
    found = codes[0].copy()
    for more in codes[1:]:
        np.copyto(found, more, where=found == 0)
    return found
