"""Rules on the published build and the GPU: whether it runs there at all."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.spec.gpu import dotted


def bfloat16_exists(replica: Replica) -> Finding | None:
    """GPUs before Ampere have no bfloat16."""
    capability = replica.gpu.compute_capability
    if capability is None or capability >= (8, 0) or replica.weights.id != "bf16":
        return None
    return error(
        "Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
        f"Your {replica.gpu.name} GPU has compute capability {dotted(capability)}.",
        "--weights fp16 (--dtype half)",
    )


def build_has_kernels(replica: Replica) -> Finding | None:
    """Published builds carry kernels for a list of capabilities; one runs on later ones of its generation."""
    capability, built = replica.gpu.compute_capability, replica.engine.compute_capabilities
    if capability is None or replica.engine.has_kernels_for(capability):
        return None
    listed = ", ".join(map(dotted, built)) or f"{dotted(replica.engine.min_compute_capability)} and newer"
    return error(
        f"no kernel image is available for execution on {replica.gpu.name} (compute capability {dotted(capability)}): "
        f"{replica.engine.ref} is built for {listed}.",
        "another GPU, or --engine llama-cpp",
    )


def kernels_are_tested(replica: Replica) -> Finding | None:
    """Capability 8.6 is listed and not in the maker's own test matrix."""
    if replica.gpu.compute_capability != (8, 6):
        return None
    return advice(
        f"{replica.gpu.name} (compute capability 8.6) should work and is not in NVIDIA's own tests of TensorRT-LLM.",
        "start once before relying on it, or --engine vllm",
    )


def tensorrt_llm_runs_there(replica: Replica) -> Finding | None:
    """The published build, then its maker's own test matrix."""
    return build_has_kernels(replica) or kernels_are_tested(replica)


def capability_is_known(replica: Replica) -> Finding | None:
    """The published image and these rules are for CUDA."""
    if replica.gpu.compute_capability is not None:
        return None
    if replica.engine.id == "tensorrt-llm":
        return error(
            f"TensorRT-LLM is built on CUDA and TensorRT: it does not run on {replica.gpu.name}.",
            "--engine vllm, which has builds for other makers",
        )
    return warning(
        f"{replica.gpu.name} has no CUDA compute capability: the rules on formats and kernels are not checked.",
        f"take a build of {replica.engine.name} for {replica.gpu.vendor} and test it",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-D1", engines=("vllm", "sglang"), gpus="below 8.0", severities=("error",), find=bfloat16_exists,
        title="bfloat16 weights need a GPU with bfloat16.",
        says="Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
        "Your {gpu} GPU has compute capability {capability}.",
        source="vLLM 0.33.0 vllm/platforms/cuda.py:638-655; vllm-project/vllm#1157", basis=("code", "issue"),
    ),
    Rule(
        id="V-A1", engines=("vllm", "sglang"), severities=("error",), find=build_has_kernels,
        title="The published build has kernels for the GPU's compute capability.",
        says="no kernel image is available for execution on the device",
        source="vLLM 0.33.0 wheel, architectures in _C_stable_libtorch.abi3.so; vllm-project/vllm#39878",
        basis=("binary", "issue"),
    ),
    Rule(
        id="T-3", engines=("tensorrt-llm",), gpus="8.0 and newer", severities=("error", "advice"),
        find=tensorrt_llm_runs_there,
        title="TensorRT-LLM is built for Ampere and newer; 8.6 is not in its maker's tests.",
        says="no kernel image is available for execution on the device",
        source="TensorRT-LLM docs/source/legacy/reference/support-matrix.md; NVIDIA/TensorRT-LLM#2620, #516",
        basis=("docs", "issue"),
    ),
    Rule(
        id="GPU-1", engines=(), severities=("error", "warning"), find=capability_is_known,
        title="The GPU has a CUDA compute capability, on which the rules about formats and kernels rest.",
        says="{gpu} has no CUDA compute capability", source="the GPU's profile, compute_capability", basis=("profile",),
    ),
)  # fmt: skip
