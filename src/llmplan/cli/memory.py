"""`llmplan memory`: will it fit, and how many requests at once?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _cases, _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import MODEL_HELP, ModelCatalogFlags, OutputFlags, ReplicaFlags
from llmplan.errors import NoFeasiblePlanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._replica import Built
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.deployment import Replica
    from llmplan.plan.observation import Comparison
    from llmplan.plan.outcome import KvPool, MemoryBudget, Rejection


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("memory", short_help="Does it fit? Memory of one GPU, and how many requests.")(memory)


@takes_flags
def memory(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help=MODEL_HELP),
    ] = None,
    *,
    replica: ReplicaFlags,
    cases: _cases.CasesOption = None,
    against_log: Annotated[
        Path | None,
        typer.Option("--against-log", metavar="FILE", help="Compare with a start-up log of vLLM or SGLang."),
    ] = None,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit", help="What makes it fit: longest context, requests at once, TP, format, GPU; and why not."
        ),
    ] = False,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """Memory of one GPU of a replica: weights, activations, CUDA graphs, KV pool, and how many requests fit.

    With --fit, the inverse questions, with or without a --gpu.
    Exits 3 when it does not fit, or when the engine refuses such a launch.
    """
    from llmplan.cli._replica import demand_startable
    from llmplan.cli._workbench import Workbench

    if cases is not None and against_log is not None:
        raise UsageError("--against-log is the log of one replica, and --cases asks about many: give one of them")
    if fit and (cases is not None or against_log is not None):
        raise UsageError("--fit tries many replicas of its own: leave --cases and --against-log out")
    bench = Workbench(open_catalog(catalog))
    if cases is not None:
        return run_cases(cases, model, replica, bench)
    if model is None:
        raise UsageError("which model? MODEL is missing", hints=["llmplan catalog list models"])
    if fit:
        from llmplan.cli import _fit

        return _fit.answer(model, replica, bench, output)
    built = bench.build(model, replica, None)
    outcome = bench.budget(built.replica)
    _show(built, outcome, bench, output, comparisons(built.replica, outcome, against_log))
    if not fits(outcome):
        return NoFeasiblePlanError.exit_code
    demand_startable(built, bench.checks(built.replica), bench.catalog)
    return 0


def fits(outcome: MemoryBudget | Rejection) -> bool:
    """Whether there is a budget."""
    from llmplan.plan.outcome import MemoryBudget

    return isinstance(outcome, MemoryBudget)


def comparisons(replica: Replica, outcome: MemoryBudget | Rejection, log: Path | None) -> tuple[Comparison, ...]:
    """Plan beside measurement, for each figure of the log."""
    if log is None:
        return ()
    from llmplan.measurements import read_startup_log
    from llmplan.plan.observation import compare
    from llmplan.plan.outcome import MemoryBudget

    seen = read_startup_log(log)
    return tuple(compare(outcome, seen, replica.settings.max_model_len)) if isinstance(outcome, MemoryBudget) else ()


def _show(
    built: Built,
    outcome: MemoryBudget | Rejection,
    bench: Workbench,
    output: OutputFlags,
    compared: tuple[Comparison, ...],
) -> None:
    from llmplan.report import memory as view

    size_bytes = bench.checkpoint_bytes(built)
    checks = bench.checks(built.replica)
    _console.answer(
        output.chosen,
        record=lambda: record(built, outcome, bench) | view.compared_record(compared),
        document=lambda: view.document(
            built.replica,
            outcome,
            (size_bytes, built.stored.id),
            checks,
            built.assumed,
            compared,
            explain=output.explain,
        ),
    )


def record(built: Built, outcome: MemoryBudget | Rejection, bench: Workbench) -> dict[str, Any]:
    """The JSON answer."""
    from llmplan.memory import kv_bytes_per_token_per_gpu
    from llmplan.report import json

    replica = built.replica
    return json.memory(
        replica,
        outcome,
        bench.checkpoint_bytes(built),
        kv_bytes_per_token_per_gpu(replica.model, replica.kv, replica.parallel),
        bench.checks(replica),
        built.assumed,
        failed_pool(replica, outcome),
    )


def failed_pool(replica: Replica, outcome: MemoryBudget | Rejection) -> KvPool | None:
    """What the pool of a replica that cannot start would hold; None where the weights leave none."""
    from llmplan.memory import kv_pool
    from llmplan.plan.outcome import Rejection

    if not isinstance(outcome, Rejection) or outcome.ledger is None:
        return None
    pool_bytes = next((line.amount for line in outcome.ledger.lines if line.name == "KV pool"), None)
    return kv_pool(replica, pool_bytes) if pool_bytes else None


def run_cases(path: Path, model: str | None, defaults: ReplicaFlags, bench: Workbench) -> int:
    """Answer each line of a file."""

    def answer(name: str, flags: dict[str, Any]) -> _cases.Reply:
        built = bench.build(name, flags["replica"], None)
        return _cases.Reply(record(built, bench.budget(built.replica), bench))

    return _cases.run(path, answer, model=model, groups={"replica": defaults})
