"""`llmplan prices diff` and `prices check`: what moved between two sets of prices, and whether they can be quoted."""

from __future__ import annotations

import os
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from llmplan.cli import _console, _parse
from llmplan.cli._catalog import open_catalog, price_date, seller_ids
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, OutputFlags
from llmplan.errors import DataError, LimitExceededError, LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.report.price_fitness import CheckNews
    from llmplan.spec.price_difference import Difference

Documents: TypeAlias = dict[str, dict[str, Any]]
SHOWN_LINES = 40
DAY = _parse.day


@takes_flags
def diff(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Tables or profiles to set beside the prices in force.")
    ] = None,
    from_date: Annotated[
        Any,
        typer.Option("--from-date", parser=DAY("--from-date"), metavar="DATE", help="The old side: as of this day."),
    ] = None,
    to_date: Annotated[
        Any,
        typer.Option("--to-date", parser=DAY("--to-date"), metavar="DATE", help="The new side (default: --as-of)."),
    ] = None,
    previous: Annotated[
        bool, typer.Option("--previous", help="The old side: the cached prices before the last update.")
    ] = False,
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="ID", help="Only this GPU (id or alias).")] = None,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", metavar="ID", help="Only this seller or company (repeatable).")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Rows of each table, 0 for all; JSON has them all.")
    ] = SHOWN_LINES,
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """Show how two sets of prices differ: ~ moved, + new, - gone, the largest moves first.

    Without arguments: the packaged prices against those in force, your cache and your own files among them. Exits with
    0 whether or not anything differs.
    """
    from llmplan import pricefeeds
    from llmplan.report import price_news as view

    if sum((folder is not None, previous, from_date is not None or to_date is not None)) > 1:
        raise UsageError("DIR, --previous and --from-date are three ways to name a side: give one")
    known = open_catalog(catalog)
    sellers = frozenset().union(*(seller_ids(name, known.prices) for name in provider or ()))
    gpu_id = known.gpus[gpu].id if gpu else None
    old, new, titles, days = _sides(folder, from_date, to_date, previous, catalog)
    found = [
        each
        for each in pricefeeds.differences(old, new, old_day=days[0], new_day=days[1])
        if _wanted(each, sellers, gpu_id)
    ]
    groups = pricefeeds.moved(found)
    _console.answer(
        output.chosen,
        record=lambda: view.diff_record(*titles, found, groups),
        document=lambda: view.diff_document(*titles, found, groups, limit),
    )
    return 0


def _wanted(each: Difference, sellers: frozenset[str], gpu_id: str | None) -> bool:
    return (not sellers or each.provider in sellers) and (gpu_id is None or each.subject == gpu_id)


def _sides(
    folder: Path | None, from_date: date | None, to_date: date | None, previous: bool, flags: CatalogFlags
) -> tuple[Documents, Documents, tuple[str, str], tuple[date, date]]:
    """Old and new documents, what to call them, and the day on which each side counts."""
    from llmplan import catalogs
    from llmplan.catalogs.prices import read_price_documents

    day = price_date(flags)
    layers = catalogs.default_layers(os.environ, flags.catalog)
    in_force = read_price_documents(layers)
    if from_date is not None or to_date is not None:
        first, last = from_date or day, to_date or day
        if first > last:
            raise UsageError(f"--from-date {first} is after --to-date {last}")
        return in_force, in_force, (f"prices in force on {first}", f"prices in force on {last}"), (first, last)
    now = f"prices in force on {day}"
    if folder is not None:
        return in_force, _of_folder(folder, layers, day), (now, str(folder)), (day, day)
    packaged = catalogs.packaged_profiles()
    if previous:
        before = _previous_snapshot()
        base = (packaged, *([before] if before else ()))
        title = f"snapshot {before.name}" if before else "packaged prices"
        return read_price_documents(base), in_force, (title, now), (day, day)
    return read_price_documents((packaged,)), in_force, ("packaged prices", now), (day, day)


def _of_folder(folder: Path, layers: tuple[Path, ...], day: date) -> Documents:
    """What a folder holds: tables, or a layer of profiles on top of those in force."""
    from llmplan import pricefeeds
    from llmplan.catalogs.prices import read_price_documents

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if (folder / "prices").is_dir():
        return read_price_documents((*layers, folder))
    return dict(pricefeeds.build_documents(folder, retrieved=day))


