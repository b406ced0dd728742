"""`llmplan predict --compare-weights` and `--compare-kv-cache`: one replica in one number format after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli import _console
from llmplan.errors import NoFeasiblePlanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._options import LoadFlags, OutputFlags, ReplicaFlags
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.deployment import Replica
    from llmplan.plan.format_rows import FormatComparison
    from llmplan.plan.load import Load

ALL, AUTO = "all", "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareFlags:
    """Which formats are set side by side; none: one replica is predicted."""

    compare_weights: Annotated[
        str | None,
        typer.Option(
            "--compare-weights", metavar="FMTS",
            help="Weight formats side by side (fp8,awq-int4 or all): memory, speed against 16 bit, why, quality.",
        ),
    ] = None  # fmt: skip
    compare_kv_cache: Annotated[
        str | None,
        typer.Option("--compare-kv-cache", metavar="FMTS", help="The same for KV cache formats."),
    ] = None

    @property
    def any(self) -> bool:
        """Whether anything is compared."""
        return self.compare_weights is not None or self.compare_kv_cache is not None


def answer(
    model: str, flags: ReplicaFlags, load: LoadFlags, wanted: CompareFlags, bench: Workbench, output: OutputFlags
) -> int:
    """Try every format and print what came of it; exits 3 where none runs."""
    from llmplan.cli._replica import load_of
    from llmplan.report import formats as view
    from llmplan.report import json_formats

    asked = load_of(load)
    found = comparisons(model, flags, load, wanted, bench)
    shown = next((each.speed.replica for one in found for each in one.rows if each.speed), None)
    if shown is None:
        shown = bench.build(model, flags, _tokens(load)).replica
    assumed = _assumed(model, flags, load, wanted, bench)
    if output.explain:
        found = tuple(explained(each, asked, bench) for each in found)
    _console.answer(
        output.chosen,
        record=lambda: json_formats.record(shown, asked, found, assumed),
        document=lambda: view.document(shown, asked, found, assumed, explain=output.explain),
    )
    return 0 if all(each.runs for each in found) else NoFeasiblePlanError.exit_code


def comparisons(
    model: str, flags: ReplicaFlags, load: LoadFlags, wanted: CompareFlags, bench: Workbench
) -> tuple[FormatComparison, ...]:
    """One comparison for each of the two flags that was given."""
    from llmplan.cli._replica import load_of
    from llmplan.planner.format_rows import compare

    asked, tokens = load_of(load), _tokens(load)
    probe = bench.build(model, flags, tokens).replica

    def in_weights(name: str) -> Replica:
        return bench.build(model, replace(flags, weights=name), tokens).replica

    def in_cache(name: str) -> Replica:
        return bench.build(model, replace(flags, kv_cache=name), tokens).replica

    found = []
    if wanted.compare_weights is not None:
        names = weight_names(_with(wanted.compare_weights, flags.weights), probe)
        found.append(compare("weights", in_weights, names, asked, bench.catalog, bench.calibration))
    if wanted.compare_kv_cache is not None:
        names = cache_names(_with(wanted.compare_kv_cache, flags.kv_cache), probe)
        found.append(compare("kv_cache", in_cache, names, asked, bench.catalog, bench.calibration))
    return tuple(found)


def weight_names(wanted: str, probe: Replica) -> Sequence[str]:
    """The 16-bit format, then those asked for; `all`: the checkpoint's own and those of the engine, most bits first."""
    from llmplan import memory
    from llmplan.planner.format_rows import sixteen_bit

    model, base = probe.model, sixteen_bit(probe.model, probe.gpu)
    names, everything = _listed(wanted, "--compare-weights")
    found = {name: memory.weight_format(name, model) for name in names}
    # an alias goes by the format's id, a variant of a format by its own name
    known = {each.id if each == memory.weight_format(each.id) else name: each for name, each in found.items()}
    if everything:
        own = memory.weight_format(AUTO, model)
        known |= {AUTO: own} if own.is_quantized else {}
        listed = [memory.weight_format(name, model) for name in probe.engine.weight_formats]
        for each in sorted(listed, key=lambda one: -one.bits):
            if each.is_quantized and each.id != own.id and (model.is_moe or not each.experts_only):
                known[each.id] = each
    return _once(base, memory.weight_format(base, model), known)


def cache_names(wanted: str, probe: Replica) -> Sequence[str]:
    """The 16-bit cache, then those asked for; `all`: every one of the engine, but for packed latents."""
    from llmplan import memory
    from llmplan.planner.format_rows import sixteen_bit

    model, base = probe.model, sixteen_bit(probe.model, probe.gpu)
    names, everything = _listed(wanted, "--compare-kv-cache")
    known = {name: memory.kv_format(name, model) for name in names}
    if everything:
        listed = [memory.kv_format(name, model) for name in probe.engine.kv_formats]
        known |= {each.id: each for each in listed if each.bytes_per_element < 2 and not each.packs_latents}
    return _once(base, memory.kv_format(base, model), known)


def _listed(wanted: str, flag: str) -> tuple[Sequence[str], bool]:
    """The names in a list with commas, and whether `all` is among them."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{flag} names no format", hints=[f"{flag} {ALL}"])
    named = [name for name in names if name.casefold() != ALL]
    return named, len(named) < len(names)


def _once(base: str, base_format: object, known: Mapping[str, object]) -> Sequence[str]:
    """The baseline first, and every format once whatever it was called."""
    names = {base_format: base}
    for name, each in known.items():
        names.setdefault(each, name)
    return tuple(names.values())


def _with(wanted: str, asked: str) -> str:
    """The formats to compare, and the one that the replica's own flag names."""
    return wanted if asked == AUTO else f"{wanted},{asked}"


def _tokens(load: LoadFlags) -> int:
    from llmplan.cli._replica import request_tokens

    return request_tokens(load)


def _assumed(
    model: str, flags: ReplicaFlags, load: LoadFlags, wanted: CompareFlags, bench: Workbench
) -> Mapping[str, str]:
    varied = {"weights": wanted.compare_weights, "kv_cache": wanted.compare_kv_cache}
    assumed = bench.build(model, flags, _tokens(load)).assumed
    return {name: value for name, value in assumed.items() if varied.get(name) is None}


def explained(found: FormatComparison, load: Load, bench: Workbench) -> FormatComparison:
    """Each estimate with the arithmetic of its step in the ledger."""
    from llmplan import perf

    rows = []
    for row in found.rows:
        if row.speed is not None:
            one = row.speed
            calibration = bench.calibration(one.replica)
            ledger = perf.explain_step(one.replica, one.budget, one.estimate, load, calibration)
            row = replace(row, speed=replace(one, estimate=replace(one.estimate, step_ledger=ledger)))
        rows.append(row)
    return replace(found, rows=tuple(rows))
