"""Plans for the run on a machine with a GPU: two dense ones in 16 slots, and what `recommend` says of a MoE model on
a GPU that is too small for it. `python make_plans.py FOLDER`, from the repository's root.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

sys.path.insert(0, "tests")

import plan_samples
from llmplan import memory
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.hosts import host_for
from llmplan.planfile import write_plan
from llmplan.planner.evaluate import prepare
from llmplan.spec.formats import KV_FORMATS

MODEL, GPU = "meta-llama/Llama-3.1-8B-Instruct", "h100-sxm-80gb"
SLOTS, CONTEXT_TOKENS = 16, 1024


def dense(folder: Path, weights: str) -> None:
    """An 8B model wholly on one GPU. Price and speed in the plan are samples: only its launch files are used."""
    catalog = load_catalog((packaged_profiles(),), price_date=date(2026, 11, 22))
    model, gpu = catalog.models[MODEL], catalog.gpus[GPU]
    engine = catalog.engines["llama-cpp"]
    replica = Replica(
        model=model, gpu=gpu, host=host_for(gpu, catalog.hosts), engine=engine, parallel=Parallelism(),
        weights=memory.weight_format(weights, model), kv=next(kv for kv in KV_FORMATS if kv.id == "fp16"),
        settings=EngineSettings(
            max_model_len=CONTEXT_TOKENS, max_num_seqs=SLOTS, max_num_batched_tokens=2048, memory_fraction=1.0,
            block_tokens=1,
        ),
    )  # fmt: skip
    option = plan_samples.option("hybrid_offload", of=replica)
    findings, budget = prepare(option.deployment, replica)
    option = replace(option, memory=budget, checks=findings, deployment=replace(option.deployment, replicas=1))
    name = f"llama-8b-{weights.removeprefix('gguf-')}.yaml"
    write_plan(plan_samples.plan(option, recommended="hybrid_offload"), folder / name, force=True)


def hybrid(folder: Path) -> None:
    """What the planner itself recommends where 24 GB are too few."""
    asked = ["Qwen/Qwen3-30B-A3B", "--gpu", "a10g-24gb", "--engine", "llama-cpp", "--requests-per-minute", "3"]
    words = ["recommend", *asked, "--isl", "512", "--osl", "128", "-o", str(folder / "qwen3-30b-a3b-q8_0-layers.yaml")]
    subprocess.run([sys.executable, "-m", "llmplan", *words, "--force"], check=True, timeout=60)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for each in ("gguf-q4_k_m", "gguf-q8_0"):
        dense(out, each)
    hybrid(out)
