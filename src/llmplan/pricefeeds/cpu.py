"""Rows of the CPU table into machines without a GPU: one group per region, architecture, day and source."""

from __future__ import annotations

import re
from typing import Any, Final

from llmplan.pricefeeds.dates import first_day
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import Row, misfit, number
from llmplan.pricefeeds.tally import Tally

TABLE: Final = "cpu_prices"
_ARCHITECTURES: Final = {"amd64": "x86-64", "x86_64": "x86-64", "arm64": "arm64", "aarch64": "arm64"}
_ARM_MACHINES: Final = re.compile(r"^c4a-")
"""Google's C4A machines have Axion processors, which are Arm's, whatever a table's column says."""


def cpu_groups(rows: list[Row], sources: SourceBook, tally: Tally) -> list[dict[str, Any]]:
    """The `cpu:` list of one provider's document.

    A machine is `name: [vCPUs, GiB, USD an hour]`, with its spot price as a fourth number where there is one.
    """
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["region"], _architecture(row), first_day(row["as_of"]), sources.id_of(row["source"]))
        group = groups.get(key)
        if group is None:
            names = ("region", "architecture", "from", "source")
            group = groups[key] = dict(zip(names, key, strict=True)) | {"machines": {}}
        machine = [number(row, name) for name in ("vcpus", "memory_gib", "on_demand_usd_per_hour", "spot_usd_per_hour")]
        if None in machine[:3] or row["instance_type"] in group["machines"]:
            raise misfit(row, "no size, no price or a second one")
        group["machines"][row["instance_type"]] = machine if machine[3] is not None else machine[:3]
        tally.use(TABLE, 1 if machine[3] is None else 2)
    return [groups[key] for key in sorted(groups, key=str)]


def _architecture(row: Row) -> str:
    if _ARM_MACHINES.match(row["instance_type"]):
        return "arm64"
    found = _ARCHITECTURES.get(row["arch"].casefold())
    if found is None:
        raise misfit(row, f"arch: {row['arch']!r} is not one of {', '.join(_ARCHITECTURES)}")
    return found
