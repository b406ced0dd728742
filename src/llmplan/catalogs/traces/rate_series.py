"""Files of rates through time, as traces are published where their requests are not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise

from llmplan.catalogs.traces.fields import split
from llmplan.catalogs.traces.source import blocks
from llmplan.catalogs.traces.tally import Tally
from llmplan.errors import DataError
from llmplan.spec.traffic import RateSeries

MAX_BINS = 1_000_000
_MAX_BYTES = 64 << 20
_RATES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("ts", ("requests_per_second",), False),
    ("time", ("rate",), False),
    ("time_s", ("requests_per_s",), False),
    ("time_bin", ("avg_turns", "session_count"), True),
)
"""the column of times in seconds, those whose product is the rate, and whether that counts requests of the bin"""


def rate_columns(header: Sequence[str]) -> tuple[str, tuple[str, ...], bool] | None:
    """The kind of rate series that a header belongs to, if any."""
    folded = {name.strip().casefold() for name in header}
    return next((each for each in _RATES if {each[0], *each[1]} <= folded), None)


def is_rate_series(source: str) -> bool:
    """Whether a file (not stdin, which can be read only once) holds rates instead of requests."""
    with closing(blocks(source, Tally())) as found:
        block = next(found, None)
    text = b"" if block is None else block.data.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    return rate_columns(split(text.decode("utf-8", "replace"))) is not None


def read_rate_series(source: str) -> RateSeries:
    """Rates in bins of equal length from CSV: `ts,requests_per_second`, `time,rate`, or BurstGPT's counts, whose
    requests of a bin are its sessions times their mean turns. Bins that are left out had no request."""
    tally = Tally()
    lines = (
        b"".join(block.data for block in blocks(source, tally)).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    )
    rows = [(number, split(line)) for number, line in enumerate(lines.splitlines(), 1) if line.strip()]
    kind = rate_columns(rows[0][1]) if rows else None
    if kind is None or tally.problems:
        why = "; ".join(tally.describe()) or "its columns are not ts,requests_per_second or time,rate"
        raise DataError(f"{source}: not a file of rates: {why}")
    header = [name.strip().casefold() for name in rows[0][1]]
    values: dict[float, float] = {}
    for number, cells in rows[1:]:
        time, rate = _row(dict(zip(header, cells, strict=False)), kind, f"{source}:{number}")
        if time in values or time < max(values, default=0.0):
            raise DataError(f"{source}:{number}: time {time:g} comes twice or out of order")
        values[time] = rate
    bin_s = _bin_s(list(values), source)
    return _series(values, bin_s, counts=kind[2], source=source)


def _row(cells: Mapping[str, str], kind: tuple[str, tuple[str, ...], bool], where: str) -> tuple[float, float]:
    try:
        time = float(cells[kind[0]])
        rate = math.prod(float(cells[name]) for name in kind[1])
    except (KeyError, ValueError):
        raise DataError(f"{where}: {' and '.join((kind[0], *kind[1]))} must be numbers") from None
    if not (math.isfinite(time) and math.isfinite(rate) and time >= 0 and rate >= 0):
        raise DataError(f"{where}: a time and a rate are zero or more, not {time:g} and {rate:g}")
    return time, rate


def _bin_s(times: Sequence[float], source: str) -> float:
    """The step of which all times are multiples: the shortest between two of them."""
    if len(times) < 2:
        raise DataError(f"{source}: a rate series has at least two bins")
    step = min(b - a for a, b in pairwise(times))
    uneven = next(
        (time for time in times if abs((time - times[0]) / step - round((time - times[0]) / step)) > 1e-3), None
    )
    if uneven is not None:
        raise DataError(f"{source}: time {uneven:g} is not a whole number of bins of {step:g} s after the first")
    if (times[-1] - times[0]) / step > MAX_BINS:
        raise DataError(f"{source}: more than {MAX_BINS:,} bins of {step:g} s")
    return step


def _series(values: Mapping[float, float], bin_s: float, *, counts: bool, source: str) -> RateSeries:
    begin = min(values)
    rates = [0.0] * (round((max(values) - begin) / bin_s) + 1)
    for time, rate in values.items():
        rates[round((time - begin) / bin_s)] = rate / bin_s if counts else rate
    try:
        return RateSeries(bin_s=bin_s, rates=tuple(rates))
    except ValueError as error:
        raise DataError(f"{source}: {error}") from None
