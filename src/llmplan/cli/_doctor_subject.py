"""What `doctor` looks at the machine for: engines, a model's files, a plan."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli._options import MODEL_HELP, many
from llmplan.errors import LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.hardware import ModelFiles, Subject
    from llmplan.plan.deployment import Replica, StrategyId
    from llmplan.plan.outcome import MemoryBudget, Option
    from llmplan.plan.plan import Plan
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.engine import EngineSpec
    from llmplan.spec.gpu import GpuSpec


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to run here."""

    engine: Annotated[
        list[str] | None,
        many("--engine", "ENGINE", "Look at driver and GPUs for this engine, such as vllm@0.33, not for every one."),
    ] = None
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help=f"Is there room for its weights? {MODEL_HELP}"),
    ] = None
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This row of the plan instead of the recommended one.")
    ] = None


def subject_of(
    wanted: Wanted, plan_path: Path | None, environ: Mapping[str, str], extra: Path | None, today: date
) -> Subject:
    """The machine's subject: every stable engine unless something is named; nothing if the catalogue is broken."""
    from llmplan.hardware import Subject

    if plan_path is not None:
        return _of_plan(wanted, plan_path, environ, extra, today)
    if wanted.strategy is not None:
        raise UsageError(
            "--strategy is a row of a plan: name the plan", hints=["llmplan doctor plan.yaml -s quantized"]
        )
    try:
        catalog = _catalog(environ, extra, today)
        engines = _engines(wanted.engine or (), catalog)
        files = None if wanted.model is None else _files(wanted.model, catalog, environ)
    except LlmplanError:
        if wanted.engine or wanted.model is not None:
            raise
        return Subject()
    return Subject(engines=engines, certain=bool(wanted.engine), files=files)


def known_gpus(environ: Mapping[str, str], extra: Path | None, today: date) -> Mapping[str, GpuSpec]:
    """The catalogue's GPUs; none if their files are broken, which another finding says."""
    try:
        return dict(_catalog(environ, extra, today).gpus)
    except LlmplanError:
        return {}


def _catalog(environ: Mapping[str, str], extra: Path | None, today: date) -> Catalog:
    from llmplan.catalogs import default_layers, load_catalog

    return load_catalog(default_layers(environ, extra), price_date=today)


def _engines(named: Sequence[str], catalog: Catalog) -> tuple[EngineSpec, ...]:
    """The engines that are named, else the newest stable version of each."""
    names = named or sorted({ref.partition("@")[0] for ref in catalog.engines})
    found = [catalog.engines[name] for name in names]
    return tuple({engine.ref: engine for engine in found}.values())


def _files(text: str, catalog: Catalog, environ: Mapping[str, str]) -> ModelFiles:
    """A model's weights as they are published, or as they lie in the folder that is named."""
    from llmplan import memory
    from llmplan.catalogs.checkpoint import is_checkpoint
    from llmplan.cli._catalog import HUB_HINT, find_model, model_path
    from llmplan.hardware import ModelFiles, cached_bytes, model_cache

    try:
        model = find_model(text, catalog)
    except LlmplanError as error:
        error.hints = tuple(hint for hint in error.hints if hint != HUB_HINT)  # nothing here goes to the network
        raise
    needed = memory.checkpoint_bytes(model, memory.weight_format("auto", model))
    path = model_path(text)
    cache = model_cache(environ)
    if path is not None:
        here = needed if is_checkpoint(path) else None
        return ModelFiles(
            name=text, needed_bytes=needed, present_bytes=here, folder=str(path.parent if here is None else path)
        )
    return ModelFiles(
        name=model.id, needed_bytes=needed, present_bytes=cached_bytes(cache, model.id), folder=str(cache)
    )


def _of_plan(wanted: Wanted, path: Path, environ: Mapping[str, str], extra: Path | None, today: date) -> Subject:
    """What a plan's chosen row wants; a hosted API wants nothing here."""
    from llmplan.cli.emit_config import strategy_id
    from llmplan.hardware import Planned, Subject
    from llmplan.planfile import read_plan

    if wanted.engine or wanted.model is not None:
        raise UsageError("a plan names its engine and its model: leave --engine and --model out, or the plan")
    option = _row(read_plan(path), strategy_id(wanted.strategy), path)
    replica = option.deployment.replica
    if replica is None or option.memory is None:
        return Subject(hosted=f"the {option.deployment.strategy} row of {path} is a hosted API")
    engine = dataclasses.replace(
        replica.engine,
        memory_fraction=replica.settings.memory_fraction,
        cuda_version=replica.engine.cuda_version or _known_cuda(replica.engine.ref, environ, extra, today),
    )
    return Subject(
        engines=(engine,),
        certain=True,
        files=_planned_files(replica, option.memory, environ),
        planned=Planned(
            replica=replica, replicas=option.deployment.replicas, host_bytes=_host_bytes(replica, option.memory)
        ),
    )


def _known_cuda(ref: str, environ: Mapping[str, str], extra: Path | None, today: date) -> tuple[int, int] | None:
    """The catalogue's figure, for plans that were made before it had one."""
    try:
        return _catalog(environ, extra, today).engines[ref].cuda_version
    except LlmplanError:
        return None


def _row(plan: Plan, strategy: StrategyId | None, path: Path) -> Option:
    """The row that is named or recommended; one that was rejected runs nowhere."""
    from llmplan.plan.outcome import Option

    name = strategy or plan.recommended
    outcome = plan.outcomes[name] if name is not None else None
    if isinstance(outcome, Option):
        return outcome
    options = [each for each, row in plan.outcomes.items() if isinstance(row, Option)]
    hints = [f"llmplan doctor {path} --strategy {each}" for each in options]
    if outcome is None:
        raise LlmplanError(f"{path} recommends nothing", hints=hints)
    raise LlmplanError(f"the {name} row of {path} is a rejection: {outcome.reason}", hints=hints)


def _planned_files(replica: Replica, budget: MemoryBudget, environ: Mapping[str, str]) -> ModelFiles:
    """The planned weights. In another format than its own a model comes from another repository, which is not known."""
    from llmplan.hardware import ModelFiles, cached_bytes, model_cache

    cache, model = model_cache(environ), replica.model
    own = replica.weights.id == model.checkpoint_format
    return ModelFiles(
        name=model.id if own else f"{model.id} in {replica.weights.id}",
        needed_bytes=budget.checkpoint_bytes,
        present_bytes=cached_bytes(cache, model.id) if own else None,
        folder=str(cache),
    )


def _host_bytes(replica: Replica, budget: MemoryBudget) -> int:
    """Host memory on one node for what is offloaded, with what stays for the system; 0 without offload."""
    from llmplan import memory

    nodes = math.ceil(replica.parallel.gpus / replica.host.gpus)
    return math.ceil(memory.host_bytes_beside(replica, budget) / nodes)
