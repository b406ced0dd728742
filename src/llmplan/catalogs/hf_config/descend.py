"""From a whole config.json down to the keys of its text decoder, and the family that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from llmplan.catalogs.hf_config.decoder import Family, Names
from llmplan.catalogs.hf_config.normalize import Config, canonical, show
from llmplan.catalogs.hf_config.registry import AS_TEXT, BY_TYPE, TEXT_TYPES, WRAPPER_BY_TYPE, known_types
from llmplan.catalogs.hf_config.uncounted import has_tower
from llmplan.errors import DataError, UnsupportedModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The decoder's keys in canonical form; `model_type` is the whole file's, `tower` whether it has an encoder."""

    config: Config
    family: Family
    model_type: str
    names: Names
    tower: bool


def descend(data: Mapping[str, Any], where: str) -> Found:
    """The text decoder of a file: the file itself, or the part of a multimodal one."""
    outer = _model_type(data, where)
    text = _text_config(data, where)
    wrapper = WRAPPER_BY_TYPE.get(outer)
    names, inner = AS_TEXT, outer
    tower = has_tower(data)
    raw: Mapping[str, Any] = data
    if wrapper is not None and (text is not None or outer not in BY_TYPE):
        names, tower = wrapper.names, True
        inner = wrapper.text_type
        if text is not None:
            inner = _text_type(text, where) or inner
            raw = _inherited(data) | dict(text)
    family = BY_TYPE.get(TEXT_TYPES.get(inner, inner))
    if family is None:
        raise UnsupportedModelError(
            f"{where}: model type {show(inner)} is not one that is read",
            hints=[f"known model types: {', '.join(known_types())}"],
        )
    config = canonical(raw, where=where, aliases=family.aliases, defaults=family.defaults)
    if family.derive is not None:
        config = replace(config, values={**config.values, **family.derive(config)})
    return Found(config=config, family=family, model_type=outer, names=names, tower=tower)


def _model_type(data: Mapping[str, Any], where: str) -> str:
    value = data.get("model_type")
    if value is None:
        raise DataError(f"{where}: key `model_type`: missing; is this a Hugging Face config.json?")
    if not isinstance(value, str):
        raise DataError(f"{where}: key `model_type`: expected text, got {show(value)}")
    return value


def _text_config(data: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
    text = data.get("text_config")
    if text is not None and not isinstance(text, Mapping):
        raise DataError(f"{where}: key `text_config`: expected an object, got {show(text)}")
    return text


def _text_type(text: Mapping[str, Any], where: str) -> str | None:
    value = text.get("model_type")
    if value is not None and not isinstance(value, str):
        raise DataError(f"{where}: key `text_config.model_type`: expected text, got {show(value)}")
    return value


def _inherited(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a text decoder takes from the multimodal file around it."""
    keys = ("tie_word_embeddings", "torch_dtype", "dtype", "quantization_config", "compression_config")
    return {key: data[key] for key in keys if data.get(key) is not None}
