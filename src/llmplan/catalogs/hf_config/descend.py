"""From a whole config.json down to the keys of its text decoder, the family that reads them, and the encoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llmplan.catalogs.hf_config.class_defaults import NESTED_DEFAULTS
from llmplan.catalogs.hf_config.normalize import MAX_PARAMETERS, Config, canonical, expert_keys, show
from llmplan.catalogs.hf_config.registry import family_of, is_text_type, known_types
from llmplan.catalogs.hf_config.style import Family, Names
from llmplan.catalogs.hf_config.uncounted import described_towers
from llmplan.catalogs.hf_config.wrappers import AS_TEXT, WRAPPER_BY_TYPE, Wrapper, tower_reader
from llmplan.errors import DataError, UnsupportedModelError, nearest
from llmplan.spec.model import Tower


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The decoder's keys in canonical form; `model_type` is the whole file's.

    `towers` are the encoders that were read, `uncounted` whether the model has one that is not.
    """

    config: Config
    family: Family
    model_type: str
    names: Names
    towers: tuple[Tower, ...]
    uncounted: bool
    notes: tuple[str, ...] = ()


def descend(data: Mapping[str, Any], where: str, asked: set[str] | None = None) -> Found:
    """The text decoder of a file: the file itself, or the part of a multimodal one. `asked`: as in `Config`."""
    outer = _model_type(data, where)
    if data.get("is_encoder_decoder") is True and not is_text_type(outer) and outer not in WRAPPER_BY_TYPE:
        raise UnsupportedModelError(
            f"{where}: key `is_encoder_decoder`: an encoder-decoder model ({show(outer)}) is not read: "
            "it keeps a cache of its input beside that of its output",
            hints=["decoders and encoders are read: `llmplan catalog list models` names some"],
        )
    wrapper = WRAPPER_BY_TYPE.get(outer)
    around = _part(data, wrapper.inside, where) if wrapper is not None and wrapper.inside else data
    around = data if around is None else around
    text = _part(around, wrapper.text_key if wrapper else "text_config", where)
    flat = text is None and is_text_type(outer)
    if wrapper is None or (flat and not any(_part(around, key, where) for key in wrapper.towers)):
        family = _family(outer, where)
        return Found(
            config=_decoder(data, family, where, asked), family=family, model_type=outer, names=AS_TEXT, towers=(),
            uncounted=bool(described_towers(data, by_class=wrapper is not None)),
        )  # fmt: skip
    inner, raw, assumed = _stated_type(wrapper, data, where), data, frozenset[str]()
    if text is not None:
        inner = _text_type(text, where) or inner
        outside = {**_inherited(data), **_inherited(around)}
        defaults = NESTED_DEFAULTS.get(inner, {})
        raw = {**defaults, **outside, **text, **_tied(wrapper, around, text)}
        assumed = frozenset(key for key in defaults if key not in text)
    family = _family(inner, where)
    config = _decoder(raw, family, where, asked, assumed, ".".join(filter(None, (wrapper.inside, wrapper.text_key))))
    towers = _towers(wrapper, around, config, where)
    described = described_towers(around, by_class=True)
    return Found(
        config=config, family=family, model_type=outer, names=wrapper.names, towers=towers, notes=wrapper.notes,
        uncounted=not towers or bool(described - wrapper.towers.keys()),
    )  # fmt: skip


def _stated_type(wrapper: Wrapper, data: Mapping[str, Any], where: str) -> str:
    """The decoder's model type where its part of the file does not say it."""
    if not wrapper.versions:
        return wrapper.text_type
    stated = data.get("version")
    version = stated if isinstance(stated, str) else show(stated)
    if version in wrapper.versions:
        return wrapper.versions[version]
    raise UnsupportedModelError(
        f"{where}: key `version`: {version} is not one that is read",
        hints=[f"versions that are read: {', '.join(wrapper.versions)}"],
    )


def _tied(wrapper: Wrapper, around: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    """Whether embedding and output are tied: the file's own answer, unless the decoder's alone says yes and counts."""
    stated = around.get("tie_word_embeddings")
    if stated is None or (stated is False and wrapper.either_ties and text.get("tie_word_embeddings") is True):
        return {}
    return {"tie_word_embeddings": stated}


def _family(model_type: str, where: str) -> Family:
    family = family_of(model_type)
    if family is None:
        raise UnsupportedModelError(
            f"{where}: model type {show(model_type)} is not one that is read",
            hints=near_types(model_type, known_types()),
        )
    return family


def near_types(wanted: str, known: Iterable[str]) -> list[str]:
    """What is offered in place of a model type or an architecture that is not read."""
    near = nearest(wanted, known)
    named = [f"did you mean {', '.join(near)}?"] if near else []
    return [*named, "docs/reference/architectures.md lists all that are read"]


def _decoder(
    raw: Mapping[str, Any], family: Family, where: str, asked: set[str] | None,
    assumed: frozenset[str] = frozenset(), part: str = "",
) -> Config:  # fmt: skip
    """The decoder's keys under canonical names, with what follows from the family's own."""
    moe = family.style.moe
    named = {**raw, **expert_keys(raw, moe.count_key, moe.chosen_key)} if moe is not None else raw
    config = canonical(
        named, where=where, aliases=family.aliases, defaults=family.defaults, asked=asked, assumed=assumed, part=part
    )  # fmt: skip
    if family.derive is None:
        return config
    return replace(config, values={**config.values, **family.derive(config)})


def _towers(wrapper: Wrapper, around: Mapping[str, Any], text: Config, where: str) -> tuple[Tower, ...]:
    """The encoders that the file describes, be it with class defaults only."""
    config = Config(where=where, values=around)
    found = []
    for key, name in wrapper.towers.items():
        if _part(around, key, where) is None:
            continue
        tower = tower_reader(name)(config, text)
        if tower.parameters > MAX_PARAMETERS:
            raise config.fail(key, f"describes {tower.parameters:.1e} weights: no encoder has so many")
        found.append(tower)
    return tuple(found)


def _model_type(data: Mapping[str, Any], where: str) -> str:
    value = data.get("model_type")
    if value is None:
        raise DataError(
            f"{where}: key `model_type`: missing; is this a Hugging Face config.json?",
            hints=["give the config.json of the model's own repository, or a name: `llmplan catalog list models`"],
        )
    if not isinstance(value, str):
        raise DataError(f"{where}: key `model_type`: expected text, got {show(value)}")
    return value


def _part(data: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any] | None:
    part = data.get(key)
    if part is not None and not isinstance(part, Mapping):
        raise DataError(f"{where}: key `{key}`: expected an object, got {show(part)}")
    return part


def _text_type(text: Mapping[str, Any], where: str) -> str | None:
    value = text.get("model_type")
    if value is not None and not isinstance(value, str):
        raise DataError(f"{where}: key `text_config.model_type`: expected text, got {show(value)}")
    return value or None


def _inherited(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a text decoder takes from the multimodal file around it."""
    keys = ("tie_word_embeddings", "torch_dtype", "dtype", "quantization_config", "compression_config")
    return {key: data[key] for key in keys if data.get(key) is not None}
