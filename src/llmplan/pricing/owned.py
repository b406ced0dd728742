"""Hardware that is owned: written off over its life, with power; what nobody said and no source knows stays open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.pricing.figures import fact_figure
from llmplan.pricing.rates import said_of, stated_figure
from llmplan.spec.expenses import Ownership
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.price import CostFact, PriceBook
from llmplan.units import HOURS_PER_MONTH

ELECTRICITY: Final = "electricity"
PUE: Final = "pue"
SUPPORT: Final = "support"
RESIDUAL: Final = "residual-value-3-years"
RESIDUAL_YEARS: Final = 3.0
"""the life for which a residual value is known"""
LIFE: Final = "depreciation-life"
WRITTEN_OFF: Final = "GPU-month"
MONTHS_PER_YEAR: Final = 12
W_PER_KW: Final = 1000.0


def power_kwh_per_month(power_w: float, gpus: int, pue: float) -> float:
    """Energy that servers take from the grid in a month.

    Parameters
    ----------
    power_w : power of a server over its GPUs, or of a GPU alone [W]
    gpus : number of GPUs [-]
    pue : power usage effectiveness of the building [-]

    Notes
    -----
    kWh = gpus x power / 1000 x pue x 730 h. An upper bound where the power is the most that it can draw, as on a
    datasheet: servers rarely draw that all month.

    References
    ----------
    ISO/IEC 30134-2 (PUE); datasheets (power).

    >>> round(power_kwh_per_month(700.0, 8, 1.54), 2)
    6295.52
    """
    return gpus * power_w / W_PER_KW * pue * HOURS_PER_MONTH


def straight_line_usd_per_month(purchase_usd: float, life_years: float, residual_share: float = 0.0) -> float:
    """What a purchase loses in value each month.

    Parameters
    ----------
    purchase_usd : price [USD]
    life_years : until it is sold or thrown away [years]
    residual_share : of the price that it is then worth [-]

    Notes
    -----
    usd/month = price x (1 - residual) / (12 x life). Straight-line; no interest on the money, no tax.

    References
    ----------
    IAS 16, depreciation by the straight-line method.

    >>> straight_line_usd_per_month(36_000.0, 3.0), straight_line_usd_per_month(36_000.0, 3.0, 0.3)
    (1000.0, 700.0)
    """
    return purchase_usd * (1.0 - residual_share) / (MONTHS_PER_YEAR * life_years)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A figure in its unit, where it comes from, and what to know of it."""

    value: float
    figure: PriceFigure | None
    note: str = ""


