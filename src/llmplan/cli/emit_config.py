"""`llmplan emit-config`: launch files from a plan file alone, with no GPU, network or catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli._flags import takes_flags
from llmplan.cli._options import OutputFlags
from llmplan.cli._variant_flags import VariantFlags

if TYPE_CHECKING:
    from llmplan.emit import LaunchFile
    from llmplan.plan.deployment import StrategyId
    from llmplan.plan.plan import Plan
    from llmplan.report.blocks import Block

SCHEMA = "llmplan.emit-config/v1"
TARGETS = (
    "vllm", "sglang", "tensorrt-llm", "llama-cpp", "docker-compose", "systemd", "kubernetes", "leaderworkerset",
    "kserve", "helm", "dynamo", "knative", "modal", "runpod", "skypilot", "dstack",
)  # fmt: skip
"""those of emit.targets, which --help need not import"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("emit-config", short_help="Turn a plan into launch files.")(emit_config)


@takes_flags
def emit_config(
    plan_path: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.yaml made by `llmplan recommend -o`.")],
    *,
    target: Annotated[
        str,
        typer.Option("--target", "-t", help=f"What to start it with: {', '.join(TARGETS)}.", metavar="TARGET"),
    ],
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This row of the plan instead of the recommended one.")
    ] = None,
    output_folder: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write into this folder instead of stdout.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing files, and accept a plan that was changed by hand.")
    ] = False,
    variant: VariantFlags,
    output: OutputFlags,
) -> None:
    """Turn a plan into launch files: scripts and settings in which every planned value is written out.

    With --explain: each setting with its value, the engine's own default and the reason, instead of the files.
    """
    from llmplan import emit
    from llmplan.cli import _launch_files
    from llmplan.planfile import read_plan

    emit.find_target(target)
    chosen, chosen_variant = strategy_id(strategy), variant.variant()
    plan = read_plan(plan_path, allow_edited=force)
    _demand_startable(plan, chosen, target)
    files = emit.emit(plan, strategy=chosen, target=target, variant=chosen_variant)
    for note in emit.notes(plan, strategy=chosen, target=target):
        typer.echo(f"warning: {note}", err=True)
    if output_folder is not None:
        written = _launch_files.write_all(files, output_folder, force=force)
        typer.echo("wrote " + ", ".join(map(str, written)), err=True)
    if output.chosen == "json":
        typer.echo(_json(plan.recommended if chosen is None else chosen, target, files))
    elif output.explain:
        from llmplan.cli import _console

        _console.answer(output.chosen, record=dict, document=lambda: explained(files))
    elif output_folder is None:
        typer.echo(_texts(files, markdown=output.chosen == "markdown"), nl=False)


def _demand_startable(plan: Plan, strategy: StrategyId | None, target: str) -> None:
    """Refuse what the engine that the target starts would refuse; say what it would do badly."""
    from llmplan import checks, emit
    from llmplan.errors import UsageError
    from llmplan.plan.launch_facts import LaunchFacts

    replica = emit.launched(plan, strategy=strategy, target=target)
    for found in checks.run(replica, LaunchFacts(platform=target)):
        if found.severity == "error":
            planned = (emit.target_of(engine.id) for engine in plan.known_engines if engine.id != replica.engine.id)
            raise UsageError(
                f"{replica.engine.ref} will refuse this: {found.message} ({found.source})",
                hints=[
                    *[f"llmplan emit-config PLAN --target {name}" for name in list(planned)[:1] if name],
                    f"llmplan recommend ... --engine {replica.engine.id} plans for it ({found.fix})",
                ],
            )
        if found.severity == "warning":
            typer.echo(f"warning: {found.message} Fix: {found.fix} ({found.id})", err=True)


def strategy_id(name: str | None) -> StrategyId | None:
    """The strategy that is named, dashes or not."""
    from llmplan.errors import UnknownIdError
    from llmplan.plan.deployment import STRATEGY_IDS

    if name is None:
        return None
    for strategy in STRATEGY_IDS:
        if strategy == name.strip().lower().replace("-", "_"):
            return strategy
    raise UnknownIdError("strategy", name, STRATEGY_IDS, listing=f"the strategies are {', '.join(STRATEGY_IDS)}")


def explained(files: Sequence[LaunchFile]) -> tuple[Block, ...]:
    """Every setting of the files, each once."""
    from llmplan.report.blocks import Column, Row, Table

    rows = tuple(Row(cells=tuple(row.values())) for row in _settings(files))
    titles = (Column(title="setting"), Column(title="value"), Column(title="default"), Column(title="why", share=1))
    return (Table(columns=titles, rows=rows),)


def _settings(files: Sequence[LaunchFile]) -> list[dict[str, str]]:
    from llmplan.emit import Env

    found: dict[tuple[str, ...], dict[str, str]] = {}
    for setting in (setting for file in files for setting in file.settings):
        text = setting.text
        shown = f"${text.name}" if isinstance(text, Env) else text
        row = {"name": setting.name, "value": shown, "default": setting.default or "", "why": setting.why}
        found[tuple(row.values())] = row
    return list(found.values())


def _texts(files: Sequence[LaunchFile], *, markdown: bool) -> str:
    from llmplan.cli import _launch_text

    if markdown:
        return "\n\n".join(map(_launch_text.render_markdown, files)) + "\n"
    return "\n".join(f"# --- {file.path} ---\n{_launch_text.render(file)}" for file in files)


def _json(strategy: str | None, target: str, files: Sequence[LaunchFile]) -> str:
    import json

    from llmplan.cli import _launch_text

    rows = [
        {"path": file.path, "kind": file.kind, "executable": file.executable, "text": _launch_text.render(file)}
        for file in files
    ]
    document: dict[str, Any] = {"schema": SCHEMA, "strategy": strategy, "target": target, "files": rows}
    document["settings"] = _settings(files)
    return json.dumps(document, indent=2, allow_nan=False)
