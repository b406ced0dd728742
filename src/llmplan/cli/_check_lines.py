"""From a launch that was read to a replica, the facts beside it, and everything that is to be said of it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmplan.cli._catalog import NAME_HINT, suggested
from llmplan.cli._check_checkpoint import checkpoint_of
from llmplan.cli._check_replica import Asked, build
from llmplan.cli._replica import nearest_version
from llmplan.errors import DataError, LlmplanError, UsageError
from llmplan.units import GIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmplan.cli._workbench import Workbench
    from llmplan.launchlines import Launch, Meaning, Start
    from llmplan.plan.deployment import Replica
    from llmplan.plan.launch_facts import AdapterFacts, LaunchFacts
    from llmplan.plan.outcome import CheckResult, MemoryBudget, Rejection
    from llmplan.report.check import Reviewed
    from llmplan.spec.engine import EngineSpec
    from llmplan.spec.model import ModelSpec

MAX_FILE_BYTES = 1_000_000


def review(start: Start, asked: Asked, bench: Workbench, folder: Path, layers: Sequence[Path]) -> Reviewed:
    """Everything that is to be said of one start; files that it names are looked for in `folder`."""
    from llmplan import checks, launchlines
    from llmplan.catalogs.engine_flags import flag_table
    from llmplan.plan.engine_rule import SEVERITIES
    from llmplan.report.check import Reviewed

    engine = engine_of(start, asked.engine, bench)
    table = flag_table(layers, engine.id, engine.version)
    exact = table is not None and table.ref == engine.ref
    launch = launchlines.read_launch(start, table, lambda name: text_of(folder / name), exact=exact)
    meaning = launch.meaning
    name = asked.model or meaning.model
    if name is None:
        said = next((note for note in launch.notes if note.startswith("the model is")), "It is not on the line")
        raise UsageError(f"which model is served by {start.program}? {said}", hints=["--model MODEL"])
    model = model_of(name, bench)
    checkpoint = checkpoint_of(meaning, model, asked.weights, bench)
    built = build(
        model, name, engine, meaning, asked, bench, checkpoint=checkpoint, from_image=start.image_version is not None
    )
    meaning.facts["stored_format"] = checkpoint.format
    outcome = bench.budget(built.replica)
    facts = facts_of(launch, built.replica, outcome, asked, bench, folder)
    ruled = (
        replace(each, fix=launchlines.in_words_of(engine.id, each.fix)) for each in checks.run(built.replica, facts)
    )
    findings: list[CheckResult] = [*launch.problems, *ruled]
    findings.sort(key=lambda each: SEVERITIES.index(each.severity))
    notes = [note for note in launch.notes if asked.model is None or not note.startswith("the model is")]
    notes += [checkpoint.note] if checkpoint.note else []
    return Reviewed(
        where=start.where, program=start.program, replica=built.replica, findings=tuple(dict.fromkeys(findings)),
        outcome=outcome, assumed=built.assumed, notes=tuple(notes), table_ref=table.ref if table else None,
    )  # fmt: skip


def engine_of(start: Start, asked: str | None, bench: Workbench) -> EngineSpec:
    """The engine that is started, in the version asked for, that of the image's tag, or the newest."""
    stated = start.image_version
    wanted = asked or (f"{start.engine}@{stated}" if stated else start.engine)
    name, _, version = wanted.partition("@")
    newest = bench.catalog.engines[name]
    if newest.id != start.engine:
        raise UsageError(
            f"{start.program} starts {start.engine}, not {name}", hints=["leave --engine out, or give its version only"]
        )
    version = version.strip().removeprefix("v")
    if not version:
        return newest
    if f"{newest.id}@{version}" in bench.catalog.engines:
        return bench.catalog.engines[f"{newest.id}@{version}"]
    return replace(nearest_version(newest.id, version, bench.catalog), version=version)


def model_of(name: str, bench: Workbench) -> ModelSpec:
    """The model that a launch names."""
    try:
        return bench.model(name, "auto")
    except LlmplanError as error:
        told = suggested(name, bench.catalog)
        said = (
            f"--model {told[0]} --weights {told[1]}" if told and told[1] else f"--model {told[0] if told else 'MODEL'}"
        )
        own = [hint for hint in error.hints if not hint.startswith(NAME_HINT)]
        error.hints = (f"{said} says which model it is, whatever the line calls it", *own)
        raise


