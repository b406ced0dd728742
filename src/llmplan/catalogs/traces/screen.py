"""Rows that can be used: the others are counted by what is wrong with them, and left out or mended."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from llmplan.catalogs.traces.layout import PER_S, TimeUnit
from llmplan.catalogs.traces.rows import RawRows
from llmplan.catalogs.traces.tally import (
    FRACTION,
    HUGE,
    NEGATIVE_LENGTH,
    NEGATIVE_TIME,
    NO_INPUT,
    NO_OUTPUT,
    OUT_OF_ORDER,
    TOO_LONG,
    BadRows,
    Codes,
    Tally,
)
from llmplan.errors import DataError
from llmplan.spec.requests import Floats, Integers, Prefixes, Requests

MAX_TOKENS = 10_000_000
MAX_SECONDS = 1e11
"""three thousand years of traffic"""
MAX_TENANTS = 100_000


class Screen:
    """Takes the rows of a trace block by block, in order, and gives those that can be used as requests."""

    def __init__(self, *, unit: TimeUnit, bad_rows: BadRows, context_tokens: int | None, tally: Tally) -> None:
        self._per_s = PER_S.get(unit, 1.0)
        self._mends = bad_rows == "clip"
        self._context = context_tokens
        self._tally = tally
        self._origin: tuple[int, float] | None = None
        self._last_s = 0.0
        self._tenants: dict[str, int] = {}

    @property
    def tenants(self) -> tuple[str, ...]:
        """Names by number, in the order in which they first came."""
        return tuple(self._tenants)

    def requests(self, raw: RawRows) -> Requests:
        """The usable rows of one block."""
        self._tally.rows += len(raw)
        with np.errstate(invalid="ignore"):
            seconds, codes = self._times(raw)
            prompts, answers, codes = self._lengths(raw, codes)
        codes, seconds = self._in_order(seconds, codes, raw.lines)
        self._tally.note_all(codes, raw.lines)
        kept = np.flatnonzero(codes == 0)
        self._tally.used += len(kept)
        return Requests(
            arrival_s=seconds[kept],
            input_tokens=prompts[kept].astype(np.int64),
            output_tokens=answers[kept].astype(np.int64),
            tenant=None if raw.tenants is None else self._numbered([raw.tenants[row] for row in kept.tolist()]),
            prefixes=_prefixes(raw, kept, prompts),
        )

    def _times(self, raw: RawRows) -> tuple[Floats, Codes]:
        """Seconds since the first row whose time can be read."""
        codes = raw.codes.copy()
        codes[(codes == 0) & (raw.whole == 0) & (raw.part < 0)] = NEGATIVE_TIME
        if self._origin is None:
            readable = np.flatnonzero(codes == 0)
            if len(readable):
                self._origin = int(raw.whole[readable[0]]), float(raw.part[readable[0]])
        whole, part = self._origin or (0, 0.0)
        seconds = (raw.whole - whole) + (raw.part - part) / self._per_s
        codes[(codes == 0) & (np.abs(seconds) > MAX_SECONDS)] = HUGE
        return seconds, codes

    def _lengths(self, raw: RawRows, codes: Codes) -> tuple[Floats, Floats, Codes]:
        """Both lengths, mended where that is asked for, and the codes of rows that stay bad."""
        prompts, answers = raw.input_tokens.copy(), raw.output_tokens.copy()
        for code, where in (
            (NEGATIVE_LENGTH, (prompts < 0) | (answers < 0)),
            (FRACTION, (prompts != np.floor(prompts)) | (answers != np.floor(answers))),
            (HUGE, (prompts > MAX_TOKENS) | (answers > MAX_TOKENS)),
        ):
            codes[(codes == 0) & where] = code
        for code, column in ((NO_INPUT, prompts), (NO_OUTPUT, answers)):
            found = np.where((codes == 0) & (column == 0), code, 0).astype(np.uint8)
            codes = self._bad(found, codes, raw.lines)
            if self._mends:
                column[found > 0] = 1
        if self._context is not None:
            long = (codes == 0) & (prompts + answers > self._context)
            codes = self._bad(np.where(long, TOO_LONG, 0).astype(np.uint8), codes, raw.lines)
            if self._mends:
                prompts[long] = np.minimum(prompts[long], self._context - 1)
                answers[long] = np.minimum(answers[long], self._context - prompts[long])
        return prompts, answers, codes

    def _in_order(self, seconds: Floats, codes: Codes, lines: Integers) -> tuple[Codes, Floats]:
        """Times that never fall; an earlier one is moved to the latest so far, or left out."""
        good = np.flatnonzero(codes == 0)
        if not len(good):
            return codes, seconds
        latest = np.maximum.accumulate(np.concatenate([[self._last_s], seconds[good]]))
        early = np.zeros_like(codes)
        early[good[seconds[good] < latest[:-1]]] = OUT_OF_ORDER
        self._last_s = float(latest[-1])
        seconds = seconds.copy()
        seconds[good] = latest[1:]
        return self._bad(early, codes, lines), seconds

    def _bad(self, found: Codes, codes: Codes, lines: Integers) -> Codes:
        """Count rows that can be mended; without mending they are bad like others."""
        if self._mends:
            self._tally.note_all(found, lines, mended=True)
            return codes
        return np.where(codes == 0, found, codes).astype(np.uint8)

    def _numbered(self, names: Sequence[str]) -> Integers:
        numbers = np.array([self._tenants.setdefault(name, len(self._tenants)) for name in names], dtype=np.int64)
        if len(self._tenants) > MAX_TENANTS:
            raise DataError(
                f"more than {MAX_TENANTS:,} tenants: is this column one that names each request?",
                hints=["leave --column tenant=NAME out, or name another column"],
            )
        return numbers


def _prefixes(raw: RawRows, kept: Integers, prompts: Floats) -> Prefixes | None:
    """The blocks of the rows kept, no more than their prompts have."""
    if raw.blocks is None or raw.block_tokens is None:
        return None
    most = np.ceil(prompts / raw.block_tokens)
    blocks = [raw.blocks[row][: int(most[row])] for row in kept.tolist()]
    ids = np.fromiter(chain.from_iterable(blocks), dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in blocks], dtype=np.int64)])
    return Prefixes(block_tokens=raw.block_tokens, offsets=offsets.astype(np.int64), ids=ids)
