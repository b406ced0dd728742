"""A plan as plain data and back: the one shape behind `recommend --json` and `plan.yaml`.

Rows come first and name models, GPUs, hosts, engines, formats and sources by key; `entities` at the end holds each of
them once and complete, so that a plan can be priced again or turned into launch files with no catalogue at hand.
Keys listed in `DERIVED` are there for readers and are computed again, never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from llmplan.errors import DataError
from llmplan.plan.codec import Decoder, Encoder, Interned
from llmplan.plan.deployment import STRATEGY_IDS, StrategyId
from llmplan.plan.outcome import Option, Outcome, Quote, Rejection
from llmplan.plan.plain import Plain, check_bounds, expect, fail
from llmplan.plan.plan import Figure, Plan
from llmplan.plan.replay import OverTime
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.provenance import Source
from llmplan.spec.workload import Question

SCHEMA = "llmplan.recommend/v1"
ENTITIES: tuple[Interned, ...] = (
    Interned(cls=ModelSpec, table="models", key=lambda model: model.id),
    Interned(cls=GpuSpec, table="gpus", key=lambda gpu: gpu.id),
    Interned(cls=HostSpec, table="hosts", key=lambda host: host.id),
    Interned(cls=EngineSpec, table="engines", key=lambda engine: engine.ref),
    Interned(cls=WeightFormat, table="weight_formats", key=lambda fmt: fmt.id),
    Interned(cls=KvFormat, table="kv_formats", key=lambda fmt: fmt.id),
    Interned(cls=Source, table="sources", key=lambda source: source.id),
)
DERIVED: Mapping[str, tuple[str, ...]] = {
    "quote": (
        "usd_per_month", "usd_per_hour", "usd_per_million_tokens", "usd_per_request", "usd_per_tenant_month",
        "complete",
    ),
    "deployment": ("gpus",),
}  # fmt: skip
_OPTION_KEYS = ("deployment", "meets_slo", "memory", "estimate", "quote", "quality", "cold", "checks", "notes")
_OPTION_MAY_HAVE = ("start_s",)
"""keys that rows were once written without"""
_ROW_KEYS = ("strategy", "status", *_OPTION_KEYS, "levers", "rejection")
_PLAN_KEYS = (
    "schema", "question", "strategies", "recommended", "reasons", "warnings", "alternatives", "price_date", "made_with",
    "figures", "entities",
)  # fmt: skip
_PLAN_MAY_HAVE = ("over_time", "engines")
"""keys that plans of the same schema were once written without"""


def to_document(plan: Plan) -> dict[str, Plain]:
    """Everything in the plan as str, int, float, bool, None, list and dict."""
    encoder = Encoder(ENTITIES)
    encode = encoder.encode
    return {
        "schema": SCHEMA,
        "question": encode(plan.question, Question, "question"),
        "strategies": [_row(encoder, name, outcome) for name, outcome in plan.outcomes.items()],
        "recommended": plan.recommended,
        "reasons": list(plan.reasons),
        "warnings": list(plan.warnings),
        "over_time": encode(plan.over_time, OverTime, "over_time"),
        "alternatives": [_row(encoder, option.deployment.strategy, option) for option in plan.alternatives],
        "price_date": plan.price_date.isoformat(),
        "made_with": plan.made_with,
        "figures": encode(plan.figures, tuple[Figure, ...], "figures"),
        "engines": encode(plan.engines, tuple[EngineSpec, ...], "engines"),
        "entities": encoder.tables,
    }


def from_document(document: Plain) -> Plan:
    """The plan that `to_document` described; a `DataError` names the key that is wrong or missing."""
    check_bounds(document)
    check_schema(document)
    _demand_keys(document, _PLAN_KEYS, "", _PLAN_MAY_HAVE)
    decoder = Decoder(ENTITIES, expect(document["entities"], dict, "entities"))
    decode = decoder.decode
    rows = [_outcome(decoder, row, f"strategies[{i}]") for i, row in enumerate(_list(document, "strategies"))]
    others = [_outcome(decoder, row, f"alternatives[{i}]") for i, row in enumerate(_list(document, "alternatives"))]
    try:
        return Plan(
            question=decode(document["question"], Question, "question"),
            outcomes=dict(rows),
            recommended=decode(document["recommended"], StrategyId | None, "recommended"),
            reasons=decode(document["reasons"], tuple[str, ...], "reasons"),
            warnings=decode(document["warnings"], tuple[str, ...], "warnings"),
            over_time=decode(document.get("over_time"), OverTime | None, "over_time"),
            alternatives=tuple(option for _, option in others if isinstance(option, Option)),
            figures=decode(document["figures"], tuple[Figure, ...], "figures"),
            engines=decode(document.get("engines", []), tuple[EngineSpec, ...], "engines"),
            price_date=decode(document["price_date"], date, "price_date"),
            made_with=decode(document["made_with"], str, "made_with"),
        )
    except (ValueError, KeyError) as error:
        raise fail("strategies", str(error)) from error


def check_schema(document: Plain) -> None:
    """Refuse what is not a plan, and a plan of a schema that this version does not know."""
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema == SCHEMA:
        return
    version = re.fullmatch(r"llmplan\.recommend/v([0-9]{1,6})", schema) if isinstance(schema, str) else None
    if version is None:
        raise DataError(
            f"not a plan: it has no `schema: {SCHEMA}`", hints=["llmplan recommend MODEL ... -o plan.yaml makes one"]
        )
    raise DataError(
        f"schema: this plan is {schema}, which this version of llmplan does not know (it reads {SCHEMA})",
        hints=["python3 -m pip install --upgrade llmplan"],
    )


def _row(encoder: Encoder, strategy: str, outcome: Outcome) -> dict[str, Plain]:
    path = f"strategies.{strategy}"
    row: dict[str, Plain] = dict.fromkeys(_ROW_KEYS)
    row |= {"strategy": strategy, "cold": {}, "checks": [], "notes": [], "levers": []}
    deployment = outcome.deployment
    if isinstance(outcome, Option):
        row |= {"status": "option", **encoder.encode(outcome, Option, path)}
        row["quote"] = _with_totals(outcome.quote, row["quote"])
    else:
        content = encoder.encode(outcome, Rejection, path)
        row |= {"status": "rejection", "deployment": content.pop("deployment"), "rejection": content}
    if deployment is not None:
        row["deployment"]["gpus"] = deployment.gpus
        row["levers"] = list(deployment.levers)
    return {key: row[key] for key in (*_ROW_KEYS, *_OPTION_MAY_HAVE) if key in row}


def _with_totals(quote: Quote, content: dict[str, Plain]) -> dict[str, Plain]:
    """The quote led by what a reader looks for: totals per month, hour and million tokens."""
    return {
        "usd_per_month": quote.usd_per_month,
        "usd_per_hour": quote.usd_per_hour,
        "usd_per_million_tokens": {
            "input": quote.usd_per_mtok_input,
            "cached_input": quote.usd_per_mtok_cached_input,
            "output": quote.usd_per_mtok_output,
            "blended": quote.usd_per_mtok_blended,
        },
        "usd_per_request": quote.usd_per_request,
        "usd_per_tenant_month": quote.usd_per_tenant_month,
        "complete": quote.complete,
        **content,
    }


def _outcome(decoder: Decoder, row: Plain, path: str) -> tuple[StrategyId, Outcome]:
    _demand_keys(row, _ROW_KEYS, path, _OPTION_MAY_HAVE)
    strategy = decoder.decode(row["strategy"], StrategyId, f"{path}.strategy")
    deployment = _without_derived(row, "deployment")
    if row["status"] == "option":
        content = {key: row[key] for key in (*_OPTION_KEYS, *_OPTION_MAY_HAVE) if key in row}
        content |= {"deployment": deployment, "quote": _without_derived(row, "quote")}
        return strategy, decoder.decode(content, Option, path)
    if row["status"] != "rejection":
        raise fail(f"{path}.status", f"expected option or rejection, found {row['status']!r}")
    content = {**expect(row["rejection"], dict, f"{path}.rejection"), "deployment": deployment}
    return strategy, decoder.decode(content, Rejection, f"{path}.rejection")


def _without_derived(row: Mapping[str, Plain], name: str) -> Plain:
    content = row[name]
    if not isinstance(content, dict):
        return content
    return {key: value for key, value in content.items() if key not in DERIVED[name]}


def _list(document: Mapping[str, Any], name: str) -> list[Plain]:
    items: list[Plain] = expect(document[name], list, name)
    if name == "strategies" and len(items) != len(STRATEGY_IDS):
        raise fail(name, f"expected {len(STRATEGY_IDS)} rows, found {len(items)}")
    return items


def _demand_keys(content: Plain, keys: tuple[str, ...], path: str, may_have: tuple[str, ...] = ()) -> None:
    found = expect(content, dict, path or "document").keys()
    prefix = f"{path}." if path else ""
    for key in keys:
        if key not in found:
            raise fail(f"{prefix}{key}", "is missing")
    unknown = sorted(str(key) for key in found - {*keys, *may_have})
    if unknown:
        raise fail(path, f"unknown key {unknown[0]!r}")
