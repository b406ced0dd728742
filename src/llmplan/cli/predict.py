"""`llmplan predict`: how fast one replica is under a stated load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _cases, _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, LoadFlags, OutputFlags, ReplicaFlags
from llmplan.errors import UsageError

if TYPE_CHECKING:
    from llmplan.cli._replica import Workbench


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict)


@takes_flags
def predict(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="Hub id of a catalogue model, or the path of a config.json or its folder."
        ),
    ] = None,
    *,
    replica: ReplicaFlags,
    load: LoadFlags,
    cases: _cases.CasesOption = None,
    catalog: CatalogFlags,
    output: OutputFlags,
) -> int:
    """Speed of one replica under a load: TTFT, TPOT, throughput, what limits them, and how sure that is.

    Exits 3 when the replica does not fit its GPUs.
    """
    from llmplan import perf
    from llmplan.cli._replica import Workbench, load_of, refuse, request_tokens
    from llmplan.plan.outcome import Rejection

    bench = Workbench(open_catalog(catalog))
    if cases is not None:
        return run_cases(cases, model, replica, load, bench)
    if model is None:
        raise UsageError("which model? MODEL is missing", hints=["llmplan catalog list models"])
    asked = load_of(load)
    built = bench.build(model, replica, request_tokens(load))
    budget = bench.budget(built.replica)
    if isinstance(budget, Rejection):
        refuse(budget)
    estimate = perf.estimate(built.replica, budget, asked, bench.calibration(built.replica))
    checks = bench.checks(built.replica)
    from llmplan.report import json
    from llmplan.report import predict as view

    _console.answer(
        output.chosen,
        record=lambda: json.predict(built.replica, estimate, budget, checks, built.assumed),
        document=lambda: view.document(
            built.replica, asked, estimate, budget, checks, built.assumed, explain=output.explain
        ),
    )
    return 0


def run_cases(path: Path, model: str | None, replica: ReplicaFlags, load: LoadFlags, bench: Workbench) -> int:
    """Answer each line of a file."""
    from llmplan import perf
    from llmplan.cli._replica import load_of, refuse, request_tokens
    from llmplan.plan.outcome import Rejection
    from llmplan.report import json

    def answer(name: str, flags: dict[str, Any]) -> dict[str, Any]:
        asked = load_of(flags["load"])
        built = bench.build(name, flags["replica"], request_tokens(flags["load"]))
        budget = bench.budget(built.replica)
        if isinstance(budget, Rejection):
            refuse(budget)
        estimate = perf.estimate(built.replica, budget, asked, bench.calibration(built.replica))
        return json.predict(built.replica, estimate, budget, bench.checks(built.replica), built.assumed)

    return _cases.run(path, answer, model=model, groups={"replica": replica, "load": load})
