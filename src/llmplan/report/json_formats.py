"""`llmplan predict --compare-weights --json`: formats side by side (docs/reference/json.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmplan.plan.deployment import Replica
from llmplan.plan.format_rows import FormatComparison, FormatRow, FormatSpeed
from llmplan.plan.load import Load
from llmplan.report.json import Record, check, deployment, finite, schema, source, speed
from llmplan.spec.formats import FormatQuality, SpeedFigure

ASPECTS = ("weights", "kv_cache")


def record(replica: Replica, load: Load, found: Iterable[FormatComparison], assumed: Mapping[str, str]) -> Record:
    """`llmplan predict --compare-weights --json`."""
    by_aspect = {each.aspect: each for each in found}
    return {
        "schema": schema("predict-formats"),
        "model": replica.model.id,
        "load": {
            "kind": load.kind,
            "value": load.value if load.kind != "saturation" else None,
            "isl": load.input_tokens.mean,
            "osl": load.output_tokens.mean,
            "prefix_share": load.prefix_share,
        },
        **{aspect: _compared(by_aspect[aspect]) if aspect in by_aspect else None for aspect in ASPECTS},
        "deployment": _shared(replica, by_aspect),
        "assumed": dict(assumed),
    }


def _shared(replica: Replica, compared: Mapping[Any, object]) -> Record:
    """The replica but for what is compared."""
    return {name: None if name in compared else value for name, value in deployment(replica).items()}


def _compared(found: FormatComparison) -> Record:
    return {"baseline": found.baseline, "formats": [_row(row) for row in found.rows]}


def _row(row: FormatRow) -> Record:
    one = row.speed
    return {
        "format": row.format_id,
        "runs": one is not None,
        "reason": row.reason or None,
        "fix": row.fix or None,
        "weights_bytes": round(one.budget.weights_bytes) if one else None,
        "kv_bytes_per_token_per_gpu": one.budget.kv_bytes_per_token if one else None,
        "kv_capacity_tokens": one.budget.capacity_tokens if one else None,
        "pool_requests": finite(one.pool_requests) if one else None,
        "native": one.native if one else None,
        "estimate": _speed(one) if one else None,
        "speed_ratio": _ratios(one) if one else None,
        "advice": one.advice or None if one else None,
        "quality": _quality(row.quality),
        "published_speed": [_published(each, row.speed) for each in row.quality.speeds] if row.quality else [],
        "checks": [check(each) for each in row.checks],
    }


def _speed(one: FormatSpeed) -> Record:
    return {name: value for name, value in speed(one.estimate).items() if name != "step"}


def _ratios(one: FormatSpeed) -> Record:
    """Over the baseline; null for the baseline itself."""
    values = {"one_request": one.ratio_alone, "load": one.ratio_load, "saturation": one.ratio_saturated}
    return {
        **{name: None if value is None else finite(value) for name, value in values.items()},
        "by_requests": [{"from": each.requests, "faster": each.faster} for each in one.stretches],
        "crossover_requests": one.crossover_requests,
        "most_requests": one.most_requests or None,
    }


def _quality(quality: FormatQuality | None) -> Record | None:
    """What was measured; null where no figure is known."""
    if quality is None or not (quality.figures or quality.statements or quality.relative_change is not None):
        return None
    return {
        "median_change": quality.relative_change,
        "worst_change": quality.worst_change,
        "measurements": [
            {"change": each.change, "model": each.model, "metric": each.metric, "source": each.source.title}
            for each in quality.figures
        ],
        "statements": [
            {"text": each.text, "model": each.model, "source": each.source.title} for each in quality.statements
        ],
        "sources": [source(each) for each in quality.provenance],
    }


def _published(row: SpeedFigure, one: FormatSpeed | None) -> Record:
    return {
        "ratio": row.ratio,
        "gpu": row.gpu,
        "gpu_id": row.gpu_id,
        "model": row.model,
        "engine": row.engine,
        "requests": row.requests,
        "isl": row.input_tokens,
        "osl": row.output_tokens,
        "source": row.source.title,
        "url": row.source.url,
        "contradicts": one is not None and row in one.disputed,
    }
