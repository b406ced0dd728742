"""What others measured of a number format: the quality that it costs, and the speed that it brings."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.weight_format import KvFormat

SHOWN_SOURCES = 2
"""titles in a line of text; the rest is counted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFigure:
    """One measured row: the relative change of one model's score (-0.01: one per cent worse)."""

    change: float
    model: str
    metric: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityStatement:
    """What a source says of the loss without a figure per model: a bound, or a summary of many evaluations."""

    text: str
    model: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFigure:
    """One published ratio: throughput in the format over that in 16 bit, on one machine under one load."""

    ratio: float
    gpu: str
    """as the source calls it"""
    gpu_id: str | None = None
    model: str
    engine: str
    requests: int
    """that start together"""
    input_tokens: int
    output_tokens: int
    source: Source


def cache_key(kv: KvFormat) -> str:
    """The name under which a KV cache format's measurements are kept, beside those of weight formats."""
    return f"kv-{kv.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatQuality:
    """Measured relative quality change of a number format (negative is a loss); None: no figure known. Beside it what
    others measured of its speed."""

    relative_change: float | None
    """median of the measurements"""
    worst_change: float | None = None
    measurements: int = 0
    provenance: tuple[Provenance, ...] = ()
    figures: tuple[QualityFigure, ...] = ()
    statements: tuple[QualityStatement, ...] = ()
    speeds: tuple[SpeedFigure, ...] = ()

    def describe_speeds(self, gpu_id: str) -> str:
        """Published speed over 16 bit, on one GPU and on others: `on this GPU 0.73–0.93× (3), on others 1.46× (1)`."""
        here = [each.ratio for each in self.speeds if each.gpu_id == gpu_id]
        others = [each.ratio for each in self.speeds if each.gpu_id != gpu_id]
        parts = [("on this GPU", here), ("on others", others)]
        return ", ".join(f"{where} {_range(ratios)} ({len(ratios)})" for where, ratios in parts if ratios)

    def describe(self) -> str:
        """The summary, and what is stated without a figure."""
        parts = [self.summary()]
        parts += [f'stated: "{each.text}" ({each.source.title})' for each in self.statements]
        return "; ".join(parts)

    def summary(self) -> str:
        """One line: median, worst, how many measurements of what, from where and when; or that there are none."""
        if self.relative_change is None:
            return "no figures known"
        if not self.measurements:
            return "unchanged"
        note = next((f"{each.note}: " for each in self.provenance if each.note), "")
        worst = min(self.figures, key=lambda each: each.change, default=None)
        on = f" ({worst.model})" if worst is not None else ""
        metrics = ", ".join(dict.fromkeys(each.metric for each in self.figures))
        stated = {each.source.id for each in self.statements}
        titles = [each.source.title for each in self.provenance if each.source.id not in stated]
        others = f" and {len(titles) - SHOWN_SOURCES} more" if len(titles) > SHOWN_SOURCES else ""
        dates = [each.as_of.isoformat() for each in self.provenance if each.as_of]
        return (
            f"{note}{_signed(self.relative_change)} median, {_signed(self.worst_change)} worst{on} of "
            f"{self.measurements} measurement{'s' if self.measurements > 1 else ''}"
            + (f" of {metrics}" if metrics else "")
            + (f"; {', '.join(titles[:SHOWN_SOURCES])}{others}" if titles else "")
            + (f" ({max(dates)})" if dates else "")
        )


def _range(ratios: list[float]) -> str:
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return f"{low}×" if low == high else f"{low}–{high}×"


def _signed(change: float | None) -> str:
    """`-1.1 %`; two digits that count below a tenth of a per cent."""
    percent = (change or 0.0) * 100
    return f"{percent:+.1f} %" if abs(percent) >= 0.1 else f"{percent:+.2g} %"
