"""What is new, appended to what is known: prices are append-only, so that an old plan can be quoted again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from llmplan.errors import DataError
from llmplan.pricefeeds.atoms import newest

Document: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One price that is new or differs from the newest one known."""

    provider: str
    key: str
    old_usd: float | None
    new_usd: float

    @property
    def ratio(self) -> float | None:
        """New over old."""
        return self.new_usd / self.old_usd if self.old_usd else None


def list_changes(old: Mapping[str, Document], new: Mapping[str, Document]) -> list[Change]:
    """Prices of `new` that `old` lacks or has otherwise. One that is older than what `old` has changes nothing."""
    changes = []
    for provider, document in new.items():
        known = newest(old.get(provider, {}))
        for key, atom in newest(document).items():
            below = known.get(key)
            if below is not None and below.stamp > atom.stamp:
                continue
            for side, price in atom.usd.items():
                before = below.usd.get(side) if below is not None else None
                if before != price:
                    changes.append(Change(provider, atom.name_of(side), before, price))
    return changes


def merge_documents(old: Mapping[str, Document], new: Mapping[str, Document]) -> dict[str, dict[str, Any]]:
    """`old` with the offers of `new` appended. Providers that `new` lacks keep their rows."""
    merged: dict[str, dict[str, Any]] = {provider: dict(document) for provider, document in old.items()}
    for provider, document in new.items():
        merged[provider] = _merge(merged[provider], document) if provider in merged else dict(document)
    return merged


def _merge(old: Document, new: Document) -> dict[str, Any]:
    taken = renamed_sources(old.get("sources", {}), new.get("sources", {}))
    fresh = {key: with_sources(value, taken) for key, value in new.items() if key != "sources"}
    result: dict[str, Any] = {
        **old,
        **{key: fresh[key] for key in ("name", "tier", "company", "aliases") if key in fresh},
    }
    result["sources"] = {**old.get("sources", {}), **{taken[name]: s for name, s in new.get("sources", {}).items()}}
    if "interruption_source" in fresh:
        result["interruption_source"] = fresh["interruption_source"]
    if "hourly" in fresh:
        result["hourly"] = _merge_hourly(old.get("hourly", []), fresh["hourly"])
    for part in ("serverless", "unpriced", "tokens", "cpu"):
        if part in fresh:
            known = list(old.get(part, []))
            result[part] = known + [offer for offer in fresh[part] if offer not in known]
    if "facts" in fresh:
        result["facts"] = {**old.get("facts", {}), **fresh["facts"]}
    order = ("id", "name", "tier", "company", "aliases", "interruption_source", "sources")
    cited = set(cited_sources(result))
    result["sources"] = {name: source for name, source in result["sources"].items() if name in cited}
    return {key: result[key] for key in (*order, *(key for key in result if key not in order)) if key in result}


def _merge_hourly(old: list[Any], new: list[Any]) -> list[Any]:
    def key_of(entry: Mapping[str, Any]) -> Key:
        return entry["instance"], entry["gpu"], f"{entry['gpus']:g}"

    result = {key_of(entry): {**entry, "offers": list(entry["offers"])} for entry in old}
    for entry in new:
        known = result.get(key_of(entry))
        if known is None:
            result[key_of(entry)] = entry
            continue
        offers = [*known["offers"], *(offer for offer in entry["offers"] if offer not in known["offers"])]
        result[key_of(entry)] = {**known, **entry, "offers": offers}
    return list(result.values())


def renamed_sources(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """The id that each new source gets: its own, the old one's for the same title, or a numbered one."""
    by_title = {source["title"]: name for name, source in old.items()}
    result: dict[str, str] = {}
    for name, source in new.items():
        wanted, number = by_title.get(source["title"]), 2
        if wanted is None:
            wanted = name
            while wanted in old or wanted in result.values():
                wanted, number = f"{name}-{number}", number + 1
        result[name] = wanted
    return result


def with_sources(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: renamed.get(item, item) if key in ("source", "interruption_source") else with_sources(item, renamed)
            for key, item in value.items()
        }
    return [with_sources(item, renamed) for item in value] if isinstance(value, list) else value


def cited_sources(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("source", "interruption_source"):
                if not isinstance(item, str):
                    raise DataError(f"a source must be an id, not {item!r}")
                yield item
            elif key != "sources":
                yield from cited_sources(item)
    elif isinstance(value, list):
        for item in value:
            yield from cited_sources(item)
