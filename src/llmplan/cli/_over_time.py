"""`recommend` on requests: those of a trace, or such as a workload makes, read or made, described, and planned for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli._fleet_flags import time
from llmplan.cli._options import count
from llmplan.cli._traffic_flags import TraceFlags, open_trace, warn_of_bad_rows
from llmplan.errors import DataError, UsageError
from llmplan.units import format_seconds

if TYPE_CHECKING:
    from llmplan.cli._expense_flags import ExpenseFlags
    from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
    from llmplan.plan.plan import Plan
    from llmplan.simulate.traffic.recorded import Recorded
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.model import ModelSpec
    from llmplan.spec.requests import Requests
    from llmplan.spec.workload import Question, Workload

BESIDE_A_TRACE = ("tenants", "adapters", "lora_rank", "context_tokens")
"""traffic flags that say what no trace does"""
MOST_REQUESTS = 5_000_000
"""held in memory and played dozens of times"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFlags:
    """The requests on which every strategy is judged, where the steady state is not enough."""

    trace: Annotated[
        list[str] | None,
        typer.Option(
            "--trace", metavar="FILE",
            help="Judge every strategy on the requests of a trace: CSV or JSON lines, also .gz; - is stdin. Repeated: "
            "the trace of one tenant each.",
        ),
    ] = None  # fmt: skip
    over: Annotated[
        float | None,
        time("--over", "Judge every strategy on so much traffic made like the workload's (1h, 7d)."),
    ] = None
    seed: Annotated[int, count("--seed", "Of made traffic: same seed, same answer.", at_least=0, at_most=2**31)] = 0

    @property
    def any(self) -> bool:
        """Whether there are requests to judge by."""
        return bool(self.trace) or self.over is not None


def plan_over_time(
    model: str,
    requests: RequestFlags,
    reading: TraceFlags,
    traffic: TrafficFlags,
    promise: PromiseFlags,
    limits: LimitFlags,
    hardware: HardwareFlags,
    expenses: ExpenseFlags,
    catalog: Catalog,
) -> Plan:
    """The five rows on the requests."""
    from llmplan.cli._catalog import find_model
    from llmplan.cli._progress import watching
    from llmplan.cli._question import question
    from llmplan.planner.over_time import recommend_over_time

    if requests.trace and requests.over is not None:
        raise UsageError("--trace has requests of its own, and --over makes some: give one of them")
    spec = find_model(model, catalog, limits.weights or ())
    if requests.trace:
        refuse_traffic(traffic)
        recorded, workload = read(requests, reading, traffic, spec)
        asked, spec = question(model, traffic, promise, limits, hardware, catalog, expenses=expenses, workload=workload)
    else:
        asked, spec = question(model, traffic, promise, limits, hardware, catalog, expenses=expenses)
        recorded, asked = made(asked, requests, spec)
    with watching() as watch:
        return recommend_over_time(asked, catalog, recorded, model=spec, watch=watch)


def refuse_traffic(traffic: TrafficFlags) -> None:
    """A trace says how much comes and how long it is: flags that say so too are refused, not ignored."""
    said = [
        "--" + field.name.replace("_", "-")
        for field in dataclasses.fields(traffic)
        if field.name not in BESIDE_A_TRACE and getattr(traffic, field.name) != field.default
    ]
    if said:
        raise UsageError(
            f"--trace has requests of its own: {', '.join(said)} cannot change them",
            hints=["--over 1h makes requests like those of --workload or of the flags"],
        )


def read(
    requests: RequestFlags, reading: TraceFlags, traffic: TrafficFlags, model: ModelSpec
) -> tuple[Recorded, Workload]:
    """A trace in memory, or several as one tenant each, and their steady figures as a workload."""
    from llmplan.simulate.traffic.recorded import Recorded, together

    traces: list[Recorded] = []
    for path in requests.trace or ():
        left = MOST_REQUESTS - sum(map(len, traces))
        runs = _runs(path, reading, model.max_context_tokens, requests.seed, left)
        traces.append(Recorded.of("stdin" if path == "-" else Path(path).name, runs))
    recorded = traces[0] if len(traces) == 1 else together(traces)
    if len(recorded) < 2 or recorded.duration_s <= 0:
        raise DataError(
            f"{recorded.name}: a rate needs two requests or more, at different times; it has {len(recorded)}"
        )
    workload = described(recorded, f"trace {recorded.name}")
    return recorded, workload if traffic.context_tokens is None else replace(workload, context_tokens=None)


def _runs(path: str, reading: TraceFlags, context_tokens: int, seed: int, most: int) -> list[Requests]:
    """All of a file, as far as it can be played."""
    runs, total = [], 0
    trace = open_trace(path, reading, context_tokens=context_tokens, seed=seed)
    for run in trace:
        runs.append(run)
        total += len(run)
        if total > most:
            raise UsageError(
                f"{path}: more than {MOST_REQUESTS:,} requests are too many to play every strategy on",
                hints=["llmplan simulate runs one fleet on a trace of any length", "plan on a day or an hour of it"],
            )
    warn_of_bad_rows(trace.tally)
    return runs


def described(recorded: Recorded, name: str) -> Workload:
    """Steady figures of requests, with a context that holds the longest of them."""
    from llmplan.simulate.traffic import describe, steady_figures

    measured = describe([recorded.requests])
    workload = steady_figures(measured, workload_id=recorded.name, name=name)
    rate = len(recorded) / recorded.duration_s
    return replace(workload, requests_per_s=rate, context_tokens=measured.longest_request_tokens)


def made(asked: Question, requests: RequestFlags, model: ModelSpec) -> tuple[Recorded, Question]:
    """Requests like the workload's, and the question with a context that holds the longest of them."""
    from llmplan.simulate.traffic import generate
    from llmplan.simulate.traffic.recorded import Recorded

    span_s, workload = requests.over, asked.workload
    assert span_s is not None
    if workload.requests_per_s is None:
        raise UsageError(
            "users of a closed loop come at no times of their own", hints=["--requests-per-second R with --over"]
        )
    if workload.requests_per_s * span_s > MOST_REQUESTS:
        raise UsageError(
            f"{workload.requests_per_s * span_s:,.0f} requests in {format_seconds(span_s)} are too many to play every "
            "strategy on",
            hints=[f"--over {MOST_REQUESTS / workload.requests_per_s / 3600:.2g}h"],
        )
    within = replace(workload, context_tokens=workload.context_tokens or model.max_context_tokens)
    found = Recorded.of(f"{format_seconds(span_s)} of {workload.name}, seed {requests.seed}",
                        generate(within, seed=requests.seed, duration_s=span_s))  # fmt: skip
    if len(found) < 2:
        raise UsageError(f"hardly a request comes within {format_seconds(span_s)}", hints=["--over 7d", "--seed 1"])
    found = replace(found, duration_s=span_s)
    seen = described(found, workload.name)
    kept = {name: getattr(workload, name) for name in ("tenants", "adapters", "lora_rank", "prefixes", "prefix_share")}
    context_tokens = workload.context_tokens or seen.context_tokens
    return found, replace(asked, workload=replace(seen, **kept, id=workload.id, context_tokens=context_tokens))
