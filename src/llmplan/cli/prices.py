"""`llmplan prices`: what sellers ask, and a new snapshot of it from tables on disk. Never the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog, seller_ids
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import TERMS, CatalogFlags, OutputFlags
from llmplan.errors import DataError, UnknownIdError, UsageError, nearest

if TYPE_CHECKING:
    from llmplan.report.prices import PriceRow
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.price import PriceBook

SHOWN_ROWS = 50
LISTED_TERMS = (*TERMS, "per-second", "per-token")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        name="prices", rich_markup_mode=None, no_args_is_help=True,
        help="List prices with their dates and sources; read a new snapshot from tables on disk.",
    )  # fmt: skip
    group.command("list")(list_prices)
    group.command("update")(update)
    app.add_typer(group)


@takes_flags
def list_prices(
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="ID", help="Only this GPU (id or alias).")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="Only token prices of this model.")] = None,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", metavar="ID", help="Only this seller or company (repeatable).")
    ] = None,
    term: Annotated[
        list[str] | None, typer.Option("--term", metavar="|".join(LISTED_TERMS), help="Only these terms (repeatable).")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Rows of the table, 0 for all; JSON has them all.")
    ] = SHOWN_ROWS,
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """List prices, the cheapest GPU-hour first."""
    known = open_catalog(catalog)
    sellers = _sellers(provider or [], known.prices)
    terms = _terms(term or [])
    gpu_id = known.gpus[gpu].id if gpu else None
    rows = _rows(known, gpu_id, model, sellers, terms)
    unpriced = [
        offer
        for offer in known.prices.unpriced
        if offer.provider in sellers and (gpu_id is None or offer.gpu_id in (None, gpu_id)) and not (model or terms)
    ]
    from llmplan.report import prices as view

    shown = rows[:limit] if limit else rows
    _console.answer(
        output.chosen,
        record=lambda: view.list_record(rows, unpriced, known.prices.as_of),
        document=lambda: view.list_document(shown, unpriced, len(rows), known.prices.as_of),
    )
    return 0


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
            "model", model, {o.model_id for o in prices.tokens}, listing="llmplan prices list --term per-token"
        )
    return sorted(rows, key=_order)


def _order(row: PriceRow) -> tuple[bool, float, str, str]:
    """GPUs by the price of an hour of one, then tokens by what a million in and a million out cost."""
    if row.gpu_usd_per_hour is not None:
        return False, row.gpu_usd_per_hour, row.provider, row.item
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


@takes_flags
def update(
    folder: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Folder with gpu_prices.csv, serverless_gpu.csv, ...")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and write nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="As --dry-run; exit 1 if anything is new or refused.")] = False,
    *,
    output: OutputFlags,
) -> int:
    """Read price tables from a folder into your own profiles. Prices are appended, old ones stay for old plans.

    A seller whose table breaks a bound, lost half of its rows or moved by more than a factor of three keeps its old
    prices, and the answer says so.
    """
    from llmplan import catalogs, pricefeeds
    from llmplan.catalogs.prices import read_price_documents

    if not folder.is_dir():
        raise UsageError(f"--from: {folder} is not a folder")
    today = datetime.now(tz=UTC).date()
    known = read_price_documents(catalogs.default_layers(os.environ))
    found = pricefeeds.build_documents(folder, retrieved=today)
    problems = pricefeeds.check_documents(found, known, today=today)
    refused = {problem.provider for problem in problems if problem.severity == "error"}
    accepted = {provider: document for provider, document in found.items() if provider not in refused}
    changes = pricefeeds.list_changes(known, accepted)
    written: list[Path] = []
    if changes and not (dry_run or check):
        merged = pricefeeds.merge_documents(known, accepted)
        touched = {change.provider for change in changes}
        written = pricefeeds.write_documents({p: merged[p] for p in sorted(touched)}, _user_folder(os.environ))
    _report(changes, problems, written, output)
    if refused and not accepted:
        raise DataError("no table passed its checks; the old prices stay")
    return 1 if check and (changes or refused) else 0


def _report(changes: list[Any], problems: list[Any], written: list[Path], output: OutputFlags) -> None:
    from llmplan.report import prices as view

    summary = view.UpdateSummary(
        changes=tuple((change.provider, change.key, change.old_usd, change.new_usd) for change in changes),
        problems=tuple((problem.severity, problem.provider, problem.message) for problem in problems),
        written=tuple(str(path) for path in written),
    )
    _console.answer(
        output.chosen, record=lambda: view.update_record(summary), document=lambda: view.update_document(summary)
    )


def _user_folder(environ: Mapping[str, str]) -> Path:
    """Where the user's own price files are: $XDG_CONFIG_HOME or ~/.config."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    return Path(home) / "llmplan" / "profiles" / "prices"
