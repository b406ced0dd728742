"""What was seen as rows that `llmplan calibrate` reads: one for each interval between two looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llmplan.plan.served.comparing import number
from llmplan.plan.served.expected import Expected
from llmplan.plan.served.flags import load_flags, replica_flags
from llmplan.plan.served.seen import Seen
from llmplan.units import GIB, MS_PER_S

ENOUGH_FOR_A_ROW = 10
"""answered requests of an interval from which its means are worth fitting to"""
STATED = ("block_size", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")
"""settings that hold as the server states them, whatever was planned"""


def rows(steps: Sequence[Seen], expected: Expected | None, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows, and why an interval is none."""
    found: list[dict[str, Any]] = []
    skipped: list[str] = []
    for index, step in enumerate(steps, start=1):
        row = _row(step, expected, f"{name} interval {index}")
        if isinstance(row, str):
            skipped.append(f"interval {index}: {row}")
        else:
            found.append(row)
    return found, skipped


def _row(step: Seen, expected: Expected | None, name: str) -> dict[str, Any] | str:
    load, requests = step.load, step.answered or 0.0
    if step.is_idle:
        return "no request was answered"
    if load is None:
        return _unknown(step)
    if requests < ENOUGH_FOR_A_ROW:
        return f"{requests:,.0f} requests answered, fewer than {ENOUGH_FOR_A_ROW}"
    times = {
        "ttft_ms": step.mean("ttft"),
        "tpot_ms": step.tpot_after_first_s if load.output_tokens.mean >= 1.5 else None,
    }
    measured = {key: value * MS_PER_S for key, value in times.items() if value}
    if not measured:
        return "no latency in its metrics"
    return {
        "id": name,
        **load_flags(load),
        **measured,
        "requests": round(requests),
        "client": False,
        **dict(_replica(step, expected)),
    }


def _unknown(step: Seen) -> str:
    """What the traffic cannot be told without."""
    if step.tokens_in_per_out is not None and step.output_tokens is None:
        return (
            f"{step.last.engine} counts no requests, so their lengths are not known: a --plan, or --isl, --osl and "
            "--concurrency with --model, state them, where its tokens in for each one out fit"
        )
    return "lengths or requests in flight are not known"


def _replica(step: Seen, expected: Expected | None) -> Iterator[tuple[str, Any]]:
    """Model and flags: as planned, and as the server states them where it does."""
    if expected is None:
        return
    stated, replica = step.last.settings, expected.replica
    flags = {"model": replica.model.id} | replica_flags(replica)
    flags |= {name: stated[name] for name in STATED if number(stated.get(name))}
    if (length := number(stated.get("max_model_len"))) is not None:
        flags["max_model_len"] = min(int(length), replica.model.max_context_tokens)
    if step.last.version is not None and step.last.engine == replica.engine.id:
        flags["engine_version"] = step.last.version
    tokens, planned = step.last.gauges.get("kv_tokens"), expected.capacity_tokens
    if (
        tokens
        and planned is not None
        and expected.budget is not None
        and replica.engine.kv_pool_rule != "explicit_context"
    ):
        flags["kv_cache_memory_gib"] = expected.budget.kv_cache_bytes.mid * tokens / planned.mid / GIB
    yield from flags.items()
