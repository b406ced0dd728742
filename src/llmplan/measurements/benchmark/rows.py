"""A table of one's own as JSON lines: a load, request lengths, and what was measured, one load a line.

`{"isl": 1000, "osl": 300, "concurrency": 8, "tpot_ms": 12.1, "ttft_ms": 95, "output_tokens_per_s": 640}`

The load is one of `concurrency`, `rate`, `burst` and `saturation` (true). Any flag of a replica may stand beside it,
with underscores (`tp`, `engine_version`, `weights`, ...), and a `model`. `"client": false`, which `llmplan observe`
writes, says that the server measured it itself.
"""

from __future__ import annotations

from typing import Any, cast

from llmplan.measurements.benchmark.result import Fields, Result, clean, lengths, ms, passed_over
from llmplan.plan.load import LoadKind
from llmplan.plan.observation import BenchmarkReading, SpeedObservation

FORMAT = (
    'JSON lines of your own: {"isl", "osl", "concurrency" | "rate" | "burst" | "saturation", '
    '"tpot_ms", "ttft_ms", "output_tokens_per_s"}'
)
LOADS: tuple[LoadKind, ...] = ("concurrency", "rate", "burst", "saturation")
OWN = {
    "id", "isl", "osl", *LOADS, "prefix_share", "tpot_ms", "itl_ms", "ttft_ms", "output_tokens_per_s",
    "requests", "definition", "client",
}  # fmt: skip


def recognizes(result: Result) -> bool:
    """Whether every object has lengths under these names."""
    return bool(result.records) and all("isl" in record and "osl" in record for record in result.records)


def read(result: Result) -> BenchmarkReading:
    """Every line."""
    found: list[SpeedObservation] = []
    skipped: list[str] = []
    for number, record in enumerate(result.records, start=1):
        fields = Fields(record)
        name = record.get("id")
        origin = f"{result.name} {clean(str(name)) if isinstance(name, str | int) else f'row {number}'}"
        observation = _observation(origin, fields)
        if isinstance(observation, SpeedObservation) and fields.complaints:
            observation = "a value that cannot be"
        if isinstance(observation, str):
            skipped.append(passed_over(origin, observation, fields))
        else:
            found.append(observation)
    return BenchmarkReading(name=result.name, format="JSON lines", observations=tuple(found), skipped=tuple(skipped))


def _observation(origin: str, fields: Fields) -> SpeedObservation | str:
    """One line, or why it is of no use."""
    isl, osl = lengths(fields.number("isl")), lengths(fields.number("osl"))
    if isl is None or osl is None:
        return "isl and osl are tokens, at least 1"
    kinds = [kind for kind in LOADS if fields.get(kind) not in (None, False)]
    if len(kinds) > 1:
        return f"a load is one of {', '.join(LOADS)}, not {' and '.join(kinds)}"
    kind = kinds[0] if kinds else None
    value = fields.number(kind) if kind and kind != "saturation" else 0.0
    if value is None:
        return "no usable load"
    share = fields.number("prefix_share", most=1.0) or 0.0
    definition = fields.get("definition")
    if definition not in (None, "mean", "p50"):
        return 'definition is "mean" or "p50"'
    observation = SpeedObservation(
        origin=origin,
        input_tokens=isl,
        output_tokens=osl,
        kind=kind,
        value=value,
        prefix_share=share,
        ttft_s=ms(fields.number("ttft_ms")),
        tpot_s=ms(fields.first((("tpot_ms",), ("itl_ms",)))),
        output_tokens_per_s=fields.number("output_tokens_per_s"),
        definition=cast("Any", definition) or "mean",
        requests=fields.count("requests"),
        model=fields.text("model"),
        client=fields.get("client") is not False,
        flags={str(key): value for key, value in fields.record.items() if key not in OWN},
    )
    return observation if observation.measured else "no tpot_ms, ttft_ms or output_tokens_per_s"
