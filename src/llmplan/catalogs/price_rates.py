"""The parts of a price document that are no GPU: machines with CPUs only, and other rates."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs import price_shape as shape
from llmplan.catalogs.price_context import Context, newer
from llmplan.catalogs.price_fields import (
    Keys,
    MisfitError,
    check_keys,
    maybe,
    maybe_count,
    maybe_text,
    one_of,
    positive,
    text,
)  # fmt: skip
from llmplan.spec.price import CPU_ARCHITECTURES, CostFact, CpuOffer, PriceTier, Term
from llmplan.spec.provenance import Provenance
from llmplan.units import GIB

_TIER_HINTS: Final = ("`up_to` counts the month's quantity from its first unit, so it grows from tier to tier",)


def cpu_offers(entries: list[Any], context: Context) -> list[CpuOffer]:
    """Machines without a GPU, by group of region, architecture, day and source."""
    best: dict[tuple[Any, ...], CpuOffer] = {}
    for index, entry in enumerate(entries):
        keys: Keys = ("cpu", index)
        check_keys(entry, *shape.CPU, keys)
        day = context.day(entry, "from", keys)
        shared: dict[str, Any] = {
            "provider": context.provider,
            "architecture": one_of(entry, "architecture", CPU_ARCHITECTURES, keys),
            "region": text(entry, "region", keys),
            "from_date": day,
            "provenance": context.provenance(entry, "published", keys),
        }
        if not isinstance(entry["machines"], dict) or not entry["machines"]:
            raise MisfitError((*keys, "machines"), "a mapping of name to [vCPUs, GiB, USD an hour] is expected")
        for name, row in entry["machines"].items():
            at = (*keys, "machines", name)
            sizes = _machine(row, at)
            context.once(("cpu", name, shared["region"], day, shared["provenance"].source.id), at)
            prices: tuple[tuple[Term, float], ...] = tuple(zip(("on-demand", "spot"), sizes[2:], strict=False))
            for term, price in prices if context.holds(day) else ():
                key = (name, shared["region"], term)
                if key not in best or newer(day, best[key].from_date):
                    best[key] = CpuOffer(
                        instance=name, vcpus=sizes[0], memory_bytes=round(sizes[1] * GIB), term=term,
                        usd_per_hour=price, **shared,
                    )  # fmt: skip
    return list(best.values())


def _machine(row: Any, keys: Keys) -> list[float]:
    """vCPUs, GiB and one or two prices."""
    if not isinstance(row, list) or len(row) not in (3, 4):
        raise MisfitError(keys, f"a list of {', '.join(shape.MACHINE)} is expected (the last may be left out)")
    return [positive({name: value}, name, keys) for name, value in zip(shape.MACHINE, row, strict=False)]


def cost_facts(stated: Any, context: Context, *, prefix: bool) -> dict[str, CostFact]:
    """Other rates, under `<provider>.<id>` for a seller's own and plain ids for the market's."""
    if not isinstance(stated, dict):
        raise MisfitError(("facts",), "a mapping of id to figure is expected")
    facts = {}
    for name, entry in stated.items():
        keys: Keys = ("facts", name)
        check_keys(entry, *shape.FACT, keys)
        kind: Any = one_of(entry, "kind", shape.KINDS, keys)
        day = context.day(entry, "as_of", keys)
        value, low, high = (maybe(entry, key, keys) for key in ("value", "low", "high"))
        if value is None or not (value if low is None else low) <= value <= (value if high is None else high):
            raise MisfitError((*keys, "value"), "must be a number between low and high")
        steps = _tiers(entry.get("tiers"), value, (*keys, "tiers"))
        identity = f"{context.provider}.{name}" if prefix else name
        source = context.source(entry["source"], (*keys, "source"))
        provenance = Provenance(source=source, as_of=day, kind=kind, note=maybe_text(entry, "note", keys))
        if context.holds(day):
            facts[identity] = CostFact(
                id=identity, value=value, low=low, high=high, unit=text(entry, "unit", keys), tiers=steps,
                gpu_ids=_gpus(entry, keys), gpus=maybe_count(entry, "gpus", keys),
                confidence=maybe_text(entry, "confidence", keys), provenance=provenance,
            )  # fmt: skip
    return facts


def _gpus(entry: dict[str, Any], keys: Keys) -> tuple[str, ...]:
    """The GPUs of one figure."""
    named = entry.get("gpu", [])
    if not isinstance(named, list):
        raise MisfitError((*keys, "gpu"), "a list is expected")
    return tuple(text({"gpu": name}, "gpu", keys) for name in named)


def _tiers(stated: Any, value: float, keys: Keys) -> tuple[PriceTier, ...]:
    """Rates by monthly quantity, each up to a greater one than the tier before, the last without an end."""
    if stated is None:
        return ()
    if not isinstance(stated, list) or not stated:
        raise MisfitError(keys, "a list of {up_to: QUANTITY, usd: RATE} is expected")
    steps: list[PriceTier] = []
    for number, entry in enumerate(stated):
        at = (*keys, number)
        is_last = number == len(stated) - 1
        check_keys(entry, ("usd",) if is_last else ("up_to", "usd"), (), at)
        up_to = None if is_last else positive(entry, "up_to", at)
        if steps and up_to is not None and up_to <= (steps[-1].up_to or 0.0):
            message = f"{up_to:g} is not above the {steps[-1].up_to:g} of the tier before"
            raise MisfitError((*at, "up_to"), message, hints=_TIER_HINTS)
        usd = maybe(entry, "usd", at)
        if usd is None:
            raise MisfitError((*at, "usd"), "a number of 0 or more is expected")
        steps.append(PriceTier(up_to=up_to, usd=usd))
    if value != next((step.usd for step in steps if step.usd), 0.0):
        raise MisfitError(keys, f"the first rate above 0 is not the value {value:g}")
    return tuple(steps)
