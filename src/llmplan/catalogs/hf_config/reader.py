"""From a config.json, or the same keys from anywhere else, to a `ModelSpec`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from llmplan.catalogs.hf_config.context import max_context_tokens
from llmplan.catalogs.hf_config.decoder import Family, Names, build
from llmplan.catalogs.hf_config.ignored import resolve
from llmplan.catalogs.hf_config.normalize import Config, canonical, show
from llmplan.catalogs.hf_config.quantization import Quantization, read_quantization
from llmplan.catalogs.hf_config.registry import AS_TEXT, BY_TYPE, NOTE, TEXT_TYPES, WRAPPER_BY_TYPE, known_types
from llmplan.errors import DataError, UnsupportedModelError
from llmplan.spec.model import ModelSpec

MAX_FILE_BYTES: Final = 4 * 1024**2
_DTYPES: Final = {
    "float16": "fp16", "half": "fp16", "fp16": "fp16",
    "bfloat16": "bf16", "bf16": "bf16",
    "float32": "fp32", "float": "fp32", "fp32": "fp32",
}  # fmt: skip
_MTP_NOTE: Final = "multi-token-prediction layers of the checkpoint are not counted"


def read_config_file(path: Path, *, dtype: str | None = None) -> ModelSpec:
    """The model of a config.json, or of a folder that has one; `dtype` is for a file that states none.

    ModelOpt's `hf_quant_config.json` beside it is read, too.
    """
    path = path / "config.json" if path.is_dir() else path
    data = _load(path)
    stem = path.name.removesuffix("config.json").removesuffix(".json")
    sibling = path.with_name(f"{stem}{'.' if stem else ''}hf_quant_config.json")
    if "quantization_config" not in data and sibling != path and sibling.is_file():
        data = {**data, "quantization_config": _load(sibling)}
    return read_config(data, model_id=str(path), dtype=dtype)


def read_config(data: Mapping[str, Any], *, model_id: str, dtype: str | None = None) -> ModelSpec:
    """The model that HF config keys describe. `model_id` names it, and is where complaints say the trouble is."""
    if not isinstance(data, Mapping):
        raise DataError(f"{model_id}: expected an object with a model's configuration, got {show(data)}")
    config, family, model_type, names, notes = _decoder_config(data, model_id)
    style = family.variant(config, family.style) if family.variant else family.style
    decoder = build(config, style, names)
    quantization = _quantization(data, config, model_id)
    stored, kept = _dtypes(data, config, quantization, dtype)
    if (config.optional_integer("num_nextn_predict_layers") or 0) > 0:
        notes = (*notes, _MTP_NOTE)
    return ModelSpec(
        id=model_id, model_type=model_type, architecture=_architecture(data, model_type),
        hidden_size=config.hidden, vocab_size=config.integer("vocab_size"),
        max_context_tokens=max_context_tokens(config, model_type),
        layers=decoder.layers, globals=decoder.globals, tied_embeddings=decoder.tied,
        dtype=kept, checkpoint_format=stored, notes=notes,
        unquantized_modules=resolve(quantization, decoder.layers, model_id) if quantization else (),
        checkpoint_group_size=quantization.group_size if quantization else None,
    )  # fmt: skip


def _decoder_config(data: Mapping[str, Any], where: str) -> tuple[Config, Family, str, Names, tuple[str, ...]]:
    """Descend to the text decoder and put its keys into canonical form."""
    outer = _model_type(data, where)
    wrapper = WRAPPER_BY_TYPE.get(outer)
    text = data.get("text_config")
    if text is not None and not isinstance(text, Mapping):
        raise DataError(f"{where}: key `text_config`: expected an object, got {show(text)}")
    names, model_type = AS_TEXT, outer
    notes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = data
    if wrapper is not None and (text is not None or outer not in BY_TYPE):
        inner = text.get("model_type") if text is not None else None
        if inner is not None and not isinstance(inner, str):
            raise DataError(f"{where}: key `text_config.model_type`: expected text, got {show(inner)}")
        model_type = inner or wrapper.text_type
        names, notes = wrapper.names, (NOTE,)
        raw = _inherited(data) | dict(text) if text is not None else data
    family = BY_TYPE.get(TEXT_TYPES.get(model_type, model_type))
    if family is None:
        raise UnsupportedModelError(
            f"{where}: model type {show(model_type)} is not one that is read",
            hints=[f"known model types: {', '.join(known_types())}"],
        )
    config = canonical(raw, where=where, aliases=family.aliases, defaults=family.defaults)
    if family.derive is not None:
        config = replace(config, values={**config.values, **family.derive(config)})
    return config, family, outer, names, (*notes, *family.notes)


def _inherited(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a text decoder takes from the multimodal file around it."""
    return {key: data[key] for key in ("tie_word_embeddings", "torch_dtype", "dtype") if data.get(key) is not None}


def _model_type(data: Mapping[str, Any], where: str) -> str:
    value = data.get("model_type")
    if value is None:
        raise DataError(f"{where}: key `model_type`: missing; is this a Hugging Face config.json?")
    if not isinstance(value, str):
        raise DataError(f"{where}: key `model_type`: expected text, got {show(value)}")
    return value


def _architecture(data: Mapping[str, Any], model_type: str) -> str:
    stated = data.get("architectures")
    if isinstance(stated, list) and stated and isinstance(stated[0], str):
        return stated[0]
    return model_type


def _quantization(data: Mapping[str, Any], config: Config, where: str) -> Quantization | None:
    for key in ("quantization_config", "compression_config"):
        for stated in (data.get(key), config.values.get(key)):
            if stated is None:
                continue
            if not isinstance(stated, Mapping):
                raise DataError(f"{where}: key `{key}`: expected an object, got {show(stated)}")
            return read_quantization(stated, where)
    return None


def _dtypes(
    data: Mapping[str, Any], config: Config, quantization: Quantization | None, fallback: str | None
) -> tuple[str, str]:  # fmt: skip
    """The checkpoint's format and the type of what it does not quantize.

    A quantized checkpoint that states no type has BF16 for the rest, which these methods write unless told otherwise.
    """
    stated = next(
        (
            value
            for value in (
                config.values.get("dtype"),
                config.values.get("torch_dtype"),
                data.get("dtype"),
                data.get("torch_dtype"),
                fallback,
            )
            if value is not None
        ),
        None,
    )
    if stated is None:
        if quantization is None:
            raise DataError(
                f"{config.where}: key `torch_dtype`: missing, so that the size of a weight is unknown",
                hints=['add "torch_dtype": "bfloat16" (or what the weights are stored in) to the file'],
            )
        return quantization.format, "bf16"
    known = _DTYPES.get(stated.removeprefix("torch.")) if isinstance(stated, str) else None
    if known is None:
        raise config.fail("torch_dtype", f"expected one of float16, bfloat16, float32, got {show(stated)}")
    return (quantization.format if quantization else known), known


def _load(path: Path) -> dict[str, Any]:
    """A JSON object from an untrusted file."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"{str(path)!r}: not a path: {error}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise DataError(f"{path}: larger than {MAX_FILE_BYTES} bytes; a config.json is not")
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected an object with a model's configuration, got {show(data)}")
    return data
