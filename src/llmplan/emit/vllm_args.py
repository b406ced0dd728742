"""The planned settings of a replica as vLLM options, every one written out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

from llmplan import units
from llmplan.emit import defaults, own_code, reasons
from llmplan.emit.adapters import adapter_words, named_adapters
from llmplan.emit.drafts import planned_drafts
from llmplan.emit.fractions import memory_share
from llmplan.emit.launch_file import Env, Setting, Value
from llmplan.emit.selection import Launch
from llmplan.emit.vllm_flags import LORA_RANKS, VLLM_FLAGS
from llmplan.emit.weights import DTYPES, Checkpoint, dtype_name
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica

PORT = 8000
MASTER_PORT = 29501
DP_RPC_PORT = 13345
KV_DTYPES: Mapping[str, str] = {"fp8": "fp8", "fp8-ds-mla": "fp8_ds_mla", "int8": "int8_per_token_head"}


def settings_of(launch: Launch, checkpoint: Checkpoint) -> tuple[Setting, ...]:
    """Everything but the model, the same on every node, in the order in which it is written."""
    return (
        *_names(launch, checkpoint),
        *_parallel(launch),
        *_formats(launch, checkpoint),
        *_memory(launch),
        *_scheduler(launch),
        *_lora(launch),
        *_offload(launch),
        *_speculation(launch),
    )


def head_settings(launch: Launch) -> tuple[Setting, ...]:
    """What the first node of a replica that spans machines needs on top."""
    if launch.nodes == 1:
        return ()
    address = Env(name="MASTER_ADDR", message="set MASTER_ADDR to the address of the first node")
    gpus = f"{launch.replica.parallel.gpus} GPUs on {launch.nodes} machines"
    if launch.replica.parallel.dp == 1:
        return (
            _set("--nnodes", launch.nodes, gpus),
            _set("--node-rank", 0, "the node that answers requests"),
            _set("--master-addr", address, "where the nodes meet"),
            _set("--master-port", MASTER_PORT, "where the nodes meet"),
        )
    return (
        _set("--data-parallel-size-local", _local_groups(launch), f"{gpus}: so many groups on each"),
        _set("--data-parallel-address", address, "where the groups meet"),
        _set("--data-parallel-rpc-port", DP_RPC_PORT, "where the groups meet"),
    )


def worker_settings(launch: Launch) -> tuple[Setting, ...]:
    """The same for the other nodes, which run no API server."""
    head = head_settings(launch)
    headless = _set("--headless", True, "requests go to the first node")
    if launch.replica.parallel.dp == 1:
        ranks = "1" if launch.nodes == 2 else f"1 to {launch.nodes - 1}"
        rank = Env(name="NODE_RANK", message=f"set NODE_RANK to the rank of this node ({ranks})")
        own = _set("--node-rank", rank, "which node this is")
        return (*(own if each.name == own.name else each for each in head), headless)
    local = _local_groups(launch)
    start = Env(
        name="DP_START_RANK",
        message=f"set DP_START_RANK to the first data-parallel rank of this node, a multiple of {local}",
    )
    return (*head, _set("--data-parallel-start-rank", start, "the first of the groups on this node"), headless)


def as_config(settings: Sequence[Setting]) -> dict[str, Value | list[str] | dict[str, object]]:
    """The settings as a `--config` file. A switch is written as true under its own name: the file reader drops a false
    and turns a null into the text "None"; several words are a list, and JSON is a mapping."""
    found: dict[str, Value | list[str] | dict[str, object]] = {}
    for setting in settings:
        key, value = setting.name.removeprefix("--"), setting.value
        if isinstance(value, str) and VLLM_FLAGS[setting.name].type == "json":
            found[key] = json.loads(value)
        else:
            found[key] = list(value) if isinstance(value, tuple) else value
    return found


def _set(flag: str, value: Value, why: str, default: str | None = None) -> Setting:
    """One option, which must be in the table with this type."""
    known = VLLM_FLAGS[flag]
    if (known.type == "switch") != (value is True) or (known.allowed and str(value) not in known.allowed):
        raise ValueError(f"{flag} cannot be {value!r}")
    return Setting(name=flag, value=value, why=why, default=known.default if default is None else default)


def _names(launch: Launch, checkpoint: Checkpoint) -> Iterator[Setting]:
    if not checkpoint.is_named:
        yield _set("--served-model-name", launch.replica.model.id, reasons.served_name(launch))
    if own_code.is_needed(launch.replica, "vllm"):
        yield _set(own_code.FLAG, True, own_code.WHY)
    yield _set("--port", PORT, "where it answers, on every interface of the machine")


def _parallel(launch: Launch) -> Iterator[Setting]:
    parallel = launch.replica.parallel
    yield _set("--tensor-parallel-size", parallel.tp, reasons.tensor_parallel(launch))
    yield _set("--pipeline-parallel-size", parallel.pp, reasons.pipeline_parallel(launch))
    if parallel.dp > 1:
        yield _set("--data-parallel-size", parallel.dp, reasons.data_parallel(launch))
    if parallel.dcp > 1:
        yield _set("--decode-context-parallel-size", parallel.dcp, reasons.context_parallel(launch))
    if parallel.ep:
        yield _set("--enable-expert-parallel", True, reasons.expert_parallel(launch))


def _formats(launch: Launch, checkpoint: Checkpoint) -> Iterator[Setting]:
    yield _set("--dtype", dtype_name(launch.replica), reasons.number_format(launch))
    if checkpoint.method is not None:
        yield _set("--quantization", checkpoint.method, reasons.conversion(launch))
    method = launch.replica.model.quantization_method
    is_own = launch.replica.weights.id == launch.replica.model.checkpoint_format
    if is_own and method in launch.replica.engine.deprecated_methods:
        yield _set(
            "--allow-deprecated-quantization", True, f"vLLM is about to drop {method}, which the checkpoint is in"
        )
    yield _set("--kv-cache-dtype", _kv_dtype(launch.replica), reasons.kv_format(launch))


def _kv_dtype(replica: Replica) -> str:
    known = KV_DTYPES.get(replica.kv.id)
    if known is not None:
        return known
    if replica.kv.bytes_per_element == 2:
        own = dtype_name(replica)
        return own if own != DTYPES["fp32"] else DTYPES[replica.kv.id]
    raise UsageError(
        f"vLLM has no KV cache format {replica.kv.id!r} in this table", hints=["llmplan recommend ... --kv-cache fp8"]
    )


def _memory(launch: Launch) -> Iterator[Setting]:
    settings, flag = launch.replica.settings, "--gpu-memory-utilization"
    share = memory_share(launch, "fraction_of_total", f"vLLM's {flag}")
    yield _set(flag, share, reasons.memory_share(launch), defaults.memory_share(launch))
    if settings.kv_cache_memory_bytes is not None:
        yield _set("--kv-cache-memory-bytes", settings.kv_cache_memory_bytes, reasons.pool(launch))
    if launch.same_engine and not launch.replica.model.is_mla:
        yield _set("--block-size", settings.block_tokens, reasons.block(launch), defaults.block(launch))


def _scheduler(launch: Launch) -> Iterator[Setting]:
    settings = launch.replica.settings
    yield _set("--max-model-len", settings.max_model_len, reasons.context(launch), defaults.context(launch))
    yield _set("--max-num-seqs", settings.max_num_seqs, reasons.sequences(launch), defaults.sequences(launch))
    tokens = settings.max_num_batched_tokens
    yield _set("--max-num-batched-tokens", tokens, reasons.step_tokens(launch), defaults.step_tokens(launch))
    cached = settings.prefix_caching
    yield _set(
        "--enable-prefix-caching" if cached else "--disable-prefix-caching", True, reasons.prefix_caching(launch)
    )
    if settings.enforce_eager:
        yield _set("--enforce-eager", True, reasons.eager(launch))


def _lora(launch: Launch) -> Iterator[Setting]:
    replica, named = launch.replica, named_adapters(launch)
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return
    rank = next((rank for rank in LORA_RANKS if rank >= tenancy.lora_rank), None)
    if rank is None:
        raise UsageError(f"vLLM loads LoRA adapters up to rank {LORA_RANKS[-1]}, the plan has rank {tenancy.lora_rank}")
    yield _set("--enable-lora", True, reasons.adapters(launch))
    yield _set("--max-loras", replica.resident_adapters, reasons.resident_adapters(launch))
    yield _set("--max-lora-rank", rank, f"the first size that holds rank {tenancy.lora_rank}")
    yield _set("--max-cpu-loras", tenancy.adapters, reasons.host_adapters(launch))
    if named:
        yield _set("--lora-modules", adapter_words(named), "requests name an adapter as their model")


def _offload(launch: Launch) -> Iterator[Setting]:
    offload = launch.replica.offload
    match offload.kind if offload else None:
        case "weights" if offload:
            size = math.ceil(100 * offload.host_weight_bytes / units.GIB) / 100
            yield _set("--cpu-offload-gb", size, reasons.host_weights(launch))
        case "kv" if offload:
            size = math.ceil(100 * offload.host_kv_bytes / units.GIB) / 100
            yield _set("--kv-offloading-size", size, f"GiB for all ranks together: {reasons.host_cache(launch)}")
        case "layers" | "experts" as kind:
            raise UsageError(
                f"vLLM cannot run {kind} on the CPU, as this plan does",
                hints=["llmplan emit-config PLAN --target llama-cpp"],
            )


def _speculation(launch: Launch) -> Iterator[Setting]:
    """Strict JSON: unknown keys are refused. Reference: vLLM 0.33 config/speculative.py."""
    planned = planned_drafts(launch)
    if planned is None:
        return
    methods = {"mtp": "mtp", "ngram": "ngram", "model": "draft_model"}
    config: dict[str, object] = {"method": methods[planned.drafter], "num_speculative_tokens": planned.tokens}
    if planned.model is not None and planned.drafter == "model":
        config["model"] = planned.model.id
    yield _set("--speculative-config", json.dumps(config), reasons.speculation(launch))


def _local_groups(launch: Launch) -> int:
    parallel, per_node = launch.replica.parallel, launch.replica.host.gpus
    group = parallel.tp * parallel.pp
    if per_node % group:
        raise UsageError(
            f"data-parallel groups of {group} GPUs do not fill nodes of {per_node} GPUs evenly",
            hints=["llmplan recommend ... with a TP that divides the node"],
        )
    return per_node // group
