"""Small hand-made models, GPUs, engines and plans: what tests of checks, emitters and plan files are built from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from llmplan.plan.cache import CacheGroup, CacheLayout, KvRoom
from llmplan.plan.deployment import (
    STRATEGY_IDS,
    Deployment,
    EngineSettings,
    Offload,
    Parallelism,
    Purchase,
    Replica,
    StrategyId,
    Tenancy,
)
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.outcome import Estimate, MemoryBudget, Option, Outcome, PriceFigure, Quote, QuoteLine, Rejection
from llmplan.plan.plan import Figure, Plan
from llmplan.spec.band import Band
from llmplan.spec.engine import EngineSpec, FormatSupport, SchedulerDefault
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS, KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import (
    DenseFeedForward,
    FeedForward,
    GqaAttention,
    LayerGroup,
    MlaAttention,
    ModelSpec,
    MoeFeedForward,
    Shard,
    Tensor,
    TensorRole,
)
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.workload import Lengths, Limits, Question, Slo, Workload

SOURCE = Source(id="datasheet", title="A datasheet", url="https://example.org/d.pdf", retrieved=date(2026, 11, 1))
PUBLISHED = Provenance(source=SOURCE, as_of=date(2026, 10, 1), kind="published")
WEIGHTS = {fmt.id: fmt for fmt in WEIGHT_FORMATS}
WEIGHTS["gguf-q4_k_m"] = WeightFormat(id="gguf-q4_k_m", bits=4.85, compute="bf16", weight_only=True, family="gguf")
KV: dict[str, KvFormat] = {fmt.id: fmt for fmt in KV_FORMATS}


def linear(name: str, out: int, into: int, shard: Shard) -> Tensor:
    return Tensor(name=name, shape=(out, into), role=TensorRole.LINEAR, shard=shard)


def dense(intermediate: int, hidden: int) -> DenseFeedForward:
    tensors = (
        linear("mlp.gate_proj", intermediate, hidden, Shard.COLUMN),
        linear("mlp.up_proj", intermediate, hidden, Shard.COLUMN),
        linear("mlp.down_proj", hidden, intermediate, Shard.ROW),
    )
    return DenseFeedForward(intermediate_size=intermediate, tensors=tensors)


def experts(count: int, chosen: int, intermediate: int, hidden: int) -> MoeFeedForward:
    tensors = tuple(
        Tensor(name=f"mlp.experts.{name}", shape=shape, role=TensorRole.EXPERT, shard=Shard.EXPERT, copies=count)
        for name, shape in (("gate_up", (2 * intermediate, hidden)), ("down", (hidden, intermediate)))
    )
    return MoeFeedForward(
        experts=count, experts_per_token=chosen, expert_intermediate_size=intermediate, tensors=tensors
    )


def gqa(heads: int, kv_heads: int, head_dim: int, hidden: int) -> GqaAttention:
    tensors = (
        linear("self_attn.q_proj", heads * head_dim, hidden, Shard.COLUMN),
        linear("self_attn.k_proj", kv_heads * head_dim, hidden, Shard.KV_COLUMN),
        linear("self_attn.v_proj", kv_heads * head_dim, hidden, Shard.KV_COLUMN),
        linear("self_attn.o_proj", hidden, heads * head_dim, Shard.ROW),
    )
    return GqaAttention(query_heads=heads, kv_heads=kv_heads, head_dim=head_dim, v_head_dim=head_dim, tensors=tensors)


def mla(heads: int) -> MlaAttention:
    return MlaAttention(
        query_heads=heads, kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128, tensors=()
    )


def model(
    *,
    heads: int = 32,
    kv_heads: int = 8,
    head_dim: int = 128,
    intermediate: int = 14336,
    layers: int = 32,
    latent: bool = False,
    feed_forward: FeedForward | None = None,
    **changes: Any,
) -> ModelSpec:
    """The shape of Llama 3.1 8B unless said otherwise."""
    hidden = heads * head_dim
    group = LayerGroup(
        count=layers,
        mixers=(mla(heads) if latent else gqa(heads, kv_heads, head_dim, hidden),),
        feed_forward=feed_forward or dense(intermediate, hidden),
    )
    embed = Tensor(name="embed_tokens", shape=(128256, hidden), role=TensorRole.EMBED, shard=Shard.VOCAB)
    spec = ModelSpec(
        id="meta-llama/Llama-3.1-8B-Instruct",
        model_type="llama",
        architecture="LlamaForCausalLM",
        hidden_size=hidden,
        vocab_size=128256,
        max_context_tokens=131072,
        layers=(group,),
        globals=(embed,),
        tied_embeddings=False,
        dtype="bf16",
        checkpoint_format="bf16",
        provenance={"hidden_size": PUBLISHED},
    )
    return replace(spec, **changes)


def gpu(capability: tuple[int, int] | None = (9, 0), **changes: Any) -> GpuSpec:
    """An H100 unless said otherwise."""
    spec = GpuSpec(
        id="h100-sxm-80gb",
        name="H100 SXM 80GB",
        vendor="NVIDIA",
        architecture="Hopper",
        segment="datacentre",
        form="SXM",
        memory_bytes=85_520_809_984,
        memory_bandwidth_bytes_per_s=3.35e12,
        peak_flop_per_s={"bf16": 989e12, "fp8": 1979e12},
        compute_capability=capability,
        link="NVLink 4",
        link_bytes_per_s=450e9,
        provenance={"memory_bytes": PUBLISHED},
    )
    return replace(spec, **changes)


def host(gpus: int = 8, **changes: Any) -> HostSpec:
    spec = HostSpec(
        id="hgx-8",
        name="HGX with 8 GPUs",
        gpus=gpus,
        memory_bytes=2 * 1024**4,
        memory_bandwidth_bytes_per_s=600e9,
        cpu_cores=96,
        pcie_bytes_per_s=55e9,
        fast_link_gpus=gpus,
    )
    return replace(spec, **changes)


def engine(name: str = "vllm", **changes: Any) -> EngineSpec:
    since = FormatSupport(min_compute_capability=(7, 5))
    ampere = FormatSupport(min_compute_capability=(8, 0))
    spec = EngineSpec(
        id=name,
        version="0.33.0",
        name=name,
        image="vllm/vllm-openai:v0.33.0" if name == "vllm" else None,
        kv_pool_rule="fraction_of_total",
        memory_fraction=0.92,
        block_tokens=16,
        cuda_graphs_in_budget=True,
        scheduler_defaults=(SchedulerDefault(min_memory_bytes=0, max_num_batched_tokens=2048, max_num_seqs=256),),
        min_compute_capability=(7, 5),
        compute_capabilities=((7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)),
        weight_formats={
            **dict.fromkeys(("fp16", "int8", "awq-int4", "gptq-int4", "w4a16", "nvfp4", "mxfp4"), since),
            "bf16": ampere,
            "fp8": FormatSupport(min_compute_capability=(7, 5), native_from=(8, 9)),
            "fp8-block": FormatSupport(min_compute_capability=(7, 5), native_from=(8, 9)),
        },
        kv_formats={"fp16": since, "bf16": since, "fp8": ampere},
        host_weights=True,
        host_kv=True,
        multi_lora=True,
        max_lora_ranks=(1, 8, 16, 32, 64, 128, 256, 320, 512),
        provenance={"memory_fraction": PUBLISHED},
    )
    return replace(spec, **changes)


def settings(**changes: Any) -> EngineSettings:
    base = EngineSettings(
        max_model_len=8192, max_num_seqs=64, max_num_batched_tokens=8192, memory_fraction=0.92, block_tokens=16
    )
    return replace(base, **changes)


def replica(
    *,
    weights: str = "bf16",
    kv: str = "bf16",
    parallel: Parallelism | None = None,
    offload: Offload | None = None,
    tenancy: Tenancy | None = None,
    **parts: Any,
) -> Replica:
    """A good replica of an 8B model on one H100; every part can be replaced."""
    return Replica(
        model=parts.get("model") or model(),
        gpu=parts.get("gpu") or gpu(),
        host=parts.get("host") or host(),
        engine=parts.get("engine") or engine(),
        parallel=parallel or Parallelism(),
        weights=WEIGHTS[weights],
        kv=KV[kv],
        settings=parts.get("settings") or settings(),
        offload=offload,
        tenancy=tenancy,
    )


def kv_room(blocks: int, token_bytes: float) -> KvRoom:
    """A pool of full-attention blocks of 16 tokens."""
    groups = (CacheGroup(layers=32, block_tokens=16),)
    layout = CacheLayout(
        groups=groups,
        block_bytes=16 * token_bytes,
        token_bytes=token_bytes,
        unbounded_bytes=token_bytes,
        block_tokens=16,
    )
    return KvRoom(layout=layout, blocks=blocks)


def memory_budget() -> MemoryBudget:
    line = Line(name="weights", amount=15e9, unit="byte", formula="8.03e9 x 2", provenance=(PUBLISHED,))
    return MemoryBudget(
        total_bytes=85_520_809_984,
        budget_bytes=78_679_145_185,
        ledger=Ledger(unit="byte", lines=(line,)),
        weights_bytes=16e9,
        activation_bytes=1.2e9,
        cuda_graph_bytes=0.8e9,
        non_torch_bytes=0.5e9,
        kv_cache_bytes=Band(low=58e9, mid=60e9, high=62e9),
        kv_bytes_per_token=131072.0,
        block_tokens=16,
        blocks=28610,
        room=kv_room(28610, 131072.0),
        capacity_tokens=457760,
        max_concurrency=55.9,
        checkpoint_bytes=16_060_522_496,
    )


def estimate() -> Estimate:
    band = Band(low=0.04, mid=0.05, high=0.08)
    return Estimate(
        ttft_s=band,
        tpot_s=band,
        e2e_s=band,
        ttft_p95_s=0.2,
        tpot_p95_s=0.03,
        output_tokens_per_s=Band.exact(900.0),
        total_tokens_per_s=Band.exact(3000.0),
        requests_per_s=Band.exact(5.0),
        batch_size=12.5,
        kv_limited=False,
        saturated=False,
        bottleneck="memory bandwidth",
        utilization=0.4,
        capacity_requests_per_s=12.0,
        step_ledger=Ledger(unit="s"),
        calibration_id="vllm-hopper",
        extrapolated=False,
    )


def quote(usd_per_month: float | None = 2500.0) -> Quote:
    figure = PriceFigure(
        provider="lambda", region="us-east", term="on-demand", instance="gpu_1x_h100", source="price list",
        as_of=date(2026, 11, 20), url="https://example.org/prices",
    )  # fmt: skip
    line = QuoteLine(
        name="1 x gpu_1x_h100", quantity=730.0, unit="h", unit_price_usd=3.4, usd_per_month=usd_per_month, figure=figure
    )
    return Quote(
        lines=(line,), input_tokens_per_month=13e9, output_tokens_per_month=4e9, as_of=date(2026, 11, 22)
    )  # fmt: skip


def option(strategy: StrategyId = "dedicated", of: Replica | None = None, **changes: Any) -> Option:
    one = of or replica()
    deployment = Deployment(
        strategy=strategy,
        model=one.model,
        replica=one,
        purchase=Purchase(kind="hourly", terms=("on-demand",)),
        levers=("sized for the peak",),
        replicas=2,
    )
    base = Option(
        deployment=deployment, memory=memory_budget(), estimate=estimate(), quote=quote(), quality=None, meets_slo=True
    )
    return replace(base, **changes)


def token_option() -> Option:
    deployment = Deployment(
        strategy="serverless", model=model(), replica=None, purchase=Purchase(kind="tokens"), levers=("pay per token",)
    )
    return replace(option(), deployment=deployment, memory=None, estimate=None, meets_slo=None)


def plan(*options: Option, recommended: StrategyId | None = "dedicated", **changes: Any) -> Plan:
    """Five rows: the options given, and rejections for the rest."""
    rows: dict[StrategyId, Outcome] = {
        name: Rejection(strategy=name, reason="does not fit", needed="141 GB", available="80 GB", fix="--tp 2")
        for name in STRATEGY_IDS
    }
    rows |= {given.deployment.strategy: given for given in options or (option(),)}
    question = Question(
        model_id="meta-llama/Llama-3.1-8B-Instruct",
        workload=Workload(requests_per_s=5.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300)),
        slo=Slo(ttft_p95_s=2.0),
        limits=Limits(),
    )
    figure = Figure(path="gpus.h100-sxm-80gb.memory_bytes", value=85_520_809_984, unit="byte", provenance=PUBLISHED)
    base = Plan(
        question=question, outcomes=rows, recommended=recommended, reasons=("cheapest that meets the SLO",),
        figures=(figure,), price_date=date(2026, 11, 22), made_with="llmplan 0.1.0",
        engines=tuple(map(engine, ("vllm", "sglang", "tensorrt-llm", "llama-cpp"))),
    )  # fmt: skip
    return replace(base, **changes)
