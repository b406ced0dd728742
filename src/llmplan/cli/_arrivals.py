"""From flags to traffic: a trace, a workload's generated requests, or users in a closed loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from llmplan.errors import DataError, UsageError
from llmplan.units import format_seconds

if TYPE_CHECKING:
    from llmplan.cli._fleet_flags import ArrivalFlags
    from llmplan.cli._traffic_flags import TraceFlags
    from llmplan.plan.load import Load
    from llmplan.simulate.fleet import Users
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.model import ModelSpec
    from llmplan.spec.requests import Requests
    from llmplan.spec.workload import Workload

DEFAULT_SPAN_S = 3600.0
"""of generated traffic, where nobody says how much"""
MANY_REQUESTS = 1_000_000
DEFAULT_ROUNDS = 20
"""requests of each user of a closed loop, where nobody says how many"""
EXAMPLES = ("--trace FILE", "--workload servegen-mid --duration 1h", "--concurrency 64 --isl 1000 --osl 300")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests in runs, and what is known of them beforehand: text, how many, for how long [s]."""

    traffic: Callable[[], Iterable[Requests]]
    """each call gives the same requests from the beginning"""
    text: str
    shape: Load
    users: Users | None = None
    requests: int | None = None
    span_s: float | None = None
    finish: Callable[[], None] = lambda: None
    """says what there is to say when the requests have been read"""


def arrivals_of(
    flags: ArrivalFlags, reading: TraceFlags, model: ModelSpec, catalog: Catalog, own: Workload | None
) -> Arrivals:
    """The traffic that the flags state; `own` is a plan's, where they state none."""
    if flags.trace is not None:
        return _recorded(flags, reading)
    workload = _workload(flags, model, catalog, own)
    concurrency = flags.concurrency if flags.concurrency is not None else workload.concurrency
    if concurrency is not None and flags.requests_per_second is None:
        return _closed_loop(flags, workload, max(1, round(concurrency)))
    if flags.think is not None:
        raise UsageError("--think is for users in a closed loop", hints=["--concurrency N"])
    return _generated(flags, workload)


def _recorded(flags: ArrivalFlags, reading: TraceFlags) -> Arrivals:
    """The requests of a trace; their first run tells how long they are."""
    from llmplan.cli._traffic_flags import open_trace, warn_of_bad_rows

    others = {"--workload": flags.workload, "--requests-per-second": flags.requests_per_second, "--isl": flags.isl}
    others |= {"--osl": flags.osl}
    if said := [name for name, value in others.items() if value is not None]:
        raise UsageError(f"--trace has requests of its own: {', '.join(said)} cannot change them")
    trace = open_trace(str(flags.trace), reading, seed=flags.seed)

    def runs() -> Iterator[Requests]:
        return _cut(_scaled(iter(trace), flags.rate_scale), flags)

    opened = runs()
    first = next(opened, None)
    if first is None or not len(first):
        raise DataError(f"{flags.trace}: holds no requests within what was asked for")
    limits = [f"{flags.rate_scale:g} times as fast"] if flags.rate_scale != 1.0 else []
    limits += [f"its first {format_seconds(flags.duration)}"] if flags.duration else []
    limits += [f"at most {flags.requests:,} requests"] if flags.requests else []
    text = f"trace {flags.trace}" + (f", {', '.join(limits)}" if limits else "")
    shape, traffic = shape_of(first), _again(first, opened, runs)
    if flags.concurrency is not None:
        users = _users(flags, flags.concurrency)
        text = f"{text}: lengths only, {_loop(users)}"
        return Arrivals(traffic, text, shape, users, flags.requests, finish=lambda: warn_of_bad_rows(trace.tally))
    return Arrivals(
        traffic, text, shape, None, flags.requests, flags.duration, finish=lambda: warn_of_bad_rows(trace.tally)
    )


def _again(
    first: Requests, opened: Iterator[Requests], runs: Callable[[], Iterator[Requests]]
) -> Callable[[], Iterable[Requests]]:
    """The runs that are open already, then from the beginning each time."""
    waiting = [chain([first], opened)]
    return lambda: waiting.pop() if waiting else runs()


