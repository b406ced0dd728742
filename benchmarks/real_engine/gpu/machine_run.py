"""One run on a machine with an NVIDIA GPU: what it is, its memory and speeds under llama-server, beside the plans.

Started by run.sh from the repository's root; writes `results.json` and logs into OUT step by step, so that what was
measured is there whatever fails afterwards. No step may stop the next.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rates import host_rates, torch_rates
from serving import Words, served
from steps_of_run import Run, llmplan, said

HERE = Path(__file__).resolve().parent


def machine(run: Run) -> dict[str, Any]:
    """Hardware and doctor in both forms, and NVIDIA's own words for comparison."""
    asked = {
        "hardware.json": llmplan("hardware", "--json"), "hardware.txt": llmplan("hardware"),
        "doctor.json": llmplan("doctor", "--json"), "doctor.txt": llmplan("doctor"),
        "nvidia-smi-q.txt": ["nvidia-smi", "-q"], "nvidia-smi.txt": ["nvidia-smi"],
        "nvidia-smi-topo.txt": ["nvidia-smi", "topo", "-m"], "nvcc.txt": ["nvcc", "--version"],
        "lscpu.txt": ["lscpu"], "free.txt": ["free", "-m"], "df.txt": ["df", "-h"],
    }  # fmt: skip
    heads = {}
    for name, command in asked.items():
        text = said(command, 40)
        run.keep(f"machine/{name}", text)
        heads[name] = text.strip().splitlines()[-1][:80] if text.strip() else ""
    query = "name,driver_version,memory.total,memory.used,power.limit,clocks.max.sm,clocks.max.mem,pcie.link.gen.max"
    heads["gpu"] = said(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"])
    return heads


def file_made(run: Run, shape: str, mix: str) -> dict[str, Any]:
    """The GGUF file of random weights."""
    path = run.args.models / f"{shape}-{mix}.gguf"
    words = [sys.executable, str(HERE / "random_gguf.py"), shape, mix, str(run.args.vocabulary), str(path)]
    made: dict[str, Any] = json.loads(subprocess.check_output(words, timeout=120))
    return made | {"file_bytes": path.stat().st_size}


def benched(run: Run, model: Path, *words: str) -> Any:
    """llama-bench, as JSON."""
    command = [str(run.args.build / "bin" / "llama-bench"), "-m", str(model), "-fa", "1", "-o", "json", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=max(10, min(90, run.left_s - 5)), check=False
    )
    if done.returncode:
        return {"error": done.stderr[-1500:]}
    keys = (
        "n_prompt", "n_gen", "n_depth", "n_gpu_layers", "n_cpu_moe", "n_batch", "n_ubatch", "n_threads", "avg_ts",
        "stddev_ts", "avg_ns", "samples_ts", "gpu_info", "cpu_info",
    )  # fmt: skip
    return [{key: row[key] for key in keys if key in row} for row in json.loads(done.stdout)]


def built(run: Run, keep_s: float = 100) -> dict[str, Any]:
    """Wait for the build that run.sh started."""
    end = time.monotonic() + max(10.0, run.left_s - keep_s)
    done = run.args.build / "done"
    while time.monotonic() < end and not done.exists():
        time.sleep(0.5)
    version = (
        said([str(run.args.build / "bin" / "llama-server"), "--version"]) if done.exists() else "not built in time"
    )
    return {"rc": done.read_text() if done.exists() else None, "version": version}


def emitted(run: Run) -> dict[str, Any]:
    """Plans and launch files made on this machine; those that were carried stand in where that fails."""
    found = {}
    made = said([sys.executable, str(HERE / "make_plans.py"), str(run.work / "plans")], 90)
    run.keep("make_plans.txt", made)
    for carried in sorted((run.args.carried / "plans").glob("*.yaml")):
        plan = run.work / "plans" / carried.name
        target = run.work / "launch" / carried.stem
        target.parent.mkdir(exist_ok=True)
        words = llmplan("emit-config", str(plan), "--target", "llama-cpp", "-o", str(target), "--force")
        text = said(words, 60) if plan.exists() else "no plan was made here"
        if not (target / "serve.sh").exists():
            shutil.copytree(run.args.carried / "launch" / carried.stem, target, dirs_exist_ok=True)
            text += "\n[the carried file is used]"
        run.keep(f"emit-{carried.stem}.txt", text + "\n" + (target / "serve.sh").read_text())
        found[carried.stem] = text[-200:]
    return found


def main() -> None:
    """All steps."""
    parser = argparse.ArgumentParser()
    for name in ("out", "work", "models", "vocabulary", "build", "carried"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--deadline-s", type=float, default=530)
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("--why", action="store_true", help="only what slows many clients down")
    run = Run(parser.parse_args())
    fake = run.args.fake
    dense, moe = ("tiny", "tiny-moe") if fake else ("llama-3.1-8b", "qwen3-30b-a3b")
    run.step("machine", lambda: machine(run))
    run.step("emitted", lambda: emitted(run))
    (why if run.args.why else everything)(run, dense, moe)


WORDS = 49000
"""token ids that prompts are drawn from"""


def everything(run: Run, dense: str, moe: str) -> None:
    """Memory, loads, llama-bench and the machine's rates."""
    loads = [(1, 2), (4, 4)] if run.args.fake else [(1, 6), (4, 16), (16, 64)]
    models = run.args.models
    for shape, mix in ((dense, "q4_k_m"), (dense, "q8_0"), (moe, "q8_0")):
        run.step(f"file-{shape}-{mix}", lambda shape=shape, mix=mix: file_made(run, shape, mix), 60)
    run.step("built", lambda: built(run))
    for mix in ("q4_k_m", "q8_0"):
        model = models / f"{dense}-{mix}.gguf"
        run.step(f"served-{mix}", lambda m=model, n=mix: served(run, n, f"llama-8b-{n}", m, loads, WORDS), 45)
        bench = ["-p", "512", "-n", "128", "-r", "3"]
        run.step(f"bench-{mix}", lambda m=model, b=bench: benched(run, m, *b), 25)
    run.step("torch", torch_rates, 60)
    run.step("host", host_rates, 60)
    few = models / f"{dense}-q8_0.gguf"
    run.step("bench-q8_0-half-on-cpu", lambda: benched(run, few, "-ngl", "17", "-p", "512", "-n", "32", "-r", "2"), 45)
    model, plan = models / f"{moe}-q8_0.gguf", "qwen3-30b-a3b-q8_0-layers"
    run.step("served-moe-layers", lambda: served(run, "moe-layers", plan, model, loads[:1], WORDS), 60)
    run.step("bench-moe", lambda: benched(run, model, "-p", "512", "-n", "64", "-r", "2"), 35)
    cpu = ["-ngl", "99", "--n-cpu-moe", "24", "-p", "512", "-n", "32", "-r", "2"]
    run.step("bench-moe-24-experts-on-cpu", lambda: benched(run, model, *cpu), 40)


def why(run: Run, dense: str, _: str) -> None:
    """One model under 1 and 16 clients: as emitted, without the prompt cache on the host, without sampling."""
    loads = [(1, 2), (4, 4)] if run.args.fake else [(1, 6), (16, 32)]
    model = run.args.models / f"{dense}-q4_k_m.gguf"
    run.step("file", lambda: file_made(run, dense, "q4_k_m"), 60)
    run.step("built", lambda: built(run, keep_s=60))
    greedy = {"temperature": 0, "top_k": 1, "samplers": ["top_k"]}
    variants: list[tuple[str, Words, dict[str, Any]]] = [
        ("q4_k_m", (), {}), ("no-cache", ("--cache-ram", "0"), {}), ("greedy", ("--cache-ram", "0"), greedy),
        ("unified", ("--cache-ram", "0", "--kv-unified"), greedy),
        ("backend-sampling", ("--cache-ram", "0", "-bs"), {}),
    ]  # fmt: skip
    for name, words, sampling in variants:
        run.sampling = sampling
        run.step(
            f"served-{name}", lambda n=name, w=words: served(run, n, "llama-8b-q4_k_m", model, loads, WORDS, w), 25
        )
    run.step("host", host_rates, 15)


if __name__ == "__main__":
    main()
