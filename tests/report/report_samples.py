"""Small hand-made values to render: numbers chosen so that the expected text can be worked out by eye."""

from __future__ import annotations

from datetime import date

from llmplan.plan.deployment import (
    STRATEGY_IDS,
    Deployment,
    EngineSettings,
    Parallelism,
    Purchase,
    Replica,
)
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.load import Load
from llmplan.plan.outcome import (
    CheckResult,
    Estimate,
    MemoryBudget,
    Option,
    Outcome,
    PriceFigure,
    Quote,
    QuoteLine,
    Rejection,
)
from llmplan.plan.plan import Figure, Plan
from llmplan.spec.band import Band
from llmplan.spec.engine import EngineSpec, SchedulerDefault
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import DenseFeedForward, GqaAttention, LayerGroup, ModelSpec, Shard, Tensor, TensorRole
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.workload import Lengths, Limits, Question, Slo, Workload
from llmplan.units import GIB
from plan_samples import kv_room

DATASHEET = Provenance(
    source=Source(id="datasheet", title="Example data sheet", url="https://example.org/gpu"),
    as_of=date(2026, 11, 20),
    kind="published",
)
MODEL = ModelSpec(
    id="example/tiny-1b",
    model_type="llama",
    architecture="LlamaForCausalLM",
    hidden_size=8,
    vocab_size=100,
    max_context_tokens=4096,
    layers=(
        LayerGroup(
            count=2,
            mixers=(
                GqaAttention(
                    query_heads=4, kv_heads=2, head_dim=2, v_head_dim=2,
                    tensors=(Tensor(name="q_proj", shape=(8, 8), role=TensorRole.LINEAR, shard=Shard.COLUMN),),
                ),
            ),
            feed_forward=DenseFeedForward(
                intermediate_size=16,
                tensors=(Tensor(name="up_proj", shape=(16, 8), role=TensorRole.LINEAR, shard=Shard.COLUMN),),
            ),
        ),
    ),
    globals=(Tensor(name="embed", shape=(100, 8), role=TensorRole.EMBED, shard=Shard.VOCAB),),
    tied_embeddings=True,
    dtype="bf16",
    checkpoint_format="bf16",
)  # fmt: skip
GPU = GpuSpec(
    id="example-24gb",
    name="Example 24GB",
    vendor="NVIDIA",
    architecture="Ampere",
    segment="datacenter",
    form="pcie",
    memory_bytes=24 * GIB,
    memory_bandwidth_bytes_per_s=600e9,
    peak_flop_per_s={"bf16": 125e12, "fp16": 125e12},
    compute_capability=(8, 6),
    provenance={"memory_bytes": DATASHEET, "memory_bandwidth_bytes_per_s": DATASHEET},
)
HOST = HostSpec(
    id="example-host",
    name="Example host",
    gpus=4,
    memory_bytes=256 * GIB,
    memory_bandwidth_bytes_per_s=200e9,
    cpu_cores=32,
    pcie_bytes_per_s=32e9,
)
ENGINE = EngineSpec(
    id="vllm",
    version="0.33.0",
    name="vLLM",
    kv_pool_rule="fraction_of_total",
    memory_fraction=0.92,
    block_tokens=16,
    cuda_graphs_in_budget=True,
    scheduler_defaults=(SchedulerDefault(min_memory_bytes=0, max_num_batched_tokens=2048, max_num_seqs=256),),
    min_compute_capability=(7, 5),
)
SETTINGS = EngineSettings(
    max_model_len=2048, max_num_seqs=256, max_num_batched_tokens=2048, memory_fraction=0.92, block_tokens=16
)
REPLICA = Replica(
    model=MODEL,
    gpu=GPU,
    host=HOST,
    engine=ENGINE,
    parallel=Parallelism(tp=2),
    weights=next(each for each in WEIGHT_FORMATS if each.id == "bf16"),
    kv=KV_FORMATS[0],
    settings=SETTINGS,
)
BUDGET = MemoryBudget(
    total_bytes=24 * GIB,
    budget_bytes=22 * GIB,
    ledger=Ledger(
        unit="bytes",
        lines=(
            Line(name="weights", amount=12.0 * GIB, unit="bytes", formula="2 B x 6.44 G", provenance=(DATASHEET,)),
            Line(name="KV pool", amount=10.0 * GIB, unit="bytes", formula="budget - weights"),
        ),
    ),
    weights_bytes=12.0 * GIB,
    activation_bytes=0.0,
    cuda_graph_bytes=0.0,
    non_torch_bytes=0.0,
    kv_cache_bytes=Band(low=9.0 * GIB, mid=10.0 * GIB, high=11.0 * GIB),
    kv_bytes_per_token=65536.0,
    block_tokens=16,
    blocks=10240,
    room=kv_room(10240, 65536.0),
    capacity_tokens=163840,
    max_concurrency=80.0,
    checkpoint_bytes=24 * GIB,
)
ESTIMATE = Estimate(
    ttft_s=Band(low=0.1, mid=0.2, high=0.3),
    tpot_s=Band(low=0.02, mid=0.025, high=0.03),
    e2e_s=Band(low=5.0, mid=6.0, high=7.0),
    ttft_p95_s=0.4,
    tpot_p95_s=0.05,
    output_tokens_per_s=Band(low=900.0, mid=1000.0, high=1100.0),
    total_tokens_per_s=Band(low=3900.0, mid=4333.0, high=4700.0),
    requests_per_s=Band(low=3.0, mid=3.3, high=3.6),
    batch_size=25.0,
    kv_limited=False,
    saturated=False,
    bottleneck="memory bandwidth",
    utilization=0.5,
    capacity_requests_per_s=6.6,
    step_ledger=Ledger(unit="s", lines=(Line(name="weight read", amount=0.02, unit="s", formula="12 GiB / 600 GB/s"),)),
    calibration_id="vllm-ampere",
    extrapolated=False,
)
FIGURE = PriceFigure(
    provider="exampleco",
    region="eu-1",
    term="on-demand",
    instance="g.4",
    source="Example price list",
    as_of=date(2026, 11, 1),
)
QUOTE = Quote(
    lines=(
        QuoteLine(
            name="g.4 instance", quantity=730.0, unit="h", unit_price_usd=2.005, usd_per_month=1463.65, figure=FIGURE
        ),
        QuoteLine(name="disk", quantity=100.0, unit="GB", unit_price_usd=0.08004, usd_per_month=8.004),
    ),
    input_tokens_per_month=1_000e6,
    output_tokens_per_month=300e6,
    as_of=date(2026, 11, 20),
)
OPEN_QUOTE = Quote(
    lines=(*QUOTE.lines, QuoteLine(name="egress", quantity=1.0, unit="GB", unit_price_usd=None, usd_per_month=None)),
    input_tokens_per_month=1_000e6,
    output_tokens_per_month=300e6,
    as_of=date(2026, 11, 20),
)
DEDICATED = Option(
    deployment=Deployment(
        strategy="dedicated",
        model=MODEL,
        replica=REPLICA,
        purchase=Purchase(kind="hourly", terms=("on-demand",)),
        levers=("rented by the hour",),
        replicas=3,
    ),
    memory=BUDGET,
    estimate=ESTIMATE,
    quote=QUOTE,
    quality=None,
    checks=(CheckResult(id="R1", severity="warning", message="PCIe only", fix="prefer NVLink", source="engine docs"),),
    meets_slo=True,
)
API = Option(
    deployment=Deployment(
        strategy="serverless", model=MODEL, replica=None, purchase=Purchase(kind="tokens"), levers=("by the token",)
    ),
    memory=None,
    estimate=None,
    quote=OPEN_QUOTE,
    quality=None,
    notes=("no source states this API's latency",),
)
REJECTION = Rejection(
    strategy="quantized",
    reason="the weights do not fit",
    needed="30 GiB",
    available="22 GiB",
    fix="--gpu h100-sxm-80gb",
    ledger=Ledger(unit="bytes", lines=(Line(name="weights", amount=30.0 * GIB, unit="bytes"),)),
)
OUTCOMES: dict[str, Outcome] = {
    "serverless": API,
    "dedicated": DEDICATED,
    "hybrid_offload": REJECTION,
    "quantized": REJECTION,
    "multi_tenant": REJECTION,
}
LOAD = Load(kind="rate", value=3.3, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300))
QUESTION = Question(
    model_id=MODEL.id,
    workload=Workload(
        requests_per_s=5.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300), peak_to_mean=2.0
    ),
    slo=Slo(ttft_p95_s=2.0, tpot_p95_s=0.05),
    limits=Limits(gpu_ids=("example-24gb",)),
)
PLAN = Plan(
    question=QUESTION,
    outcomes={name: OUTCOMES[name] for name in STRATEGY_IDS},
    recommended="dedicated",
    reasons=("meets the SLO at the lowest price",),
    warnings=("prices are old",),
    figures=(Figure(path="gpus.example-24gb.memory_bytes", value=24.0 * GIB, unit="bytes", provenance=DATASHEET),),
    price_date=date(2026, 11, 20),
    made_with="llmplan 0.1.0",
)
