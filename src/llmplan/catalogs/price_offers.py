"""The parts of a price document -> offers, the newest of each kind as of one date."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs import price_shape as shape
from llmplan.catalogs.price_context import Context, newer
from llmplan.catalogs.price_fields import (
    Keys,
    MisfitError,
    check_keys,
    flag,
    maybe,
    maybe_count,
    maybe_date,
    maybe_text,
    one_of,
    positive,
    text,
)  # fmt: skip
from llmplan.spec.price import GLOBAL_REGION, TERMS, HourlyOffer, ServerlessOffer, TokenOffer, UnpricedOffer
from llmplan.spec.provenance import FigureKind
from llmplan.units import GIB

_TERM_HINTS: Final = dict.fromkeys(
    ("reserved", "commitment", "committed", "savings-plan"),
    "a commitment states its years: reserved-1y or reserved-3y, and how it is paid in `upfront:`",
)
_KIND_OF: Final[dict[str, FigureKind]] = {"average": "derived", "derived": "derived"}


def hourly_offers(entries: list[Any], context: Context) -> list[HourlyOffer]:
    """Whole machines by region and term."""
    best: dict[tuple[Any, ...], HourlyOffer] = {}
    for index, entry in enumerate(entries):
        keys: Keys = ("hourly", index)
        check_keys(entry, *shape.INSTANCE, keys)
        memory_gib = maybe(entry, "memory_gib", keys)
        machine = {
            "provider": context.provider,
            "instance": text(entry, "instance", keys),
            "gpu_id": context.gpu(entry, keys),
            "gpus": positive(entry, "gpus", keys),
            "vcpus": maybe(entry, "vcpus", keys),
            "memory_bytes": None if memory_gib is None else round(memory_gib * GIB),
            "per_gpu": flag(entry, "per_gpu", keys, default=False),
        }
        if machine["per_gpu"] and machine["gpus"] != 1:
            raise MisfitError((*keys, "per_gpu"), "a price per GPU is for one GPU")
        note = maybe_text(entry, "note", keys)
        if not isinstance(entry["offers"], list):
            raise MisfitError((*keys, "offers"), "a list is expected")
        for number, offer in enumerate(entry["offers"]):
            for made in _regions(offer, machine, note, context, (*keys, "offers", number)):
                key = (made.instance, made.gpu_id, made.gpus, made.region, made.term, made.upfront)
                at = (*keys, "offers", number, "usd_per_hour", made.region)
                context.once(("hourly", key, made.from_date, made.provenance.source.id), at)
                known = best.get(key)
                if known is None or newer(made.from_date, known.from_date):
                    best[key] = made
    return list(best.values())


def _regions(offer: Any, machine: dict[str, Any], note: str | None, context: Context, keys: Keys) -> list[HourlyOffer]:
    """One dated offer in each of its regions; none if it was made after the price date."""
    check_keys(offer, *shape.OFFER, keys)
    day = context.day(offer, "from", keys)
    quality: Any = one_of(offer, "quality", shape.QUALITIES, keys, "listed")
    term: Any = one_of(offer, "term", TERMS, keys, hints=_TERM_HINTS)
    upfront: Any = one_of(offer, "upfront", shape.UPFRONT, keys) if "upfront" in offer else None
    if upfront is not None and not term.startswith("reserved"):
        raise MisfitError((*keys, "upfront"), "only a reserved term is paid upfront")
    confidence = maybe_text(offer, "confidence", keys)
    provenance = context.provenance(offer, _KIND_OF.get(quality, "published"), keys, note)
    prices, buckets = offer["usd_per_hour"], offer.get("interruption", {})
    for name, mapping in (("usd_per_hour", prices), ("interruption", buckets)):
        if not isinstance(mapping, dict):
            raise MisfitError((*keys, name), "a mapping by region is expected")
    if not prices:
        raise MisfitError((*keys, "usd_per_hour"), "has no region")
    price_keys = (*keys, "usd_per_hour")
    made = [
        HourlyOffer(
            **machine, region=region, term=term, usd_per_hour=positive(prices, region, price_keys), from_date=day,
            quality=quality, upfront=upfront, interruption=buckets.get(region), confidence=confidence,
            provenance=provenance,
        )
        for region in prices
    ]  # fmt: skip
    return made if context.holds(day) else []


def serverless_offers(entries: list[Any], context: Context) -> list[ServerlessOffer]:
    """GPUs by the second."""
    best: dict[tuple[Any, ...], ServerlessOffer] = {}
    for index, entry in enumerate(entries):
        keys: Keys = ("serverless", index)
        check_keys(entry, *shape.SERVERLESS, keys)
        day = context.day(entry, "from", keys)
        quality: Any = one_of(entry, "quality", shape.QUALITIES, keys, "listed")
        offer = ServerlessOffer(
            provider=context.provider,
            gpu_id=context.gpu(entry, keys),
            mode=text(entry, "mode", keys),
            usd_per_gpu_s=positive(entry, "usd_per_gpu_s", keys),
            scales_to_zero=flag(entry, "scales_to_zero", keys, default=False),
            granularity_s=maybe(entry, "granularity_s", keys),
            idle_window_s=maybe(entry, "idle_window_s", keys),
            min_billed_s=maybe(entry, "min_billed_s", keys),
            bills_start=flag(entry, "bills_start", keys, default=True),
            usd_per_vcpu_s=maybe(entry, "usd_per_vcpu_s", keys),
            usd_per_gib_s=maybe(entry, "usd_per_gib_s", keys),
            min_vcpus=maybe(entry, "min_vcpus", keys),
            min_memory_gib=maybe(entry, "min_memory_gib", keys),
            plan_fee_usd_per_month=maybe(entry, "plan_fee_usd_per_month", keys),
            max_gpus=maybe_count(entry, "max_gpus", keys),
            region=maybe_text(entry, "region", keys) or GLOBAL_REGION,
            quality=quality,
            confidence=text(entry, "confidence", keys),
            from_date=day,
            provenance=context.provenance(entry, _KIND_OF.get(quality, "published"), keys),
        )
        key = (offer.gpu_id, offer.mode, offer.region)
        context.once(("serverless", key, day, offer.provenance.source.id), keys)
        if context.holds(day) and (key not in best or newer(day, best[key].from_date)):
            best[key] = offer
    return list(best.values())


def token_offers(entries: list[Any], context: Context) -> list[TokenOffer]:
    """Models by the token; a listing that had ended by the price date is gone."""
    best: dict[tuple[Any, ...], TokenOffer] = {}
    for index, entry in enumerate(entries):
        keys: Keys = ("tokens", index)
        check_keys(entry, *shape.TOKENS, keys)
        day = context.day(entry, "from", keys)
        ends = maybe_date(entry, "ends", keys)
        offer = TokenOffer(
            provider=context.provider,
            model_id=text(entry, "model", keys),
            listed_as=text(entry, "listed_as", keys),
            input_usd_per_mtok=positive(entry, "input_usd_per_mtok", keys),
            output_usd_per_mtok=positive(entry, "output_usd_per_mtok", keys),
            cached_input_usd_per_mtok=maybe(entry, "cached_input_usd_per_mtok", keys),
            batch_input_usd_per_mtok=maybe(entry, "batch_input_usd_per_mtok", keys),
            batch_output_usd_per_mtok=maybe(entry, "batch_output_usd_per_mtok", keys),
            context_tokens=maybe_count(entry, "context_tokens", keys),
            weights=maybe_text(entry, "weights", keys),
            region=maybe_text(entry, "region", keys) or GLOBAL_REGION,
            ends=ends,
            from_date=day,
            provenance=context.provenance(entry, "published", keys),
        )
        key = (offer.model_id, offer.listed_as)
        context.once(("tokens", key, day, offer.provenance.source.id), keys)
        if context.holds(day) and (key not in best or newer(day, best[key].from_date)):
            best[key] = offer
    return [offer for offer in best.values() if offer.ends is None or offer.ends > context.price_date]


def unpriced_offers(entries: list[Any], context: Context) -> list[UnpricedOffer]:
    """Products whose rate no source states."""
    result = []
    for index, entry in enumerate(entries):
        keys: Keys = ("unpriced", index)
        check_keys(entry, *shape.UNPRICED, keys)
        context.day(entry, "from", keys)
        result.append(
            UnpricedOffer(
                provider=context.provider,
                product=text(entry, "product", keys),
                gpu_id=maybe_text(entry, "gpu", keys),
                note=text(entry, "note", keys),
                provenance=context.provenance(entry, "published", keys),
            )
        )
    return result
