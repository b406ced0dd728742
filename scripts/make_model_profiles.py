"""Write profiles/models/*.yaml from the configs in $LLMPLAN_DATA (default ../shared/data), as model_names.yaml lists.

    python scripts/make_model_profiles.py

Only keys that the reader uses are kept, numbers as figures and the rest as facts. A profile is written only if the
reader makes the same tensors of it as of the config itself (but for what model_names.yaml overrides). Profiles that
are not listed there were written by hand and are left alone.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from module_lists import folded
from profile_yaml import COLLECTED, DATA, ROOT, write_profile

from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.models import ENCODERS, UNCOUNTED, load_models
from llmplan.errors import LlmplanError
from llmplan.spec.model import Tower

MODELS = ROOT / "profiles" / "models"
ALWAYS = (
    "model_type", "architectures", "torch_dtype", "tie_word_embeddings", "quantization_config", "expert_dtype",
    "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "use_sliding_window",
)  # fmt: skip
"""keys that are kept where they are read, although another value of them would not give other layers"""
APART = ("text_config", "dtype", "rope_scaling", "rope_parameters", *ENCODERS)
"""keys that are brought into the profile another way"""
STRUCTURE = ("layers", "globals", "towers", "draft", "max_context_tokens", "tied_embeddings")
SAME = (
    "layers", "globals", "towers", "draft", "max_context_tokens", "checkpoint_format", "checkpoint_weights",
    "module_formats", "dtype", "unquantized_modules", "kv_cache_format",
)  # fmt: skip
TOWER_NOTE = "the model class instantiated from the config, less its text decoder"
QUANTIZATION_KEYS = (
    "quant_method", "quant_algo", "weight_block_size", "modules_to_not_convert", "config_groups", "ignore", "bits",
    "group_size", "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "exclude_modules",
    "activation_scheme", "kv_cache_scheme", "kv_cache_quant_algo", "quantized_layers", "sym", "desc_act", "dynamic",
    "lm_head", "format",
)  # fmt: skip


def main() -> int:
    entries = yaml.safe_load((Path(__file__).parent / "model_names.yaml").read_text(encoding="utf-8"))
    with (DATA / "config_sources.tsv").open(encoding="utf-8") as file:
        origins = {row["file"]: row["source"] for row in csv.DictReader(file, delimiter="\t")}
    with (DATA / "parameter_oracle.jsonl").open(encoding="utf-8") as file:
        towers = {row["file"]: row.get("params_vision") or 0 for row in map(json.loads, file)}
    for entry in entries:
        write(entry, origins, towers)
    check(entries)
    print(f"{len(entries)} profiles in {MODELS}")
    return 0


def write(entry: dict[str, Any], origins: dict[str, str], towers: dict[str, int]) -> None:
    """One profile."""
    config_id = entry.get("config", entry["id"])
    stem = config_id.replace("/", "__")
    config = load(stem)
    note = entry.get("note")
    facts, figures = split(config)
    if entry.get("unquantized"):
        facts.pop("quantization_config", None)
    facts |= encoders(config)
    for name, value in entry.get("facts", {}).items():
        facts[name] = {"value": value, "kind": "assumed", "note": note}
        figures.pop(name, None)
    for name, value in entry.get("figures", {}).items():
        figures[name] = {"value": value, "kind": "derived", "note": note}
    tower = towers.get(f"{stem}.json")
    if tower and not counted(config):
        figures[UNCOUNTED] = {"value": tower, "kind": "derived", "note": TOWER_NOTE}
    profile = {
        "id": entry["id"],
        "aliases": entry.get("aliases", []),
        "defaults": {"source": "config", "as_of": COLLECTED, "kind": "published"},
        "architecture": facts,
        "figures": figures,
        "sources": {"config": source(config_id, entry, origins[f"{stem}.json"])},
    }
    write_profile(MODELS / f"{entry['id'].replace('/', '--')}.yaml", profile)


def load(stem: str) -> dict[str, Any]:
    """A config with what lies beside it."""
    config: dict[str, Any] = json.loads((DATA / "configs" / f"{stem}.json").read_text(encoding="utf-8"))
    beside = DATA / "configs" / f"{stem}.hf_quant_config.json"
    if "quantization_config" not in config and beside.is_file():
        quantization = json.loads(beside.read_text(encoding="utf-8"))["quantization"]
        config["quantization_config"] = {"quant_method": "modelopt", **quantization}
    return config


def split(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts and figures: a nested decoder's keys on top of the file's own, which keeps its model type."""
    text = config.get("text_config") or {}
    flat = config | {k: v for k, v in text.items() if k not in ("model_type", "architectures")}
    facts: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    asked: set[str] = set()
    read_config(config, model_id="", dtype="bf16", asked=asked)
    for name, value in flat.items():
        if name in APART or name not in asked or not (name in ALWAYS or matters(config, name)):
            continue
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            figures[name] = value
        elif value not in (None, [], {}):
            facts[name] = value
    for name in ("q_lora_rank", "sliding_window"):
        if name in flat and flat[name] is None and name in asked:
            facts[name] = None
    facts.setdefault("torch_dtype", flat.get("dtype"))
    rope = flat.get("rope_scaling") or flat.get("rope_parameters") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "mrope"):
        facts["rope_scaling"] = {"rope_type": kind}
        if kind not in ("llama3", "longrope", "su"):
            for name in ("factor", "original_max_position_embeddings"):
                if rope.get(name) is not None:
                    figures[f"rope_scaling.{name}"] = rope[name]
    if "quantization_config" in facts:
        facts["quantization_config"] = shortened(config, flat["quantization_config"])
    return {name: value for name, value in facts.items() if value is not None or name in flat}, figures


