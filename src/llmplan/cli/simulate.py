"""`llmplan simulate`: requests through time on a fleet, with its queues, starts, failures and bill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._fleet_flags import ArrivalFlags, FleetFlags, SellerFlags
from llmplan.cli._options import ModelCatalogFlags, OutputFlags, ReplicaFlags
from llmplan.cli._question_flags import PromiseFlags
from llmplan.cli._traffic_flags import TraceFlags
from llmplan.errors import UsageError
from llmplan.units import format_seconds

if TYPE_CHECKING:
    from llmplan.cli._arrivals import Arrivals
    from llmplan.cli._scaling import Scaling
    from llmplan.cli._simulated import Subject
    from llmplan.perf import StepTimes
    from llmplan.plan.simulated import Simulated, SimulatedBill, SimulatedFleet
    from llmplan.report.blocks import Document
    from llmplan.simulate.fleet import Fleet, Progress

EXIT_INTERRUPTED = 130
MOST_BANDED = 50_000
"""requests up to which the bands are worth two more runs, if nobody says"""
ASK_ANEW = ("give the model instead of the plan to simulate another replica",)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate", short_help="Run requests through a fleet: queues, starts, failures, cost.")(simulate)


@takes_flags
def simulate(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="PLAN|MODEL", help="A plan.yaml, or a model with the flags of predict.")
    ],
    *,
    replica: ReplicaFlags,
    fleet: FleetFlags,
    arrivals: ArrivalFlags,
    reading: TraceFlags,
    promise: PromiseFlags,
    sellers: SellerFlags,
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This row of the plan instead of the recommended one.")
    ] = None,
    timeseries: Annotated[
        Path | None, typer.Option("--timeseries", metavar="FILE", help="Write the run over time as CSV.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing FILE, and accept a plan whose figures have moved.")
    ] = False,
    bands: Annotated[
        bool | None,
        typer.Option(
            "--bands/--no-bands",
            help="Also run with the fastest and slowest steps that are likely (default: up to 50,000 requests).",
        ),
    ] = None,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """Run requests through a fleet of replicas: a trace, a workload, or users in a closed loop.

    Every request waits for a slot, is computed in the engine's steps, and may meet a replica that is still starting,
    fails or is preempted. Ctrl-C stops the run and answers with what was done so far (exit code 130). Exits 3 when a
    replica does not fit its GPUs.
    """
    from llmplan import planfile
    from llmplan.cli._arrivals import arrivals_of
    from llmplan.cli._scaling import scaling_of

    if timeseries is not None:
        if str(timeseries) in ("-", "."):
            raise UsageError("--timeseries needs the name of a file", hints=["--timeseries run.csv"])
        planfile.check_target(timeseries, force=force)
    known = _subject(context, subject, replica, arrivals, fleet, sellers, strategy, catalog, force=force)
    known = replace(known, slo=_promised(promise, arrivals, known))
    traffic = arrivals_of(arrivals, reading, known.replica.model, known.catalog, known.workload)
    scaling = scaling_of(fleet, known, traffic.shape, arrivals.seed)
    made, stopped = run(known, scaling, traffic, _times(known))
    traffic.finish()
    found = answer(known, scaling, traffic, made, arrivals.seed)
    if not stopped and _wants_bands(bands, arrivals, found.run):
        found = replace(found, run=banded(found.run, known, scaling, traffic))
    unsaved = _saved(found.run, timeseries, force=force)
    _console.answer(output.chosen, record=lambda: record(found), document=lambda: document(found, output))
    if unsaved is not None:
        raise unsaved
    if stopped:
        _console.say(_stopped(found.run, traffic))
    return EXIT_INTERRUPTED if stopped else 0


def _subject(
    context: typer.Context,
    subject: str,
    replica: ReplicaFlags,
    arrivals: ArrivalFlags,
    fleet: FleetFlags,
    sellers: SellerFlags,
    strategy: str | None,
    catalog: ModelCatalogFlags,
    *,
    force: bool,
) -> Subject:
    """A plan's row, or a replica from flags."""
    from llmplan.cli._simulated import subject_of_model, subject_of_plan
    from llmplan.cli._stored_cost import is_plan, refuse_question_flags, typed
    from llmplan.cli._workbench import Workbench
    from llmplan.cli.emit_config import strategy_id

    if is_plan(subject):
        refuse_question_flags(context, replica, sellers, hints=ASK_ANEW)
        if typed(context, "as_of"):
            raise UsageError("the plan keeps the prices it was made with; --as-of cannot change them", hints=ASK_ANEW)
        return subject_of_plan(Path(subject), strategy_id(strategy), catalog, force=force)
    if strategy is not None:
        raise UsageError("--strategy names a row of a plan, and no plan is given", hints=["llmplan simulate PLAN.yaml"])
    tokens = arrivals.isl + arrivals.osl if arrivals.isl is not None and arrivals.osl is not None else None
    bench = Workbench(open_catalog(catalog))
    return subject_of_model(subject, replica, sellers, tokens, bench, by_second=fleet.autoscale == "serverless")


def _promised(promise: PromiseFlags, arrivals: ArrivalFlags, known: Subject) -> Any:
    """Flags over a workload file's promises over the plan's."""
    from llmplan.cli._question import slo_of

    stated = slo_of(promise, arrivals.workload)
    base = known.slo
    return type(base)(
        ttft_p95_s=base.ttft_p95_s if stated.ttft_p95_s is None else stated.ttft_p95_s,
        tpot_p95_s=base.tpot_p95_s if stated.tpot_p95_s is None else stated.tpot_p95_s,
        e2e_p95_s=base.e2e_p95_s if stated.e2e_p95_s is None else stated.e2e_p95_s,
    )


