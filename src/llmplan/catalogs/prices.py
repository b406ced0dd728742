"""`prices/<provider>.yaml` -> PriceBook: for one date, the newest offer of each kind that had been made by then.

Offers are dated by `from:` and never removed, so an old plan can be quoted again exactly. `from: null` marks a row
whose source carries no date; it is used only where nothing dated competes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from llmplan.catalogs import price_offers as offers
from llmplan.catalogs.layers import entries
from llmplan.catalogs.price_fields import MisfitError, check_keys, items_of, maybe_date, maybe_text, one_of, text
from llmplan.catalogs.yaml_file import locate, read_yaml
from llmplan.errors import DataError
from llmplan.spec.price import CostFact, HourlyOffer, PriceBook, Provider, ServerlessOffer, TokenOffer, UnpricedOffer
from llmplan.spec.provenance import Source

FOLDER: Final = "prices"
_REQUIRED: Final = ("id", "name", "sources")
_OPTIONAL: Final = (
    "tier", "company", "aliases", "interruption_source", "extends",
    "hourly", "serverless", "unpriced", "tokens", "facts",
)  # fmt: skip
_TIERS: Final = ("hyperscaler", "cloud", "marketplace", "api")
_LISTS: Final = ("hourly", "serverless", "unpriced", "tokens")


def load_prices(layers: Sequence[Path], price_date: date) -> PriceBook:
    """Every seller's offers as of `price_date`, from `<layer>/prices/*.yaml`, later layers replacing whole files.

    A file with `extends: <its own id>` adds its offers and facts to the file below instead.
    """
    providers: dict[str, Provider] = {}
    hourly: list[HourlyOffer] = []
    serverless: list[ServerlessOffer] = []
    tokens: list[TokenOffer] = []
    unpriced: list[UnpricedOffer] = []
    facts: dict[str, CostFact] = {}
    for stem, (document, path) in _read_documents(layers).items():
        try:
            seller = _seller(document, stem)
            sources = _sources(document)
            context = offers.Context(seller.id if seller else stem, sources, price_date)
            if seller is not None:
                providers[seller.id] = seller
            elif any(key in document for key in _LISTS):
                raise MisfitError(("tier",), "is missing: who sells something has a tier")
            hourly += offers.hourly_offers(items_of(document, "hourly"), context)
            serverless += offers.serverless_offers(items_of(document, "serverless"), context)
            tokens += offers.token_offers(items_of(document, "tokens"), context)
            unpriced += offers.unpriced_offers(items_of(document, "unpriced"), context)
            facts |= offers.cost_facts(document.get("facts", {}), context, prefix=seller is not None)
            _all_used(document, context)
        except MisfitError as misfit:
            raise _located(path, misfit) from None
    return PriceBook(
        providers=providers, hourly=tuple(hourly), serverless=tuple(serverless), tokens=tuple(tokens),
        facts=facts, unpriced=tuple(unpriced), as_of=price_date,
    )  # fmt: skip


def read_price_documents(layers: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The raw documents by provider id, as `llmplan prices update` needs them to append to."""
    return {str(document.get("id", stem)): document for stem, (document, _) in _read_documents(layers).items()}


def _read_documents(layers: Sequence[Path]) -> dict[str, tuple[dict[str, Any], Path]]:
    documents = {}
    for stem, entry in entries(layers, FOLDER).items():
        document: dict[str, Any] = {}
        for path in entry.files:
            data = read_yaml(path)
            document = _extended(document, data, path) if "extends" in data else data
        documents[stem] = (document, entry.path)
    return documents


def _extended(below: dict[str, Any], data: dict[str, Any], path: Path) -> dict[str, Any]:
    """`below` with the offers, facts and sources of `data` added."""
    if not below or data["extends"] != below.get("id"):
        raise DataError(f"{path}: extends {data['extends']!r}: a price file extends the file of its own name below")
    added = {key: value for key, value in data.items() if key != "extends"}
    clash = [name for name, source in added.get("sources", {}).items() if below["sources"].get(name, source) != source]
    if clash:
        raise DataError(f"{path}: sources.{clash[0]}: means something else in the file below; choose another id")
    result = below | added
    for key in _LISTS:
        if key in below and key in added:
            result[key] = [*below[key], *added[key]]
    for key in ("sources", "facts"):
        if key in below and key in added:
            result[key] = below[key] | added[key]
    return result


def _seller(document: dict[str, Any], stem: str) -> Provider | None:
    """The provider of a document; None for one that only states figures of no single seller."""
    check_keys(document, _REQUIRED, _OPTIONAL, ())
    identity = text(document, "id", ())
    if identity.casefold() != stem:
        raise MisfitError(("id",), f"the file is named {stem!r} and its id is {identity!r}")
    name = text(document, "name", ())
    if "tier" not in document:
        return None
    tier: Any = one_of(document, "tier", _TIERS, ())
    aliases = tuple(str(alias) for alias in items_of(document, "aliases"))
    return Provider(id=identity, name=name, tier=tier, aliases=aliases, company=maybe_text(document, "company", ()))


def _sources(document: dict[str, Any]) -> dict[str, Source]:
    stated = document["sources"]
    if not isinstance(stated, dict):
        raise MisfitError(("sources",), "a mapping of id to source is expected")
    result = {}
    for name, entry in stated.items():
        keys = ("sources", name)
        check_keys(entry, ("title",), ("url", "retrieved", "locator"), keys)
        result[name] = Source(
            id=name, title=text(entry, "title", keys), url=maybe_text(entry, "url", keys),
            retrieved=maybe_date(entry, "retrieved", keys), locator=maybe_text(entry, "locator", keys),
        )  # fmt: skip
    return result


def _all_used(document: dict[str, Any], context: offers.Context) -> None:
    if "interruption_source" in document:
        context.source(document["interruption_source"], ("interruption_source",))
    unused = [name for name in context.sources if name not in context.used]
    if unused:
        raise MisfitError(("sources", unused[0]), "is declared and never used")


def _located(path: Path, misfit: MisfitError) -> DataError:
    """The complaint with its position in the file."""
    label = ".".join(str(key) for key in misfit.keys) or "file"
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        (line, column), _ = locate(root, misfit.keys)
    except (OSError, yaml.YAMLError):
        line, column = 1, 1
    return DataError(f"{path}:{line}:{column}: {label}: {misfit.message}")
