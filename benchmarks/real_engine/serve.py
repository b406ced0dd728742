"""Start vLLM with the settings of settings.py and stay until it ends or is interrupted.

    python benchmarks/real_engine/serve.py MODEL_FOLDER [--engine-core 0] [--other-core 1]

Run it in the engine's environment. The worker, which computes, has one thread on one core; the API server and the
scheduler are moved to the other core, where the client runs as well, so that nobody takes time from the worker's steps.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from settings import ARGUMENTS, ENVIRONMENT, PORT, SERVED_NAME, TIGHT_KV_BLOCKS

START_LIMIT_S = 600


def command(model: str) -> list[str]:
    """The engine's command line."""
    return ["vllm", "serve", model, "--served-model-name", SERVED_NAME, "--port", str(PORT), *ARGUMENTS]


def wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    """Return when the engine answers; leave when it has ended or takes too long."""
    for _ in range(START_LIMIT_S):
        if process.poll() is not None:
            sys.exit(f"the engine ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=1).close()
        except OSError:
            time.sleep(1)
        else:
            return
    process.terminate()
    sys.exit(f"the engine was not ready after {START_LIMIT_S} s")


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in found.read_text().split()]


def pin(server: int, engine_core: str, other_core: str) -> None:
    """The API server and the scheduler to one core, the worker, which the scheduler has started, to the other."""
    schedulers = children(server)
    workers = [worker for scheduler in schedulers for worker in children(scheduler)]
    for core, processes in ((other_core, [server, *schedulers]), (engine_core, workers)):
        for process in processes:
            subprocess.run(["taskset", "-acp", core, str(process)], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Start, pin, wait."""
    parser = argparse.ArgumentParser(description="Start the engine that is measured.")
    parser.add_argument("model")
    parser.add_argument("--engine-core", default="0")
    parser.add_argument("--other-core", default="1")
    parser.add_argument("--tight", action="store_true", help="a pool that is too small, for the load that preempts")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    environment = os.environ | ENVIRONMENT | {"VLLM_CPU_OMP_THREADS_BIND": chosen.engine_core}
    pool = ["--num-gpu-blocks-override", str(TIGHT_KV_BLOCKS)] if chosen.tight else []
    process = subprocess.Popen([*command(chosen.model), *pool], env=environment)
    try:
        wait_until_ready(process)
        pin(process.pid, chosen.engine_core, chosen.other_core)
        print("ready", flush=True)
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
