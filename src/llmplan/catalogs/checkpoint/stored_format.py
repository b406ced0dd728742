"""The weight format that the files themselves show: types, scales, and what packs the weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from llmplan.catalogs.checkpoint.agreement import is_packed, weight_bits
from llmplan.catalogs.checkpoint.ggml import FILE_TYPES, PLAIN
from llmplan.catalogs.checkpoint.header import Checkpoint
from llmplan.catalogs.checkpoint.matching import Match
from llmplan.catalogs.checkpoint.slots import Kind, Placed
from llmplan.errors import DataError
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS, WEIGHT_FORMATS
from llmplan.spec.tensor import TensorRole

_QUANTIZABLE: Final = frozenset({TensorRole.LINEAR, TensorRole.EXPERT})
_KNOWN: Final = frozenset(known.id for known in WEIGHT_FORMATS)
FILE_TYPE: Final = "general.file_type"


def plain_type(checkpoint: Checkpoint) -> str | None:
    """The 16- or 32-bit type that most bytes of what is not quantized are stored in."""
    sizes: Counter[str] = Counter()
    for tensor in checkpoint.tensors:
        if tensor.dtype in PLAIN and len(tensor.shape) > 1:
            sizes[PLAIN[tensor.dtype]] += tensor.stored_bytes
    return sizes.most_common(1)[0][0] if sizes else None


def file_format(checkpoint: Checkpoint, matches: Sequence[Match]) -> str:
    """The format of a GGUF file: its file type, or the known one of its usual block type with about as many bits."""
    stated = FILE_TYPES.get(checkpoint.metadata.get(FILE_TYPE, -1))
    for name in (f"gguf-{stated}", {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}.get(stated or "", "")):
        if name in _KNOWN:
            return name
    stored = [item.tensor for match in matches for item in match.stored if _is_linear(match)]
    sizes: Counter[str] = Counter()
    for tensor in stored:
        sizes[tensor.dtype] += tensor.stored_bytes
    most = sizes.most_common(1)[0][0] if sizes else "F16"
    if most in PLAIN:
        return name if (name := f"gguf-{most.lower()}") in _KNOWN else PLAIN[most]
    bits = weight_bits(stored, sum(tensor.elements for tensor in stored))
    alike = [known for known in GGUF_WEIGHT_FORMATS if known.id.startswith(f"gguf-{most.lower()}")]
    return min(alike or GGUF_WEIGHT_FORMATS, key=lambda known: abs(known.bits - bits)).id


def header_format(matches: Sequence[Match], where: str) -> str | None:
    """The format of most of what is quantized, however much is not; None: every linear layer is of a plain type."""
    sizes: Counter[str] = Counter()
    for match in matches:
        if _is_linear(match) and (shown := _format_of(match)) is not None:
            sizes[shown] += match.stored_bytes
    if not sizes:
        return None
    found = sizes.most_common(1)[0][0]
    if found not in _KNOWN:
        raise DataError(
            f"{where}: weights are packed in a way that the config does not state and that is not known ({found})",
            hints=["add the `quantization_config` of the model's own repository to config.json"],
        )
    return found


def _is_linear(match: Match) -> bool:
    return any(entry.tensor.role in _QUANTIZABLE and len(entry.tensor.shape) > 1 for entry in match.entries)


def _format_of(match: Match) -> str | None:
    kinds: dict[Kind, list[Placed]] = defaultdict(list)
    for item in match.stored:
        kinds[item.kind].append(item)
    quantized = [item for item in kinds[Kind.WEIGHT] if item.tensor.dtype not in PLAIN]
    if not quantized:
        return None
    weights = [item.tensor for item in quantized]
    sides = {_suffix(item.tensor.name): item.tensor.shape for item in kinds[Kind.SIDE]}
    if weights[0].dtype.startswith("F8_"):
        tiled = any("scale" in name and len(shape) > 1 and min(shape[-2:]) > 1 for name, shape in sides.items())
        return "fp8-block" if tiled or any("scale_inv" in name for name in sides) else "fp8"
    if not is_packed(weights[0]):
        return weights[0].dtype
    layers = len({item.layer for item in quantized})
    bits = round(weight_bits(weights, layers * sum(entry.tensor.elements for entry in match.entries)))
    return _packed_format(_suffix(weights[0].name), weights[0].dtype, bits, " ".join(sides))


def _packed_format(suffix: str, dtype: str, bits: int, sides: str) -> str:
    """The id that a packed layout has, by how its tensors are called."""
    if "SCB" in sides:
        return "bnb-int8"
    if "quant_map" in sides:
        return "nf4"
    if suffix == "W_q":
        return f"hqq-int{3 if dtype.endswith('32') else bits}"
    if suffix == "qweight":
        return f"gptq-int{bits}" if "g_idx" in sides else f"awq-int{bits}"
    if bits == 4 and ("scale_2" in sides or "global_scale" in sides):
        return "nvfp4"
    if bits == 4 and (suffix.endswith("blocks") or (suffix == "weight_packed" and dtype == "U8")):
        return "mxfp4"
    if suffix == "weight_packed":
        return f"w{bits}a16"
    if dtype == "U32" and "scales" in sides:
        return f"mlx-{bits}bit"
    return "int8" if bits == 8 else f"{bits}-bit {dtype} {suffix}"


def _suffix(name: str) -> str:
    return name.rpartition(".")[2] if ".weight." not in name else name[name.rindex(".weight.") + 1 :]
