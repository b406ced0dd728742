"""The planned settings of a replica as SGLang options, every one written out."""

from __future__ import annotations

import math
from collections.abc import Iterator

from llmplan.emit import defaults, own_code, reasons
from llmplan.emit.adapters import adapter_words, named_adapters
from llmplan.emit.drafts import planned_drafts
from llmplan.emit.fractions import memory_share
from llmplan.emit.launch_file import Env, Setting, Value
from llmplan.emit.selection import Launch
from llmplan.emit.sglang_flags import KV_DTYPES, SGLANG_FLAGS
from llmplan.emit.weights import DTYPES, Checkpoint, dtype_name
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica
from llmplan.units import GB, GIB

PORT = 30000


def settings_of(launch: Launch, checkpoint: Checkpoint) -> tuple[Setting, ...]:
    """Everything, the model included, the same on every node, in the order in which it is written."""
    return (
        *_names(launch, checkpoint),
        *_parallel(launch),
        *_formats(launch, checkpoint),
        *_memory(launch),
        *_scheduler(launch),
        *_lora(launch),
        *_offload(launch),
        *_speculation(launch),
        _set("--enable-metrics", True, "autoscalers and `llmplan observe` read /metrics"),
    )


def node_settings(launch: Launch, *, head: bool) -> tuple[Setting, ...]:
    """What a node of a replica that spans machines needs on top."""
    if launch.nodes == 1:
        return ()
    address = Env(
        name="DIST_INIT_ADDR", message="set DIST_INIT_ADDR to the address of the first node with a free port, HOST:PORT"
    )
    ranks = "1" if launch.nodes == 2 else f"1 to {launch.nodes - 1}"
    rank: Value = 0 if head else Env(name="NODE_RANK", message=f"set NODE_RANK to the rank of this node ({ranks})")
    return (
        _set("--nnodes", launch.nodes, f"{launch.replica.parallel.gpus} GPUs on {launch.nodes} machines"),
        _set("--node-rank", rank, "the node that answers requests" if head else "which node this is"),
        _set("--dist-init-addr", address, "where the nodes meet"),
    )


def _set(flag: str, value: Value, why: str, default: str | None = None) -> Setting:
    """One option, which must be in the table with this type."""
    known = SGLANG_FLAGS[flag]
    words = value if isinstance(value, tuple) else (str(value),)
    listed = not known.allowed or set(words) <= set(known.allowed)
    if (known.type == "switch") != (value is True) or not listed:
        raise ValueError(f"{flag} cannot be {value!r}")
    return Setting(name=flag, value=value, why=why, default=known.default if default is None else default)


def _names(launch: Launch, checkpoint: Checkpoint) -> Iterator[Setting]:
    yield _set("--model-path", checkpoint.model, "the checkpoint in the planned format")
    if not checkpoint.is_named:
        yield _set("--served-model-name", launch.replica.model.id, reasons.served_name(launch))
    if own_code.is_needed(launch.replica, "sglang"):
        yield _set(own_code.FLAG, True, own_code.WHY)
    yield _set("--host", "0.0.0.0", "every interface of the machine: the default is reached from it alone")
    yield _set("--port", PORT, "where it answers")


def _parallel(launch: Launch) -> Iterator[Setting]:
    """SGLang's TP counts every rank of a stage. Groups with attention of their own lie inside it; replicas of a model
    without experts multiply it."""
    parallel, is_moe = launch.replica.parallel, launch.replica.model.is_moe
    inside = parallel.dp if is_moe else 1
    why = reasons.tensor_parallel(launch)
    if inside > 1:
        why = f"every rank of the {parallel.dp} groups of {parallel.tp}: {why}"
    yield _set("--tp-size", parallel.tp * inside, why)
    yield _set("--pp-size", parallel.pp, reasons.pipeline_parallel(launch))
    if parallel.dp > 1:
        yield _set("--attn-dp-size" if is_moe else "--dp-size", parallel.dp, reasons.data_parallel(launch))
    if parallel.dcp > 1:
        yield _set("--dcp-size", parallel.dcp, reasons.context_parallel(launch))
    if parallel.ep:
        yield _set("--ep-size", parallel.tp * parallel.dp, reasons.expert_parallel(launch))


def _formats(launch: Launch, checkpoint: Checkpoint) -> Iterator[Setting]:
    yield _set("--dtype", dtype_name(launch.replica), reasons.number_format(launch))
    if checkpoint.method is not None:
        yield _set("--quantization", checkpoint.method, reasons.conversion(launch))
    yield _set("--kv-cache-dtype", _kv_dtype(launch.replica), reasons.kv_format(launch))


def _kv_dtype(replica: Replica) -> str:
    """`auto` is the arithmetic's own 16 bits; float16 cannot be asked for by name, and `bfloat16` is refused where
    `bf16` is not (latent attention on Blackwell)."""
    known = KV_DTYPES.get(replica.kv.id)
    if known is not None:
        return known
    if replica.kv.bytes_per_element == 2:
        own = dtype_name(replica)
        return "auto" if own == DTYPES["fp16"] else "bf16"
    raise UsageError(
        f"SGLang has no KV cache format {replica.kv.id!r} in this table", hints=["llmplan recommend ... --kv-cache fp8"]
    )


