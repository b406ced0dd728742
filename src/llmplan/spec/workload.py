"""The question: which traffic, at what latency, within what limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from llmplan.spec.expenses import Expenses
from llmplan.spec.inventory import Inventory
from llmplan.spec.price import Term
from llmplan.spec.provenance import ProvenanceMap
from llmplan.spec.traffic import TrafficShape
from llmplan.spec.workload_lengths import Lengths

__all__ = ["Lengths", "Limits", "Privacy", "Question", "Slo", "Workload"]

Privacy: TypeAlias = Literal["any", "private", "air-gapped"]
"""any: a hosted API may see the prompts; private: own deployment, any cloud; air-gapped: own hardware, no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Traffic in steady terms. Either an open-loop rate, a mean over all hours of the month with or without traffic,
    or a closed-loop number of users (`concurrency`).

    `peak_to_mean` is the busiest hour over the mean (a fleet is sized for it), `cv_interarrival` the burstiness
    of gaps between requests (1 is Poisson), `idle_share` the fraction of minutes (`idle_bin_s`) without any request,
    `prefix_share` the fraction of input tokens that a prefix cache already holds, `hours_per_day` when there
    is any traffic at all.
    """

    id: str = "stated"
    name: str = "stated traffic"
    requests_per_s: float | None = None
    concurrency: float | None = None
    input_tokens: Lengths
    output_tokens: Lengths
    peak_to_mean: float = 1.0
    cv_interarrival: float = 1.0
    idle_share: float | None = None
    idle_bin_s: float = 60.0
    """length of the bins of which `idle_share` had no request; traffic comes and goes in runs of such bins"""
    prefix_share: float = 0.0
    prefixes: int | None = None
    """different prefixes, each held once; 0: every request has its own, as a conversation; None: one for each tenant"""
    hours_per_day: float = 24.0
    tenants: int = 1
    adapters: int = 0
    lora_rank: int = 16
    context_tokens: int | None = None
    """the longest request to admit (input + output); None: from the lengths"""
    traffic: TrafficShape | None = None
    """how it comes through time; None: as the figures above say"""
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Latency promised for 95 of 100 requests; None is no promise."""

    ttft_p95_s: float | None = None
    tpot_p95_s: float | None = None
    e2e_p95_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is promised."""
        return self.ttft_p95_s is None and self.tpot_p95_s is None and self.e2e_p95_s is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an answer may use. Empty tuples mean: anything in the catalogue.

    With an `inventory`, only that hardware is planned on (it is owned: no rent). `max_utilization` is the share of
    a replica's capacity that a fleet is sized to at its peak; `spare_replicas` come on top of a fleet of two or
    more. `max_quality_loss` is the relative loss (0.01 is 1 %) up to which a format may be *recommended* while
    something within it exists. `commitment_premium` is how much more capacity that is guaranteed may cost than
    capacity on demand, which may be sold out when a replica has to be replaced. `unverified_saving` is how much
    cheaper (a fraction) an option whose latency nobody states must be before it is recommended over one replica of
    one's own that is predicted to meet the SLO; `unverified_saving_steady` is the same where the traffic fills two
    or more replicas.
    """

    gpu_ids: tuple[str, ...] = ()
    provider_ids: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ("on-demand", "reserved-1y", "reserved-3y")
    engine_ids: tuple[str, ...] = ()
    weight_formats: tuple[str, ...] = ()
    kv_formats: tuple[str, ...] = ()
    inventory: Inventory | None = None
    privacy: Privacy = "any"
    include_marketplaces: bool = False
    max_usd_per_month: float | None = None
    max_gpus: int | None = None
    max_utilization: float = 0.7
    spare_replicas: int = 1
    max_quality_loss: float = 0.01
    commitment_premium: float = 0.2
    unverified_saving: float = 0.5
    unverified_saving_steady: float = 0.9
    network_bytes_per_s: float | None = None
    """between the nodes of the inventory; None is unknown, and then no replica spans nodes"""
    price_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything the user asked. `model` is what was typed, `model_id` what it resolved to."""

    model_id: str
    workload: Workload
    slo: Slo
    limits: Limits
    expenses: Expenses = field(default_factory=Expenses)
