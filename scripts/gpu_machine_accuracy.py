"""A section of docs/accuracy.md: llama.cpp on a machine with an NVIDIA GPU, started by emitted files, beside what
`llmplan memory` and `llmplan predict` say. Computed from the recordings under `benchmarks/real_engine/measured/gpu/`.

`python scripts/gpu_machine_accuracy.py` puts it into the page as it stands; `make accuracy` writes the page with it.
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
PAGE = REPO / "docs" / "accuracy.md"
TITLE = "# An NVIDIA GPU"
NEXT = ("# Launch files on real engines", "# Memory")
SEQUENCE_LINE = "per-sequence work"
GIB = 1024**3
ON_GPU = "CUDA0"
LLAMA, QWEN = "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B"


def recordings() -> list[Path]:
    """Every recording, oldest first."""
    return sorted(FOLDER.glob("*.yaml"), key=lambda path: path.stem)


def markdown_lines() -> list[str]:
    """A part for each recording."""
    found = [read(path) for path in recordings()]
    return [
        TITLE,
        "",
        *(line for each in found for line in (of_recording if each["llama_bench"] else of_changes)(each)),
    ]


def read(path: Path) -> dict[str, Any]:
    """One recording."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def put_into(page: str) -> str:
    """The page with this section before the next one, in place of an older one."""
    following = next(title for title in NEXT if f"\n{title}\n" in page)
    before, _, after = page.partition(f"\n{following}\n")
    start = before.find(f"\n{TITLE}\n")
    kept = before if start < 0 else before[:start]
    return "\n".join([kept.rstrip("\n"), "", *markdown_lines(), following, after])


def of_recording(recording: dict[str, Any]) -> list[str]:
    """What the servers took and did, beside the predictions."""
    gpu, driver = (part.strip() for part in recording["gpu"].split(",")[:2])
    servers = recording["servers"]
    return [
        f"## llama.cpp on one {gpu}",
        "",
        f"{recording['engine']}; driver {driver}, {recording['machine']}. Measured on {recording['measured']} with "
        f"weights that are {recording['weights']}. Every server was started by the `serve.sh` that `llmplan "
        f"emit-config` wrote from a plan; requests have {recording['load']['input_tokens']} random tokens in and "
        f"{recording['load']['output_tokens']} out, from so many clients that each always have one in flight. "
        "How: [benchmarks/real_engine/gpu](../benchmarks/real_engine/README.md).",
        "",
        "| server | memory of | predicted | measured | error |",
        "|---|---|---|---|---|",
        *(row for server in servers for row in memory_rows(server, gpu)),
        "",
        "*The process* is what `nvidia-smi` shows more than before the start; the rest is from the server's own log.",
        "",
        "| server | clients | TTFT, median | predicted | TPOT, median | predicted | tokens/s | predicted |",
        "|---|---|---|---|---|---|---|---|",
        *(row for server in servers for row in speed_rows(server, gpu, recording["load"])),
        "",
        "*Predicted (low to high)* is the middle of the prediction and its 80 % interval, **bold** where the "
        "measurement is outside of it. Memory is predicted by rules that saw none of it. Speed is in sample: no row of "
        "llama.cpp on Hopper GPUs, nor of llama-server under more than one client, is in the table that coefficients "
        "are fitted to, so that `scripts/fit_own_machine.py` fits those of this generation to the undisturbed loads of "
        "this page: llama-bench on the GPU alone, a lone client's TPOT, and the server without prompt cache below. "
        "Before, the table's coefficients said 6.6 ms for TPOT with 16 clients, and 20 ms for the first token of one. "
        "Layers and experts on the CPU are not fitted. These servers saved each finished request to host memory, which "
        "no prediction counts: that is why TTFT is above them all.",
        "",
        *server_time_lines(servers),
        "",
        *bench_lines(recording, gpu),
        "",
    ]


def of_changes(recording: dict[str, Any]) -> list[str]:
    """One server again, as emitted and with something changed: what that changed."""
    gpu, servers, rates = recording["gpu"].split(",")[0], recording["servers"], recording["rates"]
    lines = [
        f"## What the prompt cache of llama-server costs on one {gpu}",
        "",
        f"The same build, machine type, file and load, on {recording['measured']}: {title(servers[0])}, started by the "
        "`serve.sh` of the same plan as it was emitted then, without `--cache-ram`, with what the table says added. "
        f"{rates['host_threads']} threads read the host memory of this machine at {rates['host_read_gb_per_s']:.0f} "
        "GB/s.",
        "",
        "| changed | clients | TTFT, median | of it the prompt | TPOT, median | tokens/s |",
        "|---|---|---|---|---|---|",
    ]
    for server in servers:
        for name, found in server["loads"].items():
            cells = [server.get("changed", "nothing"), name.removeprefix("closed-")]
            cells += [f"{1000 * found['ttft_s']['median']:.0f} ms", f"{1000 * found['prompt_s']:.0f} ms"]
            cells += [f"{1000 * found['tpot_s']['median']:.2f} ms", f"{found['output_tokens_per_s']:.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    said = (
        "No prompt comes twice in this load, so that every copy is in vain. Where a plan expects none twice, `llmplan "
        "emit-config` now writes `--cache-ram 0`."
    )
    return [*lines, "", said, ""]


