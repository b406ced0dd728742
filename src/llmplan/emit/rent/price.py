"""The most that a rented machine may cost, where the platform can be told."""

from __future__ import annotations

from llmplan.emit.rent.facts import hourly_price
from llmplan.emit.selection import Launch

MARGIN = 0.25
"""over the planned price: prices move, and sellers bundle processors and memory differently; a judgement"""
MARGIN_WORDS = f"offers more than {MARGIN:.0%} above that are not taken"


def price_cap(launch: Launch) -> float | None:
    """[USD per hour] for the machine of one replica; None where the plan has no price by the hour that one gets
    without a contract."""
    hourly = hourly_price(launch)
    return None if hourly is None or hourly.usd <= 0 else round(hourly.usd * (1.0 + MARGIN), 2)
