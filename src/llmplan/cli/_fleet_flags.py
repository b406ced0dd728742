"""The flags of a simulated fleet: replicas, router, autoscaler, faults, and the traffic that it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from llmplan.cli import _parse
from llmplan.cli._options import amount, count
from llmplan.cli._traffic_flags import TRACE_HELP

ROUTERS = ("round-robin", "least-loaded", "prefix-affine", "packed")
"""those of simulate.fleet, which --help need not import"""
AUTOSCALERS = ("knative", "keda", "serverless")


def time(flag: str, help_text: str) -> Any:
    return typer.Option(flag, parser=_parse.duration(flag), metavar="TIME", help=help_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFlags:
    """Replicas and what becomes of them."""

    replicas: Annotated[
        int | None, count("--replicas", "Replicas at the start (default: 1, or the plan's).", at_most=10_000)
    ] = None
    router: Annotated[
        str | None,
        typer.Option(
            "--router", parser=_parse.choice("--router", ROUTERS), metavar="|".join(ROUTERS),
            help="Which replica gets a request (default: round-robin; packed with --autoscale serverless).",
        ),
    ] = None  # fmt: skip
    autoscale: Annotated[
        str | None,
        typer.Option(
            "--autoscale", parser=_parse.choice("--autoscale", AUTOSCALERS), metavar="|".join(AUTOSCALERS),
            help="How replicas come and go (default: they do not; a plan's serverless row: serverless).",
        ),
    ] = None  # fmt: skip
    min_replicas: Annotated[
        int | None, count("--min-replicas", "Replicas that never go.", at_least=0, at_most=10_000)
    ] = None
    max_replicas: Annotated[int | None, count("--max-replicas", "Most replicas (default: 100).", at_most=10_000)] = None
    keep_warm: Annotated[
        int | None, count("--keep-warm", "The same as --min-replicas.", at_least=0, at_most=10_000)
    ] = None
    idle_window: Annotated[
        float | None,
        time("--idle-window", "Time without requests after which a serverless worker stops (default: its platform's)."),
    ] = None
    target_concurrency: Annotated[
        int | None,
        count(
            "--target-concurrency",
            "Requests in flight for which there is one replica (default: what one carries within the promises).",
            at_most=1_000_000,
        ),
    ] = None
    start_delay: Annotated[
        float | None,
        time("--start-delay", "What a new replica takes until it is ready (default: provisioning, weights, engine)."),
    ] = None
    mtbf: Annotated[float | None, time("--mtbf", "Mean time after which a replica fails, by chance.")] = None
    spot_notice: Annotated[
        float | None, time("--spot-notice", "Replicas that go by --mtbf are told so much earlier, as spot machines.")
    ] = None
    rolling_restart: Annotated[
        float | None, time("--rolling-restart", "Restart all replicas at this time, one after the other.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalFlags:
    """The requests: a trace, a workload, or users in a closed loop."""

    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="FILE", help=f"The requests of a trace. {TRACE_HELP}"),
    ] = None
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload",
            metavar="NAME|FILE",
            help="Requests made like a catalogue workload's or a YAML file's (default: a plan's own).",
        ),
    ] = None
    requests_per_second: Annotated[
        float | None,
        amount("--requests-per-second", "Mean rate.", above=0, at_most=_parse.MAX_REQUESTS_PER_S, metavar="R"),
    ] = None
    isl: Annotated[int | None, count("--isl", "Input tokens of a request.")] = None
    osl: Annotated[int | None, count("--osl", "Output tokens of a request.")] = None
    concurrency: Annotated[
        int | None,
        count("--concurrency", "A closed loop of so many users, who each wait for their answer.", at_most=1_000_000),
    ] = None
    think: Annotated[float | None, time("--think", "Time between an answer and the user's next request.")] = None
    requests: Annotated[int | None, count("--requests", "Stop after so many requests.", at_most=1_000_000_000)] = None
    duration: Annotated[float | None, time("--duration", "Stop after so much time.")] = None
    rate_scale: Annotated[float, amount("--rate-scale", "Arrive so many times as fast.", above=0, at_most=1e6)] = 1.0
    seed: Annotated[int, count("--seed", "Of all chance: same seed, same answer.", at_least=0, at_most=2**31)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerFlags:
    """Where it is paid for."""

    provider: Annotated[
        str | None,
        typer.Option("--provider", metavar="ID", help="Bill at this seller or company (default: the cheapest)."),
    ] = None
    term: Annotated[
        str | None,
        typer.Option(
            "--term", parser=_parse.choice("--term", ("on-demand", "spot", "reserved-1y", "reserved-3y")),
            metavar="TERM", help="Of machines by the hour (default: on-demand).",
        ),
    ] = None  # fmt: skip
