"""GPUs by the second: what runs, waits and starts is billed, with the CPU and memory beside it and the plan fee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmplan.plan.outcome import QuoteLine, Rejection
from llmplan.plan.usage import ServerlessUsage
from llmplan.pricing.beside import Beside, beside_seconds
from llmplan.pricing.figures import row_notes, serverless_figure
from llmplan.pricing.firmness import drop_undated, prefer
from llmplan.pricing.index import index_of
from llmplan.pricing.sellers import allowed, limits_key
from llmplan.spec.price import PriceBook, ServerlessOffer
from llmplan.spec.workload import Limits

CORES_BESIDE_GPUS: Final = 2
"""An API server and an engine core beside one worker per GPU: vLLM's documentation, "CPU resources", asks for 2 + N
physical cores."""
VCPUS_PER_CORE: Final = 2
MEMORY_GIB_PER_GPU: Final = 16.0
"""What Cloud Run requires beside an L4; chosen where a platform leaves it open."""

LEAST_S: Final = 1e-3
"""Replica-seconds a month below which nothing happens: what is left of an exponential far out in its tail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One replica as a platform bills it: GPUs, vCPUs and memory."""

    gpu_id: str
    gpus: int
    host_gib: float = 0.0
    """host memory that the plan itself needs (offloaded weights or KV) [GiB]"""

    def vcpus(self, offer: ServerlessOffer) -> float:
        """vCPUs to reserve."""
        return max(offer.min_vcpus or 0.0, float(VCPUS_PER_CORE * (CORES_BESIDE_GPUS + self.gpus)))

    def memory_gib(self, offer: ServerlessOffer) -> float:
        """Memory to reserve [GiB]."""
        return max(offer.min_memory_gib or 0.0, MEMORY_GIB_PER_GPU * self.gpus + self.host_gib)


def serverless_lines(offer: ServerlessOffer, worker: Worker, usage: ServerlessUsage) -> tuple[QuoteLine, ...]:
    """Every charge of a month on one platform.

    Parameters
    ----------
    offer : rates [USD/s per GPU, vCPU and GiB] and rules
    worker : what one replica occupies [GPUs, vCPUs, GiB]
    usage : seconds per month, summed over replicas [s]

    Notes
    -----
    GPU = seconds x GPUs x rate for busy, idle-window and (if billed) start seconds; each start and stop also rounds
    up to the platform's granularity, half of it on average, and where a start is billed for a least time, all starts
    together are billed for at least that; a usage that says how much that adds is taken at its word. vCPU and memory
    run for the same seconds. A rate that no source states is a line without an amount.

    References
    ----------
    The platforms' pricing pages as cited by each offer.

    >>> from datetime import date
    >>> from llmplan.spec.provenance import Provenance, Source
    >>> row = ServerlessOffer(provider="p", gpu_id="l4-24gb", mode="m", usd_per_gpu_s=0.001, scales_to_zero=True,
    ...     granularity_s=None, idle_window_s=None, usd_per_vcpu_s=0.0, usd_per_gib_s=0.0, confidence="high",
    ...     from_date=None, provenance=Provenance(source=Source(id="s", title="t"), as_of=None, kind="published"))
    >>> use = ServerlessUsage(mean_running_replicas=0, peak_replicas=1, billed_replica_s_per_month=1000.0,
    ...     busy_replica_s_per_month=600.0, idle_replica_s_per_month=300.0, starting_replica_s_per_month=100.0,
    ...     cold_start_s=10, cold_request_share=0.1, starts_per_month=10)
    >>> [line.usd_per_month for line in serverless_lines(row, Worker(gpu_id="l4-24gb", gpus=1), use)]
    [0.6, 0.3, 0.1]
    """
    seconds = _billed_seconds(offer, usage)
    lines = [*_gpu_lines(offer, worker, seconds), *_host_lines(offer, worker, sum(seconds.values()))]
    if offer.plan_fee_usd_per_month:
        fee, figure = offer.plan_fee_usd_per_month, serverless_figure(offer)
        lines.append(
            QuoteLine(name="plan fee", quantity=1, unit="month", unit_price_usd=fee, usd_per_month=fee, figure=figure)
        )
    return tuple(lines)


def _gpu_lines(offer: ServerlessOffer, worker: Worker, seconds: dict[str, float]) -> list[QuoteLine]:
    figure, note, rate = serverless_figure(offer), "; ".join(row_notes(offer)), offer.usd_per_gpu_s
    return [
        QuoteLine(
            name=f"{offer.gpu_id} {name}",
            quantity=replica_s * worker.gpus,
            unit="GPU-s",
            unit_price_usd=rate,
            usd_per_month=replica_s * worker.gpus * rate,
            figure=figure,
            note=note,
        )
        for name, replica_s in seconds.items()
        if replica_s > 0
    ]


def _host_lines(offer: ServerlessOffer, worker: Worker, replica_s: float) -> list[QuoteLine]:
    """vCPUs and memory; no line where the GPU's price includes them, one without an amount where nobody says."""
    parts = (
        ("vCPU", worker.vcpus(offer), offer.usd_per_vcpu_s),
        ("GiB", worker.memory_gib(offer), offer.usd_per_gib_s),
    )
    lines = []
    for unit, amount, rate in parts:
        if rate == 0:
            continue
        note = f"{amount:g} {unit} beside {worker.gpus} GPU" + ("" if rate else "; no source states the rate")
        lines.append(
            QuoteLine(
                name="CPU" if unit == "vCPU" else "memory",
                quantity=amount * replica_s,
                unit=f"{unit}-s",
                unit_price_usd=rate,
                usd_per_month=None if rate is None else amount * replica_s * rate,
                figure=serverless_figure(offer),
                note=note,
            )
        )
    return lines


