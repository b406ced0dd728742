"""What `doctor` says of the installation, the catalogue and its prices, and the programs that launch files call."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from llmplan import __version__

if TYPE_CHECKING:
    from llmplan.hardware import Finding
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.price import HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

STALE_SHOWN = 4
LIBRARIES = ("typer", "rich", "pydantic", "PyYAML", "numpy", "nvidia-ml-py")


def check_installation() -> Iterator[Finding]:
    """Python, this package, and the libraries it stands on."""
    import platform

    from llmplan.hardware import Finding

    python = f"Python {platform.python_version()}, {sys.executable}"
    yield Finding(check="python", status="ok" if sys.version_info >= (3, 11) else "fail", message=python)
    missing = [name for name in LIBRARIES if _version(name) is None]
    versions = ", ".join(f"{name} {version}" for name in LIBRARIES if (version := _version(name)) is not None)
    yield Finding(
        check="package",
        status="fail" if missing else "ok",
        message=f"llmplan {__version__}; " + (f"missing: {', '.join(missing)}" if missing else versions),
        advice="pip install --force-reinstall llmplan" if missing else None,
    )


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def check_catalogue(environ: Mapping[str, str], extra: Path | None, today: date) -> Iterator[Finding]:
    """Every file of every layer, read as no other command does, and the age of the prices."""
    from llmplan import catalogs
    from llmplan.catalogs import audit
    from llmplan.errors import LlmplanError
    from llmplan.hardware import Finding

    try:
        layers = catalogs.default_layers(environ, extra)
        problems = [problem for problem in catalogs.check(layers, today=today) if problem.severity == "error"]
        if problems:
            more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
            message = f"{problems[0].message}{more}"
            yield Finding(check="catalogue", status="fail", message=message, advice="llmplan catalog check")
        else:
            catalog = catalogs.load_catalog(layers, price_date=today)
            yield Finding(check="catalogue", status="ok", message=_contents(catalog, layers))
            yield check_prices(catalog.prices, today, audit.STALE_AFTER)
    except LlmplanError as error:
        yield Finding(check="catalogue", status="fail", message=error.message, advice="; ".join(error.hints) or None)


def _contents(catalog: Catalog, layers: Iterable[Path]) -> str:
    counts = (
        f"{len(catalog.gpus)} GPUs",
        f"{len(catalog.hosts)} hosts",
        f"{len(catalog.engines)} engines",
        f"{len(catalog.models)} models",
        f"{len(catalog.workloads)} workloads",
    )
    return f"{', '.join(counts)} from {'; '.join(map(str, layers))}"


def check_prices(prices: PriceBook, today: date, stale_after: timedelta) -> Finding:
    """How old the prices are: for each seller, the last day on which an offer of his was seen at its source."""
    from llmplan.hardware import Finding

    offers: tuple[HourlyOffer | ServerlessOffer | TokenOffer, ...]
    offers = (*prices.hourly, *prices.serverless, *prices.tokens)
    newest: dict[str, date] = {}
    for offer in offers:
        if (seen := offer.provenance.as_of) is not None:
            newest[offer.provider] = max(seen, newest.get(offer.provider, seen))
    if not newest:
        message = f"{len(offers)} offers, none of them dated"
        return Finding(check="prices", status="warn", message=message, advice="llmplan catalog check")
    ages = {provider: (today - day).days for provider, day in newest.items()}
    youngest, oldest = min(ages.values()), max(ages.values())
    message = f"{len(offers)} offers of {len(ages)} sellers, the newest of each {youngest} to {oldest} days old"
    stale = sorted((age, provider) for provider, age in ages.items() if age > stale_after.days)
    if not stale:
        return Finding(check="prices", status="ok", message=message)
    longest = ", ".join(f"{provider} {age}" for age, provider in stale[: -STALE_SHOWN - 1 : -1])
    more = ", …" if len(stale) > STALE_SHOWN else ""
    return Finding(
        check="prices",
        status="warn",
        message=f"{message}; {len(stale)} have none of the last {stale_after.days} days ({longest}{more})",
        advice="llmplan prices update --source all reads newer ones (network), --from DIR tables; else ask the seller",
    )


def check_programs(names: Sequence[str], environ: Mapping[str, str]) -> Finding:
    """Which of the programs that launch files call are here."""
    from llmplan.hardware import Finding

    found = [name for name in names if shutil.which(name, path=environ.get("PATH"))]
    missing = ", ".join(name for name in names if name not in found)
    message = f"on PATH: {', '.join(found) or 'none'}" + (f"; not here: {missing}" if missing else "")
    return Finding(
        check="programs", status="ok", message=message, advice="only launching needs them, planning does not"
    )
