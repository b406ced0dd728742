"""What every source is given and gives back, and machines by the hour put together into a document."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from llmplan.pricefeeds.live.client import Client
from llmplan.pricefeeds.live.endpoint import Endpoint

Document: TypeAlias = Mapping[str, Any]
Machine: TypeAlias = Mapping[str, Any]
_OF_MACHINE = ("instance", "gpu", "gpus", "vcpus", "memory_gib", "per_gpu", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a source may use: the client, where to ask, the catalogue's documents (which say what GPUs a machine type
    has), the regions wanted (none: the source's usual ones), today, the environment."""

    client: Client
    endpoint: Endpoint
    known: Mapping[str, Document]
    regions: frozenset[str]
    today: date
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Documents by seller; `notes` say what was left out and why, `failures` what could not be read."""

    documents: Mapping[str, Document]
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A price list that can be asked for by name. `url` is where its addresses start."""

    id: str
    title: str
    url: str
    fetch: Callable[[Asked], Fetched]


def machines(known: Mapping[str, Document], seller: str) -> dict[str, Machine]:
    """The machine types of a seller that the catalogue knows, by name; parts of a GPU too, priced per GPU not."""
    entries = known.get(seller, {}).get("hourly", ())
    return {entry["instance"]: entry for entry in entries if not entry.get("per_gpu")}


def seller_head(known: Mapping[str, Document], seller: str) -> dict[str, Any]:
    """Who the seller is, as the catalogue has it."""
    return {key: known[seller][key] for key in ("id", "name", "tier", "company", "aliases") if key in known[seller]}


@dataclass(slots=True)
class Hourly:
    """Prices of machines by the hour as they come in. Of two for the same thing the later one counts; two different
    ones of the same day are left out, since nobody can tell which is right."""

    source: str
    day: date
    _machines: dict[str, Machine] = field(default_factory=dict)
    _prices: dict[tuple[str, ...], tuple[date | None, float]] = field(default_factory=dict)
    _doubtful: set[tuple[str, ...]] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(
        self, machine: Machine, *, term: str, region: str, usd_per_hour: float, upfront: str = "",
        since: date | None = None, quality: str = "", note: str = "",
    ) -> None:  # fmt: skip
        """One price. `since` is the day from which the seller says that it holds."""
        if usd_per_hour == 0:
            self.left_out["at a price of 0"] += 1
            return
        key = (machine["instance"], term, upfront, quality, note, region)
        self._machines[machine["instance"]] = machine
        known = self._prices.get(key)
        if known is not None and known[0] == since and not math.isclose(known[1], usd_per_hour, rel_tol=1e-9):
            self._doubtful.add(key)
        if known is None or (since is not None and (known[0] is None or since > known[0])):
            self._prices[key] = (since, usd_per_hour)
            self._doubtful.discard(key)

    def drop(self, taken: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
        """Leave out what another list has priced already; returns what this one prices (machine, term, upfront,
        region)."""
        for key in [key for key in self._prices if (*key[:3], key[5]) in taken]:
            del self._prices[key]
            self._doubtful.discard(key)
        return {(*key[:3], key[5]) for key in self._prices}

    def __len__(self) -> int:
        return len(self._prices) - len(self._doubtful)

    def entries(self) -> list[dict[str, Any]]:
        """The `hourly:` list of a document."""
        result: dict[str, dict[str, Any]] = {}
        offers: dict[tuple[str, ...], dict[str, Any]] = {}
        for key in sorted(self._prices.keys() - self._doubtful):
            instance, term, upfront, quality, note, region = key
            if instance not in result:
                machine = self._machines[instance]
                result[instance] = {name: machine[name] for name in _OF_MACHINE if name in machine} | {"offers": []}
            if key[:-1] not in offers:
                said = {"upfront": upfront, "quality": quality, "note": note}
                offer = {"from": self.day, "source": self.source, "term": term}
                offers[key[:-1]] = offer | {name: text for name, text in said.items() if text} | {"usd_per_hour": {}}
                result[instance]["offers"].append(offers[key[:-1]])
            offers[key[:-1]]["usd_per_hour"][region] = round(self._prices[key][1], 6)
        return list(result.values())

    def notes(self) -> list[str]:
        """What was left out."""
        said = [f"{count} rows {why}" for why, count in sorted(self.left_out.items())]
        return said + ([f"{len(self._doubtful)} prices given twice, differently"] if self._doubtful else [])


def document_of(
    known: Mapping[str, Document], seller: str, sources: Mapping[str, Any], hourly: Iterable[Hourly]
) -> dict[str, Any]:
    """A seller's document of machines by the hour, several lists of them joined."""
    entries = [entry for each in hourly for entry in each.entries()]
    cited = {offer["source"] for entry in entries for offer in entry["offers"]}
    used = {name: source for name, source in sources.items() if name in cited}
    return {**seller_head(known, seller), "sources": used, "hourly": entries}