def cheapest_serverless(
    worker: Worker, usage: ServerlessUsage, limits: Limits, prices: PriceBook, beside: Beside | None = None
) -> tuple[tuple[QuoteLine, ...], tuple[QuoteLine, ...]] | Rejection:
    """The platform with the lowest complete total (an incomplete one only if there is no other), and the others.

    The total has what comes `beside` the workers; the others are compared by their workers alone.
    """
    offers = [offer for offer in platforms(worker.gpu_id, limits, prices) if _is_large_enough(offer, worker, usage)]
    if not offers:
        return _rejection(worker, limits, prices)
    bills = [Bill.of(offer, worker, usage) for offer in offers]

    def order(bill: Bill) -> tuple[bool, float, str, str]:
        usd = bill.usd + beside_seconds(bill.offer.provider, beside, prices).usd
        return (bool(bill.missing), usd, bill.offer.provider, bill.offer.mode)

    best, *others = sorted(bills, key=order) if len(bills) > 1 else bills
    more = beside_seconds(best.offer.provider, beside, prices).lines
    sellers: dict[str, QuoteLine] = {}
    for bill in others:
        if bill.offer.provider != best.offer.provider and bill.offer.provider not in sellers:
            sellers[bill.offer.provider] = _summary(bill)
    return (*serverless_lines(best.offer, worker, usage), *more), tuple(sellers.values())


@dataclass(frozen=True, slots=True)
class Bill:
    """One platform's total, without the lines: enough to compare a dozen of them."""

    offer: ServerlessOffer
    usd: float
    missing: tuple[str, ...]

    @classmethod
    def of(cls, offer: ServerlessOffer, worker: Worker, usage: ServerlessUsage) -> Bill:
        """The sum of what `serverless_lines` lists."""
        replica_s = sum(_billed_seconds(offer, usage).values())
        rates = (
            ("GPU", worker.gpus, offer.usd_per_gpu_s),
            ("CPU", worker.vcpus(offer), offer.usd_per_vcpu_s),
            ("memory", worker.memory_gib(offer), offer.usd_per_gib_s),
        )
        per_s = sum(amount * rate for _, amount, rate in rates if rate is not None)
        missing = tuple(name for name, _, rate in rates if rate is None)
        return cls(offer, replica_s * per_s + (offer.plan_fee_usd_per_month or 0.0), missing)


def platforms(gpu_id: str, limits: Limits, prices: PriceBook) -> tuple[ServerlessOffer, ...]:
    """The offers of one GPU that scale to zero within the limits. "As low as" prices count only alone."""
    index = index_of(prices)
    key = ("platforms", gpu_id, limits_key(limits))
    if key not in index.answers:
        accept = allowed(limits, prices.providers)
        found = [offer for offer in index.serverless.get(gpu_id, ()) if offer.scales_to_zero and accept(offer)]
        index.answers[key] = tuple(prefer(drop_undated(found), "advertised", "average"))
    result: tuple[ServerlessOffer, ...] = index.answers[key]
    return result


def _billed_seconds(offer: ServerlessOffer, usage: ServerlessUsage) -> dict[str, float]:
    """Replica-seconds per month by what they were spent on."""
    starting = usage.starting_replica_s_per_month if offer.bills_start else 0.0
    known = usage.rounding_replica_s_per_month
    rounding = usage.starts_per_month * (offer.granularity_s or 0.0) / 2 if known is None else known
    ran = usage.busy_replica_s_per_month + usage.idle_replica_s_per_month + starting
    shortfall = usage.starts_per_month * (offer.min_billed_s or 0.0) - ran if known is None else 0.0
    spent = {
        "serving": usage.busy_replica_s_per_month,
        "waiting in the idle window": usage.idle_replica_s_per_month,
        "starting": starting,
        "rounding up": rounding,
        "least time of a start": shortfall,
    }
    return {name: replica_s if replica_s >= LEAST_S else 0.0 for name, replica_s in spent.items()}


def _is_large_enough(offer: ServerlessOffer, worker: Worker, usage: ServerlessUsage) -> bool:
    return offer.max_gpus is None or usage.peak_replicas * worker.gpus <= offer.max_gpus


def _summary(bill: Bill) -> QuoteLine:
    return QuoteLine(
        name=f"{bill.offer.provider} ({bill.offer.mode})",
        quantity=1,
        unit="month",
        unit_price_usd=bill.usd,
        usd_per_month=bill.usd,
        figure=serverless_figure(bill.offer),
        note=f"at least: the rate of {' and '.join(bill.missing)} is not stated" if bill.missing else "",
    )


def _rejection(worker: Worker, limits: Limits, prices: PriceBook) -> Rejection:
    sold = {offer.gpu_id for group in index_of(prices).serverless.values() for offer in group if offer.scales_to_zero}
    within = sorted(gpu for gpu in sold if platforms(gpu, limits, prices))
    return Rejection(
        code="no_price", reason=f"nobody sells {worker.gpu_id} by the second within the limits",
        needed=f"{worker.gpus} x {worker.gpu_id}, scaling to zero", available=", ".join(within) or "nothing",
        fix=f"--gpu {within[0]}" if within else "fewer limits on providers and regions",
    )  # fmt: skip
