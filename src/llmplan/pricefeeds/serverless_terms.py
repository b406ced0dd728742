"""What per-second sellers bill besides the GPU.

Read by hand from the prose columns of the per-second table (`extra_charges`, `min_billing_or_idle`), which quote the
sellers; a row without such prose of its own takes the terms of its seller's other rows, and its offer says so.

None means that no source states it (the quote is then a lower bound), 0 that the GPU's price includes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFee:
    """A subscription without which the rate is not sold, and how many GPUs it allows at once."""

    usd_per_month: float
    max_gpus: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerlessTerms:
    """One seller's rules. `includes_host`: the price is for an instance, its CPU and memory are part of it."""

    includes_host: bool = False
    idle_window_s: float | None = None
    bills_start: bool = True
    usd_per_vcpu_s: float | None = None
    usd_per_gib_s: float | None = None
    min_vcpus: float | None = None
    min_memory_gib: float | None = None
    plan_fees: tuple[PlanFee, ...] = ()
    region: str = "global"
    note: str = ""


TERMS: Final[dict[str, ServerlessTerms]] = {
    "modal": ServerlessTerms(
        usd_per_vcpu_s=0.0000131 / 2,
        usd_per_gib_s=0.00000222,
        note="CPU is $0.0000131 per physical core, which is two vCPUs; the idle window is configurable",
    ),
    "runpod-serverless": ServerlessTerms(
        includes_host=True, idle_window_s=5.0, note="the worker's CPU and memory are included; disk and volumes are not"
    ),
    "replicate": ServerlessTerms(includes_host=True, note="private deployments: set-up, idle and run time are billed"),
    "baseten": ServerlessTerms(includes_host=True, note="billed while deploying, scaling or serving"),
    "cerebrium": ServerlessTerms(
        usd_per_vcpu_s=0.00000655,
        usd_per_gib_s=0.00000222,
        plan_fees=(PlanFee(usd_per_month=0.0, max_gpus=5), PlanFee(usd_per_month=100.0, max_gpus=30)),
        note="the page's GB of memory is read as GiB; the cool-down is configurable",
    ),
    "beam": ServerlessTerms(
        usd_per_vcpu_s=0.0000528 / 2,
        usd_per_gib_s=0.0000056,
        note="CPU is $0.0000528 per core, read as two vCPUs; the page's GB of memory is read as GiB",
    ),
    "koyeb": ServerlessTerms(
        includes_host=True,
        plan_fees=(PlanFee(usd_per_month=29.0),),
        note="its fee includes $10 of use, not deducted",
    ),
    "google-cloud-run": ServerlessTerms(
        usd_per_vcpu_s=0.000018,
        usd_per_gib_s=0.000002,
        min_vcpus=4.0,
        min_memory_gib=16.0,
        idle_window_s=900.0,
        region="us-central1",
        note="idle shut-down after 10 to 15 minutes as a third party observed",
    ),
    "hf-inference-endpoints": ServerlessTerms(includes_host=True, note="billed while initializing and running"),
    "together-dedicated": ServerlessTerms(includes_host=True, note="a dedicated endpoint by the minute"),
}
UNKNOWN_TERMS: Final = ServerlessTerms()
