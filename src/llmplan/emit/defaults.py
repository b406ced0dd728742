"""What the engine would do on this GPU if a setting were left out, as the plan's own engine figures say."""

from __future__ import annotations

from llmplan.emit.selection import Launch
from llmplan.spec.engine import SchedulerDefault


def scheduler(launch: Launch) -> SchedulerDefault | None:
    """The limits that the planned engine chooses for this GPU; None where the target starts another engine."""
    replica = launch.replica
    if not launch.same_engine or not replica.engine.scheduler_defaults:
        return None
    gpu, tp = replica.gpu, replica.parallel.tp
    return replica.engine.scheduler_default(gpu.memory_bytes, gpu.architecture, tp)


def sequences(launch: Launch) -> str | None:
    """Of the most requests that run at once."""
    found = scheduler(launch)
    return None if found is None else str(found.max_num_seqs)


def step_tokens(launch: Launch) -> str | None:
    """Of the tokens of one step."""
    found = scheduler(launch)
    return None if found is None else str(found.step_tokens(launch.replica.settings.max_model_len))


def memory_share(launch: Launch) -> str | None:
    """Of the share of memory, where it is the same on every GPU."""
    engine = launch.replica.engine
    if not launch.same_engine or engine.static_reserve is not None:
        return None
    return f"{engine.memory_fraction:g}"


def block(launch: Launch) -> str | None:
    """Of the tokens of one block."""
    return str(launch.replica.engine.block_tokens) if launch.same_engine else None


def context(launch: Launch) -> str:
    """Of the longest context: what the model was made for."""
    return str(launch.replica.model.max_context_tokens)
