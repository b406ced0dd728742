"""Workload -> the text of a workload file, as `workloads` reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from llmplan.spec.traffic import Arrivals, Histogram, Sessions
from llmplan.spec.workload import Lengths, Workload

_DIGITS = ".6g"
_FEW_DIGITS = ".4g"


class _Rows(yaml.SafeDumper):
    """Lists of numbers on one line, everything else in lines of its own; every value written out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        flat = not any(isinstance(item, dict | list) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat)


def workload_text(workload: Workload, *, origin: str) -> str:
    """The file of a workload; `origin` says in a comment where its figures come from."""
    body = yaml.dump(to_document(workload), Dumper=_Rows, sort_keys=False, width=120, allow_unicode=True)
    comment = "".join(f"# {line}\n" for line in origin.splitlines())
    return f"{comment}{body}"


def to_document(workload: Workload) -> dict[str, Any]:
    """The file as a mapping: what differs from what is assumed without it."""
    plain = Workload(input_tokens=workload.input_tokens, output_tokens=workload.output_tokens)
    names = ("requests_per_s", "concurrency", "peak_to_mean", "cv_interarrival", "idle_share", "idle_bin_s",
             "hours_per_day", "prefix_share", "prefixes", "tenants", "adapters", "context_tokens")  # fmt: skip
    figures = {name: getattr(workload, name) for name in names if getattr(workload, name) != getattr(plain, name)}
    for side, lengths in (("input", workload.input_tokens), ("output", workload.output_tokens)):
        figures |= _length_figures(side, lengths)
    document: dict[str, Any] = {"name": workload.name}
    document |= {name: short(value) for name, value in figures.items() if value is not None}
    if (shape := workload.traffic) is not None:
        parts = {
            "arrivals": None if shape.arrivals is None else arrivals_entry(shape.arrivals),
            "input_tokens": None if shape.input_tokens is None else histogram_entry(shape.input_tokens),
            "output_tokens": None if shape.output_tokens is None else histogram_entry(shape.output_tokens),
            "sessions": None if shape.sessions is None else sessions_entry(shape.sessions),
            "prefix": None
            if shape.prefix is None
            else {"prefixes": shape.prefix.prefixes, "tokens": shape.prefix.tokens},
            "tenants": {"weights": [short(each) for each in shape.tenant_weights]} if shape.tenant_weights else None,
        }
        document["traffic"] = {name: part for name, part in parts.items() if part is not None}
    return document


def arrivals_entry(arrivals: Arrivals) -> dict[str, Any]:
    """Arrivals as they stand under `traffic`."""
    entry: dict[str, Any] = {} if arrivals.gap_cv == 1 else {"gap_cv": short(arrivals.gap_cv)}
    if (bursts := arrivals.bursts) is not None:
        entry["bursts"] = {
            "ratio": short(bursts.ratio), "busy_s": short(bursts.busy_s), "quiet_s": short(bursts.quiet_s)
        }  # fmt: skip
    if (pauses := arrivals.pauses) is not None:
        entry["pauses"] = {"share": short(pauses.share), "mean_s": short(pauses.mean_s)}
        entry["pauses"] |= {"grid_s": short(pauses.grid_s)} if pauses.grid_s else {}
    if arrivals.profiles:
        entry["profiles"] = [
            {"bin_s": short(each.bin_s), "rates": [short(rate) for rate in each.rates]} for each in arrivals.profiles
        ]
    return entry


def histogram_entry(histogram: Histogram) -> dict[str, Any]:
    """Bins as they stand under `traffic`."""
    return {"edges": list(histogram.edges), "shares": [short(share, _FEW_DIGITS) for share in histogram.shares]}


def sessions_entry(sessions: Sessions) -> dict[str, Any]:
    """Conversations as they stand under `traffic`."""
    entry: dict[str, Any] = {"turns": short(sessions.turns), "think_s": short(sessions.think_s)}
    for name, lengths in (("first_tokens", sessions.first), ("added_tokens", sessions.added)):
        if isinstance(lengths, Histogram):
            entry[name] = histogram_entry(lengths)
        elif lengths is not None:
            entry[name] = {name: short(value) for name, value in _parts(lengths).items()}
    return entry


def _length_figures(side: str, lengths: Lengths) -> dict[str, float]:
    return {
        f"{side}_tokens" if part == "mean" else f"{side}_{part}_tokens": value
        for part, value in _parts(lengths).items()
    }


def _parts(lengths: Lengths) -> Mapping[str, float]:
    found = {"mean": lengths.mean, "p50": lengths.p50, "p90": lengths.p90, "p99": lengths.p99}
    return {name: value for name, value in found.items() if value is not None}


def short(value: float, digits: str = _DIGITS) -> float | int:
    """A number as a person would write it."""
    rounded = float(f"{value:{digits}}")
    return int(rounded) if rounded.is_integer() else rounded
