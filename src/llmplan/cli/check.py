"""`llmplan check`: what an engine will make of a launch that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console, _parse
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import ModelCatalogFlags, OutputFlags, count
from llmplan.errors import DataError, LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._check_replica import Machine
    from llmplan.launchlines import Start
    from llmplan.plan.engine_rule import EngineRule
    from llmplan.spec.catalog import Catalog

EXIT_ERRORS = 1
EXIT_STRICT = 4
AUTO = "auto"
PROGRAMS = {"vllm": "vllm serve", "sglang": "sglang serve", "tensorrt-llm": "trtllm-serve"}
EXAMPLE = "llmplan check --gpu h100-sxm-80gb -- vllm serve MODEL --tensor-parallel-size 2"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", short_help="Review a launch: a command line, a script, a Compose or settings file.")(check)


@takes_flags
def check(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND ...]", help="What starts the engine, behind two dashes; never run."),
    ] = None,
    *,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", metavar="ID", envvar="LLMPLAN_GPU", help="GPU id or alias; auto: this machine's."),
    ] = None,
    gpus: Annotated[int | None, count("--gpus", "GPUs of one machine.", at_most=4096)] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ID", help="Host around the GPUs (default: the usual one).")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="ID[@VERSION]",
            envvar="LLMPLAN_ENGINE",
            help="The engine's version (default: that of the image's tag, else the newest).",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Which model it serves, where the line has another name for it.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="FMT", help="Format of the checkpoint that the line names, where --model has another."
        ),
    ] = None,
    free_gib: Annotated[
        float | None,
        typer.Option(
            "--free-gib",
            parser=_parse.number("--free-gib", at_least=0, at_most=1e6),
            metavar="X",
            help="Free memory of each GPU when the engine starts.",
        ),
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--script", metavar="FILE", help="A shell script that starts engines.")
    ] = None,
    compose: Annotated[Path | None, typer.Option("--compose", metavar="FILE", help="A Compose file.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="A settings file of vLLM, SGLang or TensorRT-LLM.")
    ] = None,
    list_rules: Annotated[bool, typer.Option("--list", help="List the rules (of --engine, if given).")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 if there is a warning.")] = False,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """Review a launch that exists: flags, engine rules, and whether the memory fits.

    Exits 1 if something is wrong with which it would not start, or not as meant.
    """
    from llmplan import launchlines

    rules = all_rules()
    if list_rules:
        return _list(rules, engine, open_catalog(catalog), output)
    given = [bool(command), script is not None, compose is not None, config is not None]
    if sum(given) != 1:
        what = "nothing to check" if not any(given) else "one launch at a time"
        raise UsageError(f"{what}: give a command behind `--`, --script, --compose or --config", hints=[EXAMPLE])
    if gpu is None:
        raise UsageError("which GPU? --gpu is missing", hints=["llmplan catalog list gpus", "--gpu auto"])
    if script is not None:
        lines = _text(script)
        starts, folder = launchlines.starts_in_text(lines), script.parent
        if (at := launchlines.unclosed_line(lines)) is not None:
            _console.warn(f"{script}:{at}: a quotation that begins here is never closed: a shell refuses the script")
    elif compose is not None:
        starts, folder = launchlines.starts_in_compose(_text(compose), str(compose)), compose.parent
    elif config is not None:
        starts, folder = (_start_with(config, engine),), Path()
    else:
        found = launchlines.start_of(command or [])
        starts, folder = (found,) if found else (), Path()
    if not starts:
        raise UsageError(
            "no engine is started there: vllm serve, sglang serve, trtllm-serve and llama-server are known",
            hints=[EXAMPLE],
        )
    names = (engine, model, host, weights)
    return _review(starts, rules, (gpu, gpus, free_gib), names, folder, catalog, output, strict=strict)


def all_rules() -> dict[str, EngineRule]:
    """Every rule by its id: on replicas, on launches, and on how these are written."""
    from llmplan import checks, launchlines

    return {rule.id: rule for rule in (*checks.RULES, *launchlines.FLAG_RULES)}


def _list(rules: dict[str, EngineRule], engine: str | None, catalog: Catalog, output: OutputFlags) -> int:
    from llmplan.report import check as view

    chosen = list(rules.values())
    if engine is not None:
        spec = catalog.engines[engine]
        chosen = [rule for rule in chosen if rule.binds(spec.id, spec.version)]
    _console.answer(
        output.chosen,
        record=lambda: view.rules_record(chosen),
        document=lambda: view.rules_document(chosen),
    )
    return 0


def _review(
    starts: tuple[Start, ...],
    rules: dict[str, EngineRule],
    machine: tuple[str, int | None, float | None],
    names: tuple[str | None, str | None, str | None, str | None],
    folder: Path,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
    *,
    strict: bool,
) -> int:
    import os

    from llmplan import catalogs
    from llmplan.cli._check_lines import review
    from llmplan.cli._check_replica import Asked
    from llmplan.cli._workbench import Workbench
    from llmplan.report import check as view

    opened = open_catalog(catalog)
    bench, layers = Workbench(opened), catalogs.default_layers(os.environ, catalog.catalog)
    engine, model, host, weights = names
    asked = Asked(machine=_machine(*machine, opened), engine=engine, model=model, host=host, weights=weights)
    reviewed = []
    for start in starts:
        try:
            reviewed.append(review(start, asked, bench, folder, layers))
        except LlmplanError as error:
            error.message = f"{start.where}: {error.message}" if start.where else error.message
            raise
    _console.answer(
        output.chosen,
        record=lambda: view.record(reviewed, rules),
        document=lambda: view.document(reviewed, rules, explain=output.explain),
    )
    if any(each.count("error") for each in reviewed):
        return EXIT_ERRORS
    return EXIT_STRICT if strict and any(each.count("warning") for each in reviewed) else 0


def _machine(gpu: str, gpus: int | None, free_gib: float | None, catalog: Catalog) -> Machine:
    """The GPUs as stated, or this machine's."""
    from llmplan.cli._check_lines import gib
    from llmplan.cli._check_replica import Machine

    if gpu != AUTO:
        return Machine(gpu=gpu, gpus=gpus, free_bytes=gib(free_gib))
    import os

    from llmplan import hardware

    report = hardware.scan(os.environ)
    groups = [group for group in hardware.to_inventory(report, catalog.gpus).groups if group.gpu_id in catalog.gpus]
    if not groups:
        raise UsageError(
            "--gpu auto: no GPU on this machine is known", hints=["llmplan hardware", "llmplan doctor", "--gpu ID"]
        )
    free = [each.memory.free_bytes for each in report.gpus if each.memory is not None]
    first = max(groups, key=lambda group: group.gpus)
    return Machine(
        gpu=first.gpu_id,
        gpus=gpus or sum(group.gpus for group in groups),
        names=tuple(group.gpu_id for group in groups for _ in range(group.gpus)),
        memory_bytes=tuple(
            group.gpu_memory_bytes for group in groups if group.gpu_memory_bytes for _ in range(group.gpus)
        ),
        free_bytes=gib(free_gib) if free_gib is not None else min(free, default=None),
    )


def _start_with(config: Path, engine: str | None) -> Start:
    """The start that takes a settings file alone."""
    from llmplan.launchlines import Start

    name = (engine or "vllm").partition("@")[0]
    if name not in PROGRAMS:
        raise UsageError(f"{name} reads no settings file", hints=[f"--engine {' or '.join(PROGRAMS)}"])
    _text(config)
    settings: Any = str(config)
    return Start(engine=name, program=PROGRAMS[name], arguments=("--config", settings))


def _text(path: Path) -> str:
    from llmplan.cli._check_lines import MAX_FILE_BYTES, text_of

    if path.is_dir():
        raise UsageError(f"{path} is a folder", hints=["give the file"])
    if not path.exists():
        raise UsageError(f"no such file: {path}")
    content = text_of(path)
    if content is None:
        raise DataError(f"{path} cannot be read, or is larger than {MAX_FILE_BYTES} bytes: no launch is")
    return content
