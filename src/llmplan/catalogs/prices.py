"""`prices/<provider>.yaml` -> PriceBook: for one date, the newest offer of each kind that had been made by then.

Offers are dated by `from:` and never removed, so an old plan can be quoted again exactly. `from: null` marks a row
whose source carries no date; it is used only where nothing dated competes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from llmplan.catalogs import price_offers as offers
from llmplan.catalogs import price_rates as rates
from llmplan.catalogs.layers import entries
from llmplan.catalogs.packaged import packaged_profiles
from llmplan.catalogs.price_cache import is_fetched, refuse_damaged
from llmplan.catalogs.price_context import Context, Document
from llmplan.catalogs.price_fields import (
    DOLLARS_HINT,
    Keys,
    MisfitError,
    check_keys,
    items_of,
    maybe_date,
    maybe_text,
    one_of,
    text,
)  # fmt: skip
from llmplan.catalogs.price_shape import DOCUMENT, MAPPINGS, SECTIONS, SOURCE, TIERS
from llmplan.catalogs.yaml_file import locate, read_yaml
from llmplan.errors import DataError, nearest
from llmplan.spec.price import PriceBook, Provider
from llmplan.spec.provenance import Source

FOLDER: Final = "prices"
_GPUS: Final = "gpus"
GRACE: Final = timedelta(days=1)
"""a day, for time zones, by which a user's file may be ahead of the clock"""