def facts_of(
    launch: Launch, replica: Replica, outcome: MemoryBudget | Rejection, asked: Asked, bench: Workbench, folder: Path
) -> LaunchFacts:
    """What is known beside the replica."""
    from llmplan.plan.launch_facts import LaunchFacts
    from llmplan.plan.outcome import MemoryBudget

    meaning, machine = launch.meaning, asked.machine
    known = {field.name for field in dataclasses.fields(LaunchFacts)}
    stated = {name: value for name, value in meaning.facts.items() if name in known}
    devices = launch.start.variables.get("CUDA_VISIBLE_DEVICES", "").split(",")
    slices = sum(device.strip().startswith("MIG-") for device in devices)
    facts = LaunchFacts(**{
        **stated,
        "stated": frozenset(meaning.stated),
        "gpus_per_node": stated.get("gpus_per_node") or machine.gpus,
        "gpu_names": machine.names,
        "gpu_memory_bytes": machine.memory_bytes,
        "free_memory_bytes": machine.free_bytes,
        "mig_slices": slices or None,
        "adapters": tuple(adapter_of(name, folder / path) for name, path in meaning.adapters),
    })  # fmt: skip
    if meaning.draft_model is not None:
        facts = replace(facts, draft_vocab_size=_vocabulary(meaning.draft_model, bench, meaning))
    if replica.offload is not None and replica.offload.kind == "weights":
        alone = bench.budget(replace(replica, offload=None))
        facts = replace(facts, weights_fit=isinstance(alone, MemoryBudget))
    return replace(facts, **_shortage(outcome))


def _shortage(outcome: MemoryBudget | Rejection) -> dict[str, Any]:
    """What the memory budget says where it refuses."""
    from llmplan.plan.outcome import Rejection

    if not isinstance(outcome, Rejection):
        return {}
    lines = outcome.ledger.lines if outcome.ledger is not None else ()
    pool = next((line.amount for line in lines if line.name == "KV pool"), None)
    if outcome.code != "no_room_for_one_request" or not pool or not outcome.closeness:
        return {"kv_needed_bytes": 1.0, "kv_available_bytes": 0.0, "memory_fix": outcome.fix or None}
    shorter = re.fullmatch(r"--max-model-len (\d+)", outcome.fix)
    return {
        "kv_needed_bytes": pool / outcome.closeness,
        "kv_available_bytes": pool,
        "longest_context_tokens": int(shorter[1]) if shorter else None,
        "memory_fix": outcome.fix or None,
    }


def _vocabulary(name: str, bench: Workbench, meaning: Meaning) -> int | None:
    try:
        return bench.model(name, "auto").vocab_size
    except LlmplanError:
        meaning.unread.append(f"the draft model {name} is not in the catalogue: its vocabulary was not compared")
        return None


def adapter_of(name: str, folder: Path) -> AdapterFacts:
    """An adapter's own file where it is at hand; else its name alone."""
    from llmplan.catalogs.hf_config.json_file import read_object
    from llmplan.plan.launch_facts import AdapterFacts

    try:
        data = read_object(folder / "adapter_config.json") if (folder / "adapter_config.json").is_file() else {}
    except (DataError, OSError):
        data = {}

    def words(key: str) -> tuple[str, ...]:
        value = data.get(key)
        return tuple(map(str, value)) if isinstance(value, list) else ()

    rank = data.get("r")
    return AdapterFacts(
        name=name, rank=rank if isinstance(rank, int) else None, dora=data.get("use_dora") is True,
        bias=str(data.get("bias") or "none"), layer_replication=bool(data.get("layer_replication")),
        activated=bool(data.get("alora_invocation_tokens")), modules_to_save=words("modules_to_save"),
        target_modules=words("target_modules"),
    )  # fmt: skip


def text_of(path: Path) -> str | None:
    """The text of a small regular file, or None."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None


def gib(value: float | None) -> int | None:
    """Bytes of a number of GiB."""
    return None if value is None else round(value * GIB)
