"""Rows of the per-second table into serverless offers; rows without a rate into `unpriced`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from llmplan.pricefeeds.dates import first_day
from llmplan.pricefeeds.gpu_names import GpuMatch, catalog_gpu
from llmplan.pricefeeds.providers import seller_of
from llmplan.pricefeeds.serverless_terms import TERMS, UNKNOWN_TERMS, PlanFee, ServerlessTerms
from llmplan.pricefeeds.sources import SourceBook, clean_source
from llmplan.pricefeeds.tables import Row, number
from llmplan.pricefeeds.tally import Tally

TABLE: Final = "serverless_gpu"
_GRANULARITY: Final = ((r"100 ms", 0.1), (r"per second", 1.0), (r"per minute", 60.0), (r"per hour", 3600.0))
_CONFIDENCE = re.compile(r"\b(low|medium|high)(-(low|medium|high))?\b")
_HOST = re.compile(r"^(?P<gpu>.+?) \((?P<host>[^)]+)\)$")
_MEMORY = re.compile(r" \d+ ?GB$")


def serverless_offers(
    rows: list[Row], sources: SourceBook, tally: Tally
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The `serverless:` and `unpriced:` lists of one provider's document."""
    offers: list[dict[str, Any]] = []
    unpriced: list[dict[str, Any]] = []
    for row in rows:
        if number(row, "usd_per_second") is None:
            unpriced.append(_unpriced(row, sources))
            tally.use(TABLE)
            continue
        terms = TERMS.get(seller_of(row["provider"]).id, UNKNOWN_TERMS)
        elsewhere = _terms_of_another_row(row, rows)
        fees = terms.plan_fees or (None,)
        matches = list(_gpus(row))
        if matches:
            tally.use(TABLE, len(matches) * len(fees))
        else:
            tally.leave_out(TABLE, row, "no GPU is known by this name")
        for match, mode, note in matches:
            said = "; ".join(filter(None, (note, match.note, terms.note, elsewhere)))
            offers.extend(_offer(row, match, mode, terms, fee, said, sources) for fee in fees)
    return offers, unpriced


def billing_granularity_s(text: str) -> float | None:
    """Seconds in which use is rounded up, None if the row does not say.

    >>> billing_granularity_s("100 ms; instance-based billing"), billing_granularity_s("per minute while running")
    (0.1, 60.0)
    """
    return next((seconds for pattern, seconds in _GRANULARITY if pattern in text), None)


def scales_to_zero(text: str) -> bool:
    """Only a plain yes counts: "auto-stop configurable" and the like may leave a request unanswered.

    >>> scales_to_zero("yes (min_replica 0)"), scales_to_zero("auto-stop/autoscaling configurable")
    (True, False)
    """
    return text.startswith("yes")


def _terms_of_another_row(row: Row, rows: list[Row]) -> str:
    """What to say where this row's source states no terms and another source of the same seller does."""
    stated = next((other["source"] for other in rows if other["extra_charges"]), row["source"])
    if row["extra_charges"] or stated == row["source"]:
        return ""
    return f"its charges beside the GPU are from {clean_source(stated)}"


def _gpus(row: Row) -> Iterator[tuple[GpuMatch, str, str]]:
    """The GPUs that a row can mean, each with the mode and a note: `L4/A5000 24GB` is a worker with either."""
    host = _HOST.match(row["gpu"])
    text = host["gpu"] if host else row["gpu"]
    mode = f"{row['mode']} on {host['host']}" if host else row["mode"]
    names = _MEMORY.sub("", text).split("/") if "/" in text else [text]
    note = f"a worker gets one of {text}" if len(names) > 1 else ""
    for name in names:
        match = catalog_gpu(name, provider=row["provider"])
        if match is not None:
            yield match, mode, note


def _offer(
    row: Row, match: GpuMatch, mode: str, terms: ServerlessTerms, fee: PlanFee | None, note: str, sources: SourceBook
) -> dict[str, Any]:
    limit = f" (plan for up to {fee.max_gpus} GPUs)" if fee and fee.max_gpus else ""
    found = _CONFIDENCE.search(row["confidence"])
    advertised = "as low as" in mode or '"from"' in mode
    fixed = {
        "gpu": match.gpu_id,
        "from": first_day(row["as_of"]),
        "source": sources.id_of(row["source"]),
        "mode": mode.replace('"', "") + limit,
        "usd_per_gpu_s": number(row, "usd_per_second"),
        "scales_to_zero": scales_to_zero(row["scale_to_zero"]),
        "confidence": found[0] if found else "unstated",
    }
    optional = {
        "quality": "advertised" if advertised else None,
        "granularity_s": billing_granularity_s(row["billing_granularity"]),
        "idle_window_s": terms.idle_window_s if fixed["scales_to_zero"] else None,
        "usd_per_vcpu_s": 0 if terms.includes_host else terms.usd_per_vcpu_s,
        "usd_per_gib_s": 0 if terms.includes_host else terms.usd_per_gib_s,
        "min_vcpus": terms.min_vcpus,
        "min_memory_gib": terms.min_memory_gib,
        "plan_fee_usd_per_month": fee.usd_per_month if fee else None,
        "max_gpus": fee.max_gpus if fee else None,
        "region": terms.region if terms.region != "global" else None,
        "bills_start": None if terms.bills_start else False,
        "note": note or None,
    }
    return fixed | {key: value for key, value in optional.items() if value is not None}


def _unpriced(row: Row, sources: SourceBook) -> dict[str, Any]:
    name = _HOST.sub(r"\g<gpu>", row["gpu"])
    match = catalog_gpu(name, provider=row["provider"])
    entry: dict[str, Any] = {"product": " ".join(filter(None, (row["gpu"], row["mode"])))}
    if match is not None:
        entry["gpu"] = match.gpu_id
    rule = (
        "the price of the marketplace's machines" if "same price as marketplace" in row["billing_granularity"] else ""
    )
    return entry | {
        "from": first_day(row["as_of"]),
        "source": sources.id_of(row["source"]),
        "note": rule or "rate not found",
    }
