"""The planned replica on another engine than the planned one: what its rules are asked about before files are written.

Which formats and GPUs each engine takes is in its profile; a plan carries the profile of every engine that it could be
launched with, so that the same rules judge them all and nothing is kept twice.
"""

from __future__ import annotations

from dataclasses import replace

from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica
from llmplan.plan.plan import Plan
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS

HALF = "fp16"


def on_engine(plan: Plan, replica: Replica, engine_id: str) -> Replica:
    """The replica as the other engine would run it, with that engine's own share of memory and block size."""
    engine = engine_in(plan, engine_id)
    if not replica.gpu.is_nvidia:
        raise UsageError(
            f"the emitted build of {engine.name} needs an NVIDIA GPU, {replica.gpu.id} is none",
            hints=[f"llmplan recommend ... --engine {engine_id} plans for another"],
        )
    settings = replace(replica.settings, memory_fraction=engine.memory_fraction, block_tokens=engine.block_tokens)
    weights, kv = replica.weights, replica.kv
    if not replica.gpu.computes_bf16:
        # a 16-bit checkpoint is loaded in the 16-bit type that the GPU has
        weights = next(each for each in WEIGHT_FORMATS if each.id == HALF) if weights.id == "bf16" else weights
        kv = next(each for each in KV_FORMATS if each.id == HALF) if kv.id == "bf16" else kv
    return replace(replica, engine=engine, weights=weights, kv=kv, settings=settings)


def engine_in(plan: Plan, engine_id: str) -> EngineSpec:
    """The engine as the plan knows it; plans that were made before they carried other engines refuse."""
    found = next((engine for engine in plan.known_engines if engine.id == engine_id), None)
    if found is None:
        raise UsageError(
            f"this plan does not know what {engine_id} runs: it was made before plans carried the other engines",
            hints=[
                "llmplan recommend ... -o plan.yaml plans again",
                f"llmplan recommend ... --engine {engine_id} plans for it",
            ],
        )
    return found
