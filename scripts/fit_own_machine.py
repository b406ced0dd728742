"""Coefficients of llama.cpp on an engine and GPU generation of which no published row is in the table, fitted to what
was measured on one machine: the recordings under `benchmarks/real_engine/measured/gpu/`.

`python scripts/fit_own_machine.py` prints the errors and writes profiles/calibration/. In sample: nothing else of this
engine on these GPUs is at hand to hold it against. Servers that copied every finished request to host memory tell only
the TPOT of a lone client, when nothing is copied beside it. What runs on the CPU is another matter and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from gpu_machine_accuracy import BENCHES, case, read, recordings
from measured_rows import REPO

from llmplan import catalogs
from llmplan.catalogs.calibration_text import calibration_text
from llmplan.cli._options import ReplicaFlags
from llmplan.cli._workbench import Workbench
from llmplan.perf import select_calibration
from llmplan.perf.calibration import generation_of
from llmplan.perf.machine import Machine, Point, blended, fit_machine
from llmplan.plan.load import Load
from llmplan.plan.machine_fit import MachineFit
from llmplan.plan.outcome import Rejection
from llmplan.spec.calibration import Calibration, ResidualBand
from llmplan.spec.provenance import Source
from llmplan.spec.workload import Lengths

OUT = REPO / "profiles" / "calibration"
TITLE = "llmplan, measured by ourselves: llama.cpp build 11434 on one NVIDIA H200"


def points(bench: Workbench) -> Iterator[Point]:
    """Every load that ran on the GPU alone, with what is told undisturbed by copies to host memory."""
    for path in recordings():
        recording = read(path)
        gpu = recording["gpu"].split(",")[0]
        isl, osl = recording["load"]["input_tokens"], recording["load"]["output_tokens"]
        for server in recording["servers"]:
            undisturbed = server["saving_a_finished_request"] is None
            for name, found in server["loads"].items():
                clients = int(name.removeprefix("closed-"))
                if server["host_layers"] or not (undisturbed or clients == 1):
                    continue
                measured = {"tpot": found["tpot_s"]["mean"]}
                if undisturbed:
                    measured |= {"ttft": found["ttft_s"]["mean"], "throughput": found["output_tokens_per_s"]}
                origin = f"{path.stem} {server['name']} {name}"
                yield _point(bench, origin, case(server, gpu), (clients, isl, osl), measured)
        for name, found in recording["llama_bench"].items():
            flags = BENCHES[name][1] | {"gpu": gpu, "engine": "llama-cpp"}
            if "host_layers" in flags or "experts_on_cpu" in flags:
                continue
            for test, speed in found.items():
                tokens = int(test[2:])
                of_prompt = test.startswith("pp")
                measured = (
                    {"ttft": tokens / speed["tokens_per_s"]} if of_prompt else {"tpot": 1 / speed["tokens_per_s"]}
                )
                lengths = (1, tokens, 1) if of_prompt else (1, 1, tokens)
                yield _point(
                    bench, f"{path.stem} llama-bench {name} {test}", flags, lengths, measured, bench_of_model=True
                )


def _point(
    bench: Workbench, origin: str, flags: dict[str, Any], sizes: tuple[int, int, int], measured: dict[str, float],
    *, bench_of_model: bool = False,
) -> Point:  # fmt: skip
    clients, isl, osl = sizes
    model = flags.pop("model") if "model" in (flags := dict(flags)) else ""
    replica = bench.build(model, ReplicaFlags(**flags), isl + osl).replica
    budget = bench.budget(replica)
    assert not isinstance(budget, Rejection), budget
    load = Load(
        kind="concurrency", value=float(clients), input_tokens=Lengths.fixed(float(isl)),
        output_tokens=Lengths.fixed(float(osl)),
    )  # fmt: skip
    return Point.of(origin, replica, budget, load, measured, client=not bench_of_model, samples=not bench_of_model)


def bands_of(prior: Calibration, fitted: MachineFit, found: list[Point], *, is_moe: bool) -> dict[str, ResidualBand]:
    """The prior's bands of one kind of model, with the left-out residuals of this kind."""
    origins = {point.origin for point in found if point.replica.model.is_moe == is_moe}
    own = prior.for_model(is_moe=is_moe).bands
    return {
        name: blended(
            band, [p.measured / p.left_out for p in fitted.points if p.quantity == name and p.origin in origins]
        )
        for name, band in own.items()
    }


def main() -> None:
    """Fit, print, write."""
    today = datetime.now(UTC).date()
    catalog = catalogs.load_catalog((catalogs.packaged_profiles(),), price_date=today)
    bench = Workbench(catalog)
    found = list(points(bench))
    replica = found[0].replica
    engine, generation = replica.engine.calibration_id, generation_of(replica.gpu)
    others = [each for each in catalog.calibrations if (each.engine, each.generation) != (engine, generation)]
    prior = select_calibration(others, replica.engine, replica.gpu)
    measured = max(date.fromisoformat(read(path)["measured"]) for path in recordings())
    source = Source(id="own", title=TITLE, retrieved=measured, locator="benchmarks/real_engine/measured/gpu; in sample")
    machine = Machine(engine=engine, generation=generation, gpu=replica.gpu.id, model=None)
    fitted = fit_machine(found, prior, machine, source=source, day=today, validity="")
    for each in fitted.points:
        ratios = [f"{value / each.measured - 1:+.0%}" for value in (each.before, each.after, each.left_out)]
        print(
            f"{each.origin:58} {each.quantity:10} {each.measured:10.4g}  before, after, left out: {', '.join(ratios)}"
        )
    for move in fitted.moves:
        print(f"{move.name:30} {move.before:.4g} -> {move.after:.4g}")
    whole = replace(
        fitted.calibration, id=f"{engine}-{generation}", gpu=None, model=None, validity=None,
        bands=bands_of(prior, fitted, found, is_moe=False), expert_bands=bands_of(prior, fitted, found, is_moe=True),
    )  # fmt: skip
    fresh = fitted.calibration.provenance["rows"]
    told = {
        f"{start}{name}_{edge}": fresh if band.rows != before[name].rows else prior.provenance[f"{start}{name}_{edge}"]
        for start, bands, before in (
            ("", whole.bands, prior.bands), ("moe_", whole.expert_bands, prior.expert_bands)
        )
        for name, band in bands.items()
        for edge in ("low_ratio", "high_ratio", "rows")
    }  # fmt: skip
    whole = replace(whole, provenance={**whole.provenance, **told})
    (OUT / f"{whole.id}.yaml").write_text(calibration_text(whole), encoding="utf-8")


if __name__ == "__main__":
    main()
