"""Prometheus' text format, held against the reader of the Python client, and against what no client would write."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.measurements.served.metrics_text import MAX_LINE_CHARS, Sample, parse_metrics, parse_sample

NAMES = st.from_regex(r"[a-z_:][a-z0-9_:]{0,12}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12),
    max_size=4,
)
VALUES = st.one_of(st.floats(), st.integers(-(10**12), 10**12).map(float))


def written(name: str, labels: dict[str, str], value: float) -> str:
    def escaped(text: str) -> str:
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

    inside = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
    number = (
        "NaN" if math.isnan(value) else "+Inf" if value == math.inf else "-Inf" if value == -math.inf else repr(value)
    )
    return f"{name}{{{inside}}} {number}" if labels else f"{name} {number}"


@settings(max_examples=300, deadline=None)
@given(NAMES, LABELS, VALUES)
def test_samples_are_read_as_the_python_client_reads_them(name: str, labels: dict[str, str], value: float) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install prometheus-client")
    line = written(name, labels, value)
    (reference,) = [
        sample for family in parser.text_string_to_metric_families(f"{line}\n") for sample in family.samples
    ]
    found = parse_sample(line)
    assert found is not None
    assert (found.name, found.labels) == (reference.name, reference.labels) == (name, labels)
    assert found.value == reference.value or (math.isnan(found.value) and math.isnan(reference.value))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    found = parse_metrics(text)
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    read = sum(map(len, found.samples.values()))
    assert read + found.broken + found.repeated + found.unusable == len(lines)


@pytest.mark.parametrize(
    "line",
    [
        'a{b="c" 1', 'a{b="c"', 'a{b=c} 1', 'a{="c"} 1', 'a{b="c",b="d"} 1', "a", "a 1 2 3", "a one", "1a 1", "{} 1",
        'a{b="c"}', "a 1_000", "a 0x10", "a infinity", 'a{b="c",,} 1', "a=1", "a{}b 1",
    ],
)  # fmt: skip
def test_what_is_no_sample(line: str) -> None:
    assert parse_sample(line) is None
    assert parse_metrics(f"good 1\n{line}\n").broken == 1


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ('a{b="x}y"} 1', {"b": "x}y"}), ('a{b="x\\"y\\\\"} 1', {"b": 'x"y\\'}),
        ('a { b = "c" , d = "e" , } 1', {"b": "c", "d": "e"}),
        ("a{} 1 1795355015000", {}), ("\ta 1\r", {}), ('a{b="c"}1', {"b": "c"}),
    ],
)  # fmt: skip
def test_what_is_one(line: str, labels: dict[str, str]) -> None:
    assert parse_sample(line) == Sample(name="a", labels=labels, value=1.0)


def test_values_that_no_count_has_are_left_out_and_said() -> None:
    found = parse_metrics("a NaN\nb +Inf\nc -Inf\nd -1\ne 1\ne 2\nf{x=\n# HELP g\n\n")
    assert [sample.value for sample in found.of("e")] == [1.0]
    assert set(found.samples) == {"e"}
    assert found.complaints == (
        "1 lines of its metrics are no samples, and left out",
        "1 samples repeat a series: the first one counts, and left out",
        "4 values of its metrics are negative, infinite or not a number, and left out",
    )


def test_a_line_of_a_megabyte_costs_nothing() -> None:
    quotes = 'a{b="' + '\\"' * 500_000
    started = time.monotonic()
    found = parse_metrics(f"good 1\n{'x' * 1_000_000} 1\n{quotes}\n" + 'a{b="' + "c" * (MAX_LINE_CHARS + 1) + '"} 1\n')
    assert (set(found.samples), found.broken) == ({"good"}, 3)
    assert time.monotonic() - started < 10.0
