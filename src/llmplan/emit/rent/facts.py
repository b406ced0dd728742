"""What the plan says of the machine to rent, in a platform's own words, and what no rented platform can do."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.emit.container import Container
from llmplan.emit.engines import engine_of
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.units import HOURS_PER_MONTH, format_usd, whole_gb

ANY_REGION = "global"
"""of a price that is the same everywhere"""
RENTED_NOW = ("on-demand", "spot")
"""terms on which a machine can be had at once; the others are contracts"""
DISK_BESIDE_WEIGHTS_GB = 60
"""image, unpacked, with caches: an assumption (an engine's image is 10 to 30 GB)"""
WHY_DISK = f"the checkpoint to download, and {DISK_BESIDE_WEIGHTS_GB} GB assumed for image and caches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """`key` in a GPU's `platform_names`, the name for people, and the sellers of the catalogue that are this one."""

    key: str
    name: str
    sellers: tuple[str, ...] = ()


def rented_container(launch: Launch, platform: Platform, *, spot: bool = False) -> Container:
    """The engine's container, for a platform that gives one machine per replica and is reached over the internet.
    `spot`: whether it has machines that may be taken away."""
    replica = launch.replica
    targets = ("kubernetes", replica.engine.id)
    elsewhere = [f"llmplan emit-config PLAN --target {target}" for target in targets]
    if launch.air_gapped:
        raise UsageError(
            f"{platform.name} is on the internet: nothing there is air-gapped, as this plan is", hints=elsewhere
        )
    if launch.nodes > 1:
        raise UsageError(
            f"a replica of {replica.parallel.gpus} x {replica.gpu.id} spans {launch.nodes} machines, which these files "
            f"for {platform.name} cannot start",
            hints=["llmplan emit-config PLAN --target leaderworkerset", *elsewhere[1:]],
        )
    if launch.variant.spot and not spot:
        raise UsageError(
            f"{platform.name} sells no spot machines through this interface",
            hints=["leave out --spot", "llmplan emit-config PLAN --target skypilot --spot"],
        )
    return engine_of(launch).container(launch, "head")


def gpu_name(launch: Launch, platform: Platform) -> str:
    """What the platform calls the planned GPU; a `UsageError` where no such name is known."""
    gpu = launch.replica.gpu
    if not gpu.is_nvidia:
        raise UsageError(
            f"the engines' images known here are for CUDA, and {gpu.id} is made by {gpu.vendor}",
            hints=["llmplan recommend ... --gpu h100-sxm-80gb"],
        )
    found = gpu.platform_names.get(platform.key)
    if found is None:
        raise UsageError(
            f"no name of {gpu.id} on {platform.name} is known: either it does not rent that GPU, or the plan is older "
            "than its name in the catalogue",
            hints=[
                "llmplan emit-config PLAN --target kubernetes",
                f"llmplan catalog show {gpu.id}  (platform_names; docs/adding-a-gpu.md says how to add one)",
            ],
        )
    return found


def gpu_note(launch: Launch, platform: Platform) -> str:
    """What the catalogue says of that name, for a comment."""
    gpu = launch.replica.gpu
    source = gpu.provenance.get(f"platform_names.{platform.key}")
    note = f"; {source.note}" if source is not None and source.note else ""
    return f"{platform.name}'s name of {gpu.id}{note}"


def seller_of(launch: Launch) -> PriceFigure | None:
    """The row of price data of the machines; None where nothing is rented."""
    return next((line.figure for line in launch.option.quote.serving if line.figure is not None), None)


def price_note(launch: Launch, platform: Platform) -> str:
    """Whose price the plan has, at the top of a file: the platform's own may be another one."""
    figure = seller_of(launch)
    if launch.deployment.purchase.kind == "owned" or figure is None:
        return f"the plan runs on machines that you own: what {platform.name} charges is not in it"
    place = "" if figure.region == ANY_REGION else f" {figure.region}"
    dated = "undated" if figure.as_of is None else f"of {figure.as_of.isoformat()}"
    what = f"priced at {figure.provider}{place}, {figure.instance}, {figure.term}, {dated}"
    if figure.provider in platform.sellers:
        return what
    return f"{what}: {f'{platform.name} itself' if platform.sellers else 'what is found'} may cost more or less"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hourly:
    """What the machine of one replica costs per hour [USD], and the row behind it."""

    usd: float
    figure: PriceFigure

    @property
    def words(self) -> str:
        """For a comment."""
        return f"{format_usd(self.usd)} per hour and replica at {self.figure.provider} ({self.figure.term})"


def hourly_price(launch: Launch) -> Hourly | None:
    """Of a plan that rents by the hour on terms that anybody gets at once, with a price for every machine."""
    lines: tuple[QuoteLine, ...] = launch.option.quote.serving
    if launch.deployment.purchase.kind != "hourly" or not lines:
        return None
    total_usd, first = 0.0, lines[0].figure
    for line in lines:
        if line.usd_per_month is None or line.figure is None or line.figure.term not in RENTED_NOW:
            return None
        total_usd += line.usd_per_month
    return None if first is None else Hourly(usd=total_usd / HOURS_PER_MONTH / launch.replicas, figure=first)


def disk_gb(container: Container) -> int:
    """Disk for image and weights [GB]."""
    return DISK_BESIDE_WEIGHTS_GB + whole_gb(container.checkpoint_bytes)
