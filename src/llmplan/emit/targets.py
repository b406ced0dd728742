"""The targets, in the order in which they are listed, and the one way from a plan to launch files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llmplan.emit import (
    dstack,
    dynamo,
    helm,
    knative,
    kserve,
    kubernetes,
    leaderworkerset,
    llama_cpp,
    modal,
    runpod,
    sglang,
    skypilot,
    systemd,
    tensorrt_llm,
    vllm,
)
from llmplan.emit.compatibility import on_engine
from llmplan.emit.engines import engine_of
from llmplan.emit.launch_file import LaunchFile
from llmplan.emit.selection import Launch, select
from llmplan.emit.variant import Variant
from llmplan.errors import UsageError, nearest
from llmplan.plan.deployment import Replica, StrategyId
from llmplan.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of launch files. `engine` is what they start; None: the engine that was planned."""

    id: str
    engine: str | None
    summary: str
    emit: Callable[[Launch], tuple[LaunchFile, ...]]


def _compose_of_planned_engine(launch: Launch) -> tuple[LaunchFile, ...]:
    return engine_of(launch).compose_only(launch)


TARGETS: tuple[Target, ...] = (
    Target(id="vllm", engine="vllm", summary="serve.sh, vllm.yaml and compose.yaml", emit=vllm.emit),
    Target(id="sglang", engine="sglang", summary="serve.sh with sglang serve, compose.yaml", emit=sglang.emit),
    Target(
        id="tensorrt-llm", engine="tensorrt-llm", summary="serve.sh with trtllm-serve, trtllm.yaml, compose.yaml",
        emit=tensorrt_llm.emit,
    ),
    Target(id="llama-cpp", engine="llama-cpp", summary="serve.sh with llama-server, compose.yaml", emit=llama_cpp.emit),
    Target(
        id="docker-compose", engine=None, summary="compose.yaml of the planned engine", emit=_compose_of_planned_engine
    ),
    Target(id="systemd", engine=None, summary="units of the planned engine on machines of your own", emit=systemd.emit),
    Target(id="kubernetes", engine=None, summary="manifests of one-machine replicas", emit=kubernetes.emit),
    Target(
        id="leaderworkerset", engine=None, summary="manifests of replicas over machines", emit=leaderworkerset.emit
    ),
    Target(id="kserve", engine=None, summary="InferenceService, LLMInferenceService", emit=kserve.emit),
    Target(id="helm", engine="vllm", summary="values of the vLLM production-stack chart", emit=helm.emit),
    Target(id="dynamo", engine=None, summary="NVIDIA Dynamo: DynamoGraphDeployment", emit=dynamo.emit),
    Target(id="knative", engine=None, summary="a Knative Service, and one for Google Cloud Run", emit=knative.emit),
    Target(id="modal", engine=None, summary="modal_app.py, a Modal app", emit=modal.emit),
    Target(
        id="runpod", engine=None, summary="endpoint.json or pod.json with the call that creates it", emit=runpod.emit
    ),
    Target(id="skypilot", engine=None, summary="task.yaml, a SkyPilot task and SkyServe service", emit=skypilot.emit),
    Target(id="dstack", engine=None, summary="llm.dstack.yml, a dstack service", emit=dstack.emit),
)  # fmt: skip


def find_target(name: str) -> Target:
    """The target of this name; a `UsageError` lists those there are."""
    for target in TARGETS:
        if target.id == name.strip().lower():
            return target
    names = [target.id for target in TARGETS]
    near = nearest(name, names)
    hints = [f"did you mean {near[0]}?"] if near else []
    raise UsageError(f"no target {name!r}: there are {', '.join(names)}", hints=hints)


def target_of(engine_id: str) -> str | None:
    """The target that starts this engine, or None where nothing is emitted for it."""
    return next((target.id for target in TARGETS if target.engine == engine_id), None)


def emit(
    plan: Plan, *, strategy: StrategyId | None, target: str, variant: Variant | None = None
) -> tuple[LaunchFile, ...]:
    """The launch files of one row of the plan (the recommended one if None), the same bytes for the same plan."""
    chosen = find_target(target)
    launch = select(plan, strategy, variant)
    if is_foreign(chosen, launch):
        on_engine(plan, launch.replica, str(chosen.engine))
        launch = replace(launch, same_engine=False, summary=(*launch.summary, foreign_note(chosen, launch)))
    return chosen.emit(launch)


def launched(plan: Plan, *, strategy: StrategyId | None, target: str) -> Replica:
    """The replica of the row on the engine that the target starts: what engine rules are to be asked about."""
    chosen, launch = find_target(target), select(plan, strategy)
    return on_engine(plan, launch.replica, str(chosen.engine)) if is_foreign(chosen, launch) else launch.replica


def notes(plan: Plan, *, strategy: StrategyId | None, target: str) -> tuple[str, ...]:
    """What the user must know about these files and cannot see from them."""
    chosen, launch = find_target(target), select(plan, strategy)
    return (foreign_note(chosen, launch),) if is_foreign(chosen, launch) else ()


def is_foreign(target: Target, launch: Launch) -> bool:
    """Whether the target starts another engine than the planned one."""
    return target.engine is not None and target.engine != launch.replica.engine.id


def foreign_note(target: Target, launch: Launch) -> str:
    """Speeds and memory were predicted for the planned engine."""
    return (
        f"memory and speed were predicted for {launch.replica.engine.ref}, not for {target.engine}: "
        "measure before you rely on them"
    )
