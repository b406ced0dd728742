"""From flags to a fleet: how many replicas, which router, which autoscaler, what befalls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmplan.errors import UsageError
from llmplan.units import format_seconds

if TYPE_CHECKING:
    from llmplan.cli._fleet_flags import FleetFlags
    from llmplan.cli._simulated import Subject
    from llmplan.plan.ledger import Ledger
    from llmplan.plan.load import Load
    from llmplan.simulate.fleet import Autoscaler, Faults, FleetSpec

MOST_REPLICAS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A fleet's beginning and rules, and the same in words."""

    spec: FleetSpec
    text: str
    faults_text: str
    start: Ledger | None
    idle_window_s: float | None = None
    by_lives: bool = False


def scaling_of(flags: FleetFlags, subject: Subject, shape: Load, seed: int) -> Scaling:
    """The fleet that the flags describe."""
    from llmplan.simulate.fleet import FleetSpec

    kind = flags.autoscale
    by_second = subject.deployment.purchase.kind == "serverless"
    if kind is None and by_second:
        kind = "serverless"
    _refuse_idle_flags(flags, kind)
    faults, faults_text = _faults(flags)
    each = flags.target_concurrency or carried(subject, shape)
    policy, text, window_s = _policy(kind, flags, subject, each)
    needs_start = policy is not None or bool(faults_text)
    start_s, start = _start(flags, subject) if needs_start else (0.0, None)
    replicas = flags.replicas
    if replicas is None and policy is None:
        replicas = subject.deployment.replicas or 1
    router = flags.router or ("packed" if kind == "serverless" else "round-robin")
    spec = FleetSpec(
        replicas=replicas, router=router, start_s=start_s, autoscaler=policy, faults=faults, seed=seed,  # type: ignore[arg-type]
        packed_up_to=each,
    )  # fmt: skip
    return Scaling(
        spec=spec, text=text, faults_text=faults_text, start=start, idle_window_s=window_s,
        by_lives=policy is not None,
    )  # fmt: skip


def _refuse_idle_flags(flags: FleetFlags, kind: str | None) -> None:
    """Flags that would do nothing."""
    if kind is None:
        stated = {
            "--min-replicas": flags.min_replicas,
            "--max-replicas": flags.max_replicas,
            "--keep-warm": flags.keep_warm,
            "--target-concurrency": flags.target_concurrency if flags.router != "packed" else None,
        }
        if said := [name for name, value in stated.items() if value is not None]:
            raise UsageError(f"{', '.join(said)} needs --autoscale", hints=["--autoscale knative|keda|serverless"])
    if flags.idle_window is not None and kind != "serverless":
        raise UsageError("--idle-window is for --autoscale serverless")
    if flags.spot_notice is not None and flags.mtbf is None:
        raise UsageError("--spot-notice needs --mtbf: how often replicas go", hints=["--mtbf 24h --spot-notice 2m"])
    if flags.min_replicas is not None and flags.keep_warm is not None:
        raise UsageError("--min-replicas and --keep-warm say the same thing: give one of them")


def _faults(flags: FleetFlags) -> tuple[Faults, str]:
    from llmplan.simulate.fleet import Faults

    restarts = () if flags.rolling_restart is None else (flags.rolling_restart,)
    faults = Faults(mtbf_s=flags.mtbf, notice_s=flags.spot_notice or 0.0, restarts_s=restarts)
    parts = []
    if flags.mtbf is not None:
        notice = f" with {format_seconds(flags.spot_notice)} notice" if flags.spot_notice else ""
        parts.append(f"a replica goes after {format_seconds(flags.mtbf)} on average{notice}")
    if restarts:
        parts.append(f"a rolling restart at {format_seconds(restarts[0])}")
    return faults, ", ".join(parts)


def _policy(
    kind: str | None, flags: FleetFlags, subject: Subject, each: int
) -> tuple[Autoscaler | None, str, float | None]:
    """The autoscaler, what it does in words, and its idle window; `each`: requests in flight that one replica takes."""
    from llmplan.simulate.fleet import Keda, Knative, Workers

    if kind is None:
        return None, "", None
    kept = flags.min_replicas if flags.min_replicas is not None else flags.keep_warm
    low = subject.deployment.purchase.keep_warm if kept is None else kept
    high = flags.max_replicas or subject.deployment.max_replicas or max(MOST_REPLICAS, low)
    if high < low:
        raise UsageError(f"--max-replicas {high} is less than the {low} that never go")
    bounds = f"{low} to {high} replicas"
    if kind == "keda" and flags.target_concurrency is None:
        keda = Keda(min_replicas=low, max_replicas=high)
        return keda, f"KEDA: {keda.target:g} waiting requests a replica, {bounds}", None
    if kind == "keda":
        text = f"KEDA: {each} requests in flight a replica, {bounds}"
        return Keda(metric="in_flight", target=float(each), min_replicas=low, max_replicas=high), text, None
    if kind == "knative":
        text = f"Knative: {each} requests in flight a replica at 70 %, {bounds}"
        return Knative(target_concurrency=float(each), min_replicas=low, max_replicas=high), text, None
    window_s = _window_s(flags, subject)
    text = f"serverless: {each} requests a worker, idle window {format_seconds(window_s)}, {bounds}"
    workers = Workers(
        target_concurrency=each, most_concurrency=max(each, subject.replica.settings.max_num_seqs),
        idle_window_s=window_s, min_replicas=low, max_replicas=high,
    )  # fmt: skip
    return workers, text, window_s


def _window_s(flags: FleetFlags, subject: Subject) -> float:
    """As asked for; else the one seller's own; else the one that we set where a platform lets us choose."""
    from llmplan import pricing
    from llmplan.simulate.idle_window import CHOSEN_IDLE_WINDOW_S, idle_window_s

    if flags.idle_window is not None:
        return flags.idle_window
    offers = pricing.serverless_offers(subject.replica.gpu.id, subject.limits, subject.catalog.prices)
    windows = {idle_window_s(offer) for offer in offers}
    return windows.pop() if len(windows) == 1 else CHOSEN_IDLE_WINDOW_S


def carried(subject: Subject, shape: Load) -> int:
    """Requests in flight at a replica that carries as much as it can within the promises (Little's law)."""
    from llmplan import perf

    return perf.capacity(
        subject.replica, subject.memory, shape, subject.calibration, subject.slo, subject.limits.max_utilization
    ).in_flight


def _start(flags: FleetFlags, subject: Subject) -> tuple[float, Ledger | None]:
    """What a new replica takes, as stated or as its ledger."""
    from llmplan.plan.ledger import Ledger, Line
    from llmplan.simulate import start_of

    if flags.start_delay is not None:
        line = Line(name="stated", amount=flags.start_delay, unit="s", formula=f"--start-delay {flags.start_delay:g}")
        return flags.start_delay, Ledger(unit="s", lines=(line,))
    start = start_of(subject.replica, subject.memory.checkpoint_bytes)
    if start is None:
        raise UsageError("no figure is known for how long a replica takes to start here", hints=["--start-delay 90s"])
    return start.total_s, start.ledger
