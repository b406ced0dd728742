"""The flags of what comes beside the GPUs, and of hardware that is owned; shared by the commands that print a bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from llmplan.cli._options import amount, count

if TYPE_CHECKING:
    from llmplan.spec.expenses import Expenses


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseFlags:
    """What no price list knows. None: the catalogue's figure, or a stated assumption, or an open line."""

    owned_usd_per_gpu: Annotated[
        float | None,
        amount("--owned-usd-per-gpu", "Price of your servers over their GPUs.", at_least=0, at_most=1e7, metavar="USD"),
    ] = None
    owned_life_years: Annotated[
        float | None,
        amount("--owned-life-years", "Years over which they are written off (3 if unset).", above=0, at_most=30),
    ] = None
    owned_residual_share: Annotated[
        float | None,
        amount("--owned-residual-share", "Share of the price that they are worth then.", at_least=0, at_most=1),
    ] = None
    owned_support_share: Annotated[
        float | None,
        amount("--owned-support-share", "Support a year, as a share of the price.", at_least=0, at_most=1),
    ] = None
    owned_power_w_per_gpu: Annotated[
        float | None,
        amount("--owned-power-w-per-gpu", "Power of a server over its GPUs.", above=0, at_most=1e5, metavar="W"),
    ] = None
    pue: Annotated[
        float | None, amount("--pue", "Power drawn by the building over that of the servers.", at_least=1, at_most=10)
    ] = None
    electricity_usd_per_kwh: Annotated[
        float | None,
        amount("--electricity-usd-per-kwh", "Price of electricity.", at_least=0, at_most=100, metavar="USD"),
    ] = None
    colocation_usd_per_kw_month: Annotated[
        float | None,
        amount(
            "--colocation-usd-per-kw-month", "Rent of a place in a data centre.", at_least=0, at_most=1e5, metavar="USD"
        ),
    ] = None
    owned_network_usd_per_gpu: Annotated[
        float | None,
        amount(
            "--owned-network-usd-per-gpu", "Price of the network over the GPUs.", at_least=0, at_most=1e7, metavar="USD"
        ),
    ] = None
    owned_people_usd_per_month: Annotated[
        float | None,
        amount(
            "--owned-people-usd-per-month",
            "What those cost who look after the hardware.",
            at_least=0,
            at_most=1e9,
            metavar="USD",
        ),
    ] = None
    engineering_hours_per_month: Annotated[
        float | None,
        amount(
            "--engineering-hours-per-month", "Time that goes into running it, a line of its own.",
            at_least=0, at_most=1e6, metavar="H",
        ),
    ] = None  # fmt: skip
    engineering_usd_per_hour: Annotated[
        float | None,
        amount("--engineering-usd-per-hour", "What an hour of it costs.", at_least=0, at_most=1e5, metavar="USD"),
    ] = None
    clusters: Annotated[
        int | None,
        count(
            "--clusters",
            "Kubernetes clusters to pay for (one for two or more replicas if unset).",
            at_least=0,
            at_most=10_000,
        ),
    ] = None
    egress_bytes_per_token: Annotated[
        float | None,
        amount(
            "--egress-bytes-per-token",
            "What an output token takes on the wire (300 if unset: streamed as server-sent events).",
            at_least=0,
            at_most=1e6,
            metavar="B",
        ),
    ] = None
    load_balancer_usd_per_month: Annotated[
        float | None,
        amount(
            "--load-balancer-usd-per-month", "What stands before two or more replicas.",
            at_least=0, at_most=1e6, metavar="USD",
        ),
    ] = None  # fmt: skip
    spot_interruptions_per_month: Annotated[
        float | None,
        amount(
            "--spot-interruptions-per-month", "How often a spot machine is taken away, where its seller does not say.",
            at_least=0, at_most=10_000, metavar="N",
        ),
    ] = None  # fmt: skip


def expenses_of(flags: ExpenseFlags) -> Expenses:
    """The flags as part of a question; refuses half of an hour's cost."""
    from llmplan.errors import UsageError
    from llmplan.spec.expenses import Expenses, Ownership

    hours, usd_per_hour = flags.engineering_hours_per_month, flags.engineering_usd_per_hour
    if (hours is None) != (usd_per_hour is None):
        raise UsageError(
            "engineering time is a number of hours and what one costs: one of the two is missing",
            hints=["--engineering-hours-per-month 20 --engineering-usd-per-hour 100"],
        )
    return Expenses(
        owned=Ownership(
            purchase_usd_per_gpu=flags.owned_usd_per_gpu,
            life_years=flags.owned_life_years,
            residual_share=flags.owned_residual_share,
            support_share_per_year=flags.owned_support_share,
            power_w_per_gpu=flags.owned_power_w_per_gpu,
            pue=flags.pue,
            electricity_usd_per_kwh=flags.electricity_usd_per_kwh,
            colocation_usd_per_kw_month=flags.colocation_usd_per_kw_month,
            network_usd_per_gpu=flags.owned_network_usd_per_gpu,
            people_usd_per_month=flags.owned_people_usd_per_month,
        ),
        engineering_hours_per_month=hours,
        engineering_usd_per_hour=usd_per_hour,
        clusters=flags.clusters,
        egress_bytes_per_token=flags.egress_bytes_per_token,
        load_balancer_usd_per_month=flags.load_balancer_usd_per_month,
        spot_interruptions_per_month=flags.spot_interruptions_per_month,
    )
