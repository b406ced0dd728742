"""`llmplan catalog`: what is known, where it comes from, and whether the files are in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog, price_date
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, OutputFlags
from llmplan.errors import LimitExceededError, UnknownIdError, UsageError, nearest

if TYPE_CHECKING:
    from llmplan.report.entry import MeasuredFormat
    from llmplan.report.listings import Listing
    from llmplan.spec.catalog import Catalog

KINDS = ("gpus", "hosts", "engines", "models", "workloads", "providers", "regions", "formats", "calibrations")
SHOWN_KINDS = ("gpus", "hosts", "engines", "models", "workloads")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        name="catalog", rich_markup_mode=None, no_args_is_help=True,
        help="List, show and check what is known: models, GPUs, hosts, engines, prices, workloads.",
    )  # fmt: skip
    group.command("list")(list_kind)
    group.command("show", short_help="Show one entry with the source of each figure.")(show)
    group.command("check", short_help="Check every file of the catalogue.")(check)
    app.add_typer(group, short_help="What is known: models, GPUs, hosts, engines, workloads.")


@takes_flags
def list_kind(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(KINDS))],
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """List every entry of one kind."""
    wanted = kind_named(kind)
    listing = _listing(wanted, open_catalog(catalog))
    from llmplan.report import listings as view

    _console.answer(
        output.chosen,
        record=lambda: view.record(wanted, listing),
        document=lambda: view.document(wanted, listing),
    )
    return 0


def kind_named(text: str) -> str:
    """The kind, also in the singular and in any case."""
    folded = text.casefold()
    for name in (folded, f"{folded}s"):
        if name in KINDS:
            return name
    near = nearest(folded, KINDS, count=1)
    hints = [f"did you mean {near[0]}?"] if near else []
    raise UsageError(f"unknown kind {text!r}", hints=[*hints, f"one of {', '.join(KINDS)}"])


def _listing(kind: str, catalog: Catalog) -> Listing:
    from llmplan.report import listings as view
    from llmplan.spec.formats import WEIGHT_FORMATS

    makers: Mapping[str, Callable[[], Listing]] = {
        "gpus": lambda: view.gpus(catalog.gpus.values()),
        "hosts": lambda: view.hosts(catalog.hosts.values()),
        "engines": lambda: view.engines(catalog.engines.values()),
        "models": lambda: view.models(catalog.models.values()),
        "workloads": lambda: view.workloads(catalog.workloads.values()),
        "providers": lambda: view.providers(catalog.prices.providers.values(), _offers(catalog)),
        "regions": lambda: view.regions(_sellers(catalog)),
        "formats": lambda: view.formats(WEIGHT_FORMATS, catalog.qualities),
        "calibrations": lambda: view.calibrations(catalog.calibrations),
    }
    return makers[kind]()


def _offers(catalog: Catalog) -> dict[str, tuple[int, int, int]]:
    """How many offers by the hour, by the second and by the token each seller has."""
    prices = catalog.prices
    kinds = (prices.hourly, prices.serverless, prices.tokens)
    return {
        seller: tuple(sum(offer.provider == seller for offer in offers) for offers in kinds)  # type: ignore[misc]
        for seller in prices.providers
    }


def _sellers(catalog: Catalog) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for offer in catalog.prices.hourly:
        found.setdefault(offer.region, set()).add(offer.provider)
    return found


@takes_flags
def show(
    entry: Annotated[
        str,
        typer.Argument(metavar="ID", help="Id or alias of a model, GPU, host, engine, workload, provider or format."),
    ],
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """Show one entry with the source, date and kind of each of its figures; of a format, its measured quality."""
    kind, entity, path = find(entry, open_catalog(catalog))
    from llmplan.report import entry as view

    _console.answer(
        output.chosen,
        record=lambda: view.record(kind, entity, path),
        document=lambda: view.document(kind, entity, path),
    )
    return 0


def find(name: str, catalog: Catalog) -> tuple[str, Any, str | None]:
    """The entry of any kind that carries this id or alias, and the file that it comes from."""
    from llmplan.spec.formats import WEIGHT_FORMATS

    for kind in SHOWN_KINDS:
        library = getattr(catalog, kind)
        if name in library:
            path = getattr(library, "path", None)
            return kind.removesuffix("s"), library[name], str(path(name)) if path else None
    for text, provider in catalog.prices.providers.items():
        if name.casefold() == text.casefold():
            return "provider", provider, None
    if (measured := format_named(name, catalog)) is not None:
        return "format", measured, None
    known = [*catalog.prices.providers, *(each.id for each in WEIGHT_FORMATS)]
    for kind in SHOWN_KINDS:
        library = getattr(catalog, kind)
        known += getattr(library, "names", library.keys)()
    raise UnknownIdError("entry", name, known, listing=f"llmplan catalog list {'|'.join(KINDS)}")


def format_named(name: str, catalog: Catalog) -> MeasuredFormat | None:
    """The weight format of this id or alias, with its quality; None for another name."""
    from llmplan.report.entry import measured_format
    from llmplan.spec.formats import WEIGHT_FORMATS

    for each in WEIGHT_FORMATS:
        if name.casefold() in (each.id, *each.aliases):
            return measured_format(each, catalog.qualities.get(each.id))
    return None


@takes_flags
def check(
    strict: Annotated[bool, typer.Option("--strict", help="Exit 4 on warnings too, stale prices among them.")] = False,
    *,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """Read every file of the catalogue and say what is wrong with it: file, line, column."""
    from llmplan import catalogs

    layers = catalogs.default_layers(os.environ, catalog.catalog)
    problems = tuple(catalogs.check(layers, today=price_date(catalog)))
    from llmplan.report import problems as view

    _console.answer(
        output.chosen,
        record=lambda: view.record(problems),
        document=lambda: view.document(problems),
    )
    if any(view.is_error(problem) for problem in problems):
        return 1
    if problems and strict:
        raise LimitExceededError(f"{len(problems)} warnings, and --strict allows none")
    return 0
