"""What is wrong with rows of a trace: named, counted, and what was done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

BadRows: TypeAlias = Literal["refuse", "skip", "clip"]
"""refuse: an error that lists them; skip: leave them out; clip: mend those that can be, leave out the others"""
Codes: TypeAlias = NDArray[np.uint8]

OK: Final = 0
KINDS: Final[tuple[str, ...]] = (
    "usable",
    "too few or too many columns",
    "a value missing",
    "not a number",
    "not a JSON object",
    "block ids that are not whole numbers",
    "a tenant's name too long",
    "NaN",
    "a number too large",
    "not whole tokens",
    "a negative timestamp",
    "a negative length",
    "no input tokens",
    "no output tokens",
    "longer than the context",
    "out of order",
    "a line without end",
    "the file ends early",
)
"""by their code"""
(
    _, COLUMNS, MISSING, NOT_A_NUMBER, NOT_AN_OBJECT, BLOCKS, LONG_NAME, NAN, HUGE, FRACTION, NEGATIVE_TIME,
    NEGATIVE_LENGTH, NO_INPUT, NO_OUTPUT, TOO_LONG, OUT_OF_ORDER, ENDLESS, TRUNCATED,
) = range(len(KINDS))  # fmt: skip
MENDED: Final = {
    NO_INPUT: "one token",
    NO_OUTPUT: "one token",
    TOO_LONG: "cut to the context",
    OUT_OF_ORDER: "moved to the stamp before it",
}
"""what clipping makes of them; other rows are left out"""


@dataclass(slots=True)
class Problem:
    """One kind of bad row: how many there are, the first one's line, and how many were mended instead of left out."""

    kind: str
    rows: int = 0
    first_line: int = 0
    mended: int = 0


class Tally:
    """Rows read and used so far, and the problems among them in the order of their kinds."""

    def __init__(self) -> None:
        self.rows = 0
        self.used = 0
        self._problems: dict[int, Problem] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every kind that occurred."""
        return tuple(self._problems[code] for code in sorted(self._problems))

    @property
    def bad_rows(self) -> int:
        """Rows with a problem."""
        return sum(problem.rows for problem in self._problems.values())

    def note(self, code: int, line: int, *, rows: int = 1, mended: bool = False) -> None:
        """Count rows with a problem, the first of them in `line`."""
        problem = self._problems.setdefault(code, Problem(kind=KINDS[code], first_line=line))
        problem.rows += rows
        problem.mended += rows if mended else 0

    def note_all(self, codes: Codes, lines: NDArray[np.int64], *, mended: bool = False) -> None:
        """Count rows by the code of each; `OK` is no problem."""
        if not codes.any():
            return
        for code in np.unique(codes[codes != OK]).tolist():
            which = np.flatnonzero(codes == code)
            self.note(code, int(lines[which[0]]), rows=len(which), mended=mended)

    def describe(self) -> list[str]:
        """One phrase for each kind: `12 x no output tokens (first in line 17)`."""
        return [f"{each.rows:,} x {each.kind} (first in line {each.first_line:,})" for each in self.problems]

    def counts(self) -> Mapping[str, int]:
        """Rows by kind."""
        return {each.kind: each.rows for each in self.problems}
