"""A seller's document as single prices, and single prices as a document again.

A document groups what belongs together (a machine, its offers, their regions). To hold one price back, to drop one that
was confirmed since, to set two days side by side, each price has to be had alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

from llmplan.spec.price import GLOBAL_REGION

Document: TypeAlias = Mapping[str, Any]
PARTS: Final = ("hourly", "serverless", "tokens", "cpu")
UNITS: Final = {"hourly": "USD/h", "serverless": "USD/GPU-s", "tokens": "USD/Mtok", "cpu": "USD/h"}
_BY_REGION: Final = ("usd_per_hour", "interruption")


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One price, or the prices of one listing, with everything that is said of it.

    `key` names what it is the price of within its seller. `usd` maps a side ("" for the one price of a machine or a
    GPU, `input`, `spot`, ... where there are several) to the amount.
    """

    part: str
    key: str
    day: date | None
    usd: Mapping[str, float]
    offer: Mapping[str, Any]
    machine: Mapping[str, Any]
    region: str
    gpu: str | None
    term: str

    @property
    def stamp(self) -> str:
        """Its day, to sort by: an undated price is the oldest."""
        return self.day.isoformat() if self.day else ""

    def name_of(self, side: str) -> str:
        """The name of one of its prices."""
        return f"{self.key} {side}" if side else self.key

    @property
    def gpu_usd_per_hour(self) -> float | None:
        """What an hour of one GPU costs, None for tokens."""
        if self.part == "hourly":
            return self.usd[""] / float(self.machine["gpus"]) if self.machine["gpus"] else None
        return self.usd[""] * 3600 if self.part == "serverless" else None


def split(document: Document) -> list[Atom]:
    """Every price of a document, in its order."""
    atoms = []
    for entry in document.get("hourly", ()):
        machine = {key: value for key, value in entry.items() if key != "offers"}
        for offer in entry["offers"]:
            atoms += [_machine_atom(machine, offer, region) for region in offer["usd_per_hour"]]
    atoms += [_gpu_atom(offer) for offer in document.get("serverless", ())]
    atoms += [_token_atom(offer) for offer in document.get("tokens", ())]
    atoms += [_cpu_atom(group, name) for group in document.get("cpu", ()) for name in group["machines"]]
    return atoms


def join(atoms: Iterable[Atom]) -> dict[str, list[Any]]:
    """The parts of a document that hold these prices; parts without any are absent."""
    parts: dict[str, list[Any]] = {name: [] for name in PARTS}
    made: dict[tuple[Any, ...], dict[str, Any]] = {}
    for atom in atoms:
        if atom.part == "hourly":
            _add_machine(atom, parts["hourly"], made)
        elif atom.part == "cpu":
            plain = {key: value for key, value in atom.offer.items() if key != "machines"}
            group = _once(made, ("cpu", *map(str, plain.values())), {**plain, "machines": {}}, parts["cpu"])
            group["machines"][atom.machine["instance"]] = atom.offer["machines"][atom.machine["instance"]]
        else:
            parts[atom.part].append(dict(atom.offer))
    return {name: found for name, found in parts.items() if found}


def _add_machine(atom: Atom, entries: list[Any], made: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    """One region's price into the offer of its machine that says the same otherwise."""
    which = (atom.machine["instance"], atom.machine["gpu"], f"{atom.machine['gpus']:g}")
    entry = _once(made, which, {**atom.machine, "offers": []}, entries)
    plain = {key: value for key, value in atom.offer.items() if key not in _BY_REGION}
    group = (*which, *sorted((key, str(value)) for key, value in plain.items()))
    offer = _once(made, group, {**plain, "usd_per_hour": {}}, entry["offers"])
    offer["usd_per_hour"][atom.region] = atom.usd[""]
    bucket = atom.offer.get("interruption", {}).get(atom.region)
    if bucket:
        offer.setdefault("interruption", {})[atom.region] = bucket


def _once(
    made: dict[tuple[Any, ...], dict[str, Any]], key: tuple[Any, ...], new: dict[str, Any], into: list[Any]
) -> dict[str, Any]:
    """What was made under a key; `new` the first time, which then is also put into a list."""
    if key not in made:
        made[key] = new
        into.append(new)
    return made[key]


def newest(document: Document, day: date | None = None) -> dict[str, Atom]:
    """What counts of each price, on `day` or of all days: the last dated one, an undated one only without any."""
    best: dict[str, Atom] = {}
    for atom in split(document):
        if day is not None and atom.day is not None and atom.day > day:
            continue
        if atom.key not in best or atom.stamp >= best[atom.key].stamp:
            best[atom.key] = atom
    return best


def _machine_atom(machine: Mapping[str, Any], offer: Mapping[str, Any], region: str) -> Atom:
    words = (machine["instance"], machine["gpu"], f"{machine['gpus']:g}", offer["term"], offer.get("upfront", ""))
    return Atom(
        part="hourly", key=" ".join(filter(None, (*words, region))), day=offer["from"],
        usd={"": offer["usd_per_hour"][region]}, offer=offer, machine=machine, region=region, gpu=machine["gpu"],
        term=offer["term"],
    )  # fmt: skip


def _gpu_atom(offer: Mapping[str, Any]) -> Atom:
    region = offer.get("region", GLOBAL_REGION)
    place = "" if region == GLOBAL_REGION else f", {region}"
    return Atom(
        part="serverless", key=f"{offer['gpu']} per second, {offer['mode']}{place}", day=offer["from"],
        usd={"": offer["usd_per_gpu_s"]}, offer=offer, machine={}, region=region, gpu=offer["gpu"], term="per-second",
    )  # fmt: skip


def _token_atom(offer: Mapping[str, Any]) -> Atom:
    sides = {key.removesuffix("_usd_per_mtok"): value for key, value in offer.items() if key.endswith("_usd_per_mtok")}
    return Atom(
        part="tokens", key=offer["listed_as"], day=offer["from"], usd=sides, offer=offer, machine={},
        region=offer.get("region", GLOBAL_REGION), gpu=None, term="per-token",
    )  # fmt: skip


def _cpu_atom(group: Mapping[str, Any], name: str) -> Atom:
    _, _, on_demand, *spot = group["machines"][name]
    return Atom(
        part="cpu", key=f"{name} {group['architecture']} {group['region']}", day=group["from"],
        usd={"": on_demand, **({"spot": spot[0]} if spot else {})}, offer=group, machine={"instance": name},
        region=group["region"], gpu=None, term="on-demand",
    )  # fmt: skip
