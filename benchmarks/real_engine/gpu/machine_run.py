"""One run on a machine with an NVIDIA GPU: what it is, its memory and speeds under llama-server, beside the plans.

Started by run.sh from the repository's root; writes `results.json` and logs into OUT step by step, so that what was
measured is there whatever fails afterwards. No step may stop the next.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import load_llama

Words = tuple[str, ...]
HERE = Path(__file__).resolve().parent
BUFFER = "buffer size"


class Run:
    """Where things are, what was found so far, and when it must end."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.out, self.work = args, args.out, args.work
        self.started = time.monotonic()
        self.sampling: dict[str, Any] = {}
        self.found: dict[str, Any] = {"steps": {}}
        self.kept = self.work / "kept"
        self.kept.mkdir(parents=True, exist_ok=True)

    @property
    def left_s(self) -> float:
        return float(self.args.deadline_s) - (time.monotonic() - self.started)

    def step(self, name: str, what: Callable[[], Any], needs_s: float = 0) -> None:
        """Do it, note what came out and how long it took."""
        begin = time.monotonic()
        if self.left_s < needs_s:
            result: Any = {"skipped": f"{self.left_s:.0f} s left, needs {needs_s}"}
        else:
            try:
                result = what()
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {error}"}
        took = time.monotonic() - begin
        print(f"[{time.monotonic() - self.started:6.1f}] {name}: {took:.1f} s {str(result)[:200]}", flush=True)
        self.found["steps"][name] = {"seconds": round(took, 1), "at_s": round(begin - self.started, 1)}
        self.found[name] = result
        self.save()

    def save(self) -> None:
        (self.out / "results.json").write_text(json.dumps(self.found, indent=1))
        with tarfile.open(self.out / "kept.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(self.kept, "kept")

    def keep(self, name: str, text: str) -> None:
        path = self.kept / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def said(command: list[str], timeout_s: float = 60, **more: Any) -> str:
    """Standard output and error of a command, or why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return done.stdout + (f"\n[stderr]\n{done.stderr}" if done.stderr else "") + f"\n[exit {done.returncode}]"


def llmplan(*words: str) -> list[str]:
    return [sys.executable, "-m", "llmplan", *words]


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


def used_mib() -> int | None:
    """GPU memory in use, by nvidia-smi."""
    try:
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        return int(subprocess.check_output(command, text=True, timeout=20).split()[0])
    except Exception:
        return None


def torch_rates() -> dict[str, Any]:
    """Rates of a big product at the model's shapes, and of a copy: what the roofline is held against."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    scale = 1 if device == "cuda" else 64
    found: dict[str, Any] = {"device": device, "torch": torch.__version__}
    if device == "cuda":
        found["name"] = torch.cuda.get_device_name()

    def median_s(work: Callable[[], Any], times: int) -> float:
        seconds = []
        for _ in range(times):
            begin = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
        return sorted(seconds[3:])[len(seconds[3:]) // 2]

    for rows in (8192, 512, 16, 1):
        for out, into in ((4096, 4096), (14336, 4096), (4096, 14336)):
            a = torch.randn(max(1, rows // scale), into // scale, device=device, dtype=torch.bfloat16)
            weights = [torch.randn(out // scale, into // scale, device=device, dtype=torch.bfloat16) for _ in range(8)]

            def all_of(a: Any = a, weights: Any = weights) -> None:
                for weight in weights:
                    torch.nn.functional.linear(a, weight)

            seconds = median_s(all_of, 13) / len(weights)
            found[f"gemm_{rows}x{out}x{into}"] = {
                "s": seconds, "tflop_per_s": 2 * rows * out * into / seconds / 1e12,
                "weight_gb_per_s": 2 * out * into / seconds / 1e9,
            }  # fmt: skip
    source = torch.empty(4 * 1024**3 // scale, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    seconds = median_s(lambda: target.copy_(source), 13)
    found["copy_gb_per_s_read_and_written"] = 2 * source.numel() / seconds / 1e9
    host = torch.empty(1024**3 // scale, dtype=torch.uint8, pin_memory=device == "cuda")
    part = source[: host.numel()]
    found["host_to_device_gb_per_s"] = host.numel() / median_s(lambda: part.copy_(host), 9) / 1e9
    return found


def host_rates() -> dict[str, float]:
    """A copy in host memory, and reading it as weights are read, with every thread."""
    import torch

    one = torch.empty(1024**3, dtype=torch.float32).fill_(1)
    two = torch.empty_like(one).fill_(2)
    found: dict[str, float] = {"threads": torch.get_num_threads()}
    size = one.numel() * 4
    for name, work, moved in (("copy", lambda: two.copy_(one), 2 * size), ("read", one.sum, size)):
        begin = time.perf_counter()
        for _ in range(4):
            work()
        found[f"{name}_gb_per_s"] = 4 * moved / (time.perf_counter() - begin) / 1e9
    return found


def file_made(run: Run, shape: str, mix: str) -> dict[str, Any]:
    """The GGUF file of random weights."""
    path = run.args.models / f"{shape}-{mix}.gguf"
    words = [sys.executable, str(HERE / "random_gguf.py"), shape, mix, str(run.args.vocabulary), str(path)]
    made: dict[str, Any] = json.loads(subprocess.check_output(words, timeout=120))
    return made | {"file_bytes": path.stat().st_size}


def served(
    run: Run, name: str, plan: str, model: Path, loads: list[tuple[int, int]], vocabulary: int, words: Words = ()
) -> dict[str, Any]:
    """With the script emitted here; with the one that was carried, if that does not start."""
    failed = []
    for folder in (run.work / "launch", run.args.carried / "launch"):
        script = folder / plan / "serve.sh"
        try:
            return _served(run, name, script, model, loads, vocabulary, words) | {
                "script": str(script),
                "failed": failed,
            }
        except (RuntimeError, TimeoutError, OSError) as error:
            failed.append(f"{script}: {error}")
    return {"failed": failed}


def _served(
    run: Run, name: str, launch: Path, model: Path, loads: list[tuple[int, int]], vocabulary: int, words: Words
) -> dict[str, Any]:
    """Start it, read what it says of its memory, load it, stop it."""
    port = int(re.search(r"--port[ =]'?(\d+)", launch.read_text()).group(1))  # type: ignore[union-attr]
    log = run.kept / f"server-{name}.log"
    before = used_mib()
    bin_dir = run.args.build / "bin"
    environment = {
        **os.environ, "MODEL": str(model), "LLAMA_ARG_LOG_VERBOSITY": "4", "PATH": f"{bin_dir}:{os.environ['PATH']}",
    }  # fmt: skip
    begin = time.monotonic()
    with log.open("w") as file:
        server = subprocess.Popen(
            ["bash", str(launch), *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    found: dict[str, Any] = {"used_mib_before": before}
    try:
        _wait(server, port, min(120.0, run.left_s - 10))
        found |= {"load_s": round(time.monotonic() - begin, 2), "used_mib_started": used_mib()}
        lines = log.read_text(errors="replace").splitlines()
        found["buffers"] = [line.split(" I ", 1)[-1].strip() for line in lines if BUFFER in line]
        found["slots"] = [line.split(" I ", 1)[-1].strip() for line in lines if "n_ctx" in line]
        url = f"http://127.0.0.1:{port}"
        for path in ("props", "slots", "v1/models", "metrics"):
            run.keep(f"{name}-{path.replace('/', '-')}-before.txt", _read(f"{url}/{path}"))
        load_llama.at_once(url, 2, 2, 64, 16, vocabulary, seed=99)
        found["loads"] = {}
        for concurrency, requests in loads:
            if run.left_s < 25:
                found["loads"][str(concurrency)] = {"skipped": "no time"}
                continue
            rows = load_llama.at_once(
                url, concurrency, requests, 512, 128, vocabulary, seed=concurrency, sampling=run.sampling
            )
            run.keep(f"{name}-requests-{concurrency}.json", json.dumps(rows))
            found["loads"][str(concurrency)] = load_llama.summary(rows)
            found["used_mib_loaded"] = used_mib()
        for path in ("slots", "metrics"):
            run.keep(f"{name}-{path}-after.txt", _read(f"{url}/{path}"))
        planned = launch.parents[2] / "plans" / f"{launch.parent.name}.yaml"
        for form in ("table", "json"):
            words = llmplan("observe", url, "--plan", str(planned), "--format", form)
            run.keep(f"{name}-observe-{form}.txt", said(words, 40))
        run.keep(f"{name}-observe-alone.txt", said(llmplan("observe", url), 40))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
    return found


def _wait(server: subprocess.Popen[bytes], port: int, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"llama-server ended with {server.returncode}")
        if '"ok"' in _read(f"http://127.0.0.1:{port}/health"):
            return
        time.sleep(0.1)
    raise TimeoutError("llama-server did not become ready")


def _read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode(errors="replace"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


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
