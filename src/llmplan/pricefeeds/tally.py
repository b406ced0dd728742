"""What became of every row of the tables: used, or left out for a reason that is written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmplan.pricefeeds.tables import Row, describe


@dataclass(slots=True)
class TableTally:
    """One table. `offers` are the prices, products and figures that its used rows became."""

    rows: int = 0
    used: int = 0
    offers: int = 0
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """reason to the rows that it was given for"""

    @property
    def left_out_rows(self) -> int:
        """Rows that became nothing."""
        return sum(len(rows) for rows in self.left_out.values())


@dataclass(slots=True)
class Tally:
    """Counts by table, kept where each row's fate is decided."""

    tables: dict[str, TableTally] = field(default_factory=lambda: defaultdict(TableTally))

    def read(self, table: str, rows: int) -> None:
        """That many rows were read."""
        self.tables[table].rows += rows

    def use(self, table: str, offers: int = 1) -> None:
        """A row became that many offers."""
        self.tables[table].used += 1
        self.tables[table].offers += offers

    def leave_out(self, table: str, row: Row, reason: str) -> None:
        """A row became nothing."""
        self.tables[table].left_out[reason].append(describe(row))

    def lines(self, shown: int = 0) -> Iterator[str]:
        """The counts as text, with the first `shown` rows of each reason."""
        for name, table in self.tables.items():
            if not table.rows:
                continue
            yield (
                f"{name}: {table.rows:,} rows in, {table.used:,} used ({table.offers:,} prices and figures), "
                f"{table.left_out_rows:,} left out"
            )
            for reason, rows in sorted(table.left_out.items(), key=lambda each: (-len(each[1]), each[0])):
                yield f"  {len(rows):5,}  {reason}"
                yield from (f"         {row}" for row in rows[:shown])
