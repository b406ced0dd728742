"""Lines of a CSV block to the characters of chosen columns, by the positions of its commas."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmplan.catalogs.traces.numbers import WIDEST, Characters
from llmplan.catalogs.traces.source import Block
from llmplan.catalogs.traces.tally import COLUMNS, LONG_NAME, NOT_A_NUMBER, Codes
from llmplan.spec.requests import Integers

MAX_NAME = 256
"""characters of a tenant's name"""
_NEWLINE, _RETURN, _COMMA, _QUOTE, _SPACE = b'\n\r," '


@dataclass(frozen=True, slots=True)
class Fields:
    """For each line that is not blank: its number, what is wrong with its shape, and the characters of each column."""

    lines: Integers
    codes: Codes
    columns: tuple[Characters, ...]


def fields_of(block: Block, wanted: Sequence[int], width: int, *, numeric: int) -> Fields:
    """The characters of the columns `wanted` (by position) of lines that have `width` columns; the first `numeric`
    of them hold numbers or times, the others names."""
    text = np.frombuffer(block.data, dtype=np.uint8)
    ends = np.flatnonzero(text == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    ends = ends - ((ends > starts) & (text[np.maximum(ends - 1, 0)] == _RETURN))
    lines = np.arange(len(starts)) + block.first_line
    filled = ends > starts
    starts, ends, lines = starts[filled], ends[filled], lines[filled]
    if b'"' in block.data:
        return _quoted(block.data, starts, ends, lines, wanted, width, numeric)
    commas = np.flatnonzero(text == _COMMA)
    first = np.searchsorted(commas, starts)
    good = np.searchsorted(commas, ends) - first == width - 1
    codes = np.where(good, 0, COLUMNS).astype(np.uint8)
    inner = commas[np.minimum(first[good][:, None] + np.arange(width - 1), max(len(commas) - 1, 0))]
    begin = np.concatenate([starts[good][:, None], inner + 1], axis=1)
    end = np.concatenate([inner, ends[good][:, None]], axis=1)
    found = []
    for place, column in enumerate(wanted):
        most, code = _limit(place < numeric)
        characters, too_wide = _gathered(text, begin[:, column], end[:, column], most)
        codes[np.flatnonzero(good)[too_wide]] = code
        full = np.zeros((len(starts), characters.shape[1]), dtype=np.uint8)
        full[good] = characters
        found.append(full)
    return Fields(lines, codes, tuple(found))


def _limit(is_number: bool) -> tuple[int, int]:
    """The most characters of a cell, and what is wrong with one that has more."""
    return (WIDEST, NOT_A_NUMBER) if is_number else (MAX_NAME, LONG_NAME)


def _gathered(text: Characters, begin: Integers, end: Integers, most: int) -> tuple[Characters, NDArray[np.bool_]]:
    """Characters from `begin` to `end` row by row, without spaces around; and which rows have more than `most`."""
    for _ in range(2):
        begin = begin + ((begin < end) & (text[np.minimum(begin, len(text) - 1)] == _SPACE))
        end = end - ((begin < end) & (text[np.maximum(end - 1, 0)] == _SPACE))
    lengths = end - begin
    too_wide = lengths > most
    width = int(min(lengths.max(initial=1), most)) or 1
    places = np.arange(width)
    at = np.minimum(begin[:, None] + places, len(text) - 1)
    return np.where(places < lengths[:, None], text[at], 0).astype(np.uint8), too_wide


def _quoted(
    data: bytes,
    starts: Integers,
    ends: Integers,
    lines: Integers,
    wanted: Sequence[int],
    width: int,
    numeric: int,
) -> Fields:
    """Line by line, where commas may stand in quotes."""
    codes = np.zeros(len(starts), dtype=np.uint8)
    columns: list[list[bytes]] = [[] for _ in wanted]
    for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        cells = split(data[start:end].decode("utf-8", "replace"))
        if len(cells) != width:
            codes[row] = COLUMNS
            cells = [""] * width
        for place, column in enumerate(wanted):
            cell = cells[column].strip().encode()
            most, code = _limit(place < numeric)
            if len(cell) > most:
                codes[row] = codes[row] or code
            columns[place].append(cell[:most])
    return Fields(lines, codes, tuple(_characters(cells) for cells in columns))


def split(line: str) -> list[str]:
    """The cells of one line."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _characters(cells: Sequence[bytes]) -> Characters:
    if not cells:
        return np.zeros((0, 1), dtype=np.uint8)
    texts = np.array(cells, dtype=bytes)
    return texts.view(np.uint8).reshape(len(cells), -1) if texts.itemsize else np.zeros((len(cells), 1), dtype=np.uint8)
