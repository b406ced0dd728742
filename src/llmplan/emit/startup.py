"""How long a first start may take before whoever waits gives up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.emit.container import HF_TOKEN, Container
from llmplan.units import format_bytes, format_seconds

DOWNLOAD_BYTES_PER_S = 100e6
"""assumed of the line that weights come over, which no plan knows: 0.8 Gbit/s"""
START_MARGIN = 3.0
"""over the start that the plan knows: engines were measured to take twice their median, disks vary more, and what is
cut off while it loads begins again from nothing; a judgement"""
LEAST_START_S = 300.0
"""granted to any start"""
UNKNOWN_START_S = 1800.0
"""assumed where no figure for the engine's start is known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBudget:
    """Whole minutes, in seconds, and in one line how they come about."""

    budget_s: int
    why: str


def start_budget(container: Container, *, downloads: bool) -> StartBudget:
    """Of a start on a machine that has the image; `downloads`: it does not have the weights.

    3 x start + checkpoint / 100 MB/s, rounded up to minutes. What loads files that are there downloads nothing.
    """
    start_s = UNKNOWN_START_S if container.start_s is None else START_MARGIN * container.start_s
    parts = [
        f"{format_seconds(UNKNOWN_START_S)} assumed (no figure for a start is known)"
        if container.start_s is None
        else f"three times a start of {start_words(container)}"
    ]
    if downloads and container.checkpoint_bytes and HF_TOKEN in container.secrets:
        start_s += container.checkpoint_bytes / DOWNLOAD_BYTES_PER_S
        size, rate = format_bytes(container.checkpoint_bytes), DOWNLOAD_BYTES_PER_S / 1e6
        parts.append(f"a download of {size} at {rate:.0f} MB/s (assumed)")
    if start_s < LEAST_START_S:
        parts.append(f"at least {format_seconds(LEAST_START_S)}")
    minutes = math.ceil(max(LEAST_START_S, start_s) / 60)
    return StartBudget(budget_s=60 * minutes, why=f"{' and '.join(parts)}: {minutes} min")


def start_words(container: Container) -> str:
    """The start in words, with what the plan does not count."""
    total_s, factor = container.start_s or 0.0, container.read_factor
    if factor <= 1:
        return f"{format_seconds(total_s)}, as planned"
    planned = format_seconds(total_s / factor)
    return f"{format_seconds(total_s)} ({planned} planned, x {factor:.3g} for weights that are converted while loading)"
