"""Offers as providers make them, each with its date and source. Append-only: an offer holds from its date on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from llmplan.spec.provenance import Provenance

Term: TypeAlias = Literal["on-demand", "spot", "reserved-1y", "reserved-3y"]
TERMS: tuple[Term, ...] = ("on-demand", "spot", "reserved-1y", "reserved-3y")
ProviderTier: TypeAlias = Literal["hyperscaler", "cloud", "marketplace", "api"]
CpuArchitecture: TypeAlias = Literal["x86-64", "arm64"]
CPU_ARCHITECTURES: tuple[CpuArchitecture, ...] = ("x86-64", "arm64")
OfferQuality: TypeAlias = Literal["listed", "advertised", "average", "derived"]
STALE_PRICE_DAYS = 45
"""A judgement: a price table that is read monthly, and two weeks late, has missed a reading."""
GLOBAL_REGION = "global"
"""The region of a seller that publishes one price for all of its regions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A seller. Marketplaces resell strangers' machines and are used only when asked for.

    `company` joins the products of one company (`runpod-secure`, `runpod-serverless`: `runpod`).
    """

    id: str
    name: str
    tier: ProviderTier
    aliases: tuple[str, ...] = ()
    company: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyOffer:
    """A machine by the hour. `usd_per_hour` is for the whole instance, which is bought whole: `gpus` of them.

    `quality` says how firm the row is: `listed` (a price of this instance in this region), `advertised` (a
    "from" price), `average` (somebody's mean over forms or offers), `derived` (computed, for example from a
    published percentage). `per_gpu`: the seller prices a GPU, not a machine; any number of them is bought.
    `interruption` is the published bucket of monthly spot interruptions (`<5%`). `confidence` is how sure whoever
    collected the row was (`high`, `medium-high`, ...), None where he does not say.
    """

    provider: str
    instance: str
    gpu_id: str
    gpus: float
    region: str
    term: Term
    usd_per_hour: float
    from_date: date | None
    quality: OfferQuality
    per_gpu: bool = False
    interruption: str | None = None
    vcpus: float | None = None
    memory_bytes: int | None = None
    upfront: Literal["none", "partial", "all"] | None = None
    confidence: str | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuOffer:
    """A machine without a GPU by the hour: for routers, control nodes and work that stays on CPUs."""

    provider: str
    instance: str
    vcpus: float
    memory_bytes: int
    architecture: CpuArchitecture
    region: str
    term: Term
    usd_per_hour: float
    from_date: date | None
    quality: OfferQuality = "listed"
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerlessOffer:
    """A GPU by the second. None means that no source states it: a missing charge makes the total a lower bound.

    `usd_per_vcpu_s` and `usd_per_gib_s` 0 mean that the GPU's price includes them. `min_billed_s` is the least time
    that a start is billed for. A plan with `plan_fee_usd_per_month`
    allows `max_gpus` at once (None: no limit stated).
    """

    provider: str
    gpu_id: str
    mode: str
    usd_per_gpu_s: float
    scales_to_zero: bool
    granularity_s: float | None
    idle_window_s: float | None
    min_billed_s: float | None = None
    bills_start: bool = True
    usd_per_vcpu_s: float | None = None
    usd_per_gib_s: float | None = None
    min_vcpus: float | None = None
    min_memory_gib: float | None = None
    plan_fee_usd_per_month: float | None = None
    max_gpus: int | None = None
    region: str = GLOBAL_REGION
    quality: OfferQuality = "listed"
    confidence: str
    from_date: date | None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOffer:
    """An open-weight model by the token. `model_id` is the catalogue's id, `listed_as` the seller's name."""

    provider: str
    model_id: str
    listed_as: str
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None = None
    batch_input_usd_per_mtok: float | None = None
    batch_output_usd_per_mtok: float | None = None
    context_tokens: int | None = None
    weights: str | None = None
    """what the seller says it serves (`fp8`, `turbo`, ...), None if it does not say"""
    ends: date | None = None
    region: str = GLOBAL_REGION
    from_date: date | None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedOffer:
    """A product that exists and whose rate no source states: listed, never quoted."""

    provider: str
    product: str
    gpu_id: str | None
    note: str
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """What a unit costs up to a monthly quantity, counted from the first unit; None: everything beyond."""

    up_to: float | None
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFact:
    """Any other rate: storage, egress, cluster fees, electricity, server purchase, start-up times.

    `tiers` are there where the rate depends on the month's quantity (in the quantity of `unit`); `value` is then the
    rate of the first tier that costs something. `confidence` is the collector's word.
    `gpu_ids`: the GPUs that it is for, where it is for no others; `gpus`: of how many of them together.
    """

    id: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str
    tiers: tuple[PriceTier, ...] = ()
    confidence: str | None = None
    gpu_ids: tuple[str, ...] = ()
    gpus: int | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Every offer, as loaded for one date."""

    providers: Mapping[str, Provider] = field(default_factory=dict)
    hourly: tuple[HourlyOffer, ...] = ()
    serverless: tuple[ServerlessOffer, ...] = ()
    tokens: tuple[TokenOffer, ...] = ()
    facts: Mapping[str, CostFact] = field(default_factory=dict)
    unpriced: tuple[UnpricedOffer, ...] = ()
    cpu: tuple[CpuOffer, ...] = ()
    as_of: date
