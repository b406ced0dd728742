"""`llmplan observe`: a running server beside its plan."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._observed import AccessFlags, LookFlags
from llmplan.cli._options import MODEL_HELP, LoadFlags, ModelCatalogFlags, OutputFlags, ReplicaFlags
from llmplan.errors import DataError, LimitExceededError, LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.served.expected import Expected
    from llmplan.plan.served.seen import Seen
    from llmplan.report.observe import Observed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("observe", short_help="Is it as planned? A running server beside its plan.")(observe)


@takes_flags
def observe(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="Address of the server: http://localhost:8000.")
    ] = None,
    *,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="The plan that it was deployed from.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This row of the plan instead of the recommended one.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help=MODEL_HELP)] = None,
    replica: ReplicaFlags,
    load: LoadFlags,
    looking: LookFlags,
    access: AccessFlags,
    save_to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write what was seen as rows that `llmplan calibrate FILE` reads."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing FILE, and accept a plan that was changed by hand.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 4 where the server is not as planned.")] = False,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """Read a running server's metrics (vLLM, SGLang, TensorRT-LLM, llama.cpp) and set them beside a plan.

    Compares KV capacity, settings, traffic and latency, names what differs and what it likely comes from. Only reads:
    GETs of /metrics, /v1/models, /version and the engine's own /server_info or /props. One look tells sizes and
    totals; with --interval the rates and latency are of the time between looks.
    """
    from llmplan import planfile
    from llmplan.cli import _observed
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.served import seen as served

    refuse_contradictions(context, plan, strategy, model, replica, load)
    if save_to is not None:
        planfile.check_target(save_to, force=force)
    expected = expected_of_plan(plan, strategy, force=force)
    found, where, notes = _observed.looks(url, access, looking)
    seen = served.see(found)
    bench = Workbench(open_catalog(catalog)) if plan is not None or model is not None else None
    if model is not None and bench is not None:
        from llmplan.cli._expected import from_flags

        expected = from_flags(model, replica, load, seen.last, bench)
    planned = expected.load if expected is not None else None
    seen = seen.with_lengths(planned)
    at = datetime.now(tz=UTC).isoformat(timespec="seconds")
    answer = compared(seen, expected, bench, where, at, notes)
    rows, skipped = rows_of([step.with_lengths(planned) for step in served.steps(found)], expected, at)
    answer = dataclasses.replace(answer, points=len(rows))
    show(answer, skipped, save_to if rows else None, output)
    if save_to is not None:
        write(rows, skipped, save_to, force=force)
    if strict and answer.drift:
        raise LimitExceededError(f"not as planned: {', '.join(dict.fromkeys(each.id for each in answer.drift))}")
    return 0


def refuse_contradictions(
    context: typer.Context,
    plan: Path | None,
    strategy: str | None,
    model: str | None,
    replica: ReplicaFlags,
    load: LoadFlags,
) -> None:
    """A plan has its replica and its traffic inside; without one a model is needed for either."""
    from llmplan.cli._stored_cost import typed

    said = [
        f"--{field.name.replace('_', '-')}"
        for group in (replica, load)
        for field in dataclasses.fields(group)
        if typed(context, field.name)
    ]
    if plan is not None and (model is not None or said):
        raise UsageError(
            f"the plan already says it; {', '.join(['--model'] * (model is not None) + said)} cannot change it",
            hints=["--model MODEL --gpu ID without --plan describes another replica"],
        )
    if strategy is not None and plan is None:
        raise UsageError("--strategy is a row of a plan", hints=["--plan plan.yaml"])
    if plan is None and model is None and said:
        raise UsageError(f"{said[0]} describes a replica of which model? --model is missing")


def expected_of_plan(plan: Path | None, strategy: str | None, *, force: bool) -> Expected | None:
    """The row of the plan, before anybody is asked over the network."""
    if plan is None:
        return None
    from llmplan.cli._expected import from_plan

    return from_plan(plan, strategy, force=force)


def compared(
    seen: Seen, expected: Expected | None, bench: Workbench | None, where: str, at: str, notes: list[str]
) -> Observed:
    """The comparison, and what every rule says of it."""
    from llmplan.cli._expected import predicted
    from llmplan.plan.served.comparing import compare
    from llmplan.plan.served.drift import Case, findings
    from llmplan.plan.served.remarks import remarks
    from llmplan.plan.served.rules import RULES
    from llmplan.report.observe import Observed

    now, doubts = None, list(notes)
    if expected is not None and bench is not None:
        try:
            now = predicted(expected, seen, bench)
        except LlmplanError as error:
            doubts.append(f"latency could not be predicted: {error.message}")
    rows = compare(seen, expected, now)
    case = Case(seen=seen, rows={row.id: row for row in rows}, expected=expected, predicted=now)
    return Observed(
        where=where,
        at=at,
        seen=seen,
        rows=rows,
        findings=findings(case, RULES),
        expected=expected,
        predicted=now,
        notes=(*seen.last.notes, *remarks(seen, expected), *doubts),
    )


def rows_of(steps: list[Seen], expected: Expected | None, at: str) -> tuple[list[dict[str, object]], list[str]]:
    """The rows for a calibration, and why an interval is none."""
    from llmplan.plan.served import points

    return points.rows(steps, expected, at)


def show(answer: Observed, skipped: list[str], written: Path | None, output: OutputFlags) -> None:
    """Print the answer."""
    from llmplan.report import json_observe
    from llmplan.report import observe as view

    _console.answer(
        output.chosen,
        record=lambda: json_observe.record(answer, skipped=skipped, written=str(written) if written else None),
        document=lambda: view.document(answer, explain=output.explain),
    )


def write(rows: list[dict[str, object]], skipped: list[str], path: Path, *, force: bool) -> None:
    """The rows as JSON lines; where there are none nothing is written, and that is an error."""
    from llmplan import planfile

    if not rows:
        why = "\n    ".join(["nothing to calibrate with:", *skipped[:8]]) if skipped else (
            "nothing to calibrate with: one look says neither rate nor requests in flight"
        )  # fmt: skip
        raise DataError(why, hints=["--interval 60s --samples 6 makes five rows, where there is traffic"])
    planfile.write_text(path, "".join(f"{_console.json_text(row)}\n" for row in rows), force=force)
    for line in skipped:
        _console.say(f"left out: {line}")
    more = "" if "model" in rows[0] else " --model MODEL --gpu ID"
    _console.say(f"wrote {len(rows)} row{'s' * (len(rows) != 1)}; llmplan calibrate {path}{more}")