def _memory(launch: Launch) -> Iterator[Setting]:
    settings, flag = launch.replica.settings, "--mem-fraction-static"
    share = memory_share(launch, "fraction_static", f"SGLang's {flag}")
    yield _set(flag, share, f"weights and pool, of what is free before loading: {reasons.memory_share(launch)}")
    budget = launch.memory
    if settings.kv_cache_memory_bytes is not None and budget is not None:
        tokens = budget.capacity_tokens // launch.replica.parallel.dp
        yield _set("--max-total-tokens", tokens, f"the KV pool was stated: {reasons.pool(launch)}")
    own = launch.replica.engine.block_tokens
    if launch.same_engine and settings.block_tokens != own:
        yield _set("--page-size", settings.block_tokens, reasons.block(launch), str(own))


def _scheduler(launch: Launch) -> Iterator[Setting]:
    """Limits on requests and prefill are for all groups with attention of their own together: SGLang divides them."""
    settings, parallel = launch.replica.settings, launch.replica.parallel
    groups = parallel.dp if launch.replica.model.is_moe else 1
    together = f", {groups} groups together" if groups > 1 else ""
    length = settings.max_model_len
    yield _set("--context-length", length, reasons.context(launch), defaults.context(launch))
    seqs, tokens = settings.max_num_seqs * groups, settings.max_num_batched_tokens * groups
    yield _set("--max-running-requests", seqs, reasons.sequences(launch) + together)
    default = defaults.step_tokens(launch) if groups == 1 else None
    yield _set("--chunked-prefill-size", tokens, reasons.step_tokens(launch) + together, default)
    if not settings.prefix_caching:
        yield _set("--disable-radix-cache", True, reasons.prefix_caching(launch))
    if settings.enforce_eager:
        yield _set("--cuda-graph-backend-decode", "disabled", reasons.eager(launch))
        yield _set("--cuda-graph-backend-prefill", "disabled", reasons.eager(launch))


def _lora(launch: Launch) -> Iterator[Setting]:
    """Without adapters at the start SGLang must be told their rank and the modules that they change."""
    replica, named = launch.replica, named_adapters(launch)
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return
    yield _set("--enable-lora", True, reasons.adapters(launch))
    yield _set("--max-loras-per-batch", replica.resident_adapters, reasons.resident_adapters(launch))
    yield _set("--max-loaded-loras", tenancy.adapters, reasons.host_adapters(launch))
    yield _set("--max-lora-rank", tenancy.lora_rank, "of the planned adapters")
    yield _set("--lora-target-modules", ("all",), "which modules the adapters change is not in the plan")
    if named:
        words = adapter_words(named, "lora_name", "lora_path")
        yield _set("--lora-paths", words, "requests name an adapter as their model")


def _offload(launch: Launch) -> Iterator[Setting]:
    """`--cpu-offload-gb` is GiB for each GPU, `--hicache-size` GB (1e9) for each rank; both whole numbers.
    Reference: SGLang 0.5.23 srt/utils/offloader.py, srt/mem_cache/pool_host/base.py."""
    offload = launch.replica.offload
    match offload.kind if offload else None:
        case "weights" if offload:
            yield _set("--cpu-offload-gb", math.ceil(offload.host_weight_bytes / GIB), reasons.host_weights(launch))
        case "kv" if offload:
            if not launch.replica.settings.prefix_caching:
                raise UsageError(
                    "SGLang keeps KV cache in host memory only with its prefix cache, which this plan lacks"
                )
            each = max(1, math.floor(offload.host_kv_bytes / launch.replica.parallel.gpus / GB))
            yield _set("--enable-hierarchical-cache", True, reasons.host_cache(launch))
            yield _set("--hicache-size", each, "GB of it for each rank")
        case "layers" | "experts" as kind:
            raise UsageError(
                f"SGLang cannot run {kind} on the CPU, as this plan does",
                hints=["llmplan emit-config PLAN --target llama-cpp"],
            )


def _speculation(launch: Launch) -> Iterator[Setting]:
    """A chain of drafts: top-k 1, and one token verified more than is drafted. Reference: SGLang 0.5.23
    srt/arg_groups/speculative_hook.py."""
    planned = planned_drafts(launch)
    if planned is None:
        return
    algorithm = {"mtp": "NEXTN", "ngram": "NGRAM", "model": "STANDALONE"}[planned.drafter]
    yield _set("--speculative-algorithm", algorithm, reasons.speculation(launch))
    if planned.drafter == "model" and planned.model is not None:
        yield _set("--speculative-draft-model-path", planned.model.id, "what drafts")
    if planned.drafter == "ngram":
        yield _set("--speculative-ngram-max-bfs-breadth", 1, "a chain of drafts, as planned, not a tree")
    else:
        yield _set("--speculative-num-steps", planned.tokens, "tokens drafted one after the other")
        yield _set("--speculative-eagle-topk", 1, "a chain of drafts, as planned, not a tree")
    yield _set("--speculative-num-draft-tokens", planned.tokens + 1, "verified at once: the drafts and one more")
