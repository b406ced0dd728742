"""`llmplan emit-config`: launch files from a plan file alone, with no GPU, network or catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli import _parse
from llmplan.cli._options import FORMATS

if TYPE_CHECKING:
    from llmplan.emit import LaunchFile
    from llmplan.plan.deployment import StrategyId


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("emit-config", short_help="Turn a plan into launch files.")(emit_config)


def emit_config(
    plan_path: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.yaml made by `llmplan recommend -o`.")],
    target: Annotated[
        str, typer.Option("--target", "-t", help="vllm, tensorrt-llm, llama-cpp or docker-compose.", metavar="TARGET")
    ],
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This row of the plan instead of the recommended one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write into this folder instead of stdout.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing files, and accept a plan that was changed by hand.")
    ] = False,
    output_format: Annotated[
        str,
        typer.Option(
            "--format",
            parser=_parse.choice("--format", FORMATS),
            metavar="|".join(FORMATS),
            envvar="LLMPLAN_FORMAT",
            help="How to print the files.",
        ),
    ] = "table",
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> None:
    """Turn a plan into launch files: scripts and settings in which every planned value is written out."""
    from llmplan import emit
    from llmplan.cli import _launch_files
    from llmplan.planfile import read_plan

    emit.find_target(target)
    chosen = strategy_id(strategy)
    plan = read_plan(plan_path, allow_edited=force)
    files = emit.emit(plan, strategy=chosen, target=target)
    for note in emit.notes(plan, strategy=chosen, target=target):
        typer.echo(f"warning: {note}", err=True)
    if output is not None:
        written = _launch_files.write_all(files, output, force=force)
        typer.echo("wrote " + ", ".join(map(str, written)), err=True)
    if as_json or output_format == "json":
        typer.echo(_json(plan.recommended if chosen is None else chosen, target, files))
    elif output is None and output_format == "markdown":
        typer.echo("\n\n".join(map(_launch_files.render_markdown, files)))
    elif output is None:
        typer.echo("\n".join(f"# --- {file.path} ---\n{_launch_files.render(file)}" for file in files), nl=False)


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


def _json(strategy: str | None, target: str, files: tuple[LaunchFile, ...]) -> str:
    import json

    from llmplan.cli import _launch_files

    rows = [
        {"path": file.path, "kind": file.kind, "executable": file.executable, "text": _launch_files.render(file)}
        for file in files
    ]
    document = {"schema": "llmplan.emit-config/v1", "strategy": strategy, "target": target, "files": rows}
    return json.dumps(document, indent=2, allow_nan=False)
