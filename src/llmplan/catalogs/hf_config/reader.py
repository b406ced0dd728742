"""From a config.json, or the same keys from anywhere else, to a `ModelSpec`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmplan.catalogs.hf_config.context import max_context_tokens
from llmplan.catalogs.hf_config.decoder import build
from llmplan.catalogs.hf_config.descend import Found, descend
from llmplan.catalogs.hf_config.ignored import resolve
from llmplan.catalogs.hf_config.json_file import read_object
from llmplan.catalogs.hf_config.normalize import Config, show
from llmplan.catalogs.hf_config.quantization import Quantization, read_quantization
from llmplan.catalogs.hf_config.uncounted import draft_note, tower_note
from llmplan.errors import DataError
from llmplan.spec.model import ModelSpec

_DTYPES: Final = {
    "float16": "fp16", "half": "fp16", "fp16": "fp16",
    "bfloat16": "bf16", "bf16": "bf16",
    "float32": "fp32", "float": "fp32", "fp32": "fp32",
}  # fmt: skip


def read_config_file(path: Path, *, dtype: str | None = None) -> ModelSpec:
    """The model of a config.json, or of a folder that has one; `dtype` is for a file that states none.

    ModelOpt's `hf_quant_config.json` beside it is read, too.
    """
    path = path / "config.json" if os.path.isdir(path) else path
    data = read_object(path)
    stem = path.name.removesuffix("config.json").removesuffix(".json")
    sibling = path.with_name(f"{stem}{'.' if stem else ''}hf_quant_config.json")
    if data.get("quantization_config") is None and sibling != path and os.path.isfile(sibling):
        data = {**data, "quantization_config": read_object(sibling)}
    return read_config(data, model_id=str(path), dtype=dtype)


def read_config(
    data: Mapping[str, Any], *, model_id: str, dtype: str | None = None, uncounted_parameters: int | None = None
) -> ModelSpec:
    """The model that HF config keys describe. `model_id` names it, and is where complaints say the trouble is.

    `uncounted_parameters` is what an encoder beside the text decoder weighs, where that is known.
    """
    if not isinstance(data, Mapping):
        raise DataError(f"{model_id}: expected an object with a model's configuration, got {show(data)}")
    found = descend(data, model_id)
    config, family = found.config, found.family
    style = family.variant(config, family.style) if family.variant else family.style
    decoder = build(config, style, found.names)
    quantization = _quantization(config)
    stored, kept = _dtypes(config, quantization, dtype)
    return ModelSpec(
        id=model_id, model_type=found.model_type, architecture=_architecture(data, found.model_type),
        hidden_size=config.hidden, vocab_size=config.integer("vocab_size"),
        max_context_tokens=max_context_tokens(config, found.model_type),
        layers=decoder.layers, globals=decoder.globals, tied_embeddings=decoder.tied,
        dtype=kept, checkpoint_format=stored, uncounted_parameters=uncounted_parameters,
        notes=tuple(_notes(found, uncounted_parameters)),
        unquantized_modules=resolve(quantization, decoder.layers, model_id) if quantization else (),
        checkpoint_group_size=quantization.group_size if quantization else None,
    )  # fmt: skip


def _notes(found: Found, uncounted_parameters: int | None) -> Iterator[str]:
    """What a reader of the numbers should know."""
    if found.tower or uncounted_parameters:
        yield tower_note(uncounted_parameters)
    drafts = draft_note(found.config)
    if drafts is not None:
        yield drafts
    yield from found.family.notes


def _architecture(data: Mapping[str, Any], model_type: str) -> str:
    stated = data.get("architectures")
    if isinstance(stated, list) and stated and isinstance(stated[0], str):
        return stated[0]
    return model_type


def _quantization(config: Config) -> Quantization | None:
    """What `quantization_config` says, under its present or its former name."""
    key = next((key for key in ("quantization_config", "compression_config") if config.has(key)), None)
    return None if key is None else read_quantization(config.mapping(key), config.where)


def _dtypes(config: Config, quantization: Quantization | None, fallback: str | None) -> tuple[str, str]:
    """The checkpoint's format and the type of what it does not quantize.

    A quantized checkpoint that states no type has BF16 for the rest, which these methods write unless told otherwise.
    """
    stated = config.values.get("dtype") or config.values.get("torch_dtype") or fallback
    if stated is None and quantization is not None:
        return quantization.format, "bf16"
    if stated is None:
        raise DataError(
            f"{config.where}: key `torch_dtype`: missing, so that the size of a weight is unknown",
            hints=[
                'add "torch_dtype": "bfloat16" (or what the weights are stored in) to the file',
                "or say it of a config.json that stays as it is: --weights bf16 (or fp16, fp32)",
            ],
        )
    known = _DTYPES.get(stated.removeprefix("torch.")) if isinstance(stated, str) else None
    if known is None:
        raise config.fail("torch_dtype", f"expected one of float16, bfloat16, float32, got {show(stated)}")
    return (quantization.format if quantization else known), known