def owned_lines(gpu: GpuSpec, gpus: int, prices: PriceBook, owned: Ownership) -> tuple[QuoteLine, ...]:
    """Servers, support, network, power, hosting and people of so many GPUs, and one open line for what is not known.

    gpu, gpus [-]: what is used; prices: for the figures of the catalogue; owned: what the owner says, which comes
    first. A figure of the catalogue stands only for the very GPU it is about.
    """
    bill = _Bill(gpu=gpu, gpus=gpus, prices=prices, owned=owned)
    lines = [line for line in (*bill.servers(), *bill.power(), *bill.people()) if line.usd_per_month != 0]
    missing = bill.missing()
    if missing:
        *first, last = missing
        names = f"{', '.join(first)} and {last}" if first else last
        note = f"only the owner knows: {', '.join(missing.values())} (0: nothing to pay)"
        lines.append(
            QuoteLine(name=names, quantity=1, unit="month", unit_price_usd=None, usd_per_month=None, note=note)
        )
    return tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    gpu: GpuSpec
    gpus: int
    prices: PriceBook
    owned: Ownership

    def servers(self) -> Iterator[QuoteLine]:
        """The purchase, what its maker asks to support it, and the network."""
        purchase, life = self.purchase(), self.life()
        if purchase is not None:
            residual = self.residual(life.value)
            left = f" down to {residual.value:.0%}" if residual.value else ""
            monthly = straight_line_usd_per_month(purchase.value, life.value, residual.value)
            text = f"${purchase.value:,.0f} a GPU over {life.value:g} years{left}, straight line"
            yield self.line("servers", WRITTEN_OFF, self.gpus, monthly, purchase, text, life.note, residual.note)
            share = self.stated("support_share_per_year", "--owned-support-share") or self.fact(SUPPORT, 0.01)
            if share is not None:
                yearly = f"{share.value:.0%} of the purchase a year"
                monthly = purchase.value * share.value / MONTHS_PER_YEAR
                yield self.line("support", WRITTEN_OFF, self.gpus, monthly, share, yearly)
        network = self.stated("network_usd_per_gpu", "--owned-network-usd-per-gpu")
        if network is not None:
            monthly = straight_line_usd_per_month(network.value, life.value)
            text = f"${network.value:,.0f} a GPU over {life.value:g} years"
            yield self.line("network", WRITTEN_OFF, self.gpus, monthly, network, text)

    def power(self) -> Iterator[QuoteLine]:
        """Electricity, and the place in a data centre by the kW."""
        power, pue = self.watts(), self.stated("pue", "--pue") or self.fact(PUE)
        rate = self.stated("electricity_usd_per_kwh", "--electricity-usd-per-kwh") or self.fact(ELECTRICITY)
        if power is None or pue is None or rate is None:
            yield QuoteLine(
                name="electricity", quantity=0.0, unit="kWh", unit_price_usd=rate.value if rate else None,
                usd_per_month=None, figure=rate.figure if rate else None,
                note="not known: " + ", ".join(
                    name for name, known in (("power", power), ("PUE", pue), ("rate", rate)) if known is None
                ),
            )  # fmt: skip
        else:
            energy = power_kwh_per_month(power.value, self.gpus, pue.value)
            text = f"{self.gpus} x {power.value:,.0f} W x PUE {pue.value:g}, all month"
            yield self.line("electricity", "kWh", energy, rate.value, rate, text, power.note)
        hosting = self.stated("colocation_usd_per_kw_month", "--colocation-usd-per-kw-month")
        if hosting is not None and power is not None:
            text = "if it includes power: --electricity-usd-per-kwh 0"
            yield self.line("colocation", "kW-month", self.gpus * power.value / W_PER_KW, hosting.value, hosting, text)

    def people(self) -> Iterator[QuoteLine]:
        """Who looks after it."""
        people = self.stated("people_usd_per_month", "--owned-people-usd-per-month")
        if people is not None:
            yield self.line("people", "month", 1, people.value, people)

    def missing(self) -> dict[str, str]:
        """What the bill has no figure for, and the flag that states it."""
        purchase, owned = self.purchase(), self.owned
        whole = purchase is not None and ALONE not in purchase.note
        wanted = (
            ("hardware", "--owned-usd-per-gpu", None if purchase is None else 0.0),
            ("the servers around the GPUs", "--owned-usd-per-gpu", 0.0 if whole or purchase is None else None),
            ("network", "--owned-network-usd-per-gpu", owned.network_usd_per_gpu),
            ("hosting", "--colocation-usd-per-kw-month", owned.colocation_usd_per_kw_month),
            ("people", "--owned-people-usd-per-month", owned.people_usd_per_month),
        )
        return {name: flag for name, flag, value in wanted if value is None}

    def purchase(self) -> Known | None:
        """Price of the servers over their GPUs [USD]: as stated, else a server of the catalogue, else the GPU alone."""
        stated = self.stated("purchase_usd_per_gpu", "--owned-usd-per-gpu")
        if stated is not None:
            return stated
        fact = self.about_this_gpu("USD")
        if fact is None:
            return None
        known = self.of_fact(fact, 1.0 / (fact.gpus or 1))
        return (
            known if (fact.gpus or 1) > 1 else Known(value=known.value, figure=known.figure, note=_with(known, ALONE))
        )

    def watts(self) -> Known | None:
        """Power of a server over its GPUs [W]: as stated, of the catalogue's server, else the GPU's own limit."""
        stated = self.stated("power_w_per_gpu", "--owned-power-w-per-gpu")
        if stated is not None:
            return stated
        fact = self.about_this_gpu("kW")
        if fact is not None:
            known = self.of_fact(fact, W_PER_KW / (fact.gpus or 1))
            return Known(value=known.value, figure=known.figure, note=f"power of {_source(known)}")
        if self.gpu.tdp_w is None:
            return None
        return Known(value=self.gpu.tdp_w, figure=None, note="TDP of the GPUs; the host's own power is not in it")

    def life(self) -> Known:
        """Years of use: as stated, else what companies write off over, else what a residual value is known for."""
        stated = self.stated("life_years", "--owned-life-years")
        if stated is not None:
            return stated
        fact = self.fact(LIFE)
        if fact is None:
            return Known(value=RESIDUAL_YEARS, figure=None, note="life assumed (--owned-life-years)")
        return Known(value=fact.value, figure=fact.figure, note=f"life of {_source(fact)}")

    def residual(self, life_years: float) -> Known:
        """Share of the price that is left at the end of its life."""
        stated = self.stated("residual_share", "--owned-residual-share")
        if stated is not None:
            return stated
        fact = self.fact(RESIDUAL, 0.01) if life_years == RESIDUAL_YEARS else None
        if fact is not None:
            return Known(value=fact.value, figure=fact.figure, note=f"residual value of {_source(fact)}")
        return Known(
            value=0.0, figure=None, note=f"no residual value is known after {life_years:g} years: none counted"
        )

    def about_this_gpu(self, unit: str) -> CostFact | None:
        """A fact about this GPU, of the most GPUs together: a server rather than its parts."""
        facts = [fact for fact in self.prices.facts.values() if self.gpu.id in fact.gpu_ids and fact.unit == unit]
        return max(facts, key=lambda fact: (fact.gpus or 1, fact.id), default=None)

    def stated(self, name: str, flag: str) -> Known | None:
        """What the owner says."""
        value = getattr(self.owned, name)
        return None if value is None else Known(value=value, figure=stated_figure(flag, self.prices))

    def fact(self, name: str, factor: float = 1.0) -> Known | None:
        """A figure of no GPU in particular."""
        fact = self.prices.facts.get(name)
        return None if fact is None else self.of_fact(fact, factor)

    def of_fact(self, fact: CostFact, factor: float) -> Known:
        """A figure of the catalogue times a factor."""
        return Known(value=fact.value * factor, figure=fact_figure(fact), note=said_of(fact))

    def line(self, name: str, unit: str, quantity: float, price: float, known: Known, *notes: str) -> QuoteLine:
        """quantity x price, with the figure that it stands on."""
        return QuoteLine(
            name=name, quantity=quantity, unit=unit, unit_price_usd=price, usd_per_month=quantity * price,
            figure=known.figure, note="; ".join(note for note in (*notes, known.note) if note),
        )  # fmt: skip


ALONE: Final = "the GPU alone, without its server"


def _source(known: Known) -> str:
    """Where a figure comes from that stands in the note of a line, and not behind its price."""
    figure = known.figure
    assert figure is not None
    when = figure.as_of.isoformat() if figure.as_of else "undated"
    return f"{figure.source}, {when}" + (f", {known.note}" if known.note else "")


def _with(known: Known, note: str) -> str:
    return "; ".join(part for part in (known.note, note) if part)
