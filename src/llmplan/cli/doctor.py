"""`llmplan doctor`: what is wrong here, or about to be, one line each with what to do about it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan import __version__
from llmplan.cli import _console
from llmplan.cli._catalog import price_date
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, OutputFlags

if TYPE_CHECKING:
    from llmplan.hardware import Finding
    from llmplan.report.blocks import Block
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.gpu import GpuSpec
    from llmplan.spec.price import HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

SCHEMA = "llmplan.doctor/v1"
EXIT_BROKEN = 1
EXIT_STRICT = 4
STALE_SHOWN = 4
PROGRAMS = ("vllm", "trtllm-serve", "mpirun", "llama-server", "docker")
"""What launch files are started with. None is needed to plan."""
LIBRARIES = ("typer", "rich", "pydantic", "PyYAML", "numpy", "nvidia-ml-py")

StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 4 if there is a warning.")]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOutput(OutputFlags):
    """How the answer is printed; here the explanation is the advice."""

    explain: Annotated[bool, typer.Option("--explain", help="Give advice on lines that are in order, too.")] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", short_help="Check this installation, the catalogue and the GPUs.")(doctor)


@takes_flags
def doctor(*, output: DoctorOutput, catalog: CatalogFlags, strict: StrictOption = False) -> int:
    """Check this installation, its catalogue and this machine's GPUs, and say what to do.

    Exits with 0 unless something is broken (1).
    """
    findings = tuple(examine(os.environ, catalog.catalog, today=price_date(catalog)))
    _console.answer(
        output.chosen,
        record=lambda: to_record(findings),
        document=lambda: tuple(document(findings, explain=output.explain)),
    )
    return exit_code(findings, strict=strict)


def exit_code(findings: Iterable[Finding], *, strict: bool) -> int:
    """1 if something is broken, 4 for a warning under `--strict`, else 0."""
    statuses = {finding.status for finding in findings}
    if "fail" in statuses:
        return EXIT_BROKEN
    return EXIT_STRICT if strict and "warn" in statuses else 0


def examine(environ: Mapping[str, str], extra: Path | None, *, today: date) -> Iterator[Finding]:
    """Every finding: installation, catalogue, prices, hardware, programs."""
    from llmplan.hardware import diagnose, scan

    yield from check_installation()
    yield from check_catalogue(environ, extra, today)
    report = scan(environ)
    yield from diagnose(report, _known_gpus(environ, extra, today) if report.gpus else {})
    yield check_programs(PROGRAMS, environ)


def _known_gpus(environ: Mapping[str, str], extra: Path | None, today: date) -> Mapping[str, GpuSpec]:
    """The catalogue's GPUs; none if their files are broken, which another finding says."""
    from llmplan.catalogs import default_layers, load_catalog
    from llmplan.errors import LlmplanError

    try:
        return dict(load_catalog(default_layers(environ, extra), price_date=today).gpus)
    except LlmplanError:
        return {}


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


def to_record(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as JSON values; `status` is the worst of them."""
    counts = {status: sum(finding.status == status for finding in findings) for status in ("ok", "warn", "fail")}
    worst = next((status for status in ("fail", "warn") if counts[status]), "ok")
    entries = [dataclasses.asdict(finding) for finding in findings]
    return {"schema": SCHEMA, "version": __version__, "status": worst, "counts": counts, "findings": entries}


def document(findings: Sequence[Finding], *, explain: bool) -> Iterator[Block]:
    """One line for each finding, with its advice under it where something is to be done."""
    from llmplan.report.blocks import Column, Paragraph, Row, Table

    tones: Mapping[str, Any] = {"ok": "plain", "warn": "warn", "fail": "bad"}
    rows = []
    for finding, gpus in _merged(findings):
        who = f"GPU {', '.join(map(str, gpus))}: " if gpus else ""
        what_to_do = f"\n→ {finding.advice}" if finding.advice and (explain or finding.status != "ok") else ""
        cells = (finding.status, finding.check, f"{who}{finding.message}{what_to_do}")
        rows.append(Row(cells=cells, tone=tones[finding.status]))
    yield Table(columns=(Column(title=""), Column(title="check"), Column(title="finding", share=1)), rows=tuple(rows))
    warned = sum(finding.status == "warn" for finding in findings)
    failed = sum(finding.status == "fail" for finding in findings)
    if failed:
        yield Paragraph(text=f"{failed} broken, {warned} to look at.", tone="bad")
    else:
        yield Paragraph(text=f"Nothing is broken; {warned} to look at." if warned else "Everything is in order.")


def _merged(findings: Iterable[Finding]) -> list[tuple[Finding, list[int]]]:
    """The same finding on several GPUs once, with their numbers."""
    merged: dict[Finding, list[int]] = {}
    for finding in findings:
        numbers = merged.setdefault(dataclasses.replace(finding, gpu=None), [])
        if finding.gpu is not None:
            numbers.append(finding.gpu)
    return list(merged.items())
