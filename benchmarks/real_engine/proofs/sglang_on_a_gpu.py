"""SGLang without a GPU: torch.cuda answers for the planned one, and kernels are empty modules.

Nothing of SGLang itself is replaced.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

KERNELS = ("sgl_kernel", "flashinfer", "deep_gemm")
"""packages of compiled kernels, for CUDA alone"""
LIBRARIES: list[Any] = []
"""operators live as long as the library they were defined in"""


class _Anything(type):
    """A class of which every attribute is another, the same each time."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(cls, name, _Anything(name, (), {}))
        return cls.__dict__[name]


class _Kernels(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, _Anything(name, (), {}))
        return self.__dict__[name]


class EmptyKernels(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A module that has whatever is imported from it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in KERNELS:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Kernels(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def prepare() -> None:
    """Before anything of SGLang is imported."""
    os.environ |= {"HF_HUB_OFFLINE": "1"}
    import torch

    sys.meta_path.insert(0, EmptyKernels())
    vision = torch.library.Library("torchvision", "FRAGMENT")
    LIBRARIES.append(vision)
    for name in ("nms", "qnms"):
        vision.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def become(intent: dict[str, Any]) -> None:
    """The GPUs of one machine of the plan."""
    import torch

    (major, minor), memory_bytes = intent["capability"], intent["gpu_memory_bytes"]
    torch.version.cuda = "13.0"
    answers = SimpleNamespace(
        name=intent["gpu_name"], major=major, minor=minor, total_memory=memory_bytes, multi_processor_count=132
    )
    cuda = torch.cuda
    cuda.is_available = lambda: True
    cuda.device_count = lambda: intent["host_gpus"]
    cuda.current_device = lambda: 0
    cuda.get_device_capability = lambda *_: (major, minor)
    cuda.get_device_name = lambda *_: intent["gpu_name"]
    cuda.get_device_properties = lambda *_: answers
    cuda.mem_get_info = lambda *_: (memory_bytes, memory_bytes)
