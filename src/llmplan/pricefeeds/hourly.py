"""Rows of the hourly table into instances with dated offers by region."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from llmplan.pricefeeds.dates import on_demand_and_spot
from llmplan.pricefeeds.gpu_names import GpuMatch, catalog_gpu
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import Row, misfit, number
from llmplan.pricefeeds.tally import Tally
from llmplan.spec.price import OfferQuality

TABLE = "gpu_prices"


@dataclass(frozen=True, slots=True)
class _Price:
    """One price of a row, with what its own part of the row says."""

    term: str
    usd_per_hour: float
    source: str
    from_date: date | None
    quality: OfferQuality
    note: str


def quality_of(instance: str) -> OfferQuality:
    """How firm a row is, from the way it names the machine.

    >>> quality_of("p5.48xlarge"), quality_of("cheapest offer: A10 24GB"), quality_of("provider average H200")
    ('listed', 'advertised', 'average')
    """
    if instance.startswith("cheapest offer"):
        return "advertised"
    return "average" if instance.startswith(("provider average", "median-offer")) else "listed"


def is_priced_per_gpu(instance: str, gpus: float) -> bool:
    """Whether the row names a GPU and not a machine: machine types have no blanks in their names."""
    return gpus == 1 and " " in instance


def hourly_instances(
    rows: list[Row], sources: SourceBook, interruptions: dict[tuple[str, str], str], tally: Tally
) -> list[Any]:
    """The `hourly:` list of one provider's document. `interruptions` maps (instance, region) to a bucket."""
    instances: dict[tuple[Any, ...], dict[str, Any]] = {}
    grouped: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        match = catalog_gpu(row["gpu"], provider=row["provider"], instance=row["instance_type"])
        if match is None:
            tally.leave_out(TABLE, row, "no GPU is known by this name")
            continue
        gpus = number(row, "gpu_count") or 0
        key = (row["instance_type"], match.gpu_id, gpus)
        entry = instances.setdefault(key, _instance(row, match, gpus))
        prices = _prices(row)
        tally.use(TABLE, len(prices))
        for price in prices:
            group = (*key, price.term, price.from_date, price.source, price.quality, price.note)
            if group not in grouped:
                grouped[group] = _offer(price, sources)
                entry["offers"].append(grouped[group])
            if row["region"] in grouped[group]["usd_per_hour"]:
                raise misfit(row, f"a second {price.term} price of one day")
            grouped[group]["usd_per_hour"][row["region"]] = price.usd_per_hour
            bucket = interruptions.get((row["instance_type"], row["region"])) if price.term == "spot" else None
            if bucket:
                grouped[group].setdefault("interruption", {})[row["region"]] = bucket
    return [instances[key] for key in sorted(instances, key=str)]


def interruption_buckets(rows: list[Row]) -> dict[tuple[str, str], str]:
    """(instance, region) to the published bucket of monthly interruptions."""
    return {(row["instance_type"], row["region"]): row["interruption_bucket"] for row in rows}


def _instance(row: Row, match: GpuMatch, gpus: float) -> dict[str, Any]:
    entry: dict[str, Any] = {"instance": row["instance_type"], "gpu": match.gpu_id, "gpus": gpus}
    for column in ("vcpus", "memory_gib"):
        value = number(row, column)
        if value is not None:
            entry[column] = value
    if is_priced_per_gpu(row["instance_type"], gpus):
        entry["per_gpu"] = True
    if match.note:
        entry["note"] = match.note
    entry["offers"] = []
    return entry


def _offer(price: _Price, sources: SourceBook) -> dict[str, Any]:
    offer: dict[str, Any] = {"from": price.from_date, "source": sources.id_of(price.source), "term": price.term}
    if price.quality != "listed":
        offer["quality"] = price.quality
    if price.note:
        offer["note"] = price.note
    offer["usd_per_hour"] = {}
    return offer


def _prices(row: Row) -> list[_Price]:
    on_demand_source, spot_source = _split_source(row)
    on_demand_date, spot_date = on_demand_and_spot(row["as_of"])
    result = []
    on_demand = number(row, "on_demand_usd_per_hour")
    if on_demand is not None:
        quality = quality_of(row["instance_type"])
        result.append(_Price("on-demand", on_demand, on_demand_source, on_demand_date, quality, ""))
    spot = number(row, "spot_usd_per_hour")
    if spot is not None:
        derived = row["spot_kind"].startswith("derived")
        kind = row["spot_kind"] if row["spot_kind"] not in ("", "listed") else ""
        result.append(_Price("spot", spot, spot_source, spot_date, "derived" if derived else "listed", kind))
    if not result:
        raise misfit(row, "no price")
    return result


def _split_source(row: Row) -> tuple[str, str]:
    """The sources of the on-demand and of the spot price."""
    main, has_spot, spot = row["source"].partition(" + spot: ")
    if has_spot:
        return main, spot
    if "; od " in row["as_of"] and " + " in main:
        first, _, second = main.partition(" + ")
        return second, first
    return main, main
