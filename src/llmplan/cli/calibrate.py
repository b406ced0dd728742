"""`llmplan calibrate`: this machine's coefficients from its own benchmark results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import MODEL_HELP, ModelCatalogFlags, OutputFlags, ReplicaFlags, amount
from llmplan.cli._parse import MAX_REQUESTS_PER_S
from llmplan.errors import DataError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._points import Gathered
    from llmplan.cli._workbench import Workbench
    from llmplan.perf.machine import Machine, Point
    from llmplan.plan.machine_fit import MachineFit

FOLDER = "calibration"
NAMED_FILES = 8


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate", short_help="Fit the speed model to benchmark results of your own machine.")(calibrate)


@takes_flags
def calibrate(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Results of vllm bench serve, guidellm, aiperf or llama-bench, JSON lines of your own, /metrics text, "
            "vLLM start-up logs.",
        ),
    ],
    *,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help=MODEL_HELP)] = None,
    replica: ReplicaFlags,
    concurrency: Annotated[
        float | None,
        amount(
            "--concurrency", "Requests in flight, for results that do not say it.", above=0, at_most=1e6, metavar="N"
        ),
    ] = None,
    rate: Annotated[
        float | None,
        amount(
            "--rate", "Arrivals per second, for results that do not say it.", above=0, at_most=MAX_REQUESTS_PER_S,
            metavar="R",
        ),
    ] = None,
    any_model: Annotated[
        bool, typer.Option("--any-model", help="Use it for every model on this GPU, not only for the one measured.")
    ] = False,
    save_to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the profile to FILE (default: among your own profiles)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it comes to and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing profile.")] = False,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:  # fmt: skip
    """Fit this machine's coefficients to its own benchmark results, the shipped ones being the prior.

    Writes a calibration profile that predict and recommend prefer from then on, and prints the error before and after,
    also of each point left out of the fit.
    """
    from llmplan import planfile
    from llmplan.cli import _points
    from llmplan.cli._workbench import Workbench
    from llmplan.measurements.benchmark import read_result
    from llmplan.report import calibrate as view

    if concurrency is not None and rate is not None:
        raise UsageError("a load is --concurrency or --rate, not both")
    readings = [read_result(path) for path in results]
    bench = Workbench(open_catalog(catalog))
    said = _points.Said(
        model=model, replica=replica, kind="rate" if rate else "concurrency" if concurrency else None,
        value=rate or concurrency or 0.0,
    )  # fmt: skip
    found = _points.gather(readings, said, bench)
    demand_points(found)
    machine = machine_of(found.points, any_model=any_model)
    target = None if dry_run else target_of(machine, save_to, force=force)
    fit = fitted(found.points, machine, [reading.name for reading in readings], bench)
    skipped, notes = found.skipped, found.notes
    written = str(target) if target is not None else None
    if target is not None:
        from llmplan.catalogs.calibration_text import calibration_text

        planfile.write_text(target, calibration_text(fit.calibration), force=force)
    _console.answer(
        output.chosen,
        record=lambda: view.record(fit, skipped=skipped, notes=notes, written=written),
        document=lambda: view.document(
            fit, files=[reading.name for reading in readings], skipped=skipped, notes=notes, explain=output.explain
        ),
    )
    if target is not None:
        _console.say(remark(fit, target, own=save_to is None))
    return 0


def demand_points(found: Gathered) -> None:
    """Stop where nothing can be fitted, with every reason."""
    from llmplan.cli._replica import refuse

    if found.points:
        return
    if found.rejection is not None and len(found.errors) == len(found.skipped):
        refuse(found.rejection)
    if len(found.skipped) == 1 and found.errors:
        raise found.errors[0]
    if not found.skipped:
        hint = "a start-up log tells the KV pool and the settings: name a benchmark result beside it"
        raise DataError("no speed was measured in these files", hints=[hint])
    hints = dict.fromkeys(hint for error in found.errors for hint in error.hints)
    raise DataError("no result can be used:\n    " + "\n    ".join(found.skipped), hints=[*hints][:4])


def machine_of(points: Sequence[Point], *, any_model: bool) -> Machine:
    """What the points are of: one engine on one GPU."""
    from llmplan.perf.calibration import generation_of
    from llmplan.perf.machine import Machine

    for what, names in (
        ("engines", {point.replica.engine.calibration_id for point in points}),
        ("GPUs", {point.replica.gpu.id for point in points}),
    ):
        if len(names) > 1:
            raise UsageError(
                f"a calibration is of one machine, and these are of several {what}: {', '.join(sorted(names))}",
                hints=["calibrate with the results of one at a time"],
            )
    replica = points[0].replica
    models = {point.replica.model.id for point in points}
    return Machine(
        engine=replica.engine.calibration_id,
        generation=generation_of(replica.gpu),
        gpu=replica.gpu.id,
        model=models.pop() if len(models) == 1 and not any_model else None,
    )


def target_of(machine: Machine, asked: Path | None, *, force: bool) -> Path:
    """Where the profile goes; what is there already stays unless --force."""
    from llmplan import planfile
    from llmplan.catalogs.layers import user_profiles
    from llmplan.spec.calibration import calibration_id

    path = asked
    if path is None:
        name = calibration_id(machine.engine, machine.generation, machine.gpu, machine.model)
        path = user_profiles(os.environ) / FOLDER / f"{name}.yaml"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise planfile.cannot_write(path, error) from error
    elif str(path) in ("-", "."):
        raise UsageError("--output needs the name of a file", hints=["--dry-run writes nothing"])
    planfile.check_target(path, force=force)
    return path


def fitted(points: Sequence[Point], machine: Machine, files: Sequence[str], bench: Workbench) -> MachineFit:
    """The fit, from the calibration that knows nothing of this machine yet."""
    from llmplan import perf
    from llmplan.cli import _points
    from llmplan.perf.machine import fit_machine
    from llmplan.spec.provenance import Source

    general = [each for each in bench.catalog.calibrations if each.gpu is None]
    prior = perf.select_calibration(general, points[0].replica.engine, points[0].replica.gpu)
    day, covers = today(), _points.validity(points)
    named = ", ".join(files[:NAMED_FILES]) + (f" and {len(files) - NAMED_FILES} more" if files[NAMED_FILES:] else "")
    source = Source(
        id="calibrate",
        title=f"llmplan calibrate: {len(points)} points of {named}; prior {prior.id}"[:1000],
        retrieved=day,
        locator=covers[:1000],
    )
    return fit_machine(points, prior, machine, source=source, day=day, validity=covers[:1000])


def today() -> date:
    """The day, as this machine's clock has it."""
    return datetime.now(tz=UTC).astimezone().date()


def remark(fit: MachineFit, path: Path, *, own: bool) -> str:
    """Where it was written, and how it comes into use."""
    if own:
        return f"wrote {path}; predict and recommend use it from now on"
    name = f"{FOLDER}/{fit.calibration.id}.yaml"
    return f"wrote {path}; in use once it lies at {name} in ~/.config/llmplan/profiles or a --catalog folder"