def _wants_bands(asked: bool | None, arrivals: ArrivalFlags, found: Simulated) -> bool:
    """As asked for; else where that does not take long and the requests can be had again."""
    if arrivals.trace == "-":
        if asked:
            raise UsageError("--bands runs the requests again, and stdin can be read once", hints=["--trace FILE"])
        return False
    return found.requests <= MOST_BANDED if asked is None else asked


def _times(known: Subject) -> StepTimes:
    from llmplan import perf

    return perf.modelled_times(known.replica, known.memory, known.calibration)


def banded(middle: Simulated, known: Subject, scaling: Scaling, traffic: Arrivals) -> Simulated:
    """The run with its bands: the same on engines at the ends of the band of step times. Without, if Ctrl-C comes."""
    from llmplan import perf
    from llmplan.simulate.fleet import summarize

    band = known.calibration.for_model(is_moe=known.replica.model.is_moe).bands["tpot"]
    times, ends = _times(known), []
    for name, ratio in (("fast", band.low_ratio), ("slow", band.high_ratio)):
        made, stopped = run(known, scaling, traffic, perf.PacedTimes(times, ratio), f"if steps are {name}: ")
        if stopped:
            _console.say("stopped before the bands were known")
            return middle
        ends.append(summarize(made, known.slo, gpus=known.replica.parallel.gpus, period_s=traffic.span_s))
    return middle.between(*ends)


def run(known: Subject, scaling: Scaling, traffic: Arrivals, times: StepTimes, what: str = "") -> tuple[Fleet, bool]:
    """The fleet after its run, and whether Ctrl-C stopped it before its end."""
    from llmplan.cli._progress import stoppable, watched
    from llmplan.simulate.engine import rules_of
    from llmplan.simulate.fleet import Fleet

    fleet = Fleet(scaling.spec, times, rules_of(known.replica, known.memory))
    with stoppable() as asked_to_stop:
        steps = fleet.run(traffic.traffic(), traffic.users)
        shown = watched(steps, lambda step: what + _described(step), lambda step: _share(step, traffic))
        for _ in shown:
            if asked_to_stop():
                break
    return fleet, not fleet.finished


def _described(step: Progress) -> str:
    return f"{step.requests:,} requests, {format_seconds(step.simulated_s)} simulated"


def _share(step: Progress, traffic: Arrivals) -> float | None:
    """How much is done, where it is known how much there is."""
    shares = []
    if traffic.requests:
        shares.append(step.requests / traffic.requests)
    if traffic.span_s:
        shares.append(step.simulated_s / traffic.span_s)
    return min(1.0, max(shares)) if shares else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked, what became of it, what it costs."""

    asked: SimulatedFleet
    run: Simulated
    bills: tuple[SimulatedBill, ...]
    notes: tuple[str, ...]
    assumed: dict[str, str]


def answer(known: Subject, scaling: Scaling, traffic: Arrivals, fleet: Fleet, seed: int) -> Answer:
    """Sum up the run and price it."""
    from llmplan import memory, perf
    from llmplan.plan.outcome import Rejection
    from llmplan.plan.simulated import SimulatedFleet
    from llmplan.simulate.fleet import summarize
    from llmplan.simulate.fleet.bills import bills

    made = summarize(fleet, known.slo, gpus=known.replica.parallel.gpus, period_s=traffic.span_s)
    most = made.peak_replicas if scaling.by_lives else fleet.spec.replicas_at_first
    sized = replace(known.deployment, replicas=max(1, most))
    found = bills(
        made, sized, known.limits, known.catalog.prices, cold_start_s=scaling.spec.start_s,
        window_s=scaling.idle_window_s, by_lives=scaling.by_lives,
        host_bytes=memory.host_bytes_beside(known.replica, known.memory),
        checkpoint_bytes=known.memory.checkpoint_bytes, expenses=known.expenses,
    )  # fmt: skip
    notes = list(known.memory.notes)
    if isinstance(found, Rejection):
        notes.append(f"not priced: {found.reason}" + (f"; {found.available}" if found.available else ""))
    speed = perf.estimate(known.replica, known.memory, traffic.shape, known.calibration)
    asked = SimulatedFleet(
        replica=known.replica, replicas=fleet.spec.replicas_at_first, router=scaling.spec.router,
        scaling=scaling.text, faults=scaling.faults_text, traffic=traffic.text, slo=known.slo, start=scaling.start,
        calibration_id=speed.calibration_id, extrapolated=speed.extrapolated, seed=seed,
    )  # fmt: skip
    priced = () if isinstance(found, Rejection) else found
    return Answer(asked=asked, run=made, bills=priced, notes=tuple(notes), assumed=dict(known.assumed))


def record(found: Answer) -> dict[str, Any]:
    """The JSON answer."""
    from llmplan.report import json_simulate

    return json_simulate.simulate(found.asked, found.run, found.bills, found.notes, found.assumed)


def document(found: Answer, output: OutputFlags) -> Document:
    """The answer for people."""
    from llmplan.report import simulate as view

    return view.document(found.asked, found.run, found.bills, found.notes, found.assumed, explain=output.explain)


def _saved(found: Simulated, path: Path | None, *, force: bool) -> Any:
    """Write the series. An error comes back, so that the answer is shown before it is reported."""
    from llmplan import planfile
    from llmplan.errors import LlmplanError
    from llmplan.report import series_csv

    if path is None:
        return None
    try:
        planfile.write_text(path, series_csv.render(found), force=force)
    except LlmplanError as error:
        return error
    _console.say(f"wrote {path}")
    return None


def _stopped(found: Simulated, traffic: Arrivals) -> str:
    of = f" of {traffic.requests:,}" if traffic.requests else ""
    return f"stopped after {found.requests:,}{of} requests, {format_seconds(found.span_s)} of simulated time"
