"""Which machines to rent: the cheapest whole instances that hold the replicas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmplan.pricing.firmness import QUALITY_RANK, drop_undated, prefer
from llmplan.pricing.index import index_of
from llmplan.pricing.sellers import allowed, limits_key
from llmplan.pricing.spot import availability, interruptions_per_month, machines_for
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
    `carrying` of the replicas carry the load (None: all), the others are spare. `replacement_s`: until another machine
    answers in place of one that is gone; `interruptions_per_month`: of one spot machine, as the asker says.
    """

    gpu_id: str
    gpus_per_replica: int
    replicas: int
    node_gpus: int = 8
    host_bytes: int = 0
    carrying: int | None = None
    replacement_s: float | None = None
    interruptions_per_month: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs that are put to use."""
        return self.gpus_per_replica * self.replicas


def steady(need: Need) -> Need:
    """The need of machines that nobody takes away, for which it does not matter how long a replacement takes."""
    return replace(need, carrying=None, replacement_s=None, interruptions_per_month=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """That many of one instance, `extra` of them for when others are taken away: each is there for `there_share`."""

    offer: HourlyOffer
    instances: int
    idle_gpus: int
    extra: int = 0
    there_share: float | None = None

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
    pick = _whole(offer, need)
    return with_stand_ins(pick, need) if pick is not None and offer.term == "spot" else pick


def _whole(offer: HourlyOffer, need: Need) -> Pick | None:
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


def with_stand_ins(pick: Pick, need: Need) -> Pick:
    """With as many more spot machines as it takes for the load to be carried nearly always; as it is where nobody says
    how often they are taken away, or how long a replacement takes."""
    rate = spot_rate(pick.offer, need)
    if rate is None or need.replacement_s is None:
        return pick
    share = availability(rate, need.replacement_s)
    carrying = need.replicas if need.carrying is None else need.carrying
    if pick.offer.per_gpu:
        groups, each = need.replicas, need.gpus_per_replica
    elif pick.offer.gpus >= need.gpus_per_replica:
        on_one = _replicas_on_one(pick.offer, need)
        groups, each, carrying = pick.instances, 1, math.ceil(carrying / on_one)
    else:
        groups, each = need.replicas, pick.instances // need.replicas
        share **= each
    extra = max(0, machines_for(carrying, share) - groups) * each
    return replace(pick, instances=pick.instances + extra, extra=extra, there_share=share)


def spot_rate(offer: HourlyOffer, need: Need) -> float | None:
    """How often a spot machine is taken away [1/month]: as the asker says, else as published, else not known.

    offer: with its bucket; need: what is asked. Valid for spot offers. Reference: `interruptions_per_month`.
    """
    stated = need.interruptions_per_month
    return interruptions_per_month(offer.interruption) if stated is None else stated


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
