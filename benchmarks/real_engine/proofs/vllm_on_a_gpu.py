"""vLLM's CUDA build without a GPU: its own CUDA platform, which asks an NVML that answers for the planned GPU.

Replaced are only what cannot be there: NVML's answers, the number of devices, compiled kernels (empty modules in their
place) and the four questions that vLLM puts to them about a compute capability, answered as its sources do
(csrc/quantization/w8a8/cutlass/scaled_mm_entry.cu, csrc/quantization/fp4/nvfp4_scaled_mm_entry.cu). torchvision
is installed without its operators, of which it misses two by name. Models are
inspected in this process instead of one of their own each.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

GPU: dict[str, Any] = {
    "capability": (9, 0),
    "name": "NVIDIA H100 80GB HBM3",
    "memory_bytes": 85_520_809_984,
    "count": 8,
}
"""what NVML says; set before vLLM asks for the first time, since it remembers"""
CAPABILITY_RULES = {
    "cutlass_scaled_mm_supports_fp8": lambda capability: capability >= 89,
    "cutlass_scaled_mm_supports_block_fp8": lambda capability: capability >= 90,
    "cutlass_group_gemm_supported": lambda capability: 90 <= capability < 110,
    "cutlass_scaled_mm_supports_fp4": lambda capability: 100 <= capability < 130,
}
LIBRARIES: list[Any] = []
"""operators live as long as the library they were defined in"""


class EmptyKernels(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An empty module for every compiled extension of vLLM."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        last = fullname.rpartition(".")[2]
        if fullname.startswith("vllm.") and any((Path(place) / f"{last}.abi3.so").exists() for place in path or ()):
            return importlib.util.spec_from_loader(fullname, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        pass


def prepare(cache: Path) -> None:
    """Before anything of vLLM is imported."""
    os.environ |= {
        "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CACHE_ROOT": str(cache),
        "VLLM_LOGGING_LEVEL": "CRITICAL",
    }  # fmt: skip
    sys.meta_path.insert(0, EmptyKernels())
    _answer_for_nvml()
    _answer_for_kernels()
    import vllm.model_executor.models.registry as registry
    import vllm.platforms.cuda as cuda
    import vllm.transformers_utils.repo_utils as repo_utils
    import vllm.triton_utils as triton_utils

    triton_utils.triton.Config = lambda *_, **__: SimpleNamespace(num_stages=1, num_warps=1, kwargs={})

    cuda._cuda_device_count_stateless = lambda *_: GPU["count"]
    registry._run_in_subprocess = lambda work: work()
    repo_utils.time = SimpleNamespace(sleep=lambda _: None)  # a file that is not there now is not there in 2 s


def become(intent: dict[str, Any]) -> None:
    """The GPUs of one machine of the plan."""
    GPU.update(
        capability=tuple(intent["capability"]), name=intent["gpu_name"], memory_bytes=intent["gpu_memory_bytes"],
        count=intent["host_gpus"],
    )  # fmt: skip
    from vllm.platforms import current_platform

    assert tuple(current_platform.get_device_capability()) == GPU["capability"], "NVML was asked before"


def _answer_for_nvml() -> None:
    import vllm.third_party.pynvml as nvml

    nvml.nvmlInit = nvml.nvmlShutdown = lambda *_: None
    nvml.nvmlDeviceGetCount = lambda: GPU["count"]
    nvml.nvmlDeviceGetHandleByIndex = lambda index: index
    nvml.nvmlDeviceGetUUID = lambda index: f"GPU-{index}"
    nvml.nvmlDeviceGetName = lambda _: GPU["name"]
    nvml.nvmlDeviceGetCudaComputeCapability = lambda _: GPU["capability"]
    nvml.nvmlDeviceGetMemoryInfo = lambda *_, **__: SimpleNamespace(
        total=GPU["memory_bytes"], free=GPU["memory_bytes"], used=0
    )


def _answer_for_kernels() -> None:
    import torch

    own, vision = torch.library.Library("_C", "FRAGMENT"), torch.library.Library("torchvision", "FRAGMENT")
    LIBRARIES.extend((own, vision))
    for name, rule in CAPABILITY_RULES.items():
        own.define(f"{name}(int cuda_device_capability) -> bool")
        own.impl(name, rule, "CompositeExplicitAutograd")
    for name in ("nms", "qnms"):
        vision.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