def server_time_lines(servers: list[dict[str, Any]]) -> list[str]:
    """What the time to the first token goes into, by the server's own log."""
    parts = []
    for server in servers:
        load, copy = server["loads"]["closed-1"], server["saving_a_finished_request"]
        part = f"{title(server)}: {1000 * load['prompt_s']:.0f} of {1000 * load['ttft_s']['median']:.0f} ms"
        if copy:
            size = copy["bytes"] / 1024**2
            part += f", and {1000 * copy['s']:.0f} ms for a copy of the request before ({size:.1f} MiB, median)"
        parts.append(part)
    return [
        "Of one client's TTFT the server's log gives to the prompt: "
        + "; ".join(parts)
        + ". It copies the KV cache of "
        "finished requests to a prompt cache in host memory (cache-ram, 8192 MiB by default), which no prediction "
        "counts."
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
            error = f"{100 * (predicted / found - 1):+.1f} %" if abs(predicted / found - 1) > 1e-6 else "below 0.0001 %"
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
    low, mid, high = (shown(predicted[name]) for name in ("low", "mid", "high"))
    text = f"{mid} ({low} to {high})"
    return text if predicted["low"] <= found <= predicted["high"] else f"**{text}**"


def shown(value: float) -> str:
    """Three digits, or the whole number."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def turned(predicted: dict[str, float], numerator: float) -> dict[str, float]:
    """A rate from a time in ms."""
    ends = {"low": "high", "mid": "mid", "high": "low"}
    return {name: 1000 * numerator / predicted[end] for name, end in ends.items()}


def bench_lines(recording: dict[str, Any], gpu: str) -> list[str]:
    """llama-bench's own numbers beside the prompt's and the output's rate of one sequence, and the machine's rates."""
    names = [name for name in recording["llama_bench"] if name in BENCHES]
    load = {"isl": recording["load"]["input_tokens"], "osl": recording["load"]["output_tokens"], "concurrency": 1}
    answers = asked("predict", [BENCHES[name][1] | load | {"gpu": gpu, "engine": "llama-cpp"} for name in names])
    lines = [
        "`llama-bench` on the same files, tokens a second of one sequence; predicted is the prompt over TTFT, and one "
        "over TPOT:",
        "",
        "| model | prompt | predicted | output | predicted |",
        "|---|---|---|---|---|",
    ]
    for name, said in zip(names, answers, strict=True):
        (prompt, output) = (found["tokens_per_s"] for found in recording["llama_bench"][name].values())
        rate, inverse = turned(alone(said, "ttft_ms"), load["isl"]), turned(alone(said, "tpot_ms"), 1)
        cells = [BENCHES[name][0], f"{prompt:,.0f}", band(rate, prompt), f"{output:.0f}", band(inverse, output)]
        lines.append("| " + " | ".join(cells) + " |")
    host = (
        f"What runs on the CPU is predicted for one GPU's share of the usual host around a "
        f"{gpu.removeprefix('NVIDIA ')}. llama-bench is set beside predictions without a server's work for a sequence."
    )
    return [*lines, "", host, "", *rate_lines(recording["rates"])]


def alone(said: dict[str, Any], quantity: str) -> dict[str, float]:
    """A time without a server's work for the sequence, of which llama-bench has none [ms]."""
    of_sequence_s = sum(line["amount"] for line in said["step"]["lines"] if line["name"] == SEQUENCE_LINE)
    mid = said[quantity]["mid"]
    return {edge: said[quantity][edge] * (mid - 1000 * of_sequence_s) / mid for edge in ("low", "mid", "high")}


BENCHES: dict[str, tuple[str, dict[str, Any]]] = {
    name: (title, {"model": model, "weights": weights, "max_model_len": 1024, "max_num_seqs": 1, **more})
    for name, title, model, weights, more in (
        ("q4_k_m", "Llama-3.1-8B Q4_K_M", LLAMA, "gguf-q4_k_m", {}),
        ("q8_0", "Llama-3.1-8B Q8_0", LLAMA, "gguf-q8_0", {}),
        ("q8_0-half-on-cpu", "Llama-3.1-8B Q8_0, 16 of 32 layers on the CPU", LLAMA, "gguf-q8_0", {"host_layers": 16}),
        ("moe", "Qwen3-30B-A3B Q8_0", QWEN, "gguf-q8_0", {}),
        (
            "moe-24-experts-on-cpu", "Qwen3-30B-A3B Q8_0, experts of 24 of 48 layers on the CPU", QWEN, "gguf-q8_0",
            {"experts_on_cpu": 24},
        ),
    )
}  # fmt: skip


def rate_lines(rates: dict[str, Any]) -> list[str]:
    """What the machine itself reached."""
    if "copy_gb_per_s_read_and_written" not in rates:
        return []
    said = (
        f"The machine itself, by PyTorch {rates['torch']}: a copy in GPU memory moves "
        f"{rates['copy_gb_per_s_read_and_written']:,.0f} GB/s read and written, a bf16 product of 8192 × 4096 × 14336 "
        f"runs at {rates['gemm_8192x14336x4096']['tflop_per_s']:.0f} TFLOP/s, host to GPU "
        f"{rates['host_to_device_gb_per_s']:.1f} GB/s"
    )
    if "host_read_gb_per_s" in rates:
        said += f", {rates['host_threads']} threads read host memory at {rates['host_read_gb_per_s']:.0f} GB/s"
    return [f"{said}."]


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
    PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(REPO)}")
