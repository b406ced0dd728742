"""Texts of a column to numbers, many at a time: characters of a block in, values and what is wrong with them out."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llmplan.catalogs.traces.tally import HUGE, MISSING, NAN, NOT_A_NUMBER, Codes
from llmplan.spec.requests import Floats, Integers

Characters: TypeAlias = NDArray[np.uint8]
"""one row per text, filled up with zeros"""

WIDEST: Final = 40
"""characters of a number or a time"""
_EXACT_DIGITS = 15
_ZERO, _DOT, _PLUS, _MINUS = b"0.+-"
_TENS = 10.0 ** np.arange(WIDEST + 1)
_DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_DAYS_IN = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def numbers(characters: Characters) -> tuple[Floats, Codes]:
    """Decimal numbers, exactly as `float` reads them; others are NaN with a code that says why."""
    digits = characters - np.uint8(_ZERO)
    is_digit = digits < 10
    is_dot = characters == _DOT
    known = is_digit | is_dot | (characters == 0)
    counts = is_digit.sum(axis=1)
    plain = known.all(axis=1) & (counts > 0) & (counts <= _EXACT_DIGITS) & (is_dot.sum(axis=1) <= 1)
    values = np.zeros(len(characters))
    after = np.zeros(len(characters), dtype=np.int64)
    seen_dot = np.zeros(len(characters), dtype=bool)
    any_dot = bool(is_dot.any())
    for column in range(characters.shape[1]):
        here = is_digit[:, column]
        values = np.where(here, values * 10 + digits[:, column], values)
        if any_dot:
            after += here & seen_dot
            seen_dot |= is_dot[:, column]
    if any_dot:
        values /= _TENS[after]
    codes = np.zeros(len(characters), dtype=np.uint8)
    for row in np.flatnonzero(~plain).tolist():
        values[row], codes[row] = number(bytes(characters[row]).rstrip(b"\0"))
    return values, codes


def number(text: object) -> tuple[float, int]:
    """One number from a text or a JSON value, with its code."""
    if text is None or (isinstance(text, bytes | str) and not text.strip()):
        return math.nan, MISSING
    if isinstance(text, bool) or (isinstance(text, bytes) and b"_" in text) or (isinstance(text, str) and "_" in text):
        return math.nan, NOT_A_NUMBER
    try:
        value = float(text)  # type: ignore[arg-type]
    except OverflowError:
        return math.nan, HUGE
    except (TypeError, ValueError):
        return math.nan, NOT_A_NUMBER
    if math.isnan(value):
        return value, NAN
    return value, HUGE if math.isinf(value) else 0


def times(characters: Characters) -> tuple[Integers, Floats, Codes]:
    """ISO 8601 times as whole seconds since 1970 and the fraction of a second; without a zone they are UTC."""
    count, width = characters.shape
    whole, fraction = np.zeros(count, dtype=np.int64), np.zeros(count)
    codes = np.zeros(count, dtype=np.uint8)
    if width < 19:
        characters = np.pad(characters, ((0, 0), (0, 19 - width)))
    digits = (characters - np.uint8(_ZERO)).astype(np.int64)
    is_digit = (digits >= 0) & (digits < 10)
    usual = is_digit[:, [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]].all(axis=1)
    for at, marks in ((4, b"-"), (7, b"-"), (10, b" T"), (13, b":"), (16, b":")):
        usual &= np.isin(characters[:, at], list(marks))

    def two(at: int) -> Integers:
        found: Integers = digits[:, at] * 10 + digits[:, at + 1]
        return found

    year, month, day = two(0) * 100 + two(2), two(5), two(8)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    month = np.where(usual & (month >= 1) & (month <= 12), month, 0)
    usual &= (month > 0) & (day >= 1) & (day <= _DAYS_IN[month] + (leap & (month == 2)))
    usual &= (two(11) < 24) & (two(14) < 60) & (two(17) < 60) & (year > 0)
    tail = characters[:, 19:]
    usual &= _fractions(tail, is_digit[:, 19:], fraction)
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += _DAYS_BEFORE[month] + (leap & (month > 2)) + day - 1
    whole[:] = days * 86400 + two(11) * 3600 + two(14) * 60 + two(17)
    for row in np.flatnonzero(~usual).tolist():
        whole[row], fraction[row], codes[row] = time(bytes(characters[row]).rstrip(b"\0").decode("utf-8", "replace"))
    return whole, fraction, codes


def _fractions(tail: Characters, is_digit: NDArray[np.bool_], fraction: Floats) -> NDArray[np.bool_]:
    """Put what follows the seconds into `fraction`; says for which rows that was a fraction, perhaps with a Z."""
    good = np.ones(len(tail), dtype=bool)
    if not tail.shape[1]:
        return good
    good &= (tail[:, 0] == _DOT) | (tail[:, 0] == 0)
    open_ = tail[:, 0] == _DOT
    places = np.zeros(len(tail), dtype=np.int64)
    for column in range(1, tail.shape[1]):
        open_ &= is_digit[:, column]
        fraction[:] = np.where(open_, fraction * 10 + (tail[:, column] - np.uint8(_ZERO)), fraction)
        places += open_
        ended = ~is_digit[:, column]
        good &= ~ended | (tail[:, column] == 0) | ((tail[:, column] == ord("Z")) & (places == column - 1))
    fraction /= _TENS[places]
    good &= ((tail[:, 0] == 0) | (places > 0)) & (places <= _EXACT_DIGITS)
    return good


def time(text: object) -> tuple[int, float, int]:
    """One ISO time as whole seconds, fraction and code."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return 0, math.nan, MISSING
    try:
        parsed = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return 0, math.nan, NOT_A_NUMBER
    aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    seconds = (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return math.floor(seconds), parsed.microsecond / 1e6, 0
