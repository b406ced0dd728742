"""A way of serving as a bill over the load.

Each is the planner's own bill at another rate of the same traffic; what does not hang on the rate (how much one replica
takes, how fast it is) is computed once.
"""

from __future__ import annotations

import math
from typing import Protocol

BEYOND_AN_EDGE = 1.0 + 1e-7
"""just past a step, where one replica more is due"""
IMPOSSIBLE = math.inf
"""a bill at a load that cannot be served"""


class Way(Protocol):
    """A bill over the load."""

    @property
    def label(self) -> str:
        """What a reader calls it."""

    def usd_per_month(self, requests_per_s: float) -> float:
        """The month's bill at a mean rate [USD/month]; infinite where it cannot be done."""

    def edges(self, upto: float) -> tuple[float, ...]:
        """Loads between which the bill is smooth [1/s]: its steps, and where it bends."""

    def source(self, requests_per_s: float) -> str:
        """Seller, term and date of its rate at a load."""