def matters(config: dict[str, Any], name: str) -> bool:
    """Whether another value of a key, or none, would give another model."""
    part = "text_config" if name in (config.get("text_config") or {}) else None
    keys = config[part] if part else config
    without = {key: value for key, value in keys.items() if key != name}
    wanted = inventory(config)
    changes = (without, {**keys, name: other(keys[name])})
    return any(inventory({**config, part: changed} if part else changed) != wanted for changed in changes)


def inventory(config: dict[str, Any]) -> tuple[Any, ...] | None:
    """What the reader makes of a config; None where it refuses it."""
    config = {key: value for key, value in config.items() if key != "quantization_config"}
    try:
        model = read_config(config, model_id="", dtype="bf16")
    except LlmplanError:
        return None
    return tuple(getattr(model, name) for name in STRUCTURE)


def counted(config: dict[str, Any]) -> tuple[Tower, ...]:
    """The encoders that the reader makes of a config."""
    return read_config(config, model_id="", dtype="bf16").towers


def encoders(config: dict[str, Any]) -> dict[str, Any]:
    """The parts that describe encoders, each with the keys that count: another value would give other encoders."""
    wanted, found = counted(config), {}
    for part in ENCODERS:
        if wanted and isinstance(config.get(part), dict):
            found[part] = {
                name: value
                for name, value in config[part].items()
                if name == "model_type" or differs(config | {part: config[part] | {name: other(value)}}, wanted)
            }
    return found


def differs(config: dict[str, Any], wanted: tuple[Tower, ...]) -> bool:
    """Whether a config gives other encoders, or none."""
    try:
        return counted(config) != wanted
    except LlmplanError:
        return True


def other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return 2 * value
    return value[:-1] if isinstance(value, list | str) else None


def shortened(config: dict[str, Any], quantization: dict[str, Any]) -> dict[str, Any]:
    """The keys that decide, and patterns for modules that are listed layer after layer, if that reads the same."""
    wanted = stored(config, quantization)
    return folded(trimmed(quantization), lambda tried: stored(config, tried) == wanted)


def stored(config: dict[str, Any], quantization: dict[str, Any]) -> tuple[Any, ...]:
    """How a checkpoint with this quantization stores its modules."""
    text = {k: v for k, v in (config.get("text_config") or {}).items() if k != "quantization_config"}
    changed = config | ({"text_config": text} if text else {}) | {"quantization_config": quantization}
    model = read_config(changed, model_id="", dtype="bf16")
    return model.checkpoint_weights, set(model.unquantized_modules), set(model.module_formats)


def trimmed(quantization: dict[str, Any]) -> dict[str, Any]:
    """The keys that decide, without the layers' routers and norms, which no format quantizes."""
    kept = {k: v for k, v in quantization.items() if k in QUANTIZATION_KEYS and v is not None}
    for key in ("modules_to_not_convert", "ignore", "exclude_modules"):
        if key in kept:
            kept[key] = [name for name in kept[key] if not name.endswith(("norm", ".gate"))]
    if "config_groups" in kept:
        kept["config_groups"] = {
            name: {part: scheme(group[part]) for part in ("weights", "input_activations") if group.get(part)}
            for name, group in kept["config_groups"].items()
        }
    return kept


def scheme(entry: dict[str, Any]) -> dict[str, Any]:
    """What decides of a compressed-tensors scheme."""
    return {key: entry[key] for key in ("num_bits", "type", "strategy", "group_size") if entry.get(key) is not None}


def source(config_id: str, entry: dict[str, Any], origin: str) -> dict[str, Any]:
    """Where the config was read, as a title and an address."""
    repository, _, rest = origin.partition(":")
    path, _, commit = rest.partition("@")
    commit = commit.split(" ")[0]
    file, _, anchor = path.partition("#")
    title = f"config.json of {config_id}, as kept by {repository}"
    if config_id.casefold() != entry["id"].casefold():
        title += f"; {entry['id']} has the same architecture"
    found = {"title": title, "url": f"https://github.com/{repository}/blob/{commit}/{file}", "retrieved": COLLECTED}
    return found | ({"locator": anchor} if anchor else {})


def check(entries: list[dict[str, Any]]) -> None:
    """Every profile that overrides nothing reads as its config does."""
    models = load_models([ROOT / "profiles"])
    for entry in entries:
        spec = models[entry["id"]]
        if {"facts", "figures"} & set(entry):
            continue
        config = load(entry.get("config", entry["id"]).replace("/", "__"))
        if entry.get("unquantized"):
            config.pop("quantization_config", None)
        wanted = read_config(config, model_id=entry["id"])
        for name in SAME:
            if getattr(spec, name) != getattr(wanted, name):
                raise SystemExit(f"{entry['id']}: {name} differs: {getattr(spec, name)} {getattr(wanted, name)}")


if __name__ == "__main__":
    sys.exit(main())