def _workload(flags: ArrivalFlags, model: ModelSpec, catalog: Catalog, own: Workload | None) -> Workload:
    """A named one, a plan's own, or one from lengths and a rate; flags win."""
    from llmplan.cli._question import overlaid, stated, workload_of
    from llmplan.cli._question_flags import TrafficFlags

    said = TrafficFlags(
        requests_per_second=flags.requests_per_second,
        concurrency=None if flags.concurrency is None else float(flags.concurrency),
        isl=flags.isl,
        osl=flags.osl,
        workload=flags.workload,
    )
    if flags.workload is not None:
        return workload_of(said, model, catalog)
    if own is not None:
        return overlaid(own, said)
    if flags.isl is None and flags.osl is None and flags.concurrency is None and flags.requests_per_second is None:
        raise UsageError("which requests? no trace, workload or lengths are given", hints=EXAMPLES)
    return stated(said)


def _generated(flags: ArrivalFlags, workload: Workload) -> Arrivals:
    from llmplan.simulate.traffic import generate

    rate = workload.requests_per_s
    assert rate is not None
    requests, span_s = flags.requests, flags.duration
    if requests is None and span_s is None:
        span_s = DEFAULT_SPAN_S
        requests = MANY_REQUESTS if rate * flags.rate_scale * span_s > MANY_REQUESTS else None

    def traffic() -> Iterable[Requests]:
        return generate(workload, seed=flags.seed, requests=requests, duration_s=span_s, rate_scale=flags.rate_scale)

    text = f"{workload.name}, {rate * flags.rate_scale:.3g} requests/s on average, seed {flags.seed}"
    return Arrivals(traffic, text, _load(workload), None, requests, span_s)


def _closed_loop(flags: ArrivalFlags, workload: Workload, count: int) -> Arrivals:
    """Lengths and texts as the workload's; users decide when."""
    from llmplan.simulate.traffic import generate

    if flags.rate_scale != 1.0:
        raise UsageError("users of a closed loop have no rate that --rate-scale could change", hints=["--concurrency"])
    if flags.duration is not None:
        raise UsageError("a closed loop is as long as its requests take", hints=["--requests N"])
    requests = flags.requests or DEFAULT_ROUNDS * count
    timeless = replace(workload, requests_per_s=workload.requests_per_s or 1.0, concurrency=None)
    users = _users(flags, count)
    text = f"{workload.name}: {_loop(users)}, seed {flags.seed}"
    return Arrivals(
        lambda: generate(timeless, seed=flags.seed, requests=requests), text, _load(workload), users, requests
    )


def _users(flags: ArrivalFlags, count: int) -> Users:
    from llmplan.simulate.fleet import Users

    return Users(count=count, think_s=flags.think or 0.0)


def _loop(users: Users) -> str:
    thinking = f" who think {format_seconds(users.think_s)}" if users.think_s else ""
    return f"{users.count:,} user{'s' if users.count != 1 else ''}{thinking} in a closed loop"


def _load(workload: Workload) -> Load:
    from llmplan.plan.load import Load

    return Load(
        kind="saturation", value=0.0, input_tokens=workload.input_tokens, output_tokens=workload.output_tokens,
        prefix_share=workload.prefix_share, prefixes=workload.prefixes or 1,
        cv_interarrival=workload.cv_interarrival,
    )  # fmt: skip


def shape_of(requests: Requests) -> Load:
    """Lengths of recorded requests in steady terms."""
    import numpy as np

    from llmplan.plan.load import Load
    from llmplan.spec.workload import Lengths

    def lengths(tokens: object) -> Lengths:
        values = np.asarray(tokens, dtype=np.float64)
        p50, p90, p99 = np.percentile(values, (50.0, 90.0, 99.0)).tolist()
        return Lengths(mean=float(values.mean()), p50=p50, p90=p90, p99=p99)

    return Load(
        kind="saturation", value=0.0, input_tokens=lengths(requests.input_tokens),
        output_tokens=lengths(requests.output_tokens),
    )  # fmt: skip


def _scaled(runs: Iterator[Requests], factor: float) -> Iterator[Requests]:
    for run in runs:
        yield run if factor == 1.0 else replace(run, arrival_s=run.arrival_s / factor)


def _cut(runs: Iterator[Requests], flags: ArrivalFlags) -> Iterator[Requests]:
    """As many requests, and as much time, as was asked for."""
    import numpy as np

    from llmplan.spec.request_runs import part

    left = math.inf if flags.requests is None else flags.requests
    end_s = math.inf if flags.duration is None else flags.duration
    for run in runs:
        count = int(min(left, np.searchsorted(run.arrival_s, end_s, side="left")))
        if count:
            yield run if count == len(run) else part(run, 0, count)
        left -= count
        if count < len(run) or left <= 0:
            return
