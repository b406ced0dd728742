"""Which series of an engine says what, as data; and how series of several ranks and engines are put together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from llmplan.measurements.served.metrics_text import Exposition, Sample
from llmplan.plan.served.histogram import Histogram

Names = Mapping[str, tuple[str, ...]]
"""names of series that say the same quantity, newest first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The names of one engine's series, without `prefix`. `copies` are labels of ranks that all say the same thing,
    `parts` labels of engines that share the work: values are the largest of the copies, then the sum of the parts
    (the mean of a `means`, any of a `settings`). `without` leaves out samples with that label and one of these values,
    by quantity. `info` are labels of one series, by the quantity that they tell."""

    engine: str
    prefix: str
    totals: Names
    sums: Names = field(default_factory=dict)
    means: Names = field(default_factory=dict)
    settings: Names = field(default_factory=dict)
    histograms: Names = field(default_factory=dict)
    pairs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """a sum and a count that are counters of their own, where there is no histogram"""
    info_series: str = ""
    info: Mapping[str, str] = field(default_factory=dict)
    """quantities of each part, and settings, that are labels of `info_series`: label by name"""
    parts: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    """labels that, where they are not empty, name a share of what another series has whole"""
    without: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def recognizes(self, exposition: Exposition) -> bool:
        """Whether any series has this engine's prefix."""
        return any(name.startswith(self.prefix) for name in exposition.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """Samples of one model, read by the names of an engine."""

    series: Series
    exposition: Exposition
    served_name: str | None = None
    """None: every model's series count"""

    def samples(self, quantity: str, name: str) -> list[Sample]:
        """The samples of a series that count."""
        label, values = self.series.without.get(quantity, ("", ()))
        return [
            sample
            for sample in self.exposition.of(self.series.prefix + name)
            if not (label and sample.labels.get(label) in values)
            and not any(sample.labels.get(name) for name in self.series.shares)
            and self.served_name in (None, sample.labels.get("model_name", self.served_name))
        ]

    def newest(self, quantity: str, names: Iterable[str]) -> list[Sample]:
        """The samples under the first of the names that has any."""
        return next((found for name in names if (found := self.samples(quantity, name))), [])

    def by_part(self, samples: Iterable[Sample]) -> list[float]:
        """One value for each part: what copies of it say, once, and its other series together."""
        parts: dict[tuple[str, ...], dict[tuple[tuple[str, str], ...], float]] = {}
        for sample in samples:
            part = tuple(sample.labels.get(label, "") for label in self.series.parts)
            apart = (*self.series.parts, *self.series.copies)
            rest = tuple(sorted(item for item in sample.labels.items() if item[0] not in apart))
            series = parts.setdefault(part, {})
            series[rest] = max(series.get(rest, 0.0), sample.value)
        return [sum(series.values()) for series in parts.values()]

    def summed(self, names: Names) -> Iterator[tuple[str, float]]:
        """Each quantity that is there, over all parts."""
        for quantity, candidates in names.items():
            if found := self.by_part(self.newest(quantity, candidates)):
                yield quantity, sum(found)

    def averaged(self, names: Names) -> Iterator[tuple[str, float]]:
        """Each quantity that is there, as a mean over the parts."""
        for quantity, candidates in names.items():
            if found := self.by_part(self.newest(quantity, candidates)):
                yield quantity, sum(found) / len(found)

    def stated(self, names: Names) -> Iterator[tuple[str, float]]:
        """Each setting that is there, which every part and copy says alike."""
        for setting, candidates in names.items():
            if found := self.newest(setting, candidates):
                yield setting, max(sample.value for sample in found)

    def histogram(self, quantity: str, name: str) -> Histogram | None:
        """One histogram over all parts; from its sum and count alone where it has no usable buckets."""
        totals = self.by_part(self.samples(quantity, f"{name}_sum"))
        counts = self.by_part(self.samples(quantity, f"{name}_count"))
        if not totals or not counts:
            return None
        by_bound: dict[float, list[Sample]] = {}
        for sample in self.samples(quantity, f"{name}_bucket"):
            bound = _bound(sample.labels.get("le", ""))
            if bound is not None:
                labels = {key: value for key, value in sample.labels.items() if key != "le"}
                by_bound.setdefault(bound, []).append(Sample(name=name, labels=labels, value=sample.value))
        bounds = tuple(sorted(by_bound))
        try:
            heights = tuple(sum(self.by_part(by_bound[bound])) for bound in bounds)
            return Histogram(bounds=bounds, counts=heights, total=sum(totals))
        except ValueError:
            return Histogram.of_sums(sum(counts), sum(totals))

    def all_histograms(self) -> Iterator[tuple[str, Histogram]]:
        """Each distribution that is there."""
        for quantity, candidates in self.series.histograms.items():
            found = next((each for name in candidates if (each := self.histogram(quantity, name))), None)
            if found is not None:
                yield quantity, found
        for quantity, (total, count) in self.series.pairs.items():
            sums, counts = self.by_part(self.samples(quantity, total)), self.by_part(self.samples(quantity, count))
            if sums and counts:
                yield quantity, Histogram.of_sums(sum(counts), sum(sums))

    def labels(self) -> list[Mapping[str, str]]:
        """The labels that describe each part."""
        return [sample.labels for sample in self.exposition.of(self.series.prefix + self.series.info_series)]


def _bound(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value
