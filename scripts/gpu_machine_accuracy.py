"""A section of docs/accuracy.md: llama.cpp on a machine with an NVIDIA GPU, started by emitted files, beside what
`llmplan memory` and `llmplan predict` say. Computed from the recordings under `benchmarks/real_engine/measured/gpu/`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from measured_rows import REPO

FOLDER = REPO / "benchmarks" / "real_engine" / "measured" / "gpu"
GIB = 1024**3
ON_GPU = "CUDA0"


def recordings() -> list[Path]:
    """Every recording, oldest first."""
    return sorted(FOLDER.glob("*.yaml"))


def markdown_lines() -> list[str]:
    """A part for each recording."""
    return [line for path in recordings() for line in of_recording(yaml.safe_load(path.read_text(encoding="utf-8")))]


def of_recording(recording: dict[str, Any]) -> list[str]:
    """What the servers took and did, beside the predictions."""
    gpu, driver = (part.strip() for part in recording["gpu"].split(",")[:2])
    servers = recording["servers"]
    return [
        f"## llama.cpp on one {gpu}",
        "",
        f"{recording['engine']}; driver {driver}, {recording['machine']}. Measured on {recording['measured']} with "
        f"{recording['weights']}. Every server was started by the `serve.sh` that `llmplan emit-config` wrote from a "
        f"plan; requests have {recording['load']['input_tokens']} random tokens in and "
        f"{recording['load']['output_tokens']} out, from so many clients that each always have one in flight. "
        "How: [benchmarks/real_engine/gpu](../benchmarks/real_engine/README.md). No coefficient was fitted to it.",
        "",
        "| server | memory of | predicted | measured | error |",
        "|---|---|---|---|---|",
        *(row for server in servers for row in memory_rows(server, gpu)),
        "",
        "*The process* is what `nvidia-smi` shows more than before the start; the buffers are the server's own lines.",
        "",
        "| server | clients | TTFT, median | predicted | TPOT, median | predicted | tokens/s | predicted |",
        "|---|---|---|---|---|---|---|---|",
        *(row for server in servers for row in speed_rows(server, gpu, recording["load"])),
        "",
        "*Predicted (low to high)* is the middle of the prediction and its 80 % interval; **bold** is outside of it.",
        "",
        *bench_lines(recording),
        "",
    ]


def memory_rows(server: dict[str, Any], gpu: str) -> Iterator[str]:
    """Weights, cache and scratch space, and all of it together."""
    per_gpu = asked("memory", [case(server, gpu)])[0]["per_gpu"]
    buffers, used = server["buffers_bytes"], server["gpu_memory_used_bytes"]
    pairs = {
        "weights": (per_gpu["weights_bytes"], buffers["model"].get(ON_GPU)),
        "KV cache": (per_gpu["kv_cache_bytes"]["mid"], buffers["kv"].get(ON_GPU)),
        "compute buffers": (per_gpu["activation_bytes"], buffers["compute"].get(ON_GPU)),
        "the process": (per_gpu["budget_bytes"], _more(used)),
    }
    for what, (predicted, found) in pairs.items():
        if found is not None:
            error = f"{100 * (predicted / found - 1):+.1f} %" if found else "–"
            yield f"| {title(server)} | {what} | {predicted / GIB:.3f} GiB | {found / GIB:.3f} GiB | {error} |"


def _more(used: dict[str, int | None]) -> int | None:
    before, started = used["before"], used["started"]
    return None if before is None or started is None else started - before


def speed_rows(server: dict[str, Any], gpu: str, load: dict[str, int]) -> Iterator[str]:
    """Each load: what was measured, what is predicted."""
    loads = {name: found for name, found in server["loads"].items() if "ttft_s" in found}
    questions = [
        case(server, gpu) | {
            "isl": load["input_tokens"], "osl": load["output_tokens"], "concurrency": int(name.removeprefix("closed-"))
        }
        for name in loads
    ]  # fmt: skip
    for (name, found), said in zip(loads.items(), asked("predict", questions), strict=True):
        cells = [title(server), name.removeprefix("closed-")]
        cells += [f"{1000 * found['ttft_s']['median']:.1f} ms", band(said["ttft_ms"], 1000 * found["ttft_s"]["median"])]
        cells += [f"{1000 * found['tpot_s']['median']:.2f} ms", band(said["tpot_ms"], 1000 * found["tpot_s"]["median"])]
        rate = found["output_tokens_per_s"]
        cells += [f"{rate:.0f}", band(said["output_tokens_per_s"], rate)]
        yield "| " + " | ".join(cells) + " |"


def band(predicted: dict[str, float], found: float) -> str:
    """`3.4 (2.6 to 3.9)`, bold where what was found lies outside."""
    text = f"{predicted['mid']:.3g} ({predicted['low']:.3g} to {predicted['high']:.3g})"
    return text if predicted["low"] <= found <= predicted["high"] else f"**{text}**"


def bench_lines(recording: dict[str, Any]) -> list[str]:
    """llama-bench's own numbers, and the machine's rates."""
    rows = [
        f"| {name} | " + ", ".join(f"{what} {found['tokens_per_s']:.0f}" for what, found in tests.items()) + " |"
        for name, tests in recording["llama_bench"].items()
    ]
    rates = recording["rates"]
    lines = ["`llama-bench`, tokens a second, one sequence:", "", "| model | prompt, output |", "|---|---|", *rows, ""]
    if "copy_gb_per_s_read_and_written" in rates:
        big = rates.get("gemm_8192x14336x4096", {})
        lines += [
            f"The same machine, PyTorch {rates['torch']}: a copy in GPU memory moves "
            f"{rates['copy_gb_per_s_read_and_written']:,.0f} GB/s read and written, a bf16 product of 8192 × 4096 × "
            f"14336 runs at {big.get('tflop_per_s', 0):.0f} TFLOP/s, host to GPU "
            f"{rates['host_to_device_gb_per_s']:.1f} GB/s, a copy in host memory "
            f"{rates.get('host_copy_gb_per_s_read_and_written', 0):.0f} GB/s read and written.",
        ]  # fmt: skip
    return lines


def title(server: dict[str, Any]) -> str:
    """`Llama-3.1-8B-Instruct Q4_K_M, 16 slots`."""
    name = f"{server['model'].rpartition('/')[2]} {server['weights'].removeprefix('gguf-').upper()}"
    slots = f"{server['max_num_seqs']} slot{'s' * (server['max_num_seqs'] != 1)}"
    return f"{name}, {slots}" + (f", {server['host_layers']} layers on the CPU" if server["host_layers"] else "")


def case(server: dict[str, Any], gpu: str) -> dict[str, Any]:
    """The flags of one server."""
    keys = ("model", "weights", "kv_cache", "max_model_len", "max_num_seqs")
    found = {key: server[key] for key in keys} | {"gpu": gpu, "engine": "llama-cpp"}
    return found | ({"host_layers": server["host_layers"]} if server["host_layers"] else {})


def asked(command: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The command line's answers, in order."""
    lines = "\n".join(json.dumps({"id": str(number), **each}) for number, each in enumerate(cases))
    words = [sys.executable, "-m", "llmplan", command, "--cases", "-"]
    done = subprocess.run(words, input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    print("\n".join(markdown_lines()))