def _previous_snapshot() -> Path | None:
    from llmplan import pricefeeds
    from llmplan.catalogs.price_cache import price_cache, snapshot_in_force

    cache = price_cache(os.environ)
    current = snapshot_in_force(cache)
    if current is None:
        raise UsageError("there are no cached prices", hints=["llmplan prices update --help"])
    return next((path for path in pricefeeds.history(cache) if path.name < current.name), None)


@takes_flags
def check(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 4 on warnings too, sellers older than 45 days among them.")
    ] = False,
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """Say whether the prices in force are fit to be quoted: age, checksums, bounds, contradictions, jumps.

    Exit codes: 0 fit, perhaps with warnings; 1 an error: a file is damaged or cannot be read, a price cannot be right;
    4 with --strict, a warning.
    """
    from llmplan.report import price_fitness as view

    news = _examined(price_date(catalog), catalog)
    _console.answer(output.chosen, record=lambda: view.check_record(news), document=lambda: view.check_document(news))
    if news.errors:
        return 1
    if strict and news.problems:
        raise LimitExceededError(
            f"{len(news.problems)} warnings, and --strict allows none",
            hints=["llmplan prices update --source all reads newer prices (network)"],
        )
    return 0


def _examined(today: date, flags: CatalogFlags) -> CheckNews:
    from llmplan import catalogs, pricefeeds
    from llmplan.catalogs.price_cache import price_cache, snapshot_in_force
    from llmplan.catalogs.prices import load_prices, read_price_documents
    from llmplan.report import price_fitness as view
    from llmplan.spec.price import STALE_PRICE_DAYS

    folder = snapshot_in_force(price_cache(os.environ))
    layers = catalogs.default_layers(os.environ, flags.catalog)
    made, origins, files, problems = _cached(folder)
    if problems:
        problems.append(("warning", "snapshot", "is left out of what follows; other commands refuse it"))
        layers = tuple(layer for layer in layers if layer != folder)
    try:
        load_prices(layers, today)
        documents = read_price_documents(layers)
    except LlmplanError as error:
        documents = {}
        problems.append(("error", "prices", error.message))
    problems += [(each.severity, each.provider, each.message) for each in pricefeeds.findings(documents, today=today)]
    problems += [("warning", path.stem, text) for path, text in _hidden(folder, layers)]
    sellers = tuple(
        view.SellerLine(
            provider=each.provider, prices=each.prices, undated=each.undated, newest=each.newest, oldest=each.oldest,
            age_days=each.age_days(today),
        )
        for each in pricefeeds.sellers_fitness(documents)
    )  # fmt: skip
    return view.CheckNews(
        today=today, stale_after_days=STALE_PRICE_DAYS, snapshot=str(folder) if folder else None, made=made,
        origins=tuple(origins), files=files, sellers=sellers, problems=tuple(problems),
    )  # fmt: skip


def _cached(folder: Path | None) -> tuple[str | None, list[str], int, list[tuple[str, str, str]]]:
    """When a snapshot was made, from what, how many files it has, and what is wrong with it."""
    from llmplan import pricefeeds
    from llmplan.catalogs.price_cache import refuse_damaged

    if folder is None:
        return None, [], 0, []
    try:
        snapshot = pricefeeds.read_snapshot(folder)
        problems = [("error", "snapshot", text) for text in pricefeeds.damages(snapshot)]
        if not problems:
            refuse_damaged(folder)
    except DataError as error:
        return None, [], 0, [("error", "snapshot", error.message)]
    origins = [f"{each.get('source')} ({each.get('url')})" for each in snapshot.origins]
    return snapshot.made.astimezone(UTC).isoformat(timespec="seconds"), origins, len(snapshot.files), problems


def _hidden(snapshot: Path | None, layers: tuple[Path, ...]) -> list[tuple[Path, str]]:
    """Files of higher layers that replace what the snapshot has, instead of adding to it."""
    from llmplan.catalogs.yaml_file import read_yaml

    if snapshot is None or snapshot not in layers:
        return []
    above = layers[layers.index(snapshot) + 1 :]
    found = []
    for path in sorted((snapshot / "prices").glob("*.yaml")):
        for layer in above:
            own = layer / "prices" / path.name
            if own.is_file() and "extends" not in read_yaml(own):
                found.append((own, f"{own} replaces the cached prices; `extends: {path.stem}` would add to them"))
    return found
