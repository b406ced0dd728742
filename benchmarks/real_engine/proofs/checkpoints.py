"""Checkpoint folders that hold a config.json alone: what an engine reads before it loads a weight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from llmplan.catalogs import packaged_profiles
from llmplan.plan.deployment import Replica

_INT4_GROUP = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
_INT8_CHANNEL = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
_INT8_TOKEN = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
UNQUANTIZED = ("lm_head",)


def _compressed(fmt: str, weights: dict[str, Any], inputs: dict[str, Any] | None) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs, "output_activations": None}
    return {
        "quant_method": "compressed-tensors", "format": fmt, "config_groups": {"group_0": group},
        "ignore": list(UNQUANTIZED), "quantization_status": "compressed", "kv_cache_scheme": None,
    }  # fmt: skip


QUANTIZATION: dict[str, dict[str, Any]] = {
    "fp8": {"quant_method": "fp8", "activation_scheme": "dynamic"},
    "fp8-block": {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
    },
    "int8": _compressed("int-quantized", _INT8_CHANNEL, _INT8_TOKEN),
    "w8a16": _compressed("pack-quantized", _INT8_CHANNEL, None),
    "w4a16": _compressed("pack-quantized", _INT4_GROUP, None),
    "awq-int4": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
    "gptq-int4": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True},
    "gptq-int8": {"quant_method": "gptq", "bits": 8, "group_size": 128, "desc_act": False, "sym": True},
    "nvfp4": {
        "quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_quant_algo": None, "group_size": 16,
        "exclude_modules": list(UNQUANTIZED),
    },
    "mxfp4": {"quant_method": "mxfp4"},
}  # fmt: skip
"""weight format to what a checkpoint of it says of itself"""
FROM_FILE = "config.json"
TEXT_OF = ("text_config", "llm_config", "language_config")
ARCHITECTURES = {
    "smollm3": "SmolLM3ForCausalLM", "qwen3": "Qwen3ForCausalLM", "hunyuan_v1_dense": "HunYuanDenseV1ForCausalLM",
}  # fmt: skip
"""for the config.json files of ours that do not name theirs"""
OWN_CODE: dict[str, dict[str, str]] = {
    "baichuan": {},
    "qwen": {},
    "internlm2": {},
    "mimo": {},
    "nemotron-nas": {},
    "exaone": {"num_hidden_layers": "num_layers"},
}
"""model types whose repository brings the class of its config, with the names that it gives to common keys"""
STAND_IN = "configuration_stand_in"


CLASS = """from transformers import PretrainedConfig


class Readable(dict):
    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)


def readable(value):
    if isinstance(value, dict):
        return Readable({{name: readable(part) for name, part in value.items()}})
    return [readable(part) for part in value] if isinstance(value, list) else value


class StandInConfig(PretrainedConfig):
    model_type = {model_type!r}
    attribute_map = {names!r}

    def __init__(self, **values):
        if "block_configs" in values:
            values["block_configs"] = readable(values["block_configs"])
        for name, value in values.items():
            setattr(self, name, value)
        super().__init__(**values)
"""
"""a config class that keeps whatever the file says"""


def write(replica: Replica, folder: Path, configs: Path, *, converted: bool) -> tuple[Path, str]:
    """The checkpoint's folder, and where its config.json is from. `converted`: the engine makes the planned format
    from the published one, which it is given."""
    model, wanted = replica.model, replica.weights.id
    stored = model.checkpoint_format if converted else wanted
    path = folder / f"{model.id.replace('/', '__')}--{stored}"
    found, origin = _published(model.id, configs)
    if stored != model.checkpoint_format:
        for part in (found, *(found[name] for name in TEXT_OF if isinstance(found.get(name), dict))):
            part.pop("quantization_config", None)
            part.pop("compression_config", None)
        if stored in QUANTIZATION:
            found["quantization_config"] = QUANTIZATION[stored]
    elif stored in QUANTIZATION and (origin != FROM_FILE or not _says_how(found)):  # a profile keeps a part of it
        found["quantization_config"] = QUANTIZATION[stored]
        origin += f", quantization_config of {stored} put in"
    if not found.get("architectures") and found.get("model_type") in ARCHITECTURES:
        found["architectures"] = [ARCHITECTURES[found["model_type"]]]
    path.mkdir(parents=True, exist_ok=True)
    if found.get("model_type") in OWN_CODE:
        found["auto_map"] = {"AutoConfig": f"{STAND_IN}.StandInConfig"}
        (path / f"{STAND_IN}.py").write_text(
            CLASS.format(model_type=found["model_type"], names=OWN_CODE[found["model_type"]]), encoding="utf-8"
        )
        origin += ", with a stand-in for the class that its repository brings"
    (path / "config.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return path, origin


def _published(model_id: str, configs: Path) -> tuple[dict[str, Any], str]:
    path = configs / f"{model_id.replace('/', '__')}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8")), FROM_FILE
    return _from_profile(model_id), "its profile in the catalogue"


def _from_profile(model_id: str) -> dict[str, Any]:
    """A profile keeps the config's own keys; one that extends another states what differs."""
    path = packaged_profiles() / "models" / f"{model_id.replace('/', '--')}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = _from_profile(content["extends"]) if "extends" in content else {}
    stated = content.get("architecture", {}) | content.get("figures", {})
    plain = {
        name: value["value"] if isinstance(value, dict) and "value" in value else value
        for name, value in stated.items()
    }
    found = base | plain
    found.pop("rope_scaling", None)  # a profile keeps its kind, not its factors
    return found


def _says_how(config: dict[str, Any]) -> bool:
    parts = (config, *(config[name] for name in TEXT_OF if isinstance(config.get(name), dict)))
    return any(part.get("quantization_config") or part.get("compression_config") for part in parts)
