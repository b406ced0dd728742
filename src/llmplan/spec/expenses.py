"""What the asker says of money that no price list knows: hardware that is owned, people, traffic out of the cloud."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What hardware of one's own costs. None: not said; then a figure of the catalogue where there is one, else open.

    `purchase_usd_per_gpu` is the price of the servers over their GPUs. It is written off over `life_years` down to
    `residual_share` of it. `support_share_per_year` of the purchase goes to its maker. `power_w_per_gpu` is the power
    of the server over its GPUs; it takes `pue` times that from the grid.
    """

    purchase_usd_per_gpu: float | None = None
    life_years: float | None = None
    residual_share: float | None = None
    support_share_per_year: float | None = None
    power_w_per_gpu: float | None = None
    pue: float | None = None
    electricity_usd_per_kwh: float | None = None
    colocation_usd_per_kw_month: float | None = None
    network_usd_per_gpu: float | None = None
    people_usd_per_month: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expenses:
    """What comes beside the GPUs. None: not said; then the catalogue's figure, or a stated assumption.

    `engineering_*` is an optional line, left out unless both are given. `egress_bytes_per_token`: what an output token
    takes on the wire. `spot_interruptions_per_month`: of one instance, where the seller publishes no bucket.
    """

    owned: Ownership = field(default_factory=Ownership)
    engineering_hours_per_month: float | None = None
    engineering_usd_per_hour: float | None = None
    clusters: int | None = None
    egress_bytes_per_token: float | None = None
    load_balancer_usd_per_month: float | None = None
    spot_interruptions_per_month: float | None = None
