"""`llmplan predict`: how fast one replica is under a stated load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _cases, _console, _formats
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._formats import CompareFlags
from llmplan.cli._options import MODEL_HELP, LoadFlags, ModelCatalogFlags, OutputFlags, ReplicaFlags
from llmplan.errors import UsageError

if TYPE_CHECKING:
    from llmplan.cli._replica import Built
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.disaggregation import PoolState
    from llmplan.plan.load import Load
    from llmplan.plan.outcome import Estimate, MemoryBudget
    from llmplan.report.blocks import Document


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict", short_help="How fast is it? TTFT, TPOT and throughput under a load.")(predict)


@takes_flags
def predict(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help=MODEL_HELP),
    ] = None,
    *,
    replica: ReplicaFlags,
    load: LoadFlags,
    cases: _cases.CasesOption = None,
    compare: CompareFlags,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """Speed of one replica under a load: TTFT, TPOT, throughput, what limits them, and how sure that is.

    With --compare-weights or --compare-kv-cache, number formats side by side.
    Exits 3 when the replica does not fit its GPUs, or when the engine refuses such a launch.
    """
    from llmplan.cli._workbench import Workbench

    if compare.any and cases is not None:
        raise UsageError("--compare-weights and --compare-kv-cache try many replicas of their own: leave --cases out")
    bench = Workbench(open_catalog(catalog))
    if cases is not None:
        return run_cases(cases, model, replica, load, bench)
    if model is None:
        raise UsageError("which model? MODEL is missing", hints=["llmplan catalog list models"])
    if compare.any:
        return _formats.answer(model, replica, load, compare, bench, output)
    found = answer(model, replica, load, bench)
    _console.answer(output.chosen, record=lambda: record(found, bench), document=lambda: document(found, bench, output))
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One prediction and what it was made from."""

    built: Built
    load: Load
    budget: MemoryBudget
    estimate: Estimate
    pools: PoolState | None = None


def answer(model: str, flags: ReplicaFlags, load: LoadFlags, bench: Workbench) -> Answer:
    """The prediction for one replica; raises where its engine would not start it, or where it does not fit: there is
    no speed of what does not run."""
    from llmplan import perf
    from llmplan.cli._extras import pools_of
    from llmplan.cli._replica import demand_startable, load_of, refuse, request_tokens
    from llmplan.plan.disaggregation import Pools
    from llmplan.plan.outcome import Rejection

    asked = load_of(load)
    built = bench.build(model, flags, request_tokens(load))
    demand_startable(built, bench.checks(built.replica), bench.catalog)
    budget = bench.budget(built.replica)
    if isinstance(budget, Rejection):
        refuse(budget)
    if load.disaggregate is None:
        estimate = bench.estimate(built.replica, budget, asked)
        return Answer(built=built, load=asked, budget=budget, estimate=estimate)
    prefill, decode = pools_of(load.disaggregate)
    pools, calibration = Pools(prefill=prefill, decode=decode), bench.calibration(built.replica)
    estimate, state = perf.estimate_disaggregated(built.replica, budget, asked, calibration, pools)
    return Answer(built=built, load=asked, budget=budget, estimate=estimate, pools=state)


def record(found: Answer, bench: Workbench) -> dict[str, Any]:
    """The JSON answer."""
    from llmplan.report import json

    replica = found.built.replica
    checks = bench.checks(replica)
    return json.predict(replica, found.estimate, found.budget, checks, found.built.assumed, found.pools)


def document(found: Answer, bench: Workbench, output: OutputFlags) -> Document:
    """The answer for people."""
    from llmplan.report import predict as view

    replica, assumed = found.built.replica, found.built.assumed
    estimate = explained(found, bench) if output.explain else found.estimate
    checks = bench.checks(replica)
    return view.document(
        replica, found.load, estimate, found.budget, checks, assumed, pools=found.pools, explain=output.explain
    )


def explained(found: Answer, bench: Workbench) -> Estimate:
    """The estimate with each line's arithmetic in its ledger."""
    from dataclasses import replace

    from llmplan import perf

    replica = found.built.replica
    ledger = perf.explain_step(replica, found.budget, found.estimate, found.load, bench.calibration(replica))
    return replace(found.estimate, step_ledger=ledger)


def run_cases(path: Path, model: str | None, replica: ReplicaFlags, load: LoadFlags, bench: Workbench) -> int:
    """Answer each line of a file."""
    from llmplan.report import json

    texts: dict[int, tuple[Built, str]] = {}

    def setting(found: Answer) -> str:
        """What all lines about one replica have in common, as JSON."""
        built = found.built
        if id(built) not in texts:
            record = json.setting(built.replica, found.budget, bench.checks(built.replica), built.assumed)
            texts[id(built)] = (built, _console.json_text(record))
        return texts[id(built)][1]

    def one(name: str, flags: dict[str, Any]) -> _cases.Reply:
        found = answer(name, flags["replica"], flags["load"], bench)
        return _cases.Reply(json.predicted(found.built.replica, found.estimate, found.pools), setting(found))

    return _cases.run(path, one, model=model, groups={"replica": replica, "load": load})
