"""Prometheus' text format: samples with their labels. Strict about what a sample is, and never surprised by the rest:
a line that is none is counted and left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_LINE_CHARS = 65_536
MAX_SAMPLES = 200_000
MAX_VALUE = 1e30
"""no count, sum or size is larger; sums of such values stay finite"""
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*')
_REST = re.compile(r"[ \t]*(\S+)(?:[ \t]+-?\d+)?")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan)", re.IGNORECASE)
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPE = re.compile(r'\\[\\"n]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of one series."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Exposition:
    """The samples by name. `broken` lines were no samples, `repeated` ones of a series that was there already,
    `unusable` values negative, without bound or not a number."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    broken: int = 0
    repeated: int = 0
    unusable: int = 0

    def of(self, name: str) -> list[Sample]:
        """Every series of a name."""
        return self.samples.get(name, [])

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was left out, in words."""
        counts = (
            (self.broken, "lines of its metrics are no samples"),
            (self.repeated, "samples repeat a series: the first one counts"),
            (self.unusable, "values of its metrics are negative, infinite or not a number"),
        )
        return tuple(f"{count:,} {what}, and left out" for count, what in counts if count)


def parse_metrics(text: str) -> Exposition:
    """Every usable sample of a scrape."""
    found = Exposition()
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        sample = parse_sample(line)
        if sample is None or len(seen) >= MAX_SAMPLES:
            found.broken += 1
            continue
        series = (sample.name, tuple(sorted(sample.labels.items())))
        if series in seen:
            found.repeated += 1
            continue
        seen.add(series)
        if 0.0 <= sample.value <= MAX_VALUE:
            found.samples.setdefault(sample.name, []).append(sample)
        else:
            found.unusable += 1
    return found


def parse_sample(line: str) -> Sample | None:
    """One line as a sample; None where it is none.

    >>> parse_sample('vllm:num_requests_running{engine="0"} 3.0')
    Sample(name='vllm:num_requests_running', labels={'engine': '0'}, value=3.0)
    >>> parse_sample('vllm:num_requests_running{engine="0" 3.0') is None
    True
    """
    line = line.strip(" \t\r")
    name = _NAME.match(line) if len(line) <= MAX_LINE_CHARS else None
    if name is None:
        return None
    found: tuple[dict[str, str], int] | None = ({}, name.end())
    brace = line[name.end() :].lstrip(" \t")
    if brace.startswith("{"):
        found = _labels(line, len(line) - len(brace) + 1)
    elif brace == line[name.end() :]:
        return None
    rest = _REST.fullmatch(line, found[1]) if found else None
    if found is None or rest is None or not _NUMBER.fullmatch(rest[1]):
        return None
    return Sample(name=name[0], labels=found[0], value=float(rest[1]))


def _labels(line: str, at: int) -> tuple[dict[str, str], int] | None:
    """The labels after a `{`, and where their `}` ends; None where that is no list of different labels."""
    labels: dict[str, str] = {}
    while True:
        at = len(line) - len(line[at:].lstrip(" \t"))
        if line[at : at + 1] == "}":
            return labels, at + 1
        match = _LABEL.match(line, at)
        if match is None or match[1] in labels:
            return None
        labels[match[1]] = _ESCAPE.sub(lambda escape: _ESCAPES[escape[0]], match[2])
        at = match.end()
        if line[at : at + 1] == ",":
            at += 1
        elif line[at : at + 1] != "}":
            return None
