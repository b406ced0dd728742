"""Launch files of random plans, and the command lines that their scripts come to, written down for proofs that run in
an engine's own environment and know nothing of llmplan.

Every script is run by bash with a program in the engine's place that only notes its arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[2]
sys.path[:0] = [str(HERE), str(REPO / "tests")]

import checkpoints  # noqa: E402

import random_plans  # noqa: E402
from llmplan import emit  # noqa: E402
from llmplan.cli._launch_text import render  # noqa: E402
from llmplan.emit import LaunchFile  # noqa: E402
from llmplan.emit.variant import Variant  # noqa: E402
from llmplan.errors import LlmplanError  # noqa: E402
from llmplan.plan.deployment import Replica  # noqa: E402
from llmplan.plan.plan import Plan  # noqa: E402

DATA = Path(os.environ.get("LLMPLAN_DATA") or REPO.parent / "shared" / "data")
SERVERS = ("vllm", "sglang")
ENGINES = ("vllm", "sglang", "tensorrt-llm", "llama-cpp")
PROGRAMS = ("vllm", "sglang", "python3", "trtllm-serve", "llama-server", "docker")
NOTE = '#!/bin/sh\nfor word in "${0##*/}" "$@"; do printf \'%s\\0\' "$word"; done > "$ARGV_FILE"\n'
PLACE = {
    "MASTER_ADDR": "127.0.0.1", "NODE_RANK": "1", "DIST_INIT_ADDR": "127.0.0.1:20000", "HOSTFILE": "hosts",
}  # fmt: skip
"""what each machine would be told"""


def write(target: str, count: int, seed: int, folder: Path) -> int:
    """Files of so many plans for one target, each in a folder of its own under `folder/target`; how many were made."""
    place = folder / target
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    programs = _programs(folder / "programs")
    engine = target if target in ENGINES else None
    made = 0
    for number, plan in enumerate(random_plans.random_plans(count, seed, engine=engine)):
        made += 1
        _case(plan, target, place / f"{number:04}", folder, programs)
    return made


def _case(plan: Plan, target: str, place: Path, folder: Path, programs: Path) -> None:
    replica = random_plans.replica_of(plan)
    place.mkdir()
    intent = _intent(plan, replica, place.name)
    try:
        variant = _variant(intent) if target in SERVERS else Variant()
        files = emit.emit(plan, strategy=None, target=target, variant=variant)
    except LlmplanError as error:
        intent["not_emitted"] = str(error)
    else:
        for file in files:
            (place / file.path).write_text(render(file), encoding="utf-8")
        converted = "--quantization" in {setting.name for file in files for setting in file.settings}
        converted = converted or "--quantization" in "".join(map(render, files[:1]))
        checkpoint, origin = checkpoints.write(replica, folder / "checkpoints", DATA / "configs", converted=converted)
        intent |= {"checkpoint": str(checkpoint), "config_from": origin}
        commands: dict[str, str] = {}
        if target in ENGINES:  # what else is emitted calls a platform, and nothing here may
            commands = {file.path: f"./{file.path}" for file in files if file.path.endswith(".sh")}
            commands |= {file.path: line for file in files if (line := _start_line(file)) is not None}
        for path in place.glob("*.sh"):
            path.chmod(0o755)
        intent["argv"] = {name: _argv(place, command, programs, intent) for name, command in commands.items()}
    (place / "intent.json").write_text(json.dumps(intent, indent=1), encoding="utf-8")


def _intent(plan: Plan, replica: Replica, number: str) -> dict[str, Any]:
    """What the plan wants, in plain words that another environment can compare with."""
    settings, parallel, tenancy, offload = replica.settings, replica.parallel, replica.tenancy, replica.offload
    capability = replica.gpu.compute_capability
    return {
        "case": f"{number} {plan.recommended} {replica.model.id} {replica.weights.id} {parallel.describe()} "
        f"{replica.gpu.id}",
        "strategy": plan.recommended,
        "model": replica.model.id,
        "gpu": replica.gpu.id,
        "gpu_name": replica.gpu.name,
        "capability": list(capability) if capability else None,
        "gpu_memory_bytes": replica.gpu.memory_bytes,
        "host_gpus": replica.host.gpus,
        "nodes": -(-parallel.gpus // replica.host.gpus),
        "tp": parallel.tp,
        "pp": parallel.pp,
        "dp": parallel.dp,
        "ep": parallel.ep,
        "dcp": parallel.dcp,
        "weights": replica.weights.id,
        "kv": replica.kv.id,
        "latent_attention": replica.model.is_mla,
        "mixture": replica.model.is_moe,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "memory_fraction": settings.memory_fraction,
        "block_tokens": settings.block_tokens,
        "kv_cache_memory_bytes": settings.kv_cache_memory_bytes,
        "enforce_eager": settings.enforce_eager,
        "prefix_caching": settings.prefix_caching,
        "adapters": tenancy.adapters if tenancy else 0,
        "lora_rank": tenancy.lora_rank if tenancy and tenancy.adapters else 0,
        "offload": offload.kind if offload else None,
        "speculation": replica.speculation.drafter if replica.speculation else None,
        "draft_tokens": replica.speculation.tokens if replica.speculation else 0,
        "host_weight_bytes": offload.host_weight_bytes if offload else 0,
        "host_kv_bytes": offload.host_kv_bytes if offload else 0,
    }


def _variant(intent: dict[str, Any]) -> Variant:
    """Every third plan on machines without a network, every second fleet of adapters with two of them by name."""
    number, adapters = int(intent["case"][:4]), intent["adapters"]
    named = ("law", "code=v2")[:adapters] if number % 2 else ()
    intent |= {"air_gapped": number % 3 == 0, "named_adapters": list(named)}
    return Variant(air_gapped=intent["air_gapped"] or None, adapters={name: f"org/{name}" for name in named})


def _start_line(file: LaunchFile) -> str | None:
    """The command that a settings file says it is started with."""
    start = "start with: "
    return next((line.removeprefix(start) for line in file.header if line.startswith(start)), None)


def _argv(place: Path, command: str, programs: Path, intent: dict[str, Any]) -> list[str]:
    """The arguments with which the command starts its engine, in the folder of the files."""
    noted = place / ".argv"
    local = max(1, intent["host_gpus"] // (intent["tp"] * intent["pp"]))
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin", "ARGV_FILE": str(noted), "MODEL": intent["checkpoint"], **PLACE,
        "DP_START_RANK": str(local),
    }  # fmt: skip
    subprocess.run(["bash", "-c", command], cwd=place, env=environment, check=True, timeout=20)
    words = noted.read_text(encoding="utf-8").split("\0")[:-1]
    noted.unlink()
    return words


def _programs(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        path = folder / name
        path.write_text(NOTE, encoding="utf-8")
        path.chmod(0o755)
    return folder


def main(arguments: Iterable[str]) -> None:
    """`emitted.py TARGET COUNT SEED FOLDER`."""
    target, count, seed, folder = arguments
    print(write(target, int(count), int(seed), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
