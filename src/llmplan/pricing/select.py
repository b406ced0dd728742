"""Which machines to rent: the cheapest whole instances that hold the replicas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmplan.pricing.firmness import QUALITY_RANK, drop_undated, prefer
from llmplan.pricing.index import index_of
from llmplan.pricing.sellers import allowed, limits_key
from llmplan.spec.price import HourlyOffer, PriceBook, Term
from llmplan.spec.workload import Limits
from llmplan.units import GIB

MIN_HOST_BYTES = 12 * GIB
"""Host memory below which a serving engine does not start comfortably: its processes, pinned buffers and the page
cache of the checkpoint (assumed; the smallest machine in engine documentation has 16 GiB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """`replicas` engine processes of `gpus_per_replica` GPUs each.

    `node_gpus` is how many GPUs the plan expects in one machine: only a replica with more than that spans machines.
    `host_bytes` is the memory that a replica needs beside its GPUs, for layers, weights or blocks kept there.
    """

    gpu_id: str
    gpus_per_replica: int
    replicas: int
    node_gpus: int = 8
    host_bytes: int = 0

    @property
    def gpus(self) -> int:
        """GPUs that are put to use."""
        return self.gpus_per_replica * self.replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """That many of one instance."""

    offer: HourlyOffer
    instances: int
    idle_gpus: int

    @property
    def usd_per_hour(self) -> float:
        """Rent of all instances [USD/h]."""
        return self.instances * self.offer.usd_per_hour


def rentable(
    gpu_id: str, limits: Limits, terms: Sequence[Term], prices: PriceBook, host_bytes: int = 0
) -> tuple[HourlyOffer, ...]:
    """The offers of whole GPUs of one kind that the limits allow on these terms, the cheapest of each seller, term
    and size with at least `host_bytes` of memory. Parts of a GPU never stand for a GPU; a mean over somebody's offers
    counts only where nothing else does.
    """
    index = index_of(prices)
    key = ("rentable", gpu_id, tuple(terms), limits_key(limits), host_bytes)
    if key not in index.answers:
        accept = allowed(limits, prices.providers)
        whole = [
            offer
            for offer in index.hourly.get(gpu_id, ())
            if offer.term in terms and offer.gpus >= 1 and float(offer.gpus).is_integer() and accept(offer)
            if offer.memory_bytes is None or offer.memory_bytes >= max(host_bytes, MIN_HOST_BYTES)
        ]
        best: dict[tuple[object, ...], HourlyOffer] = {}
        for offer in sorted(prefer(drop_undated(whole), "average"), key=_order):
            best.setdefault((offer.provider, offer.term, offer.gpus, offer.per_gpu), offer)
        index.answers[key] = tuple(best.values())
    result: tuple[HourlyOffer, ...] = index.answers[key]
    return result


def fit(offer: HourlyOffer, need: Need) -> Pick | None:
    """How many of an instance hold the replicas, None if one does not fit.

    Instances are bought whole. A replica stays inside one, unless it needs more GPUs than a machine has. A list price
    per GPU holds for any number of them; somebody's lowest or mean price of one GPU says nothing of a larger machine.
    """
    size, wanted = int(offer.gpus), need.gpus_per_replica
    if offer.per_gpu and wanted > 1 and offer.quality != "listed":
        return None
    if offer.per_gpu:
        return Pick(offer=offer, instances=need.gpus, idle_gpus=0)
    if size >= wanted:
        instances = math.ceil(need.replicas / _replicas_on_one(offer, need))
    elif wanted > need.node_gpus and size >= need.node_gpus:
        instances = need.replicas * math.ceil(wanted / size)
    else:
        return None
    return Pick(offer=offer, instances=instances, idle_gpus=instances * size - need.gpus)


def _replicas_on_one(offer: HourlyOffer, need: Need) -> int:
    """Replicas that share an instance: as its GPUs allow, and its memory where the seller states it."""
    by_gpus = int(offer.gpus) // need.gpus_per_replica
    if not need.host_bytes or offer.memory_bytes is None:
        return by_gpus
    return max(1, min(by_gpus, offer.memory_bytes // need.host_bytes))


def rank(offers: Sequence[HourlyOffer], need: Need) -> list[Pick]:
    """The ways to hold the replicas, cheapest first."""
    picks = [pick for offer in offers if (pick := fit(offer, need)) is not None]
    return sorted(picks, key=lambda pick: (pick.usd_per_hour, pick.idle_gpus, _order(pick.offer)))


def _order(offer: HourlyOffer) -> tuple[object, ...]:
    """By price per instance, then by firmness, then by name, so that equal prices give equal answers."""
    return (
        offer.usd_per_hour, QUALITY_RANK[offer.quality], offer.provider, offer.region, offer.instance, offer.term,
        offer.upfront or "",
    )  # fmt: skip