def load_prices(layers: Sequence[Path], price_date: date, *, today: date | None = None) -> PriceBook:
    """Every seller's offers as of `price_date`, from `<layer>/prices/*.yaml`, later layers replacing whole files.

    A file with `extends: <its own id>` adds its offers and facts to the file below instead. `today` (the clock's,
    unless said) is the last day from which an entry of a user's own file may hold.
    """
    parts: dict[str, list[Any]] = {name: [] for name in SECTIONS}
    providers: dict[str, Provider] = {}
    facts: dict[str, Any] = {}
    with _no_collection():
        documents = _read_documents(layers)
    gpus = _Gpus(layers)
    last_day = today or datetime.now(UTC).date() + GRACE
    for stem, document in documents.items():
        data = document.data
        try:
            seller = _seller(data, stem)
            if seller is not None:
                providers[seller.id] = seller
            elif any(key in data for key in SECTIONS):
                raise MisfitError(("tier",), "is missing: who sells something has a tier")
            context = Context(
                seller.id if seller else stem, _sources(data), price_date, last_day=last_day, check_gpu=gpus.check,
                is_own=_is_own(document),
            )  # fmt: skip
            parts["hourly"] += offers.hourly_offers(items_of(data, "hourly"), context)
            parts["serverless"] += offers.serverless_offers(items_of(data, "serverless"), context)
            parts["tokens"] += offers.token_offers(items_of(data, "tokens"), context)
            parts["unpriced"] += offers.unpriced_offers(items_of(data, "unpriced"), context)
            parts["cpu"] += rates.cpu_offers(items_of(data, "cpu"), context)
            facts |= rates.cost_facts(data.get("facts", {}), context, prefix=seller is not None)
            _all_used(data, context)
        except MisfitError as misfit:
            raise _located(document, misfit) from None
    offered: dict[str, Any] = {name: tuple(found) for name, found in parts.items()}
    return PriceBook(providers=providers, facts=facts, as_of=price_date, **offered)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the cycle collector, which would walk again and again over trees that hold no cycle and all stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_price_documents(layers: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The raw documents by provider id, as `llmplan prices update` needs them to append to."""
    return {str(each.data.get("id", stem)): each.data for stem, each in _read_documents(layers).items()}


def _read_documents(layers: Sequence[Path]) -> dict[str, Document]:
    documents = {}
    for layer in layers:
        refuse_damaged(layer)
    for stem, entry in entries(layers, FOLDER).items():
        document = Document({}, entry.path)
        for path in entry.files:
            data = read_yaml(path)
            document = _extended(document, data, path) if "extends" in data else Document(data, path)
        documents[stem] = document
    return documents


def _extended(below: Document, data: dict[str, Any], path: Path) -> Document:
    """`below` with the offers, facts and sources of `data` added."""
    if not below.data or data["extends"] != below.data.get("id"):
        raise DataError(f"{path}: extends {data['extends']!r}: a price file extends the file of its own name below")
    for key in (*SECTIONS, *MAPPINGS):
        if key in data and not isinstance(data[key], dict if key in MAPPINGS else list):
            raise _located(Document(data, path), MisfitError((key,), "a mapping or list of another kind is expected"))
    added = {key: value for key, value in data.items() if key != "extends"}
    known = below.data["sources"]
    clash = [name for name, source in added.get("sources", {}).items() if known.get(name, source) != source]
    if clash:
        raise DataError(f"{path}: sources.{clash[0]}: means something else in the file below; choose another id")
    result = below.data | added
    parts = {key: [*below.parts.get(key, [(0, below.path)])] for key in SECTIONS if key in below.data}
    named = {
        (key, name): below.named.get((key, name), below.path) for key in MAPPINGS for name in below.data.get(key, ())
    }
    for key in SECTIONS:
        if key in added:
            parts.setdefault(key, []).append((len(below.data.get(key, ())), path))
            result[key] = [*below.data.get(key, ()), *added[key]]
    for key in MAPPINGS:
        if key in added:
            named |= {(key, name): path for name in added[key]}
            result[key] = below.data.get(key, {}) | added[key]
    return Document(result, path, parts, named)


def _is_own(document: Document) -> Callable[[Keys], bool]:
    """Whether a user wrote the entry that keys lead to, asked of every entry of a document."""
    files = {document.path, *(path for part in document.parts.values() for _, path in part), *document.named.values()}
    own = {path for path in files if not path.is_relative_to(packaged_profiles()) and not is_fetched(path)}
    if own in (set(), files):
        return lambda _: bool(own)
    return lambda keys: document.file_of(keys)[0] in own


class _Gpus:
    """Which GPUs a user's file may name: those with a profile, and those that packaged sellers have anyway.

    Layers without any profile of a GPU (prices alone) have nothing to compare with.
    """

    def __init__(self, layers: Sequence[Path]) -> None:
        self._layers = layers
        self._profiles = frozenset(entries(layers, _GPUS))

    def check(self, gpu_id: str, keys: Keys) -> None:
        """Refuse an id that nothing describes, and say which one is meant."""
        if gpu_id in self._profiles or not self._profiles or gpu_id in self._sold():
            return
        from llmplan.catalogs.gpus import gpu_library

        meant = gpu_library(self._layers).find(gpu_id)
        near = [meant] if meant else nearest(gpu_id, self._profiles)
        hints = [f"did you mean {', '.join(near)}?"] if near else []
        raise MisfitError(keys, f"unknown GPU {gpu_id!r}", hints=[*hints, "llmplan catalog list gpus"])

    @staticmethod
    def _sold() -> frozenset[str]:
        packaged = (each.data for each in _read_documents((packaged_profiles(),)).values())
        return frozenset(entry["gpu"] for data in packaged for entry in data.get("hourly", ()))


def _seller(document: dict[str, Any], stem: str) -> Provider | None:
    """The provider of a document; None for one that only states figures of no single seller."""
    check_keys(document, *DOCUMENT, ())
    identity = text(document, "id", ())
    if identity.casefold() != stem:
        raise MisfitError(("id",), f"the file is named {stem!r} and its id is {identity!r}")
    name = text(document, "name", ())
    if document.get("currency", "USD") != "USD":
        raise MisfitError(("currency",), f"{document['currency']!r}: only USD is understood", hints=(DOLLARS_HINT,))
    if "tier" not in document:
        return None
    tier: Any = one_of(document, "tier", TIERS, ())
    aliases = tuple(str(alias) for alias in items_of(document, "aliases"))
    return Provider(id=identity, name=name, tier=tier, aliases=aliases, company=maybe_text(document, "company", ()))


def _sources(document: dict[str, Any]) -> dict[str, Source]:
    stated = document["sources"]
    if not isinstance(stated, dict):
        raise MisfitError(("sources",), "a mapping of id to source is expected")
    result = {}
    for name, entry in stated.items():
        keys = ("sources", name)
        check_keys(entry, *SOURCE, keys)
        result[name] = Source(
            id=name, title=text(entry, "title", keys), url=maybe_text(entry, "url", keys),
            retrieved=maybe_date(entry, "retrieved", keys), locator=maybe_text(entry, "locator", keys),
        )  # fmt: skip
    return result


def _all_used(document: dict[str, Any], context: Context) -> None:
    if "interruption_source" in document:
        context.source(document["interruption_source"], ("interruption_source",))
    unused = [name for name in context.sources if name not in context.used]
    if unused:
        raise MisfitError(("sources", unused[0]), "is declared and never used")


def _located(document: Document, misfit: MisfitError) -> DataError:
    """The complaint with its position in the file that it is about."""
    path, keys = document.file_of(misfit.keys)
    label = ".".join(str(key) for key in keys) or "file"
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        (line, column), _ = locate(root, keys)
    except (OSError, yaml.YAMLError):
        line, column = 1, 1
    return DataError(f"{path}:{line}:{column}: {label}: {misfit.message}", hints=misfit.hints)
