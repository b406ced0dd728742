"""`llmplan doctor`: what is wrong here, or about to be, one line each with what to do about it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan import __version__
from llmplan.cli import _console
from llmplan.cli._catalog import price_date
from llmplan.cli._doctor_subject import Wanted, known_gpus, subject_of
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, OutputFlags

if TYPE_CHECKING:
    from llmplan.hardware import Finding, Subject
    from llmplan.report.blocks import Block

SCHEMA = "llmplan.doctor/v1"
EXIT_BROKEN = 1
EXIT_STRICT = 4
PROGRAMS = ("vllm", "trtllm-serve", "mpirun", "llama-server", "docker")
"""What launch files are started with. None is needed to plan."""
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 4 if there is a warning.")]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOutput(OutputFlags):
    """How the answer is printed; here the explanation is the advice."""

    explain: Annotated[bool, typer.Option("--explain", help="Give advice on lines that are in order, too.")] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", short_help="Check this installation, the catalogue and the GPUs.")(doctor)


@takes_flags
def doctor(
    plan_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN", help="A plan.yaml: is this the machine that it was made for?", show_default=False
        ),
    ] = None,
    *,
    wanted: Wanted,
    output: DoctorOutput,
    catalog: CatalogFlags,
    strict: StrictOption = False,
) -> int:
    """Check this installation, its catalogue and this machine's GPUs, and say what to do.

    With --engine, --model or a PLAN, also whether these can run here. Reads only. Exits with 0 unless something is
    broken (1).
    """
    today = price_date(catalog)
    subject = subject_of(wanted, plan_path, os.environ, catalog.catalog, today)
    findings = tuple(examine(os.environ, catalog.catalog, today=today, subject=subject))
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


def examine(
    environ: Mapping[str, str], extra: Path | None, *, today: date, subject: Subject | None = None
) -> Iterator[Finding]:
    """Every finding: installation, catalogue, prices, hardware, programs."""
    from llmplan.cli import _installation
    from llmplan.hardware import diagnose, scan

    yield from _installation.check_installation()
    yield from _installation.check_catalogue(environ, extra, today)
    report = scan(environ)
    yield from diagnose(report, known_gpus(environ, extra, today) if report.gpus else {}, subject)
    yield _installation.check_programs(PROGRAMS, environ)


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
        source = f"\nsource: {finding.source}" if finding.source and explain else ""
        cells = (finding.status, finding.check, f"{who}{finding.message}{what_to_do}{source}")
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
