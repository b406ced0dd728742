"""`llmplan catalog check`: every file of every layer loads, names are unique, references exist, prices are fresh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from llmplan.catalogs.calibrations import calibration_library
from llmplan.catalogs.engine_flags import read_flags
from llmplan.catalogs.engines import engine_library, engine_of
from llmplan.catalogs.formats import quality_library
from llmplan.catalogs.gpus import gpu_library
from llmplan.catalogs.hosts import host_library
from llmplan.catalogs.layers import SUFFIX, entries, read_entry
from llmplan.catalogs.models import load_models
from llmplan.catalogs.prices import load_prices
from llmplan.catalogs.problem import Problem
from llmplan.catalogs.workloads import workload_library
from llmplan.errors import DataError
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS, cache_key
from llmplan.spec.price import STALE_PRICE_DAYS, HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

STALE_AFTER: Final = timedelta(days=STALE_PRICE_DAYS)
ANY: Final = "any"
_SHOWN: Final = 5
FOLDERS: Final = ("gpus", "hosts", "engines", "models", "workloads", "formats", "calibration", "prices", "flags")
_ALIASED: Final = ("gpus", "hosts", "engines", "models", "workloads")


def check(layers: Sequence[Path], *, today: date | None = None) -> list[Problem]:
    """Everything that is wrong with the catalogue; empty if nothing is."""
    day = today or datetime.now(UTC).date()
    found = list(_strays(layers))
    libraries: dict[str, Mapping[str, Any]] = {
        "gpus": gpu_library(layers),
        "hosts": host_library(layers),
        "engines": engine_library(layers),
        "models": load_models(layers),
        "workloads": workload_library(layers),
        "formats": quality_library(layers),
        "calibration": calibration_library(layers),
    }
    loaded: dict[str, dict[str, Any]] = {}
    for kind, library in libraries.items():
        loaded[kind] = {}
        for name in library:
            try:
                loaded[kind][name] = library[name]
            except DataError as error:
                found += _from_error(error)
    for folder in _ALIASED:
        found += _shared_aliases(layers, folder)
    found += _references(loaded)
    for entry in entries(layers, "flags").values():
        try:
            read_flags(entry.path)
        except DataError as error:
            found += _from_error(error)
    try:
        book = load_prices(layers, day)
    except DataError as error:
        return found + _from_error(error)
    return found + list(_price_problems(book, libraries, day))


def _from_error(error: DataError) -> list[Problem]:
    """One problem per complaint; each message begins with its file."""
    return [
        Problem(severity="error", path=Path(line.split(":", 1)[0]), message=line) for line in error.message.splitlines()
    ]


def _strays(layers: Sequence[Path]) -> Iterator[Problem]:
    """Files that nobody reads."""
    for layer in layers:
        for path in sorted(layer.glob("*/*")):
            known = path.parent.name in (*FOLDERS, "schema")
            if known and (path.suffix == SUFFIX or path.parent.name == "schema" or path.name.startswith(".")):
                continue
            reason = f"only *{SUFFIX} is read" if known else f"the folders are {', '.join(FOLDERS)}"
            yield Problem(severity="warning", path=path, message=f"{path}: never read: {reason}")


def _shared_aliases(layers: Sequence[Path], folder: str) -> Iterator[Problem]:
    """Names that lead to two entries. Versions of one engine share their names."""
    known = entries(layers, folder)
    owners: dict[str, str] = {stem: stem for stem in known}
    for stem, entry in known.items():
        try:
            aliases = read_entry(entry, known).get("aliases") or []
        except DataError:
            continue
        for alias in aliases if isinstance(aliases, list) else []:
            owner = owners.setdefault(str(alias).casefold(), stem)
            if owner != stem and not (folder == "engines" and engine_of(owner) == engine_of(stem)):
                message = f"{entry.path}: the alias {alias!r} also names {known[owner].path}"
                yield Problem(severity="error", path=entry.path, message=message)


def _references(loaded: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Names that files use of each other."""
    formats = {known.id for known in WEIGHT_FORMATS}
    measured = formats | {cache_key(known) for known in KV_FORMATS}
    for name in loaded["formats"]:
        if name not in measured:
            yield _missing("formats", name, "weight format", name)
        for row in loaded["formats"][name].speeds:
            if row.gpu_id is not None and row.gpu_id not in loaded["gpus"]:
                yield _missing("formats", name, "GPU", row.gpu_id)
    architectures = {gpu.architecture for gpu in loaded["gpus"].values()}
    for name, host in loaded["hosts"].items():
        for architecture in host.gpu_architectures:
            if architecture not in architectures:
                yield _missing("hosts", name, "GPU architecture", architecture)
    engines = {engine.id for engine in loaded["engines"].values()}
    for name, engine in loaded["engines"].items():
        for wanted in engine.weight_formats:
            if wanted not in formats:
                yield _missing("engines", name, "weight format", wanted)
    calibrated = {ANY, *engines, *(engine.calibration_id for engine in loaded["engines"].values())}
    for name, calibration in loaded["calibration"].items():
        if calibration.engine not in calibrated:
            yield _missing("calibration", name, "engine", calibration.engine)
        if calibration.gpu is not None and calibration.gpu not in loaded["gpus"]:
            yield _missing("calibration", name, "GPU id", calibration.gpu)


def _missing(folder: str, name: str, kind: str, wanted: str) -> Problem:
    return Problem(severity="error", path=None, message=f"{folder}/{name}{SUFFIX}: no such {kind}: {wanted!r}")


def _price_problems(book: PriceBook, libraries: Mapping[str, Mapping[str, Any]], day: date) -> Iterator[Problem]:
    """Offers for things that the catalogue cannot describe, and sellers whose newest offer is stale."""
    priced_gpus = {offer.gpu_id for offer in book.hourly} | {offer.gpu_id for offer in book.serverless}
    priced_models = {offer.model_id for offer in book.tokens}
    for kind, names, library in (("GPUs", priced_gpus, "gpus"), ("models", priced_models, "models")):
        unknown = sorted(name for name in names if name not in libraries[library])
        if unknown:
            shown = ", ".join(unknown[:_SHOWN]) + (", ..." if len(unknown) > _SHOWN else "")
            message = f"prices: {len(unknown)} of {len(names)} {kind} have offers but no profile: {shown}"
            yield Problem(severity="warning", path=None, message=message)
    for provider, newest in sorted(_newest(book).items()):
        if day - newest > STALE_AFTER:
            age = (day - newest).days
            message = f"prices of {provider} are {age} days old (newest {newest}); llmplan prices update"
            yield Problem(severity="warning", path=None, message=message)


def _newest(book: PriceBook) -> dict[str, date]:
    """The last day on which an offer of each provider was seen at its source."""
    found: dict[str, date] = {}
    offers: list[HourlyOffer | ServerlessOffer | TokenOffer] = [*book.hourly, *book.serverless, *book.tokens]
    for offer in offers:
        seen = offer.provenance.as_of
        if seen is not None:
            found[offer.provider] = max(seen, found.get(offer.provider, seen))
    return found
