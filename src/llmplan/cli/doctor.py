"""`llmplan doctor`: what is wrong here, or about to be, one line each with what to do about it."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from importlib import metadata
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
    from llmplan.spec.price import HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

SCHEMA = "llmplan.doctor/v1"
EXIT_BROKEN = 1
EXIT_STRICT = 4
STALE_PRICE_DAYS = 45
"""Prices older than this are still used and said to be old."""
PROGRAMS = ("vllm", "sglang", "trtllm-serve", "llama-server", "docker", "kubectl", "helm", "nvidia-smi")
"""What launch files are started with. None is needed to plan."""
LIBRARIES = ("typer", "rich", "pydantic", "PyYAML", "numpy", "nvidia-ml-py")

StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 4 if there is a warning.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


@takes_flags
def doctor(*, output: OutputFlags, catalog: CatalogFlags, strict: StrictOption = False) -> int:
    """Check this installation, its catalogue and this machine's GPUs, and say what to do.

    Exits with 0 unless something is broken (1). --explain adds advice to lines that are in order.
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
    catalog, findings = _load_catalogue(environ, extra, today)
    yield from findings
    if catalog is not None:
        yield check_prices(catalog.prices, today)
    yield from diagnose(scan(environ), catalog.gpus if catalog is not None else {})
    yield check_programs(PROGRAMS, environ)


def check_installation() -> Iterator[Finding]:
    """Python, this package, and the libraries it stands on."""
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
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _load_catalogue(
    environ: Mapping[str, str], extra: Path | None, today: date
) -> tuple[Catalog | None, Sequence[Finding]]:
    """Read every file of the catalogue, as no other command does."""
    from llmplan.catalogs import default_layers, load_catalog
    from llmplan.errors import LlmplanError
    from llmplan.hardware import Finding

    layers = default_layers(environ, extra)
    try:
        catalog = load_catalog(layers, price_date=today)
        counted = [
            (kind, len(tuple(entries.values())))
            for kind, entries in (
                ("GPUs", catalog.gpus),
                ("hosts", catalog.hosts),
                ("engines", catalog.engines),
                ("models", catalog.models),
                ("workloads", catalog.workloads),
            )
        ]
    except LlmplanError as error:
        broken = Finding(check="catalogue", status="fail", message=error.message, advice="; ".join(error.hints) or None)
        return None, [broken]
    figures = ", ".join(f"{count} {kind}" for kind, count in counted)
    where = "; ".join(str(layer) for layer in layers)
    return catalog, [Finding(check="catalogue", status="ok", message=f"{figures} from {where}")]


def check_prices(prices: PriceBook, today: date) -> Finding:
    """How old the prices are, by the day on which each was seen at its source."""
    from llmplan.hardware import Finding

    offers: tuple[HourlyOffer | ServerlessOffer | TokenOffer, ...]
    offers = (*prices.hourly, *prices.serverless, *prices.tokens)
    ages = [(offer.provider, (today - seen).days) for offer in offers if (seen := _seen(offer)) is not None]
    if not ages:
        message = f"{len(offers)} offers, none of them dated"
        return Finding(check="prices", status="warn", message=message, advice="llmplan catalog check")
    days = [age for _, age in ages]
    message = f"{len(offers)} offers of {len({offer.provider for offer in offers})} providers, "
    message += f"{min(days)} to {max(days)} days old"
    stale = Counter(provider for provider, age in ages if age > STALE_PRICE_DAYS)
    if not stale:
        return Finding(check="prices", status="ok", message=message)
    most = ", ".join(f"{provider} {count}" for provider, count in stale.most_common(4))
    more = ", …" if len(stale) > 4 else ""
    return Finding(
        check="prices",
        status="warn",
        message=f"{message}; {stale.total()} are older than {STALE_PRICE_DAYS} days ({most}{more})",
        advice="llmplan prices update, or check a quote at its source before you rely on it",
    )


def _seen(offer: HourlyOffer | ServerlessOffer | TokenOffer) -> date | None:
    """The day on which the price was last known to hold."""
    return offer.provenance.as_of or offer.provenance.source.retrieved or offer.from_date


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
    rows = tuple(
        Row(
            cells=(
                finding.status,
                finding.check,
                finding.message
                + (f"\n→ {finding.advice}" if finding.advice and (explain or finding.status != "ok") else ""),
            ),
            tone=tones[finding.status],
        )
        for finding in findings
    )
    yield Table(columns=(Column(title=""), Column(title="check"), Column(title="finding", share=1)), rows=rows)
    warned = sum(finding.status == "warn" for finding in findings)
    failed = sum(finding.status == "fail" for finding in findings)
    if failed:
        yield Paragraph(text=f"{failed} broken, {warned} to look at.", tone="bad")
    else:
        yield Paragraph(text=f"Nothing is broken; {warned} to look at." if warned else "Everything is in order.")
