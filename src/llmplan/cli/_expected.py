"""What a running server is held against: a row of a plan, or a replica that flags describe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmplan.errors import UnknownIdError, UsageError
from llmplan.units import GIB

if TYPE_CHECKING:
    from llmplan.cli._options import LoadFlags, ReplicaFlags
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.load import Load
    from llmplan.plan.outcome import Option
    from llmplan.plan.plan import Plan
    from llmplan.plan.served.expected import Expected, Predicted
    from llmplan.plan.served.seen import Seen
    from llmplan.plan.served.snapshot import Snapshot
    from llmplan.spec.model import ModelSpec

TAKEN = (
    "engine", "engine_version", "tp", "pp", "dp", "block_size", "max_model_len", "max_num_seqs",
    "max_num_batched_tokens", "gpu_memory_utilization", "enforce_eager", "kv_cache",
    "weights",
)  # fmt: skip
"""flags that the server's own words fill in where nobody stated them"""


def from_plan(path: Path, strategy: str | None, *, force: bool) -> Expected:
    """The row of a plan that was deployed: the one named, else the recommended one."""
    from llmplan.plan.served.expected import Expected
    from llmplan.planfile import read_plan

    plan = read_plan(path, allow_edited=force)
    name, option = row_of(plan, strategy)
    replica = option.deployment.replica
    if replica is None:
        raise UsageError(f"{name} is a hosted token API in this plan: there is no server of one's own to look at")
    return Expected(
        name=f"{path.name}, {name}",
        replica=replica,
        budget=option.memory,
        load=planned_load(plan, option),
        estimate=option.estimate,
        replicas=option.deployment.replicas,
    )


def row_of(plan: Plan, strategy: str | None) -> tuple[str, Option]:
    """The option of a strategy; a rejection says why there is none."""
    from llmplan.plan.outcome import Option

    wanted = strategy.strip().lower().replace("-", "_") if strategy else plan.recommended
    if wanted is None:
        raise UsageError(
            "the plan recommends nothing", hints=["llmplan recommend ... -o plan.yaml, within wider limits"]
        )
    outcome = next((each for name, each in plan.outcomes.items() if name == wanted), None)
    if outcome is None:
        raise UnknownIdError("strategy", strategy or "", plan.outcomes, listing=f"one of {', '.join(plan.outcomes)}")
    if not isinstance(outcome, Option):
        raise UsageError(f"{wanted} was rejected in this plan: {outcome.reason}")
    return wanted, outcome


def planned_load(plan: Plan, option: Option) -> Load | None:
    """What one replica was planned to carry at the peak; None where the fleet has no fixed size."""
    from llmplan.planner.demand import Demand

    replicas = option.deployment.replicas
    return Demand.of(plan.question.workload).on_replicas(replicas) if replicas else None


def from_flags(model: str, flags: ReplicaFlags, load: LoadFlags, look: Snapshot, bench: Workbench) -> Expected:
    """A replica from flags, the server's own words filling in what nobody stated."""
    from llmplan.cli._replica import load_of, refusal
    from llmplan.plan.outcome import Rejection
    from llmplan.plan.served.expected import Expected

    stated_weights = look.settings.get("weights") if flags.weights == type(flags)().weights else None
    reads = (flags.engine or look.engine).partition("@")[0] == look.engine
    spec = bench.model(model, str(stated_weights) if stated_weights and reads else flags.weights)
    filled, taken = with_server(flags, look, spec)
    built = bench.build(model, filled, None)
    budget = bench.budget(built.replica)
    if isinstance(budget, Rejection):
        text = refusal(budget).partition("\n")[0]
        raise UsageError(
            f"by the memory model this replica does not fit, though something runs there: {text}",
            hints=["is it this --gpu, with this --tp, and these --weights?"],
        )
    stated = any((load.rate, load.concurrency))
    if load.burst or load.saturation or load.disaggregate:
        raise UsageError("a server is held against --rate or --concurrency", hints=["--isl 1000 --osl 300 --rate 2"])
    planned = load_of(load) if stated else None
    return Expected(
        name=spec.id,
        replica=built.replica,
        budget=budget,
        load=planned,
        estimate=bench.estimate(built.replica, budget, planned) if planned else None,
        taken=taken,
    )


def with_server(flags: ReplicaFlags, look: Snapshot, model: ModelSpec) -> tuple[ReplicaFlags, Mapping[str, str]]:
    """The flags, those that were left at their default filled in with what the server states."""
    usual = type(flags)()
    said: dict[str, Any] = {"engine": look.engine, "engine_version": look.version} | dict(look.settings)
    fixed = said.get("kv_cache_memory_bytes")
    if isinstance(fixed, int | float) and fixed > 0:
        said["kv_cache_memory_gib"] = fixed / GIB
    kind = said.get("kv_cache")
    said["kv_cache"] = "fp8" if isinstance(kind, str) and kind.startswith("fp8") else None
    if said.get("max_model_len"):
        said["max_model_len"] = min(said["max_model_len"], model.max_context_tokens)
    changes = {
        name: said[name]
        for name in (*TAKEN, "kv_cache_memory_gib")
        if said.get(name) and getattr(flags, name) == getattr(usual, name)
    }
    if flags.gpus is not None:
        changes.pop("tp", None)
    if (flags.engine or look.engine).partition("@")[0] != look.engine:
        changes.pop("weights", None)
    if "@" in (flags.engine or "") or (flags.engine or look.engine) != look.engine:
        changes.pop("engine_version", None)
    return dataclasses.replace(flags, **changes), {name: _written(value) for name, value in changes.items()}


def predicted(expected: Expected, seen: Seen, bench: Workbench) -> Predicted | None:
    """Speed of the expected replica under the traffic that was seen, without the client's part of a request."""
    from llmplan.plan.served.expected import Predicted

    load = seen.load
    if load is None or expected.budget is None:
        return None
    replica = expected.replica
    estimate = bench.estimate(replica, expected.budget, load)
    client_s = bench.calibration(replica).coefficients.get("request_s", 0.0)
    return Predicted.of(estimate, client_s)


def _written(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
