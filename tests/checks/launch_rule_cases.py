"""Launches that each break one rule, and their mended twins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import plan_samples as sample
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from llmplan.plan.launch_facts import AdapterFacts, LaunchFacts
from llmplan.plan.speculation import Speculation
from llmplan.spec.engine import StaticReserve
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

R = sample.replica
TP2, TP4, TP8 = (Parallelism(tp=n) for n in (2, 4, 8))
SGLANG = sample.engine("sglang")
TRT = sample.engine("tensorrt-llm", version="main")
LLAMA = sample.engine("llama-cpp", tensor_parallel=False, host_layers=True, kv_pool_rule="explicit_context")
RESERVE = StaticReserve(
    fixed_bytes=0.5 * GIB, per_prefill_token_bytes=1.5 * 2**20, min_prefill_tokens=2048, per_rank_bytes=128 * 2**20,
    per_decode_seq_bytes=2 * 2**20, prefill_graphs_bytes=464 * 2**20, latent_graphs_bytes=1536 * 2**20,
    floor_bytes=10 * GIB, floor_from_bytes=60 * GIB,
)  # fmt: skip
PADDED = sample.engine(vocab_padding=64)
STATIC = sample.engine("sglang", kv_pool_rule="fraction_static", static_reserve=RESERVE)
MLA = sample.model(latent=True)
MOE = sample.model(feed_forward=sample.experts(64, 8, 1408, 4096))
HALF_MEMORY = Offload(kind="weights", host_weight_bytes=4 * 2**30)
SLOW_HOST = sample.host(memory_bandwidth_bytes_per_s=60e9)


def speculating(vocab_size: int, seqs: int = 64) -> Replica:
    draft = sample.model(vocab_size=vocab_size)
    speculation = Speculation(
        tokens=3, acceptance_rate=0.7, drafter="model", model=draft, weights=sample.WEIGHTS["bf16"]
    )
    return replace(R(settings=sample.settings(max_num_seqs=seqs)), speculation=speculation)


def sparse() -> ModelSpec:
    model = sample.model(latent=True)
    group = model.layers[0]
    mixer = replace(group.mixers[0], selected_tokens=2048)  # type: ignore[call-arg]
    return replace(model, layers=(replace(group, mixers=(mixer,)),))


def lora(**changes: Any) -> LaunchFacts:
    return LaunchFacts(lora=True, **changes)


def adapter(**changes: Any) -> tuple[AdapterFacts, ...]:
    return (AdapterFacts(name="tuned", **changes),)


ADAPTED = Tenancy(tenants=4, adapters=4)


@dataclass(frozen=True, kw_only=True)
class LaunchCase:
    rule: str
    severity: str
    says: str
    bad: Replica = field(default_factory=R)
    good: Replica | None = None
    """None: the same replica"""
    facts: LaunchFacts | None = None
    mended: LaunchFacts | None = None


def case(rule: str, severity: str, says: str, **parts: Any) -> LaunchCase:
    return LaunchCase(rule=rule, severity=severity, says=says, **parts)


F = LaunchFacts
LAUNCH_CASES: tuple[LaunchCase, ...] = (
    case(
        "V-TP4",
        "advice",
        "padded by 45 rows",
        bad=R(model=sample.model(vocab_size=128211), engine=PADDED),
        good=R(engine=PADDED),
    ),
    case(
        "V-KV1",
        "error",
        "the estimated maximum model length is 4096",
        facts=F(kv_needed_bytes=2e9, kv_available_bytes=1e9, longest_context_tokens=4096),
        mended=F(kv_needed_bytes=1e9, kv_available_bytes=1e9),
    ),
    case(
        "V-KV1",
        "error",
        "No available memory for the cache blocks",
        facts=F(kv_needed_bytes=1.0, kv_available_bytes=0.0),
        mended=F(),
    ),
    case(
        "V-KV2",
        "warning",
        "outside its share of memory",
        bad=R(
            engine=sample.engine(version="0.11.0", cuda_graphs_in_budget=False),
            settings=sample.settings(memory_fraction=0.97),
        ),
        good=R(settings=sample.settings(memory_fraction=0.97)),
        facts=F(),
        mended=F(),
    ),
    case(
        "V-KV2",
        "advice",
        "replaces --gpu-memory-utilization",
        bad=R(settings=sample.settings(kv_cache_memory_bytes=10**9)),
        facts=F(stated=frozenset({"memory_fraction"})),
        mended=F(stated=frozenset()),
    ),
    case(
        "V-KV3",
        "error",
        "is less than desired GPU memory utilization",
        facts=F(free_memory_bytes=60 * 10**9),
        mended=F(free_memory_bytes=84 * 10**9),
    ),
    case(
        "V-KV5",
        "error",
        "nvfp4 KV cache is not supported with MLA",
        bad=R(model=MLA),
        facts=F(kv_dtype="nvfp4"),
        mended=F(kv_dtype="fp8"),
    ),
    case(
        "V-KV5",
        "error",
        "head size 64",
        bad=R(model=sample.model(head_dim=64)),
        facts=F(kv_dtype="nvfp4"),
        mended=F(kv_dtype="auto"),
    ),
    case(
        "V-AT1",
        "warning",
        "attention runs through Triton",
        bad=R(gpu=sample.gpu((7, 5)), weights="fp16", kv="fp16"),
        good=R(),
    ),
    case(
        "V-AT1",
        "warning",
        "not 512",
        bad=R(model=sample.model(head_dim=512)),
        good=R(model=sample.model(head_dim=512), gpu=sample.gpu((10, 0))),
    ),
    case(
        "V-AT2",
        "error",
        "No valid attention backend found",
        bad=R(model=sparse(), gpu=sample.gpu((8, 0))),
        good=R(model=sparse()),
    ),
    case(
        "V-S1",
        "advice",
        "max_num_seqs is left to the default",
        facts=F(stated=frozenset()),
        mended=F(stated=frozenset({"max_num_seqs"})),
    ),
    case(
        "V-S2",
        "error",
        "smaller than max_model_len (8192)",
        bad=R(settings=sample.settings(max_num_batched_tokens=2048)),
        facts=F(chunked_prefill=False),
        mended=F(chunked_prefill=True),
    ),
    case(
        "V-P2",
        "error",
        "World size (8) is larger than the number of available GPUs (4)",
        bad=R(parallel=TP8),
        facts=F(gpus_per_node=4),
        mended=F(gpus_per_node=8),
    ),
    case(
        "V-P2",
        "error",
        "World size (16) is larger than the number of available GPUs (8) in this node.",
        bad=R(parallel=Parallelism(tp=1, dp=16)),
        facts=F(gpus_per_node=8),
        mended=F(gpus_per_node=8, data_parallel_local=8),
    ),
    case(
        "V-Q1",
        "warning",
        "padded to whole groups",
        bad=R(model=sample.model(heads=64, intermediate=29568), weights="awq-int4", parallel=TP2),
        good=R(model=sample.model(heads=64, intermediate=29696), weights="awq-int4", parallel=TP2),
        facts=F(stored_format="awq-int4"),
        mended=F(stored_format="awq-int4"),
    ),
    case(
        "V-P2",
        "error",
        "nnodes > 1 can only be set",
        bad=R(parallel=TP8),
        facts=F(nodes=2, executor_backend="ray"),
        mended=F(nodes=2, executor_backend="mp", master_address="10.0.0.1"),
    ),
    case(
        "V-P2",
        "warning",
        "no --master-addr",
        bad=R(parallel=TP8),
        facts=F(nodes=2, gpus_per_node=4),
        mended=F(nodes=2, gpus_per_node=4, master_address="10.0.0.1"),
    ),
    case(
        "V-P4",
        "error",
        "Number of experts in the model must be greater than 0",
        facts=F(expert_parallel=True),
        mended=F(),
    ),
    case(
        "V-P4",
        "error",
        "EPLB requires tensor_parallel_size or data_parallel_size to be greater than 1",
        bad=R(model=MOE),
        good=R(model=MOE, parallel=Parallelism(tp=2, ep=True)),
        facts=F(expert_parallel=True, eplb=True),
        mended=F(expert_parallel=True, eplb=True),
    ),
    case(
        "V-P4",
        "error",
        "enable_expert_parallel must be True to use EPLB",
        bad=R(model=MOE, parallel=TP2),
        facts=F(eplb=True),
        mended=F(),
    ),
    case(
        "V-P6",
        "warning",
        "l4 and t4 in one replica",
        bad=R(parallel=TP2),
        facts=F(gpu_names=("l4", "t4")),
        mended=F(gpu_names=("l4", "l4")),
    ),
    case(
        "V-P6",
        "error",
        "the small one runs out of memory",
        bad=R(parallel=TP2),
        facts=F(gpu_memory_bytes=(40 * 10**9, 85 * 10**9)),
        mended=F(gpu_memory_bytes=(85 * 10**9, 86 * 10**9)),
    ),
    case(
        "V-P7",
        "error",
        "no CUDA P2P between slices",
        bad=R(parallel=TP2),
        good=R(),
        facts=F(mig_slices=2),
        mended=F(mig_slices=2),
    ),
    case(
        "V-L1",
        "error",
        "LoRA rank 64 is greater than max_lora_rank 16.",
        facts=lora(max_lora_rank=16, adapters=adapter(rank=64)),
        mended=lora(max_lora_rank=64, adapters=adapter(rank=64)),
    ),
    case("V-L1", "error", "max_lora_rank: 48 is none of", facts=lora(max_lora_rank=48), mended=lora(max_lora_rank=64)),
    case(
        "V-L1",
        "advice",
        "the largest adapter has rank 16",
        facts=lora(max_lora_rank=256, adapters=adapter(rank=16)),
        mended=lora(max_lora_rank=16, adapters=adapter(rank=16)),
    ),
    case(
        "V-L2", "error", "does not yet support DoRA", facts=F(adapters=adapter(dora=True)), mended=F(adapters=adapter())
    ),
    case("V-L2", "error", "LoRA bias", facts=F(adapters=adapter(bias="all")), mended=F(adapters=adapter())),
    case("V-L2", "error", "Activated LoRA", facts=F(adapters=adapter(activated=True)), mended=F(adapters=adapter())),
    case(
        "V-L2",
        "error",
        "layer_replication",
        facts=F(adapters=adapter(layer_replication=True)),
        mended=F(adapters=adapter()),
    ),
    case(
        "V-L2",
        "error",
        "Unsupported modules_to_save (tuned): embed_tokens",
        facts=F(adapters=adapter(modules_to_save=("embed_tokens", "score"))),
        mended=F(adapters=adapter(modules_to_save=("score",))),
    ),
    case(
        "V-L2",
        "error",
        "max_cpu_loras (2) must be >= max_loras (4).",
        facts=lora(max_loras=4, max_cpu_loras=2),
        mended=lora(max_loras=4, max_cpu_loras=4),
    ),
    case(
        "V-L2",
        "error",
        "moe_backend='deep_gemm_mega_moe'",
        facts=lora(moe_backend="deep_gemm_mega_moe"),
        mended=lora(moe_backend="auto"),
    ),
    case(
        "V-L2",
        "error",
        "vocab size must be <= 258048",
        bad=R(model=sample.model(vocab_size=262144)),
        facts=F(adapters=adapter(target_modules=("lm_head",))),
        mended=F(adapters=adapter(target_modules=("q_proj",))),
    ),
    case(
        "V-L3",
        "warning",
        "6.5 tokens/s instead of 17.6",
        bad=R(tenancy=ADAPTED, settings=sample.settings(enforce_eager=True)),
        good=R(tenancy=ADAPTED),
    ),
    case("V-SP1", "error", "same vocabulary size", bad=speculating(32000), good=speculating(128256)),
    case(
        "V-SP1",
        "error",
        "cannot be other value than 1",
        bad=R(parallel=TP4),
        facts=F(draft_tensor_parallel=2),
        mended=F(draft_tensor_parallel=4),
    ),
    case(
        "V-SP1",
        "error",
        "num_speculative_tokens must be provided",
        facts=F(speculative_method="eagle3"),
        mended=F(speculative_method="eagle3", speculative_tokens=3),
    ),
    case(
        "V-SP1",
        "error",
        "Draft model vocab_size=32000",
        facts=F(draft_vocab_size=32000),
        mended=F(draft_vocab_size=32000, heterogeneous_vocab=True),
    ),
    case("V-SP2", "advice", "slows many down", bad=speculating(128256, 256), good=speculating(128256, 64)),
    case(
        "V-SP2",
        "advice",
        "admits 256",
        bad=R(settings=sample.settings(max_num_seqs=256)),
        good=R(),
        facts=F(speculative_method="ngram", speculative_tokens=3),
        mended=F(speculative_method="ngram", speculative_tokens=3),
    ),
    case(
        "V-O1",
        "error",
        "offload_num_in_group (3) must be <= offload_group_size (2)",
        facts=F(offload_group_size=2, offload_num_in_group=3),
        mended=F(offload_group_size=3, offload_num_in_group=3),
    ),
    case(
        "V-O1",
        "warning",
        "prefetching wins",
        bad=R(offload=HALF_MEMORY),
        good=R(),
        facts=F(offload_group_size=2, offload_num_in_group=1),
        mended=F(offload_group_size=2, offload_num_in_group=1),
    ),
    case(
        "V-O1",
        "warning",
        "The weights fit on the GPU",
        bad=R(offload=HALF_MEMORY),
        good=R(),
        facts=F(weights_fit=True),
        mended=F(weights_fit=True),
    ),
    case(
        "V-Q9", "error", "does not convert it while loading", facts=F(quantization="awq"), mended=F(quantization="fp8")
    ),
    case(
        "V-Q9",
        "error",
        "does not match the quantization method",
        facts=F(quantization="gptq_marlin"),
        bad=R(model=sample.model(checkpoint_format="awq-int4"), weights="awq-int4"),
        mended=F(quantization="awq_marlin"),
    ),
    case(
        "S-3",
        "warning",
        "SGLang itself would leave",
        bad=R(engine=STATIC, settings=sample.settings(memory_fraction=0.96)),
        good=R(engine=STATIC, settings=sample.settings(memory_fraction=0.8)),
    ),
    case(
        "S-4",
        "advice",
        "larger decode steps run without",
        bad=R(engine=SGLANG),
        facts=F(stated=frozenset({"max_num_seqs"}), cuda_graph_seqs=32),
        mended=F(stated=frozenset({"max_num_seqs"}), cuda_graph_seqs=64),
    ),
    case(
        "S-5",
        "error",
        "you need to specify both --max-lora-rank",
        bad=R(engine=SGLANG),
        facts=lora(),
        mended=lora(max_lora_rank=64, lora_target_modules=("all",)),
    ),
    case(
        "S-5",
        "error",
        "max_loaded_loras=4, max_loras_per_batch=8",
        bad=R(engine=SGLANG),
        facts=lora(adapters=adapter(), max_loaded_loras=4),
        mended=lora(adapters=adapter(), max_loaded_loras=8),
    ),
    case(
        "S-5",
        "error",
        "LoRA is only compatible with",
        bad=R(engine=SGLANG),
        facts=lora(adapters=adapter(), speculative_method="STANDALONE"),
        mended=lora(adapters=adapter(), speculative_method="EAGLE3"),
    ),
    case(
        "S-6",
        "error",
        "TRTLLM MHA backend for prefill requires",
        bad=R(engine=SGLANG, gpu=sample.gpu((8, 9))),
        good=R(engine=SGLANG),
        facts=F(attention_backend="trtllm_mha"),
        mended=F(attention_backend="trtllm_mha"),
    ),
    case(
        "S-6",
        "error",
        "SM120 does not support fp8_e4m3",
        bad=R(engine=SGLANG, gpu=sample.gpu((12, 0))),
        facts=F(attention_backend="trtllm_mha", kv_dtype="fp8_e4m3"),
        mended=F(attention_backend="trtllm_mha"),
    ),
    case(
        "S-6",
        "error",
        "fa4 runs on SM100",
        bad=R(engine=SGLANG),
        facts=F(attention_backend="fa4"),
        mended=F(attention_backend="fa3"),
    ),
    case(
        "T-1",
        "error",
        "the TensorRT backend has been removed",
        bad=R(engine=TRT),
        facts=F(program="trtllm-build"),
        mended=F(program="trtllm-serve"),
    ),
    case(
        "T-1",
        "warning",
        "the TensorRT backend has been removed",
        bad=R(engine=replace(TRT, version="1.2.1")),
        facts=F(program="trtllm-build"),
        mended=F(program="trtllm-serve"),
    ),
    case(
        "T-6",
        "warning",
        "is a share of what is free",
        bad=R(engine=TRT, settings=sample.settings(memory_fraction=0.98)),
        good=R(engine=TRT, settings=sample.settings(memory_fraction=0.9)),
        facts=F(stated=frozenset({"memory_fraction"})),
        mended=F(stated=frozenset({"memory_fraction"})),
    ),
    case(
        "L-1",
        "advice",
        "each request has 2048 tokens",
        bad=R(engine=LLAMA, settings=sample.settings(max_num_seqs=4, max_model_len=2048)),
        facts=F(asked_context_tokens=8192, kv_unified=False),
        mended=F(asked_context_tokens=8192, kv_unified=True),
    ),
    case(
        "L-2",
        "warning",
        "60 GB/s",
        bad=R(engine=LLAMA, host=SLOW_HOST, offload=Offload(kind="layers", host_layers=32)),
        good=R(engine=LLAMA, host=SLOW_HOST, offload=Offload(kind="layers", host_layers=2)),
    ),
    case(
        "K-1",
        "warning",
        "ReadWriteMany",
        bad=R(parallel=Parallelism(tp=8, pp=2)),
        good=R(parallel=TP8),
        facts=F(platform="kserve"),
        mended=F(platform="kserve"),
    ),
)
