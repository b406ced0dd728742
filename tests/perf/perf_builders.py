"""Small models, machines and budgets for tests of the speed model: architecture figures are the published ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llmplan.perf.calibration import COEFFICIENT_NAMES, Coefficients
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.ledger import Ledger
from llmplan.plan.load import Load
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.band import Band
from llmplan.spec.calibration import Calibration, ResidualBand
from llmplan.spec.engine import EngineSpec, FormatSupport, SchedulerDefault
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import (
    DenseFeedForward,
    FeedForward,
    GqaAttention,
    LayerGroup,
    Mixer,
    MlaAttention,
    ModelSpec,
    MoeFeedForward,
    Shard,
    Tensor,
    TensorRole,
)
from llmplan.spec.workload import Lengths
from plan_samples import kv_room

FORMATS = {f.id: f for f in WEIGHT_FORMATS}
KV = {f.id: f for f in KV_FORMATS}


def linear(
    name: str, out: int, inputs: int, shard: Shard, role: TensorRole = TensorRole.LINEAR, copies: int = 1
) -> Tensor:
    return Tensor(name=name, shape=(out, inputs), role=role, shard=shard, copies=copies)


def gqa(hidden: int, heads: int, kv_heads: int, head_dim: int, window: int | None = None) -> GqaAttention:
    return GqaAttention(
        query_heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=head_dim,
        window_tokens=window,
        tensors=(
            linear("q_proj", heads * head_dim, hidden, Shard.COLUMN),
            linear("k_proj", kv_heads * head_dim, hidden, Shard.KV_COLUMN),
            linear("v_proj", kv_heads * head_dim, hidden, Shard.KV_COLUMN),
            linear("o_proj", hidden, heads * head_dim, Shard.ROW),
        ),
    )


def mla(hidden: int, heads: int, kv_rank: int, rope: int, nope: int, v_dim: int, q_rank: int) -> MlaAttention:
    return MlaAttention(
        query_heads=heads,
        kv_lora_rank=kv_rank,
        qk_rope_head_dim=rope,
        qk_nope_head_dim=nope,
        v_head_dim=v_dim,
        q_lora_rank=q_rank,
        tensors=(
            linear("q_a_proj", q_rank, hidden, Shard.REPLICATED),
            linear("q_b_proj", heads * (nope + rope), q_rank, Shard.COLUMN),
            linear("kv_a_proj", kv_rank + rope, hidden, Shard.REPLICATED),
            linear("kv_b_proj", heads * (nope + v_dim), kv_rank, Shard.COLUMN),
            linear("o_proj", hidden, heads * v_dim, Shard.ROW),
        ),
    )


def dense_ffn(hidden: int, intermediate: int) -> DenseFeedForward:
    return DenseFeedForward(
        intermediate_size=intermediate,
        tensors=(
            linear("gate_proj", intermediate, hidden, Shard.COLUMN),
            linear("up_proj", intermediate, hidden, Shard.COLUMN),
            linear("down_proj", hidden, intermediate, Shard.ROW),
        ),
    )


def moe_ffn(hidden: int, intermediate: int, experts: int, chosen: int) -> MoeFeedForward:
    return MoeFeedForward(
        experts=experts,
        experts_per_token=chosen,
        expert_intermediate_size=intermediate,
        tensors=(
            linear("router", experts, hidden, Shard.REPLICATED, TensorRole.ROUTER),
            linear("gate_proj", intermediate, hidden, Shard.EXPERT, TensorRole.EXPERT, experts),
            linear("up_proj", intermediate, hidden, Shard.EXPERT, TensorRole.EXPERT, experts),
            linear("down_proj", hidden, intermediate, Shard.EXPERT, TensorRole.EXPERT, experts),
        ),
    )


def build_model(
    name: str, hidden: int, vocab: int, groups: list[tuple[int, Mixer, FeedForward]], *, tied: bool = False
) -> ModelSpec:
    norms = tuple(
        Tensor(name=n, shape=(hidden,), role=TensorRole.NORM, shard=Shard.REPLICATED) for n in ("input", "post")
    )
    outside = [
        linear("embed_tokens", vocab, hidden, Shard.VOCAB, TensorRole.EMBED),
        Tensor(name="norm", shape=(hidden,), role=TensorRole.NORM, shard=Shard.REPLICATED),
    ]
    if not tied:
        outside.append(linear("lm_head", vocab, hidden, Shard.VOCAB, TensorRole.HEAD))
    return ModelSpec(
        id=name,
        model_type="test",
        architecture="Test",
        hidden_size=hidden,
        vocab_size=vocab,
        max_context_tokens=131072,
        layers=tuple(
            LayerGroup(count=count, mixers=(attention,), feed_forward=ffn, norms=norms)
            for count, attention, ffn in groups
        ),
        globals=tuple(outside),
        tied_embeddings=tied,
        dtype="bf16",
        checkpoint_format="bf16",
    )


LLAMA_8B = build_model("llama-3.1-8b", 4096, 128256, [(32, gqa(4096, 32, 8, 128), dense_ffn(4096, 14336))])
LLAMA_70B = build_model("llama-3.1-70b", 8192, 128256, [(80, gqa(8192, 64, 8, 128), dense_ffn(8192, 28672))])
MIXTRAL = build_model("mixtral-8x7b", 4096, 32000, [(32, gqa(4096, 32, 8, 128), moe_ffn(4096, 14336, 8, 2))])
DEEPSEEK_V3 = build_model(
    "deepseek-v3",
    7168,
    129280,
    [
        (3, mla(7168, 128, 512, 64, 128, 128, 1536), dense_ffn(7168, 18432)),
        (58, mla(7168, 128, 512, 64, 128, 128, 1536), moe_ffn(7168, 2048, 256, 8)),
    ],
)

H100 = GpuSpec(
    id="h100-sxm-80gb", name="H100", vendor="NVIDIA", architecture="Hopper", segment="datacenter", form="SXM",
    memory_bytes=85520809984, memory_bandwidth_bytes_per_s=3.35e12,
    peak_flop_per_s={"fp16": 989e12, "bf16": 989e12, "fp8": 1979e12, "int8": 1979e12},
    compute_capability=(9, 0), link="NVLink4", link_bytes_per_s=450e9, pcie_bytes_per_s=63e9,
)  # fmt: skip
A100 = replace(
    H100, id="a100-sxm-80gb", architecture="Ampere", memory_bandwidth_bytes_per_s=2.039e12, compute_capability=(8, 0),
    peak_flop_per_s={"fp16": 312e12, "bf16": 312e12, "int8": 624e12}, link_bytes_per_s=300e9, pcie_bytes_per_s=31.5e9,
)  # fmt: skip
RTX4090 = GpuSpec(
    id="rtx-4090-24gb", name="RTX 4090", vendor="NVIDIA", architecture="Ada", segment="consumer", form="PCIe",
    memory_bytes=25757220864, memory_bandwidth_bytes_per_s=1.008e12,
    peak_flop_per_s={"fp16": 165.2e12, "bf16": 165.2e12, "fp8": 330.3e12, "int8": 660.6e12},
    compute_capability=(8, 9), pcie_bytes_per_s=31.5e9,
)  # fmt: skip
HGX = HostSpec(
    id="hgx", name="HGX", gpus=8, memory_bytes=2 * 10**12, memory_bandwidth_bytes_per_s=400e9, cpu_cores=112,
    pcie_bytes_per_s=63e9, fast_link_gpus=8, network_bytes_per_s=400e9,
)  # fmt: skip
DESKTOP = HostSpec(
    id="desktop", name="desktop", gpus=1, memory_bytes=64 * 10**9, memory_bandwidth_bytes_per_s=60e9, cpu_cores=16,
    pcie_bytes_per_s=31.5e9,
)  # fmt: skip


def engine(engine_id: str = "vllm", **changes: Any) -> EngineSpec:
    base = EngineSpec(
        id=engine_id,
        version="0.33.0",
        name=engine_id,
        kv_pool_rule="fraction_of_total",
        memory_fraction=0.9,
        block_tokens=16,
        cuda_graphs_in_budget=True,
        scheduler_defaults=(SchedulerDefault(min_memory_bytes=0, max_num_batched_tokens=8192, max_num_seqs=256),),
        min_compute_capability=(7, 0),
        weight_formats={
            "bf16": FormatSupport(min_compute_capability=(8, 0)),
            "fp8": FormatSupport(min_compute_capability=(8, 0), native_from=(8, 9)),
        },
    )
    return replace(base, **changes)


def replica(model: ModelSpec = LLAMA_8B, gpu: GpuSpec = H100, **changes: Any) -> Replica:
    settings = EngineSettings(
        max_model_len=8192,
        max_num_seqs=changes.pop("max_num_seqs", 256),
        max_num_batched_tokens=changes.pop("max_num_batched_tokens", 8192),
        memory_fraction=0.9,
        block_tokens=16,
    )
    return Replica(
        model=model,
        gpu=gpu,
        host=changes.pop("host", HGX),
        engine=changes.pop("engine", engine()),
        parallel=changes.pop("parallel", Parallelism()),
        weights=changes.pop("weights", FORMATS["bf16"]),
        kv=changes.pop("kv", KV["bf16"]),
        settings=settings,
        **changes,
    )


def budget(capacity_tokens: int = 400_000) -> MemoryBudget:
    return MemoryBudget(
        total_bytes=85520809984,
        budget_bytes=76968728985,
        ledger=Ledger(unit="B"),
        weights_bytes=16.06e9,
        activation_bytes=1e9,
        cuda_graph_bytes=0.5e9,
        non_torch_bytes=0.5e9,
        kv_cache_bytes=Band.exact(131072.0 * capacity_tokens),
        kv_bytes_per_token=131072.0,
        block_tokens=16,
        blocks=capacity_tokens // 16,
        room=kv_room(capacity_tokens // 16, 131072.0),
        capacity_tokens=capacity_tokens,
        max_concurrency=10.0,
        checkpoint_bytes=16_060_000_000,
    )


IDEAL: dict[str, float] = {
    name: 0.0
    if name.endswith(("_s", "_share", "_columns", "_rows", "_passes"))
    else 1e6
    if name == "roofline_exponent"
    else 1.0
    for name in COEFFICIENT_NAMES
}
"""Every published peak reached, reading and computing fully overlapped, nothing fixed."""

TYPICAL: dict[str, float] = IDEAL | {
    "memory_efficiency": 0.85, "kv_memory_efficiency": 0.7, "expert_memory_efficiency": 0.7,
    "weight_only_memory_efficiency": 0.8, "matrix_16bit_efficiency": 0.7, "matrix_8bit_efficiency": 0.6,
    "matrix_4bit_efficiency": 0.5, "expert_matrix_efficiency": 0.5, "attention_efficiency": 0.4, "bunching_share": 0.4,
    "dequantization_factor": 1.3, "expert_dequantization_factor": 1.5, "roofline_exponent": 2.0, "step_s": 1e-3,
    "launch_s": 2e-6, "prefill_launch_s": 5e-6,
    "expert_half_width_columns": 256.0, "expert_tile_rows": 16.0, "activation_passes": 8.0, "routing_exponent": 0.8,
    "expert_layer_s": 3e-6, "prefill_expert_layer_s": 1e-4, "legacy_host_factor": 2.5,
    "sequence_s": 1e-5, "request_s": 5e-3, "lockstep_share": 0.1, "allreduce_fast_latency_s": 5e-6,
    "allreduce_fast_efficiency": 0.6, "allreduce_pcie_latency_s": 8e-6, "allreduce_pcie_efficiency": 0.4,
    "network_latency_s": 2e-5, "network_efficiency": 0.6, "host_memory_efficiency": 0.8, "pcie_efficiency": 0.8,
}  # fmt: skip
"""Round numbers of a real machine, made up for tests of direction and shape."""


def calibration(coefficients: dict[str, float] = TYPICAL, **changes: Any) -> Calibration:
    base = Calibration(
        id="vllm-hopper",
        engine="vllm",
        generation="hopper",
        coefficients=coefficients,
        bands={name: ResidualBand(low_ratio=0.8, high_ratio=1.25, rows=100) for name in ("ttft", "tpot", "throughput")},
        rows=100,
        fitted=None,
    )
    return replace(base, **changes)


def coefficients(values: dict[str, float] = TYPICAL, **changes: float) -> Coefficients:
    return Coefficients(**{**values, **changes})


def load(kind: Any, value: float, isl: float = 1000, osl: float = 300, **changes: Any) -> Load:
    return Load(kind=kind, value=value, input_tokens=Lengths.fixed(isl), output_tokens=Lengths.fixed(osl), **changes)
