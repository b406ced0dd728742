"""The JSON Schema of a price file, for editors: its keys are those that the readers check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmplan.catalogs import price_shape as shape
from llmplan.spec.price import CPU_ARCHITECTURES, TERMS

_TEXT: Final = {"type": "string", "minLength": 1}
_POSITIVE: Final = {"type": "number", "exclusiveMinimum": 0}
_NOT_NEGATIVE: Final = {"type": "number", "minimum": 0}
_COUNT: Final = {"type": "integer", "minimum": 1}
_FLAG: Final = {"type": "boolean"}
_DAY: Final = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_DAY_OR_NONE: Final = {"anyOf": [_DAY, {"type": "null"}]}


def _words(words: tuple[str, ...]) -> dict[str, Any]:
    return {"enum": list(words)}


_BY_REGION: Final = {"type": "object", "minProperties": 1}
_TIER: Final = {
    "type": "object",
    "required": ["usd"],
    "additionalProperties": False,
    "properties": {"up_to": _POSITIVE, "usd": _NOT_NEGATIVE},
}
_PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    **dict.fromkeys(
        (
            "id", "name", "company", "interruption_source", "extends", "title", "url", "locator", "instance", "gpu",
            "source", "mode", "confidence", "region", "model", "listed_as", "weights", "product", "unit", "note",
        ),
        _TEXT,
    ),
    **dict.fromkeys(("gpus", "usd_per_gpu_s", "input_usd_per_mtok", "output_usd_per_mtok"), _POSITIVE),
    **dict.fromkeys(
        (
            "vcpus", "memory_gib", "granularity_s", "idle_window_s", "min_billed_s", "usd_per_vcpu_s", "usd_per_gib_s",
            "min_vcpus", "min_memory_gib", "plan_fee_usd_per_month", "cached_input_usd_per_mtok",
            "batch_input_usd_per_mtok", "batch_output_usd_per_mtok", "value", "low", "high",
        ),
        _NOT_NEGATIVE,
    ),
    **dict.fromkeys(("max_gpus", "context_tokens"), _COUNT),
    **dict.fromkeys(("per_gpu", "scales_to_zero", "bills_start"), _FLAG),
    **dict.fromkeys(("retrieved", "ends"), _DAY),
    "from": {**_DAY_OR_NONE, "description": "the day from which it holds; null if its source carries no date"},
    "as_of": _DAY_OR_NONE,
    "tier": _words(shape.TIERS),
    "currency": {"const": "USD"},
    "aliases": {"type": "array", "items": _TEXT},
    "term": _words(TERMS),
    "quality": _words(shape.QUALITIES),
    "upfront": _words(shape.UPFRONT),
    "architecture": _words(CPU_ARCHITECTURES),
    "kind": _words(shape.KINDS),
    "usd_per_hour": {**_BY_REGION, "additionalProperties": _POSITIVE, "description": "by region, for the instance"},
    "interruption": {**_BY_REGION, "additionalProperties": _TEXT},
    "machines": {
        **_BY_REGION,
        "additionalProperties": {"type": "array", "items": _POSITIVE, "minItems": 3, "maxItems": 4},
        "description": f"name: [{', '.join(shape.MACHINE)}]",
    },
    "tiers": {"type": "array", "items": _TIER, "minItems": 1},
}  # fmt: skip


def price_schema() -> dict[str, Any]:
    """The schema of `prices/*.yaml`. A file of figures that belong to no seller has no `tier` and sells nothing."""
    offers = {"offers": {"type": "array", "items": _object(shape.OFFER)}}
    fact = {"gpu": {"type": "array", "items": _TEXT}, "gpus": _COUNT}
    sections = {
        "sources": _by_name(_object(shape.SOURCE)),
        "hourly": _list(_object(shape.INSTANCE, offers)),
        "serverless": _list(_object(shape.SERVERLESS)),
        "unpriced": _list(_object(shape.UNPRICED)),
        "tokens": _list(_object(shape.TOKENS)),
        "cpu": _list(_object(shape.CPU)),
        "facts": _by_name(_object(shape.FACT, fact)),
    }
    sold: dict[str, Any] = {"anyOf": [{"required": [name]} for name in shape.SECTIONS]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "prices/*.yaml",
        **_object(shape.DOCUMENT, sections),
        "if": {"allOf": [sold, {"not": {"required": ["extends"]}}]},
        "then": {"required": ["tier"]},
    }


def _object(keys: shape.Shape, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A mapping of exactly these keys; `own` are properties that mean something else here, or only here."""
    required, optional = keys
    known = _PROPERTIES | dict(own or {})
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": {name: known[name] for name in (*required, *optional)},
    }


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _by_name(entry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": entry}
