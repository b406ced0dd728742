"""Which checkpoint an engine must be given so that it runs the planned weight format.

A checkpoint that is already in the planned format carries its own method: the engine reads it and no flag is
passed. Where the engine can convert a 16-bit checkpoint while loading, it gets the flag. In every other case the
planned format lives in another repository, which only the user can name: the launch asks for it in `MODEL` instead
of loading the wrong weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.emit.launch_file import Env, Word, plain
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica

KINDS: Mapping[str, str] = {
    "fp8": "an FP8 (static or dynamic per-tensor) checkpoint",
    "fp8-block": "an FP8 checkpoint with 128x128 blocks",
    "int8": "a W8A8 INT8 (compressed-tensors) checkpoint",
    "gptq-int8": "a GPTQ 8-bit checkpoint",
    "w8a16": "a W8A16 INT8 (compressed-tensors) checkpoint",
    "awq-int4": "an AWQ 4-bit checkpoint",
    "gptq-int4": "a GPTQ 4-bit checkpoint",
    "w4a16": "a W4A16 (compressed-tensors) checkpoint",
    "nvfp4": "an NVFP4 (ModelOpt or compressed-tensors) checkpoint",
    "mxfp4": "an MXFP4 checkpoint",
}
SIXTEEN_BIT = frozenset({"bf16", "fp16"})
DTYPES: Mapping[str, str] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""Format id to the name that PyTorch and its engines give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`model` to pass, the `method` that converts while loading (None: no flag), and what the user should know."""

    model: Word
    method: str | None = None
    notes: tuple[str, ...] = ()
    is_own: bool = True
    """whether it is the model's own repository; any other name is not the one that requests use"""

    @property
    def is_named(self) -> bool:
        """Whether the engine would serve it under the model's own name."""
        return isinstance(self.model, str) and self.is_own


def checkpoint_for(launch: Launch, convertible: Mapping[str, str]) -> Checkpoint:
    """The checkpoint to load; `convertible` maps the formats that the engine makes from 16 bit to its method names."""
    replica, named = launch.replica, launch.variant.checkpoint
    model, wanted = replica.model, replica.weights.id
    for name in (model.id, named or ""):
        if name.startswith("-"):
            raise UsageError(f"a model cannot be named {name!r}: the engine would read it as an option")
    if named is not None:
        note = f"the checkpoint was named by hand: it must hold {model.id} in {wanted}, as planned"
        return Checkpoint(model=named, notes=(note,), is_own=False)
    published = model.checkpoint_format
    if wanted == published or {wanted, published} <= SIXTEEN_BIT | {"fp32"}:
        folder = model.id.removesuffix("/config.json")
        if folder.endswith(".json"):  # a config alone, whose weights are elsewhere
            return Checkpoint(model=Env(name="MODEL", message=plain(f"set MODEL to the checkpoint of {folder}")))
        return Checkpoint(model=folder)
    if published in SIXTEEN_BIT and wanted in convertible:
        note = f"weights are converted from {published} to {wanted} while loading"
        return Checkpoint(model=model.id.removesuffix("/config.json"), method=convertible[wanted], notes=(note,))
    kind = f"a GGUF file ({wanted.removeprefix('gguf-').upper()})" if replica.weights.family == "gguf" else None
    kind = kind or KINDS.get(wanted, f"a checkpoint in {wanted}")
    wish = f"{kind} of {model.id}"
    note = f"the planned weights are {wanted}, the published checkpoint is {published}: set MODEL to {wish}"
    return Checkpoint(model=Env(name="MODEL", message=f"set MODEL to {plain(wish)}"), notes=(note,))


def dtype_name(replica: Replica) -> str:
    """`bfloat16`, `float16` or `float32`: the arithmetic of what is not quantized, float16 where the GPU has no
    bfloat16. Quantized weights go with 16 bits, also where the checkpoint that they were made from had 32."""
    wanted = replica.weights.id if replica.weights.family == "float" else replica.model.dtype
    if wanted == "fp32" and replica.weights.id != "fp32":
        wanted = "fp16" if replica.kv.id == "fp16" else "bf16"
    capability = replica.gpu.compute_capability
    if wanted == "bf16" and capability is not None and capability < (8, 0):
        return DTYPES["fp16"]
    return DTYPES[wanted]


PUBLISHED_BYTES: Mapping[str, int] = {"fp32": 4, "bf16": 2, "fp16": 2}


def downloaded_bytes(launch: Launch, weights: Word) -> int:
    """Bytes of the checkpoint that `weights` names: as planned, or as published where they are converted while
    loading; 0 where the plan does not know."""
    model, budget = launch.replica.model, launch.memory
    if budget is None:
        return 0
    published = PUBLISHED_BYTES.get(model.checkpoint_format)
    is_own = isinstance(weights, str) and launch.variant.checkpoint is None
    if not is_own or published is None or launch.replica.weights.id == model.checkpoint_format:
        return budget.checkpoint_bytes
    return published * (model.total_parameters + model.draft_parameters)
