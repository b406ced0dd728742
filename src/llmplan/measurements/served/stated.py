"""What a server says of its own settings: in labels, and in the JSON of its other addresses. Only the keys that are
named here are looked at: what else stands there (keys, paths, templates) is nobody's business."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmplan.measurements.benchmark.result import MAX_VALUE, Fields, as_number, clean
from llmplan.measurements.served.series import Scrape
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS
from llmplan.units import GIB

SERVER_INFO, PROPS = ("/server_info", "/get_server_info"), "/props"
"""SGLang's, newest name first, and llama.cpp's"""
PART_SIZES = ("kv_tokens", "kv_blocks", "max_concurrency")
"""labels that are sizes of one part: they add up"""
_VERSION = re.compile(r"b?\d+(?:\.\d+)*(?:\.?(?:post|rc|dev)\d+)?")

_WORD = re.compile(r"[A-Za-z0-9][\w.-]{0,39}", re.ASCII)

SGLANG_SETTINGS = {
    "context_length": "max_model_len", "page_size": "block_size", "mem_fraction_static": "gpu_memory_utilization",
    "max_running_requests": "max_num_seqs", "chunked_prefill_size": "max_num_batched_tokens", "tp_size": "tp",
    "pp_size": "pp", "dp_size": "dp",
}  # fmt: skip
"""its server arguments, by the names of our flags"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one place says."""

    gauges: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    model: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The model that is looked at; `several`: the series are of several models."""

    name: str | None
    model: str | None
    told: Told
    several: bool


def version(text: str | None) -> str | None:
    """A version as it can be looked up: without build tags.

    >>> version("0.32.0+cpu"), version("b11434-5d2c83e6"), version("1.2.0rc4"), version("b0-unknown")
    ('0.32.0', 'b11434', '1.2.0rc4', None)
    """
    match = _VERSION.match((text or "").strip().removeprefix("v"))
    # a llama.cpp that was not built from its repository does not know its number
    return match[0] if match and match[0] != "b0" else None


def iteration_records(text: str) -> Sequence[Mapping[str, Any]] | None:
    """The records of TensorRT-LLM's JSON `/metrics`; None where the text is no such list."""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return None
    return found if not found or any("kvCacheStats" in each or "iterLatencyMS" in each for each in found) else None


def label_values(scrape: Scrape) -> Iterator[Told]:
    """The labels of the series that describes each part: sizes add up, settings are the same in all."""
    parts = scrape.labels() if scrape.series.info_series else []
    if not parts:
        return
    values = {
        name: [value for labels in parts if (value := _parsed(labels.get(label, ""))) is not None]
        for name, label in scrape.series.info.items()
    }
    sizes = {name: sum(found) for name in PART_SIZES if (found := [*filter(_is_size, values.get(name, ()))])}
    settings = {name: found[0] for name, found in values.items() if found and name not in PART_SIZES}
    yield Told(gauges=sizes | {"parts": float(len(parts))}, settings=settings)


def _is_size(value: Any) -> bool:
    return isinstance(value, float)


def _parsed(text: str) -> Any:
    """A label as a number, a truth or a word; `None` says nothing."""
    if text in ("", "None"):
        return None
    if text in ("True", "False"):
        return text == "True"
    try:
        value = float(text)
    except ValueError:
        return clean(text)
    return value if 0.0 <= value < 1e15 else None


def documents(engine: str, found: Mapping[str, Any]) -> Told:
    """What the engine's own address says."""
    if engine == "sglang":
        return _sglang(Fields(next((found[path] for path in SERVER_INFO if path in found), None)))
    if engine == "llama-cpp":
        return _llama_cpp(Fields(found.get(PROPS)))
    return Told()


def _sglang(info: Fields) -> Told:
    settings: dict[str, Any] = {
        flag: value for key, flag in SGLANG_SETTINGS.items() if (value := info.number(key)) is not None
    }
    if isinstance(info.get("disable_cuda_graph"), bool):
        settings["enforce_eager"] = info.get("disable_cuda_graph")
    if kind := info.text("kv_cache_dtype"):
        settings["kv_cache"] = kind
    weights_gib = info.number("internal_states", 0, "memory_usage", "weight")
    gauges = {} if weights_gib is None else {"weights_bytes": weights_gib * GIB}
    return Told(
        gauges=gauges, settings=settings, version=version(info.text("version")), model=info.text("model_path")
    )  # fmt: skip


