"""A running server beside its plan, as programs read it (docs/reference/json.md)."""

from __future__ import annotations

from typing import Any

from llmplan.plan.load import Load
from llmplan.plan.served.comparing import Compared
from llmplan.plan.served.drift import Finding
from llmplan.plan.served.seen import Seen
from llmplan.report.json import Record, band, deployment, finite, schema
from llmplan.report.observe import Observed


def record(found: Observed, *, skipped: list[str], written: str | None) -> Record:
    """`llmplan observe --json`."""
    expected, last = found.expected, found.seen.last
    return {
        "schema": schema("observe"),
        "where": found.where,
        "at": found.at,
        "server": {
            "engine": last.engine,
            "version": last.version,
            "served_name": last.served_name,
            "model": last.model,
            "data_parallel_engines": last.gauges.get("parts"),
            "settings": {name: _plain(value) for name, value in sorted(last.settings.items())},
        },
        "looks": {
            "asked": found.seen.asked,
            "used": len(found.seen.looks),
            "span_s": found.seen.span_s,
            "since_start": found.seen.since_start,
        },
        "against": None
        if expected is None
        else {
            "name": expected.name,
            "deployment": deployment(expected.replica),
            "replicas": expected.replicas,
            "taken_from_server": dict(expected.taken),
            "load": _load(expected.load),
        },
        "traffic": _traffic(found.seen),
        "prediction": None
        if found.predicted is None
        else {"calibration": found.predicted.calibration_id, "extrapolated": found.predicted.extrapolated},
        "compared": [_compared(row) for row in found.rows],
        "findings": [_finding(each) for each in found.findings],
        "drift": [each.id for each in found.drift],
        "calibration": {"rows": found.points, "skipped": skipped, "written": written},
        "notes": list(found.notes),
    }


def _plain(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value


def _load(load: Load | None) -> Record | None:
    if load is None:
        return None
    return {
        "kind": load.kind,
        "value": load.value,
        "isl": load.input_tokens.mean,
        "osl": load.output_tokens.mean,
        "prefix_share": load.prefix_share,
    }


def _traffic(seen: Seen) -> Record:
    return {
        "requests": seen.requests,
        "requests_per_s": seen.per_s("requests"),
        "in_flight": seen.in_flight,
        "input_tokens": seen.input_tokens,
        "output_tokens": seen.output_tokens,
        "prefix_share": seen.prefix_share,
        "lengths_assumed": seen.lengths is not None,
        "load": _load(seen.load),
    }


def _compared(row: Compared) -> Record:
    return {
        "id": row.id,
        "name": row.name,
        "unit": row.unit,
        "observed": None if row.observed is None else finite(row.observed),
        "low": None if row.low is None else finite(row.low),
        "high": None if row.high is None else finite(row.high),
        "planned": None if row.planned is None else band(row.planned),
        "predicted": None if row.predicted is None else band(row.predicted),
        "verdict": row.verdict or None,
    }


def _finding(finding: Finding) -> Record:
    return {
        "id": finding.id,
        "kind": finding.kind,
        "message": finding.message,
        "causes": list(finding.causes),
        "certain": finding.certain,
        "fix": finding.fix or None,
    }
