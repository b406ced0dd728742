"""What the machine itself can do: matrix products at a model's shapes, copies on the GPU, to it and in host memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


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
