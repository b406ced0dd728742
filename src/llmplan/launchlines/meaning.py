"""What a launch asks for, in this project's words: settings of a replica, facts beside it, and where its model is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from llmplan.launchlines import values
from llmplan.launchlines.options import Given
from llmplan.units import GIB


@dataclass(slots=True)
class Meaning:
    """`replica` holds settings by the names of `llmplan memory`'s flags, `facts` those of `LaunchFacts`."""

    model: str | None = None
    draft_model: str | None = None
    replica: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    adapters: list[tuple[str, str]] = field(default_factory=list)
    """name and path or Hub id"""
    dtype: str | None = None
    """the 16- or 32-bit type that is asked for"""
    weights: str | None = None
    """the format into which weights are converted while loading"""
    gpu_layers: int | None = None
    cpu_expert_layers: int | None = None
    reading: str = ""
    """the option that is being read"""
    said_by: dict[str, str] = field(default_factory=dict)
    """setting or fact to the option that stated it"""
    unread: list[str] = field(default_factory=list)
    """what could not be taken into account, one sentence each"""


Reader: TypeAlias = Callable[[Meaning, Given], None]


def whole(*targets: str) -> Reader:
    """A whole number for each of these settings."""
    return _numeric(values.count, targets)


def real(*targets: str) -> Reader:
    """A number for each of these settings."""
    return _numeric(values.number, targets)


def _numeric(parse: Callable[[str], Any], targets: tuple[str, ...]) -> Reader:
    def read(meaning: Meaning, given: Given) -> None:
        value = parse(given.value) if given.value is not None else None
        if value is None:
            unknown(meaning, given)
        for target in targets if value is not None else ():
            put(meaning, target, value)

    return read


def text(*targets: str) -> Reader:
    """A text for each of these settings."""

    def read(meaning: Meaning, given: Given) -> None:
        if given.value is None:
            unknown(meaning, given)
            return
        for target in targets:
            put(meaning, target, given.value)

    return read


def switch(*targets: str) -> Reader:
    """On, or off under the negative name."""

    def read(meaning: Meaning, given: Given) -> None:
        for target in targets:
            put(meaning, target, not given.negated)

    return read


def fixed(target: str, value: Any) -> Reader:
    """A value that the option itself stands for."""

    def read(meaning: Meaning, given: Given) -> None:
        put(meaning, target, value)

    return read


def named(target: str, names: Mapping[str, str], what: str) -> Reader:
    """A format, in the engine's own name for it."""

    def read(meaning: Meaning, given: Given) -> None:
        value = given.value
        if value is None:
            unknown(meaning, given)
        elif value in names:
            put(meaning, target, names[value])
        elif value != "auto":
            meaning.unread.append(f"{given.name} {value}: {what}")

    return read


def pool_bytes(meaning: Meaning, given: Given) -> None:
    """A KV pool of a known size."""
    value = values.count(given.value) if given.value is not None else None
    if value is None or value <= 0:
        unknown(meaning, given)
    else:
        put(meaning, "kv_cache_memory_gib", value / GIB)


def put(meaning: Meaning, target: str, value: Any) -> None:
    """A setting, or a fact where the target says so."""
    meaning.said_by[target.removeprefix("facts.")] = meaning.reading
    if target.startswith("facts."):
        meaning.facts[target.removeprefix("facts.")] = value
    else:
        meaning.replica[target] = value
        meaning.stated.add(STATED.get(target, target))


STATED = {"gpu_memory_utilization": "memory_fraction"}
"""flags of `memory` whose setting has another name"""


def unknown(meaning: Meaning, given: Given) -> None:
    """A value that only a running shell knows, or none at all."""
    said = " ".join(given.values)
    meaning.unread.append(f"{given.name} {said}".strip() + ": its value is not known here")


def read_all(given: Iterable[Given], readers: Mapping[str, Reader], meaning: Meaning) -> Meaning:
    """Every option that has a meaning here, in order."""
    for each in given:
        reader = readers.get(each.name)
        if reader is not None and not each.path:
            meaning.reading = each.name
            reader(meaning, each)
    return meaning


def speculation(meaning: Meaning, settings: Mapping[str, Any]) -> None:
    """vLLM's `--speculative-config`, and the same keys elsewhere."""
    method = settings.get("method") or ("draft_model" if settings.get("model") else None)
    facts = {
        "speculative_method": method if isinstance(method, str) else None,
        "speculative_tokens": _whole(settings.get("num_speculative_tokens")),
        "draft_tensor_parallel": _whole(settings.get("draft_tensor_parallel_size")),
        "heterogeneous_vocab": settings.get("use_heterogeneous_vocab") is True,
    }
    meaning.facts |= {name: value for name, value in facts.items() if value is not None}
    if method == "draft_model" and isinstance(settings.get("model"), str):
        meaning.draft_model = settings["model"]


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
