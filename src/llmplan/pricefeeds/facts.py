"""Rows of the cost-facts table that become figures: which numbers of the cell, in which unit, under which id.

A cell may hold several numbers or a range; a rule picks by position. Commitments become reserved offers of the
machine that they are for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from llmplan.pricefeeds.dates import first_day
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import Row
from llmplan.units import HOURS_PER_YEAR

MARKET: Final = "general-rates"
"""The document of figures that belong to no seller."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule:
    """The row whose topic is `topic` and whose item starts with `item`; numbers of its cell by position."""

    topic: str
    item: str
    id: str
    unit: str
    owner: str = MARKET
    pick: int = 0
    span: bool = False
    """the first two numbers are low and high; the value is the picked one, or their mean"""
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

RULES: Final[tuple[FactRule, ...]] = (
    FactRule(topic="egress", item="AWS internet out", id="egress", unit="USD/GB", owner="aws", note="first paid tier"),
    FactRule(topic="egress", item="Azure internet", id="egress", unit="USD/GB", owner="azure", note="first paid tier"),
    FactRule(topic="egress", item="GCP premium", id="egress", unit="USD/GB", owner="gcp", note="first tier"),
    FactRule(topic="egress", item="OCI", id="egress", unit="USD/GB", owner="oci", note="after 10 TB a month free"),
    FactRule(topic="egress", item='Lambda', id="egress", unit="USD/GB", owner="lambda", note="states no fee"),
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


def numbers(text: str) -> list[float]:
    """The numbers of a cell in order.

    >>> numbers("320000-420000 (typical 370000)"), numbers("0.045/h + 0.045/GB")
    ([320000.0, 420000.0, 370000.0], [0.045, 0.045])
    """
    return [float(found) for found in _NUMBER.findall(text)]


def owned_facts(rows: list[Row], owner: str, sources: SourceBook) -> dict[str, dict[str, Any]]:
    """The `facts:` mapping of one document. A row that its collector could not verify is left out."""
    facts = {}
    for rule in (rule for rule in RULES if rule.owner == owner):
        row = _find(rows, rule.topic, rule.item)
        if row is None or "UNVERIFIED" in row["confidence"]:
            continue
        found = numbers(row["value"])
        mean = rule.span and not rule.pick
        entry: dict[str, Any] = {"value": (found[0] + found[1]) / 2 if mean else found[rule.pick]}
        if rule.span:
            entry["low"], entry["high"] = found[0], found[1]
        derived = mean or "fit on" in row["source"] or row["source"] == "same"
        source = _find(rows, "cpu", "AWS x86") if row["source"] == "same" else row
        entry |= {"unit": rule.unit, "as_of": first_day(row["as_of"])}
        entry["source"] = sources.id_of((source or row)["source"])
        entry["kind"] = "derived" if derived else "published"
        note = "; ".join(text for text in (rule.note, f"confidence {row['confidence'].split()[0]}") if text)
        entry |= {"gpu": list(rule.gpu), "gpus": rule.gpus} if rule.gpu else {}
        facts[rule.id] = entry | {"note": note}
    return facts


def commitments(rows: list[Row], owner: str, sources: SourceBook) -> list[tuple[str, dict[str, Any]]]:
    """(instance, offer) for each commitment of one seller."""
    result = []
    for rule in (rule for rule in COMMITMENTS if rule.owner == owner):
        row = _find(rows, "commitment", rule.item)
        if row is None:
            continue
        derived = rule.hours != 1.0
        offer: dict[str, Any] = {
            "from": first_day(row["as_of"]), "source": sources.id_of(row["source"]),
            "term": rule.term, "upfront": rule.upfront,
        }  # fmt: skip
        offer |= {"quality": "derived"} if derived else {}
        offer["note"] = f"{rule.note}; confidence {row['confidence']}"
        offer["usd_per_hour"] = {rule.region: round(numbers(row["value"])[0] / rule.hours, 4)}
        result.append((rule.instance, offer))
    return result


def _find(rows: list[Row], topic: str, item: str) -> Row | None:
    return next((row for row in rows if row["topic"] == topic and row["item"].startswith(item)), None)