def _llama_cpp(props: Fields) -> Told:
    slots, context = props.number("total_slots"), props.number("default_generation_settings", "n_ctx")
    settings: dict[str, Any] = {
        name: value for name, value in (("max_num_seqs", slots), ("max_model_len", context)) if value
    }
    gauges = {"kv_tokens": slots * context} if slots and context else {}
    path, kind = props.text("model_path"), file_type(props.text("model_ftype"))
    if kind is not None:
        settings["weights"] = kind
    return Told(
        gauges=gauges,
        settings=settings,
        version=version(props.text("build_info")),
        model=path.replace("\\", "/").rsplit("/", 1)[-1] if path else None,
        notes=("KV capacity: slots times the context of each; it does not say whether slots share one",)
        if gauges
        else (),
    )


def file_type(text: str | None) -> str | None:
    """llama.cpp's name of a GGUF file's type as a weight format; a guess of its own is one, too.

    >>> file_type("Q4_K - Medium"), file_type("(guessed) all F32"), file_type("IQ2_XXS - 2.0625 bpw"), file_type("Q9")
    ('gguf-q4_k_m', None, 'gguf-iq2_xxs', None)
    """
    name, _, size = (text or "").casefold().removeprefix("(guessed) ").partition(" - ")
    stem = name.removesuffix(" mix").replace(" ", "_")
    suffix = {"small": "_s", "medium": "_m", "large": "_l"}.get(size, "")
    known = {each.id for each in GGUF_WEIGHT_FORMATS}
    return next((found for found in (f"gguf-{stem}{suffix}", f"gguf-{stem}") if found in known), None)


def model_card(fields: Fields) -> Told:
    """What an entry of the list of models says of the model itself: vLLM's context, llama.cpp's file."""
    length, context = fields.number("max_model_len"), fields.number("meta", "n_ctx")
    parameters, kind = as_number(fields.get("meta", "n_params")), file_type(fields.text("meta", "ftype"))
    settings: dict[str, Any] = {} if (length or context) is None else {"max_model_len": length or context}
    if kind is not None:
        settings["weights"] = kind
    return Told(gauges={"parameters": parameters} if parameters and 0.0 < parameters < 1e15 else {}, settings=settings)


def derived(gauges: Mapping[str, float], settings: Mapping[str, Any]) -> dict[str, float]:
    """The gauges, with tokens from blocks where only those are said."""
    block = _usable("block_size", settings.get("block_size"))
    if "kv_tokens" not in gauges and "kv_blocks" in gauges and block is not None:
        return {**gauges, "kv_tokens": gauges["kv_blocks"] * block}
    return dict(gauges)


WHOLE = ("block_size", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "tp", "pp", "dp", "blocks_override")
"""settings that count something"""
TRUTHS = ("enforce_eager", "prefix_caching")
WORDS = ("kv_cache", "weights")


def whole(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that can be, counts as whole numbers.

    >>> whole({"block_size": 16.0, "max_model_len": "x", "gpu_memory_utilization": 0.9, "enforce_eager": 1.0})
    {'block_size': 16, 'gpu_memory_utilization': 0.9}
    """
    return {name: usable for name, value in settings.items() if (usable := _usable(name, value)) is not None}


def _usable(name: str, value: Any) -> Any:
    """A setting as its kind has it; None where it cannot be."""
    if name in TRUTHS:
        return value if isinstance(value, bool) else None
    if name in WORDS:
        # it is printed inside of commands that people paste
        return value if isinstance(value, str) and _WORD.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if name in WHOLE:
        return int(value) if 1.0 <= value <= MAX_VALUE else None
    most = 1.0 if name == "gpu_memory_utilization" else 1e15
    return value if 0.0 < value <= most else None
