"""Rules on what the server states of itself: another model, engine or version, and changed flags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmplan.plan.served.comparing import SAME_SIZE, SETTINGS, number
from llmplan.plan.served.drift import Case, Finding
from llmplan.plan.served.expected import Expected
from llmplan.units import format_bytes, format_count

CONTEXT_OF_SLOTS = "-c divided by -np"
FLAGS = {
    "vllm": {
        "block_size": "--block-size", "max_model_len": "--max-model-len",
        "gpu_memory_utilization": "--gpu-memory-utilization",
    },
    "sglang": {
        "block_size": "--page-size", "max_model_len": "--context-length", "max_num_seqs": "--max-running-requests",
        "max_num_batched_tokens": "--chunked-prefill-size", "gpu_memory_utilization": "--mem-fraction-static",
    },
    "tensorrt-llm": {
        "block_size": "kv_cache_config.tokens_per_block", "max_model_len": "max_seq_len",
        "max_num_seqs": "max_batch_size", "max_num_batched_tokens": "max_num_tokens",
    },
    "llama-cpp": {"max_model_len": CONTEXT_OF_SLOTS, "max_num_seqs": "-np"},
}  # fmt: skip
"""what each engine calls a setting"""
OTHER_SIZE = 0.15
"""relative difference of parameters that no way of counting them makes (tied embeddings, an encoder of its own file)"""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FULL_WIDTH = ("auto", "bf16", "bfloat16", "fp16", "float16", "half")


def other_engine(case: Case) -> Iterator[Finding]:
    """Another engine than planned."""
    if case.expected is None or case.seen.last.engine == case.expected.replica.engine.id:
        return
    planned, found = case.expected.replica.engine.id, case.seen.last.engine
    yield Finding(
        id="other-engine",
        kind="deployment",
        message=f"{found} answers, and {planned} was planned: its memory and speed are predicted by other rules",
        fix=f"plan for it: --engine {found}",
    )


def other_version(case: Case) -> Iterator[Finding]:
    """Another version of the planned engine."""
    if case.expected is None or case.seen.last.version is None or "engine_version" in case.expected.taken:
        return
    engine, found = case.expected.replica.engine, case.seen.last.version
    if case.seen.last.engine != engine.id or found == engine.version:
        return
    yield Finding(
        id="other-version",
        kind="deployment",
        message=f"{engine.id} {found} is running, and {engine.version} was planned: defaults and kernels may differ",
        fix=f"--engine-version {found} plans with it",
    )


def other_model(case: Case) -> Iterator[Finding]:
    """Another model than planned, as far as its name tells: a Hub id does, a path or an alias can be anything."""
    last = case.seen.last
    if case.expected is None:
        return
    planned = case.expected.replica.model.id
    found, total = last.gauges.get("parameters"), float(case.expected.replica.model.text_parameters)
    if found and abs(found / total - 1.0) > OTHER_SIZE:
        yield Finding(
            id="other-model",
            kind="deployment",
            message=f"it serves a model of {format_count(found)} parameters, and {planned} has {format_count(total)}",
            fix=f"load {planned}, or plan for what is loaded",
        )
        return
    if last.model is None:
        return
    own = planned.casefold().removesuffix("/config.json").rsplit("/", 1)[-1]
    if any(own in name.casefold() for name in (last.model, last.served_name) if name):
        return
    if HUB_ID.fullmatch(last.model):
        yield Finding(
            id="other-model",
            kind="deployment",
            message=f"it serves {last.model}, and {planned} was planned",
            causes=("another model", "a copy of the same one under another name"),
            certain=False,
        )
        return
    yield Finding(
        id="other-model",
        kind="reading",
        message=f"it serves {last.model}: whether that is {planned}, its name does not tell",
        certain=False,
    )


def other_parallelism(case: Case) -> Iterator[Finding]:
    """More or fewer engines behind the address than data-parallel groups were planned; ranks where they are said."""
    if case.expected is None:
        return
    parallel, stated = case.expected.replica.parallel, case.seen.last.settings
    dp = number(stated.get("dp")) or case.seen.last.gauges.get("parts")
    for name, found, planned in (
        ("TP", number(stated.get("tp")), parallel.tp),
        ("PP", number(stated.get("pp")), parallel.pp),
        ("DP", dp, parallel.dp),
    ):
        if found is not None and found != planned and name.lower() not in case.expected.taken:
            yield Finding(
                id="other-parallelism",
                kind="deployment",
                message=f"it runs with {name} {found:g}, planned was {planned}",
            )


def changed_flag(case: Case) -> Iterator[Finding]:
    """A setting that the server states with another value than planned."""
    if case.expected is None:
        return
    flags = FLAGS.get(case.seen.last.engine, {})
    for name, label, unit, attribute in SETTINGS:
        if not case.differs(name):
            continue
        found, planned = case.rows[name].observed, getattr(case.expected.replica.settings, attribute)
        flag = flags.get(name, f"--{name.replace('_', '-')}")
        fix = f"set {flag} to {planned:g}, or plan with {found:g}"
        if flag == CONTEXT_OF_SLOTS:
            fix = f"{context_flags(case.expected)}, or plan with --max-model-len {found:g}"
        yield Finding(
            id="changed-flag",
            kind="setting",
            message=f"{label}: {found:g} {_unit(unit)}where {planned:g} was planned ({flag})",
            fix=fix,
        )


def fixed_pool(case: Case) -> Iterator[Finding]:
    """A pool of fixed size, which the memory fraction then says nothing of."""
    if case.expected is None:
        return
    stated, planned = case.seen.last.settings, case.expected.replica.settings.kv_cache_memory_bytes
    if planned is not None:
        found = number(stated.get("kv_cache_memory_bytes"))
        if found and abs(found / planned - 1.0) > SAME_SIZE:
            yield Finding(
                id="fixed-pool",
                kind="setting",
                message=f"its KV pool is {format_bytes(found)}, and {format_bytes(planned)} was planned "
                "(--kv-cache-memory-bytes)",
                fix=f"set --kv-cache-memory-bytes to {planned}",
            )
        return
    for name, flag in (
        ("blocks_override", "--num-gpu-blocks-override"),
        ("kv_cache_memory_bytes", "--kv-cache-memory-bytes"),
    ):
        if number(stated.get(name)):
            yield Finding(
                id="fixed-pool",
                kind="setting",
                message=f"its KV pool is set by hand: {flag} {stated[name]:g}, and the plan left it to the engine",
                fix=f"drop {flag}, or plan with --kv-cache-memory-gib",
            )


def cache_format(case: Case) -> Iterator[Finding]:
    """A KV cache of another width."""
    kind = case.seen.last.settings.get("kv_cache")
    if case.expected is None or not isinstance(kind, str):
        return
    planned = case.expected.replica.kv.id
    narrow, planned_narrow = kind not in FULL_WIDTH, planned not in ("bf16", "fp16", "fp32")
    if narrow != planned_narrow:
        yield Finding(
            id="cache-format",
            kind="setting",
            message=f"its KV cache is {kind}, and {planned} was planned: other room and another speed",
            fix=f"drop --kv-cache-dtype, or plan with --kv-cache {kind.partition('_')[0]}"
            if narrow
            else "--kv-cache-dtype fp8",
        )


def other_weights(case: Case) -> Iterator[Finding]:
    """A file of another type, where the server says which it has loaded."""
    kind = case.seen.last.settings.get("weights")
    if case.expected is None or not isinstance(kind, str) or case.seen.last.engine != case.expected.replica.engine.id:
        return
    planned = case.expected.replica.weights.id
    if kind != planned:
        yield Finding(
            id="other-weights",
            kind="deployment",
            message=f"its weights are {kind}, and {planned} was planned: other memory, speed and quality",
            fix=f"load a file of {planned}, or plan with --weights {kind}",
        )


def context_flags(expected: Expected) -> str:
    """llama.cpp's context and slots as planned."""
    settings = expected.replica.settings
    return f"-c {settings.max_model_len * settings.max_num_seqs} -np {settings.max_num_seqs} --no-kv-unified"


RULES = (
    other_engine,
    other_version,
    other_model,
    other_weights,
    other_parallelism,
    changed_flag,
    fixed_pool,
    cache_format,
)


def _unit(unit: str) -> str:
    return "" if unit == "share" else f"{unit} "
