"""Hardware that is owned: electricity is known, what it cost is the owner's to say."""

from __future__ import annotations

from typing import Final

from llmplan.plan.outcome import QuoteLine
from llmplan.pricing.figures import fact_figure
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.price import PriceBook
from llmplan.units import HOURS_PER_MONTH

ELECTRICITY: Final = "electricity"
PUE: Final = "pue"


def power_kwh_per_month(tdp_w: float, gpus: int, pue: float) -> float:
    """Energy that GPUs take from the grid in a month.

    Parameters
    ----------
    tdp_w : thermal design power of one GPU [W]
    gpus : number of GPUs [-]
    pue : power usage effectiveness of the building [-]

    Notes
    -----
    kWh = gpus x tdp / 1000 x pue x 730 h. An upper bound for the GPUs, which rarely draw their TDP all month; CPUs,
    memory and network of the machine come on top.

    References
    ----------
    ISO/IEC 30134-2 (PUE); GPU datasheets (TDP).

    >>> round(power_kwh_per_month(700.0, 8, 1.54), 2)
    6295.52
    """
    return gpus * tdp_w / 1000.0 * pue * HOURS_PER_MONTH


def owned_lines(gpu: GpuSpec, gpus: int, prices: PriceBook) -> tuple[QuoteLine, ...]:
    """Electricity of the GPUs, and the hardware, whose cost only its owner knows."""
    rate, pue = prices.facts.get(ELECTRICITY), prices.facts.get(PUE)
    energy: float | None = None
    if gpu.tdp_w is not None and pue is not None:
        energy = power_kwh_per_month(gpu.tdp_w, gpus, pue.value)
    electricity = QuoteLine(
        name="electricity",
        quantity=energy or 0.0,
        unit="kWh",
        unit_price_usd=rate.value if rate else None,
        usd_per_month=energy * rate.value if energy is not None and rate is not None else None,
        figure=fact_figure(rate) if rate else None,
        note="TDP or PUE unknown"
        if energy is None or pue is None
        else f"{gpus} x {gpu.tdp_w:g} W x PUE {pue.value:g}, all month",
    )
    hardware = QuoteLine(
        name="hardware, hosting and people",
        quantity=1,
        unit="month",
        unit_price_usd=None,
        usd_per_month=None,
        note="owned: only its owner knows what it cost",
    )
    return electricity, hardware
