"""Which column means what: known kinds of trace by their header, others by the user's own naming of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from llmplan.errors import DataError, nearest

TimeUnit: TypeAlias = Literal["s", "ms", "us", "iso"]
TIME_UNITS: Final[tuple[TimeUnit, ...]] = ("s", "ms", "us", "iso")
ROLES: Final = ("arrival", "input", "output", "tenant")
"""what a column can be"""
_NEEDED: Final = ("arrival", "input", "output")
PER_S: Final = {"s": 1.0, "ms": 1e3, "us": 1e6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Columns of a kind of trace by their role, and the unit of its timestamps (None: to be seen from the values)."""

    name: str
    columns: Mapping[str, str]
    time_unit: TimeUnit | None = None
    blocks: str | None = None
    """the column with the ids of leading blocks, in JSON lines"""
    block_tokens: int | None = None
    """None: a column `block_tokens` says so"""


def _layout(name: str, unit: TimeUnit, arrival: str, prompt: str, answer: str, **more: object) -> Layout:
    columns = {"arrival": arrival, "input": prompt, "output": answer}
    return Layout(name=name, columns=columns, time_unit=unit, **more)  # type: ignore[arg-type]


LAYOUTS: Final[tuple[Layout, ...]] = (
    _layout("Azure", "iso", "TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    _layout("Mooncake", "ms", "timestamp", "input_length", "output_length", blocks="hash_ids", block_tokens=512),
    _layout("BurstGPT", "s", "Timestamp", "Request tokens", "Response tokens"),
    Layout(
        name="llmplan",
        columns={"arrival": "arrival_s", "input": "input_tokens", "output": "output_tokens", "tenant": "tenant"},
        time_unit="s",
        blocks="block_ids",
    ),
)
"""kinds that are known by their header"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where each role stands among the names of a header; `unit` None: to be seen from the first value."""

    layout: str
    names: Mapping[str, str]
    unit: TimeUnit | None
    blocks: str | None = None
    block_tokens: int | None = None
    header: Sequence[str] = field(default=())

    def index(self, role: str) -> int:
        """Position of a role's column in the header."""
        return list(self.header).index(self.names[role])


def columns_of(header: Sequence[str], named: Mapping[str, str], unit: TimeUnit | None, source: str) -> Columns:
    """The columns by role: those of the known kind whose names the header has, then what the user says instead."""
    by_folded = {name.strip().casefold(): name for name in reversed(header)}
    known = next((each for each in LAYOUTS if _fits(each, by_folded)), None)
    found = {} if known is None else {role: by_folded[name.casefold()] for role, name in known.columns.items()
                                      if name.casefold() in by_folded}  # fmt: skip
    for role, name in named.items():
        if name.strip().casefold() not in by_folded:
            near = nearest(name, header, count=1)
            hints = [f"did you mean --column {role}={near[0]}?"] if near else []
            raise DataError(f"{source}: no column {name!r}; there are {_listed(header)}", hints=hints)
        found[role] = by_folded[name.strip().casefold()]
    if missing := [role for role in _NEEDED if role not in found]:
        kinds = ", ".join(layout.name for layout in LAYOUTS)
        example = " ".join(f"--column {role}=NAME" for role in missing)
        raise DataError(
            f"{source}: not a kind of trace that is known ({kinds}); its columns are {_listed(header)}",
            hints=[f"say which column is which: {example}", "--time-unit s|ms|us|iso says what times are counted in"],
        )
    blocks = known.blocks if known is not None and known.blocks in header else None
    return Columns(
        layout="generic" if known is None else known.name,
        names=found,
        unit=unit or (known.time_unit if known is not None and "arrival" not in named else None),
        blocks=blocks,
        block_tokens=None if known is None else known.block_tokens,
        header=tuple(header),
    )


def _fits(layout: Layout, names: Mapping[str, str]) -> bool:
    """Whether a header has a kind's columns, spelt as that kind spells them."""
    return all(names.get(layout.columns[role].casefold()) == layout.columns[role] for role in _NEEDED)


def _listed(header: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(repr(name[:40]) for name in header[:most])
    return shown + (f" and {len(header) - most} more" if len(header) > most else "") or "none"
