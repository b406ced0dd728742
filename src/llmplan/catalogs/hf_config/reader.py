"""From a config.json, or the same keys from anywhere else, to a `ModelSpec`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmplan.catalogs.hf_config.context import default_context_tokens, max_context_tokens, states_context
from llmplan.catalogs.hf_config.contradictions import contradictions
from llmplan.catalogs.hf_config.decoder import Decoder, build
from llmplan.catalogs.hf_config.descend import Found, descend
from llmplan.catalogs.hf_config.json_file import read_object
from llmplan.catalogs.hf_config.normalize import Asked, Config, show
from llmplan.catalogs.hf_config.quantization import Quantization, quantization_method, read_quantization
from llmplan.catalogs.hf_config.quantization.kv_scheme import kv_cache_format
from llmplan.catalogs.hf_config.stored import Stored, resolve
from llmplan.catalogs.hf_config.uncounted import draft_note, tower_note
from llmplan.errors import DataError
from llmplan.spec.model import Draft, ModelSpec

QUANTIZATION_FILE: Final = "hf_quant_config.json"
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
    sibling = path.with_name(f"{stem}{'.' if stem else ''}{QUANTIZATION_FILE}")
    beside = sibling if sibling != path and os.path.isfile(sibling) else None
    data = with_quantization(data, None if beside is None else lambda: read_object(beside))
    return read_config(data, model_id=str(path), dtype=dtype)


def with_quantization(data: dict[str, Any], beside: Callable[[], dict[str, Any]] | None) -> dict[str, Any]:
    """The config with what ModelOpt's `hf_quant_config.json` beside it says, where it says nothing of it itself."""
    if beside is None or data.get("quantization_config") is not None:
        return data
    return {**data, "quantization_config": beside()}


def read_config(
    data: Mapping[str, Any], *, model_id: str, dtype: str | None = None, uncounted_parameters: int | None = None,
    asked: set[str] | None = None,
) -> ModelSpec:  # fmt: skip
    """The model that HF config keys describe. `model_id` names it, and is where complaints say the trouble is.

    `uncounted_parameters` is what an encoder beside the text decoder weighs, where that is known. `asked` receives the
    names of all keys that are looked at: another key of the file decides nothing.
    """
    if not isinstance(data, Mapping):
        raise DataError(f"{model_id}: expected an object with a model's configuration, got {show(data)}")
    data = data if asked is None else Asked(data, asked)
    found = descend(data, model_id, asked)
    config, family = found.config, found.family
    style = family.variant(config, family.style) if family.variant else family.style
    decoder = build(config, style, found.names)
    draft = family.draft(config, style, found.names) if family.draft else None
    quantization = _quantization(config)
    kept = _dtype(config, quantization, dtype)
    stored = _stored(quantization, decoder, found, draft, model_id)
    return ModelSpec(
        id=model_id, model_type=found.model_type, architecture=_architecture(data, found.model_type),
        hidden_size=config.hidden, vocab_size=config.integer("vocab_size"),
        max_context_tokens=max_context_tokens(config, is_scaled=family.states_scaled_length),
        default_context_tokens=default_context_tokens(config), states_context=states_context(config),
        kv_cache_format=_kv_cache_format(config), quantization_method=_method(config),
        layers=decoder.layers, globals=decoder.globals, tied_embeddings=decoder.tied,
        towers=found.towers, draft=draft, dtype=kept, uncounted_parameters=uncounted_parameters,
        notes=(*_notes(found, draft, uncounted_parameters), *contradictions(data, found, decoder)),
        checkpoint_format=stored.weights.id if stored else kept,
        checkpoint_weights=stored.weights if stored else None,
        unquantized_modules=stored.unquantized if stored else (),
        module_formats=stored.others if stored else (),
    )  # fmt: skip


def _notes(found: Found, draft: Draft | None, uncounted_parameters: int | None) -> Iterator[str]:
    """What a reader of the numbers should know."""
    if found.uncounted or (uncounted_parameters and not found.towers):
        yield tower_note(uncounted_parameters, partly=bool(found.towers))
    drafts = draft_note(found.config, draft)
    if drafts is not None:
        yield drafts
    yield from (*found.notes, *found.family.notes)


def _architecture(data: Mapping[str, Any], model_type: str) -> str:
    stated = data.get("architectures")
    if isinstance(stated, list) and stated and isinstance(stated[0], str):
        return stated[0]
    return model_type


def _kv_cache_format(config: Config) -> str | None:
    """The KV cache that a quantized checkpoint asks for."""
    keys = ("quantization_config", "compression_config")
    return next((kv_cache_format(config.mapping(key)) for key in keys if config.has(key)), None)


def _method(config: Config) -> str | None:
    """What a quantized checkpoint's own method is called."""
    key = _quantization_key(config)
    return None if key is None else quantization_method(config.mapping(key))


def _quantization_key(config: Config) -> str | None:
    """Its present or its former name."""
    return next((key for key in ("quantization_config", "compression_config") if config.has(key)), None)


def _quantization(config: Config) -> Quantization | None:
    """What `quantization_config` says, under its present or its former name."""
    key = _quantization_key(config)
    if key is None:
        return None
    expert_dtype = config.values.get("expert_dtype")
    stated = expert_dtype if isinstance(expert_dtype, str) else None
    return read_quantization(config.mapping(key), config.where, stated)


def _stored(
    quantization: Quantization | None, decoder: Decoder, found: Found, draft: Draft | None, where: str
) -> Stored | None:  # fmt: skip
    """How a quantized checkpoint stores each module."""
    if quantization is None:
        return None
    return resolve(quantization, decoder.layers, decoder.globals, where, draft=draft, towers=found.towers)


def _dtype(config: Config, quantization: Quantization | None, fallback: str | None) -> str:
    """The type of what the checkpoint does not quantize.

    A quantized checkpoint that states no type has BF16 for the rest, which these methods write unless told otherwise.
    """
    stated = config.values.get("dtype") or config.values.get("torch_dtype") or fallback
    if stated is None and quantization is not None:
        return "bf16"
    if stated is None:
        raise DataError(
            f"{config.where}: key `torch_dtype`: missing, so that the size of a weight is unknown",
            hints=[
                'add "torch_dtype": "bfloat16" (or what the weights are stored in) to the file',
                "or leave the file as it is and add to the command: --weights bf16",
            ],
        )
    known = _DTYPES.get(stated.removeprefix("torch.")) if isinstance(stated, str) else None
    if known is None:
        raise config.fail("torch_dtype", f"expected one of float16, bfloat16, float32, got {show(stated)}")
    return known
