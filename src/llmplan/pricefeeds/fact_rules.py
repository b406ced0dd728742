"""Which rows of the cost-facts table become which figures: the numbers of a cell, in which unit, under which id.

A cell may hold several numbers or a range; a rule picks by position. Commitments become reserved offers of the
machine that they are for. Rows that become nothing are listed with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from llmplan.units import HOURS_PER_YEAR

MARKET: Final = "general-rates"
"""The document of figures that belong to no seller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule:
    """The row whose topic is `topic` and whose item starts with `item`; numbers of a cell by position.

    `tiers`: the item tells rates by monthly quantity. Where it states rates without bounds, `bounds_gb` has them.
    """

    topic: str
    item: str
    id: str
    unit: str
    owner: str = MARKET
    cell: Literal["value", "item"] = "value"
    pick: int = 0
    span: bool = False
    """the first two numbers are low and high; the value is the picked one, or their mean"""
    low_high: tuple[int, int] | None = None
    """positions of the extremes, where they are not the first two numbers"""
    tiers: bool = False
    bounds_gb: tuple[float, ...] = ()
    note: str = ""
    gpu: tuple[str, ...] = ()
    """the GPUs that it is for"""
    gpus: int = 1
    """of how many of them together"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentRule:
    """A committed price of one machine. `hours` divides a total for the whole term into an hourly rate."""

    item: str
    owner: str
    instance: str
    term: str
    upfront: str
    region: str
    hours: float = 1.0
    note: str = ""


H100, H200, B200, B300 = "h100-sxm-80gb", "h200-sxm-141gb", "b200-180gb", "b300-288gb"
GB200 = "gb200-192gb"
_LIVES: Final = "depreciation life"
_CPU_DISCOUNTS: Final = ("1y-none", "1y-all", "3y-none", "3y-partial", "3y-all")
"""term and upfront payment, in the order of the row"""

RULES: Final[tuple[FactRule, ...]] = (
    FactRule(topic="egress", item="AWS internet out", id="egress", unit="USD/GB", owner="aws", tiers=True),
    FactRule(
        topic="egress", item="Azure internet", id="egress", unit="USD/GB", owner="azure", tiers=True,
        bounds_gb=(10_000, 50_000, 150_000), note="the bounds of its tiers are as in the same file",
    ),
    FactRule(topic="egress", item="GCP premium", id="egress", unit="USD/GB", owner="gcp", tiers=True),
    FactRule(topic="egress", item="OCI", id="egress", unit="USD/GB", owner="oci", tiers=True),
    FactRule(topic="egress", item="Lambda", id="egress", unit="USD/GB", owner="lambda", note="states no fee"),
    FactRule(topic="egress", item="inter-region AWS", id="egress-inter-region", unit="USD/GB", note="AWS, Azure, GCP"),
    FactRule(topic="egress", item="AWS cross-AZ", id="egress-cross-zone", unit="USD/GB", owner="aws", note="each way"),
    FactRule(topic="storage", item="AWS gp3", id="block-storage", unit="USD/GB-month", owner="aws"),
    FactRule(topic="storage", item="Azure Standard SSD", id="block-storage", unit="USD/GB-month", owner="azure"),
    FactRule(topic="storage", item="GCP pd-balanced", id="block-storage", unit="USD/GB-month", owner="gcp"),
    FactRule(topic="storage", item="OCI Block", id="block-storage", unit="USD/GB-month", owner="oci"),
    FactRule(topic="storage", item="AWS S3", id="object-storage", unit="USD/GB-month", owner="aws"),
    FactRule(topic="control plane", item="EKS per cluster", id="control-plane", unit="USD/h", owner="aws"),
    FactRule(topic="control plane", item="EKS extended", id="control-plane-extended", unit="USD/h", owner="aws"),
    FactRule(topic="control plane", item="GKE", id="control-plane", unit="USD/h", owner="gcp", note="one zonal free"),
    FactRule(topic="control plane", item="AKS", id="control-plane", unit="USD/h", owner="azure", note="Free tier 0"),
    FactRule(topic="control plane", item="OKE", id="control-plane", unit="USD/h", owner="oci", note="basic tier 0"),
    FactRule(topic="control plane", item="NAT gateway", id="nat-gateway", unit="USD/h", owner="aws"),
    FactRule(topic="control plane", item="NAT gateway", id="nat-gateway-traffic", unit="USD/GB", owner="aws", pick=1),
    FactRule(topic="software", item="NVIDIA AI Enterprise", id="nvidia-ai-enterprise", unit="USD/GPU-year"),
    FactRule(topic="software", item="NVIDIA AI Enterprise", id="nvidia-ai-enterprise-cloud", unit="USD/GPU-h", pick=1),
    FactRule(
        topic="on-prem", item="8x H200 server", id="server-8x-h200", unit="USD", span=True, pick=2, gpu=(H200,), gpus=8
    ),
    FactRule(topic="on-prem", item="8x H100 node", id="server-8x-h100", unit="USD", span=True, gpu=(H100,), gpus=8),
    FactRule(
        topic="on-prem", item="per-GPU street price", id="gpu-h100", unit="USD", pick=0, note="+-20 to 40 %",
        gpu=(H100,),
    ),
    FactRule(
        topic="on-prem", item="per-GPU street price", id="gpu-h200", unit="USD", pick=1, note="+-20 to 40 %",
        gpu=(H200,),
    ),
    FactRule(
        topic="on-prem", item="per-GPU street price", id="gpu-b200", unit="USD", pick=2, note="+-20 to 40 %",
        gpu=(B200,),
    ),
    FactRule(topic="on-prem", item="1024x H100", id="cluster-h100-all-in", unit="USD/GPU", span=True),
    FactRule(
        topic="on-prem", item="3y ownership of one 8x H200", id="ownership-8x-h200-3-years", unit="USD",
        span=True, pick=2, note="people, facilities, tax and network excluded",
    ),
    FactRule(topic="on-prem", item="annual support", id="support", unit="%/year of hardware", span=True),
    FactRule(topic="on-prem", item="colocation", id="colocation", unit="USD/kW-month", span=True),
    FactRule(topic="on-prem", item="residual value", id="residual-value-3-years", unit="% of hardware", span=True),
    FactRule(topic="power", item="DGX H100/H200", id="power-dgx-h100", unit="kW", gpu=(H100, H200), gpus=8),
    FactRule(topic="power", item="DGX B200", id="power-dgx-b200", unit="kW", gpu=(B200,), gpus=8),
    FactRule(topic="power", item="DGX B300", id="power-dgx-b300", unit="kW", gpu=(B300,), gpus=8),
    FactRule(topic="power", item="GB200 NVL72", id="power-gb200-nvl72", unit="kW", gpu=(GB200,), gpus=72),
    FactRule(topic="power", item="Vera Rubin NVL72", id="power-vera-rubin-nvl72", unit="kW", span=True),
    FactRule(
        topic="on-prem", item=_LIVES, id="depreciation-life", unit="years", cell="item", pick=3, low_high=(7, 0),
        note="the middle one of CoreWeave 6, Amazon 5 (6 until 2025) and Nebius 4; sceptics say 2 to 3",
    ),
    FactRule(topic="on-prem", item=_LIVES, id="depreciation-life-coreweave", unit="years", cell="item"),
    FactRule(topic="on-prem", item=_LIVES, id="depreciation-life-nebius", unit="years", cell="item", pick=1),
    FactRule(
        topic="on-prem", item=_LIVES, id="depreciation-life-amazon", unit="years", cell="item", pick=3,
        note="6 until 2025-01-01",
    ),
    FactRule(topic="power", item="US industrial", id="electricity", unit="USD/kWh", note="US industrial mean"),
    FactRule(topic="power", item="Global average PUE", id="pue", unit="ratio", note="others quote 1.58 and 1.6"),
    FactRule(topic="power", item="modern AI DC PUE", id="pue-modern", unit="ratio"),
    FactRule(topic="cpu", item="AWS x86", id="cpu-x86", unit="USD/vCPU-h", owner="aws"),
    FactRule(topic="cpu", item="AWS x86", id="memory-x86", unit="USD/GiB-h", owner="aws", pick=1),
    FactRule(topic="cpu", item="AWS Graviton4", id="cpu-arm", unit="USD/vCPU-h", owner="aws"),
    FactRule(topic="cpu", item="AWS Graviton4", id="memory-arm", unit="USD/GiB-h", owner="aws", pick=1),
    FactRule(topic="cpu", item="GCP c4/c3", id="cpu-x86", unit="USD/vCPU-h", owner="gcp"),
    FactRule(topic="cpu", item="GCP c4/c3", id="memory-x86", unit="USD/GiB-h", owner="gcp", pick=1),
    FactRule(topic="cpu", item="Azure D/E", id="cpu-x86", unit="USD/vCPU-h", owner="azure"),
    FactRule(topic="cpu", item="Azure D/E", id="memory-x86", unit="USD/GiB-h", owner="azure", pick=1),
    FactRule(topic="cpu", item="OCI E5", id="cpu-x86", unit="USD/vCPU-h", owner="oci"),
    FactRule(topic="cpu", item="OCI E5", id="memory-x86", unit="USD/GiB-h", owner="oci", pick=1),
    FactRule(topic="spot", item="AWS spot notice", id="spot-notice", unit="min", owner="aws"),
    FactRule(topic="cold start", item="Cloud Run GPU", id="provision", unit="s", owner="google-cloud-run"),
    FactRule(topic="idle floor", item="Cloud Run", id="idle-shutdown", unit="min", span=True, owner="google-cloud-run"),
    FactRule(topic="idle floor", item="RunPod", id="idle-timeout", unit="s", owner="runpod-serverless"),
    *(
        FactRule(
            topic="cold start", item="Base-model load", id=f"model-load-{name}", unit="s", cell="item", pick=pick,
            note="diffusion models, not LLMs",
        )
        for name, pick in (("p50", 3), ("p90", 5), ("p99", 7))
    ),
    *(
        FactRule(
            topic="commitment", item=f"{owner} CPU-fleet average discount", id=f"cpu-commitment-{name}",
            unit="fraction off", owner=owner, pick=pick,
        )
        for owner in ("aws", "azure", "gcp", "oci")
        for pick, name in enumerate(_CPU_DISCOUNTS)
    ),
    *(
        FactRule(
            topic="commitment", item=item, id=f"commitment-{years}", unit="share of the price on demand", owner=owner,
            pick=pick,
        )
        for owner, item in (("aws", "AWS headline"), ("gcp", "GCP resource-based CUD"))
        for pick, years in enumerate(("1y", "3y"))
    ),
    FactRule(
        topic="commitment", item="Lambda 16-GPU H100", id="committed-cluster-h100", unit="USD/GPU-h", owner="lambda",
        note="16 GPUs; for how long is not stated, so it is no offer; dearer than one machine on demand",
    ),
    FactRule(
        topic="commitment", item="RunPod serverless active vs flex", id="active-discount", unit="fraction off",
        owner="runpod-serverless", span=True,
    ),
    FactRule(topic="index", item="H100 SXM market median", id="market-h100-sxm", unit="USD/GPU-h"),
    FactRule(topic="index", item="SemiAnalysis composite", id="market-h100-contracts", unit="USD/GPU-h"),
)  # fmt: skip

_REGION_NOTE = "region not stated; the stated saving is off the us-east-1 price"
COMMITMENTS: Final[tuple[CommitmentRule, ...]] = (
    CommitmentRule(
        item="AWS p5.48xlarge EC2 Instance SP 3y all upfront", owner="aws", instance="p5.48xlarge",
        term="reserved-3y", upfront="all", region="us-east-1", note=_REGION_NOTE,
    ),
    CommitmentRule(
        item="AWS p5.48xlarge EC2 Instance SP 1y all upfront", owner="aws", instance="p5.48xlarge",
        term="reserved-1y", upfront="all", region="us-east-1", note=_REGION_NOTE,
    ),
    CommitmentRule(
        item="AWS p5.48xlarge 3y no upfront", owner="aws", instance="p5.48xlarge",
        term="reserved-3y", upfront="none", region="us-east-1", note=_REGION_NOTE,
    ),
    CommitmentRule(
        item="AWS p5en.48xlarge (H200) 3y all upfront", owner="aws", instance="p5en.48xlarge",
        term="reserved-3y", upfront="all", region="us-east-1", note=_REGION_NOTE,
    ),
    CommitmentRule(
        item="Azure ND96isr_H200_v5 3y reservation, East US 2", owner="azure", instance="Standard_ND96isr_H200_v5",
        term="reserved-3y", upfront="all", region="eastus2", hours=3 * HOURS_PER_YEAR,
        note="the price of the whole term over its hours",
    ),
    CommitmentRule(
        item="OCI BM.GPU.H200.8 3y commitment", owner="oci", instance="BM.GPU.H200.8",
        term="reserved-3y", upfront="none", region="global", note="eight GPUs; how it is paid is not stated",
    ),
)  # fmt: skip

LEFT_OUT: Final[tuple[tuple[str, str, str], ...]] = (
    ("price move", "", "history in words, of no machine and region"),
    ("spot", "AWS interruption buckets", "points to the table of its own"),
    ("spot", "GCP / Azure eviction notice", "its collector could not verify it"),
    ("idle floor", "SageMaker scale from zero", "no number"),
)
"""topic, beginning of the item, why such rows become nothing"""
