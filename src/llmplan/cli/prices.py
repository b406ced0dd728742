"""`llmplan prices`: what sellers ask, and how fresh that is. Only `update --source` goes to the network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog, seller_ids
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import TERMS, CatalogFlags, OutputFlags
from llmplan.cli._price_check import check, diff
from llmplan.cli._price_update import update
from llmplan.errors import UnknownIdError, UsageError, nearest

if TYPE_CHECKING:
    from llmplan.report.prices import MarketLine, PriceRow
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.price import PriceBook

SHOWN_ROWS = 50
LISTED_TERMS = (*TERMS, "per-second", "per-token")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        name="prices", rich_markup_mode=None, no_args_is_help=True,
        help="Show prices with their dates and sources, update them when asked to, compare and check them.",
    )  # fmt: skip
    group.command("show")(show)
    group.command("update")(update)
    group.command("diff")(diff)
    group.command("check")(check)
    app.add_typer(group)


@takes_flags
def show(
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="ID", help="Only this GPU (id or alias).")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="Only token prices of this model.")] = None,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", metavar="ID", help="Only this seller or company (repeatable).")
    ] = None,
    term: Annotated[
        list[str] | None, typer.Option("--term", metavar="|".join(LISTED_TERMS), help="Only these terms (repeatable).")
    ] = None,
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Machines without a GPU instead, the cheapest vCPU-hour first.")
    ] = (False),
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Rows of the table, 0 for all; JSON has them all.")
    ] = SHOWN_ROWS,
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """Show what the market asks, then every price, the cheapest GPU-hour first.

    The market's line counts each seller once, by the median of his own prices.
    """
    known = open_catalog(catalog)
    sellers = _sellers(provider or [], known.prices)
    terms = _terms(term or [])
    if cpu and (gpu or model):
        raise UsageError("--cpu shows machines without a GPU: --gpu and --model have nothing to do with them")
    gpu_id = known.gpus[gpu].id if gpu else None
    from llmplan.report import prices as view

    if cpu:
        machines = [o for o in known.prices.cpu if o.provider in sellers and (not terms or o.term in terms)]
        rows, market = sorted(map(view.cpu_row, machines), key=_order), view.cpu_market(machines)
    else:
        rows = _rows(known, gpu_id, model, sellers, terms)
        market = _market(known, gpu_id, model, sellers, terms)
    unpriced = [
        offer
        for offer in known.prices.unpriced
        if offer.provider in sellers and offer.gpu_id in (None, gpu_id or offer.gpu_id) and not (model or terms or cpu)
    ]
    shown = rows[:limit] if limit else rows
    _console.answer(
        output.chosen,
        record=lambda: view.list_record(rows, unpriced, known.prices.as_of, market),
        document=lambda: view.list_document(
            shown, unpriced, len(rows), known.prices.as_of, market[:limit] if limit and not (gpu_id or cpu) else market
        ),
    )
    return 0


def _market(
    known: Catalog, gpu_id: str | None, model: str | None, sellers: frozenset[str], terms: frozenset[str]
) -> list[MarketLine]:
    """The medians of what is shown: of GPUs on every term asked for, of models where a model or tokens are asked for.

    Without any of that, of all GPUs on demand.
    """
    from llmplan.pricing.market import EVERY_SELLER, market_medians
    from llmplan.report import prices as view

    lines: list[MarketLine] = []
    if not model:
        limits = replace(EVERY_SELLER, provider_ids=tuple(sorted(sellers)))
        wanted = terms or ({*TERMS, "per-second"} if gpu_id else {"on-demand"})
        lines += [
            view.MarketLine(
                subject=each.gpu_id, term=each.term, usd=(each.usd_per_gpu_hour,),
                low_usd=(each.low_usd_per_gpu_hour,), high_usd=(each.high_usd_per_gpu_hour,),
                sellers=len(each.sellers), rows=each.rows, undated=each.undated_rows, oldest=each.oldest,
                newest=each.newest, left_out=each.left_out_rows,
            )
            for each in market_medians(known.prices, limits=limits, gpu_ids=[gpu_id] if gpu_id else None)
            if each.term in wanted
        ]  # fmt: skip
    if not gpu_id and (model or "per-token" in terms):
        sold = [o for o in known.prices.tokens if o.provider in sellers and (not terms or "per-token" in terms)]
        lines += view.token_market([o for o in sold if not model or o.model_id.casefold() == model.casefold()])
    return lines


def _rows(
    known: Catalog, gpu_id: str | None, model: str | None, sellers: frozenset[str], terms: frozenset[str]
) -> list[PriceRow]:
    from llmplan.report import prices as view

    rows: list[PriceRow] = []
    prices = known.prices
    if not model:
        rows += [
            view.hourly_row(o) for o in prices.hourly if _wanted(o.provider, o.term, o.gpu_id, sellers, terms, gpu_id)
        ]
        rows += [
            view.serverless_row(o)
            for o in prices.serverless
            if _wanted(o.provider, "per-second", o.gpu_id, sellers, terms, gpu_id)
        ]
    if not gpu_id:
        rows += [
            view.token_row(o)
            for o in prices.tokens
            if _wanted(o.provider, "per-token", None, sellers, terms, None)
            and (not model or o.model_id.casefold() == model.casefold())
        ]
    if model and not rows and not any(o.model_id.casefold() == model.casefold() for o in prices.tokens):
        raise UnknownIdError(
            "model", model, {o.model_id for o in prices.tokens}, listing="llmplan prices show --term per-token"
        )
    return sorted(rows, key=_order)


def _order(row: PriceRow) -> tuple[bool, float, str, str]:
    """GPUs and CPUs by the price of an hour of one, then tokens by what a million in and a million out cost."""
    if row.unit_usd_per_hour is not None:
        return False, row.unit_usd_per_hour, row.provider, row.item
    return True, row.record["input_usd_per_mtok"] + row.record["output_usd_per_mtok"], row.provider, row.item


def _wanted(
    provider: str, term: str, gpu: str | None, sellers: frozenset[str], terms: frozenset[str], gpu_id: str | None
) -> bool:
    return provider in sellers and (not terms or term in terms) and (gpu_id is None or gpu == gpu_id)


def _sellers(names: list[str], prices: PriceBook) -> frozenset[str]:
    """The ids of the sellers meant; all of them without names."""
    return frozenset().union(*(seller_ids(name, prices) for name in names)) if names else frozenset(prices.providers)


def _terms(names: list[str]) -> frozenset[str]:
    for name in names:
        if name not in LISTED_TERMS:
            near = nearest(name, LISTED_TERMS, count=1)
            hints = [f"did you mean {near[0]}?"] if near else []
            raise UsageError(f"unknown term {name!r}", hints=[*hints, f"one of {', '.join(LISTED_TERMS)}"])
    return frozenset(names)
