"""Is a new snapshot believable? Bounds of every price, enough rows, and no jump against what was known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from llmplan.pricefeeds.merging import list_changes, newest

GPU_HOUR_BOUNDS_USD: Final = (0.02, 100.0)
"""Cheapest marketplace cards are near 0.08 USD an hour; the dearest regions ask 54 for a GB200."""
VCPU_HOUR_BOUNDS_USD: Final = (0.001, 1.0)
"""Spot machines are near 0.005 USD an hour and vCPU, the dearest with much memory near 0.2."""
TOKEN_BOUNDS_USD: Final = (0.0005, 200.0)
MAX_DRIFT: Final = 3.0
"""A price that moved by more than this factor is held back: the market's largest single cut so far was 44 %."""
MIN_ROW_SHARE: Final = 0.5
"""A snapshot with fewer than this share of the known prices of a provider is incomplete."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`error`: the provider's new document must not be used; `warning`: say it and go on."""

    severity: Literal["error", "warning"]
    provider: str
    message: str


def check_documents(
    new: Mapping[str, Mapping[str, Any]], old: Mapping[str, Mapping[str, Any]], *, today: date
) -> list[Problem]:
    """Everything that speaks against putting `new` on top of `old`."""
    problems = []
    for provider, document in new.items():
        problems += [Problem("error", provider, text) for text in _bounds(document)]
        problems += [Problem("error", provider, text) for text in _future(document, today)]
        problems += [Problem("error", provider, text) for text in _lost(document, old.get(provider, {}))]
    for change in list_changes(old, new):
        ratio = change.ratio
        if ratio is not None and not 1 / MAX_DRIFT <= ratio <= MAX_DRIFT:
            text = f"{change.key}: {change.old_usd:g} became {change.new_usd:g}, more than a factor {MAX_DRIFT:g}"
            problems.append(Problem("error", change.provider, text))
    return problems


def _lost(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of offers of which too few are left. A kind that the new document lacks was not read at all."""
    for part in ("hourly", "serverless", "tokens", "cpu"):
        if part in new and part in old:
            known, found = (len(newest({part: document[part]})) for document in (old, new))
            if found < MIN_ROW_SHARE * known:
                yield f"only {found} {part} prices where {known} were known"


def _bounds(document: Mapping[str, Any]) -> Iterator[str]:
    for entry in document.get("hourly", ()):
        if not 0 < entry["gpus"] <= 1024:
            yield f"{entry['instance']}: {entry['gpus']} GPUs"
            continue
        for offer in entry["offers"]:
            for region, price in offer["usd_per_hour"].items():
                if not _within(price / entry["gpus"], GPU_HOUR_BOUNDS_USD):
                    yield f"{entry['instance']} {region} {offer['term']}: {price:g} USD/h for {entry['gpus']:g} GPUs"
    for offer in document.get("serverless", ()):
        if not _within(offer["usd_per_gpu_s"] * 3600, GPU_HOUR_BOUNDS_USD):
            yield f"{offer['gpu']} {offer['mode']}: {offer['usd_per_gpu_s']:g} USD/s"
    for group in document.get("cpu", ()):
        for name, (vcpus, _, *prices) in group["machines"].items():
            if vcpus <= 0 or not all(_within(price / vcpus, VCPU_HOUR_BOUNDS_USD) for price in prices):
                yield f"{name} {group['region']}: {', '.join(f'{price:g}' for price in prices)} USD/h for {vcpus} vCPUs"
    for offer in document.get("tokens", ()):
        for side in ("input_usd_per_mtok", "output_usd_per_mtok"):
            if not _within(offer[side], TOKEN_BOUNDS_USD):
                yield f"{offer['listed_as']} {side}: {offer[side]:g}"


def _future(document: Mapping[str, Any], today: date) -> Iterator[str]:
    offers = [
        *(offer for entry in document.get("hourly", ()) for offer in entry["offers"]),
        *document.get("serverless", ()),
        *document.get("tokens", ()),
        *document.get("cpu", ()),
    ]
    if any(offer["from"] and offer["from"] > today for offer in offers):
        yield "a price is dated in the future"


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return math.isfinite(value) and bounds[0] <= value <= bounds[1]
