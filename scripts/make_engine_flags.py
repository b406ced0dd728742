"""Write profiles/flags/<engine>@<version>.yaml: the options that each engine's own parser accepts, one a line.

python scripts/make_engine_flags.py [FOLDER]    writes them from the tables in FOLDER (LLMPLAN_DATA/engines if left out)
python scripts/make_engine_flags.py --sglang-fields DIR
                                                takes SGLang's options from sglang/srt/arg_groups/fields of its wheel

A table of vLLM's parser is a dump of argparse, llama.cpp's is its `--help`, TensorRT-LLM's a list of keys. SGLang's
table in the folder has the options that launch files use; the complete list is read from the wheel and kept.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "profiles" / "flags"
DATA = Path(os.environ.get("LLMPLAN_DATA", ROOT.parent / "shared" / "data"))
READ = "2026-11-22"

Kind: TypeAlias = str | list[Any]
"""`switch`, `int`, `float`, `count` (32k, 32K), `count-or-auto`, `text`, `json`, `list`, `maybe`, or the choices"""
TYPES = {
    "int": "int", "float": "float", "human_readable_int": "count", "human_readable_int_or_auto": "count-or-auto",
    "loads": "json", "union_dict_and_str": "json", "_parse_type": "json", "parse_dataclass": "json",
}  # fmt: skip
VLLM_LATE = {
    "--quantization": [
        "awq", "auto_awq", "fp8", "fbgemm_fp8", "fp_quant", "modelopt", "modelopt_fp4", "modelopt_mxfp8",
        "modelopt_mixed", "auto_gptq", "gptq", "gptq_marlin", "awq_marlin", "humming", "compressed-tensors",
        "experts_int8", "quark", "moe_wna16", "torchao", "inc", "mxfp4", "gpt_oss_mxfp4", "deepseek_v4_fp8", "online",
        "fp8_per_tensor", "fp8_per_block", "fp8_per_channel", "int8_per_channel_weight_only", "nvfp4_per_token",
        "mxfp8",
    ],
    "--kv-cache-dtype": [
        "auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "nvfp4_ds_mla",
        "turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc", "octave_k3v4",
        "octave_k3v3", "octave_k3v3_compact", "ultraquant_4bit", "int4_per_token_head", "int8_per_token_head",
        "fp8_per_token_head", "nvfp4", "nvfp4_4over6",
    ],
}  # fmt: skip
"""names that the parser lets pass and the engine refuses while it starts: QuantizationMethods and CacheDType"""
VLLM_GONE = {
    "--swap-space": "leave it out, or --kv-offloading-size GIB to keep KV blocks in host memory",
    "--num-scheduler-steps": "leave it out",
    "--use-v2-block-manager": "leave it out",
    "--worker-use-ray": "--distributed-executor-backend ray",
    "--rope-scaling": "--hf-overrides '{\"rope_parameters\": {...}}'",
    "--rope-theta": "--hf-overrides '{\"rope_parameters\": {...}}'",
    "--task": "--runner and --convert",
    "--guided-decoding-backend": "--structured-outputs-config",
    "--max-seq-len-to-capture": "--max-cudagraph-capture-size",
    "--cuda-graph-sizes": "--cudagraph-capture-sizes",
    "--speculative-model": '--speculative-config \'{"model": ..., "num_speculative_tokens": ...}\'',
    "--num-speculative-tokens": "--speculative-config '{\"num_speculative_tokens\": ...}'",
    "--num-lookahead-slots": "leave it out",
    "--preemption-mode": "leave it out",
    "--lora-extra-vocab-size": "leave it out",
    "--device": "leave it out: the build decides",
    "--enable-prompt-adapter": "leave it out",
    "--enable-reasoning": "leave it out: --reasoning-parser alone turns it on",
    "--engine-use-ray": "leave it out",
    "--max-context-len-to-capture": "--max-cudagraph-capture-size",
    "--ngram-prompt-lookup-max": '--speculative-config \'{"method": "ngram", "prompt_lookup_max": ...}\'',
    "--speculative-draft-tensor-parallel-size": "--speculative-config '{\"draft_tensor_parallel_size\": ...}'",
    "--scheduler-delay-factor": "leave it out",
    "--disable-async-output-proc": "leave it out",
    "--guided-decoding-disable-fallback": "--structured-outputs-config",
    "--disable-mm-preprocessor-cache": "--mm-processor-cache-gb 0",
    "--override-neuron-config": "leave it out",
    "--max-parallel-loading-workers": "leave it out",
}
"""options of earlier releases that the parser of this one does not have, and what to write instead"""

LLAMA_GONE = {"--no-mmap": "--load-mode none", "--mlock": "--load-mode mlock", "--mmap": "--load-mode mmap"}
SGLANG_GONE = {"--cuda-graph-max-bs": "--cuda-graph-max-bs-decode"}


def vllm(folder: Path) -> str:
    """vLLM's table: a dump of its parser."""
    table = json.loads((folder / "vllm-0.33-cuda-flags.json").read_text(encoding="utf-8"))
    options = {" ".join(flag["opts"]): _vllm_kind(flag) for flag in table["flags"].values() if flag["opts"]}
    known = {name for names in options for name in names.split()}
    gone = {name: instead for name, instead in VLLM_GONE.items() if name not in known}
    return _render(
        "vllm@0.33.0", options, late=VLLM_LATE, gone=gone, abbreviates=True,
        title="vLLM 0.33.0 wheel: its parser (vllm serve), QuantizationMethods and CacheDType",
        url="https://pypi.org/project/vllm/0.33.0/",
    )  # fmt: skip


def _vllm_kind(flag: Mapping[str, Any]) -> Kind:
    if flag["nargs"] == "0":
        return "switch"
    if flag["nargs"] == "+":
        return "list"
    if flag["nargs"] == "?":
        return "maybe"
    if flag["choices"]:
        return [choice for choice in flag["choices"] if choice is not None and choice != "None"]
    structured = flag["type"] == "_optional_type" and flag["opts"][0].endswith("-config")
    return "json" if structured else TYPES.get(flag["type"], "text")


def sglang(folder: Path, fields: Path | None) -> str | None:
    """SGLang's table, from the fields of its wheel; None where no wheel is at hand: what is written stays."""
    if fields is None:
        return None
    options: dict[str, Kind] = {"--help -h": "switch"}
    for path in sorted(fields.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                options |= _sglang_option(node.target.id, node.annotation)
    options |= _by_hand(fields.parents[1] / "server_args.py")
    for name, kind in sglang_listed(folder).items():
        names = next((names for names in options if name in names.split()), name)
        if options.get(names, "text") == "text":
            options[names] = kind
    return _render(
        "sglang@0.5.23", options, abbreviates=True, gone=SGLANG_GONE,
        title="SGLang 0.5.23 wheel: the fields of ServerArgs (srt/arg_groups/fields) and its parser",
        url="https://pypi.org/project/sglang/0.5.23/",
    )  # fmt: skip


def _by_hand(source: Path) -> dict[str, Kind]:
    """The options that are added to the parser one by one."""
    found: dict[str, Kind] = {}
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "parser.add_argument"):
            continue
        names = [ast.literal_eval(word) for word in node.args if isinstance(word, ast.Constant)]
        given = {word.arg: word.value for word in node.keywords if word.arg}
        if names:
            found[" ".join(names)] = _sglang_kind(ast.unparse(given["type"]) if "type" in given else "str", given)
    return found


def sglang_listed(folder: Path) -> dict[str, Kind]:
    """The options in the folder's own table, which its parser was asked for."""
    found: dict[str, Kind] = {}
    for line in (folder / "sglang-0.5.23-flags.txt").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if not name.startswith("--") or not rest.startswith("("):
            continue
        default, choices = ast.literal_eval(rest)
        plain = {bool: "switch", int: "int", float: "float"}.get(type(default), "text")
        found[name] = list(choices) if choices and len(choices) < 14 else plain
    return found


def _sglang_option(field: str, annotation: ast.expr) -> dict[str, Kind]:
    """One field `name: A[type, "help" or Arg(...)]`."""
    if not (isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "A"):
        return {}
    parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    told = parts[1] if len(parts) > 1 else None
    given = {word.arg: word.value for word in told.keywords if word.arg} if isinstance(told, ast.Call) else {}
    if "no_cli" in given:
        return {}
    name = ast.literal_eval(given["cli_name"]) if "cli_name" in given else f"--{field.replace('_', '-')}"
    aliases = ast.literal_eval(given["aliases"]) if "aliases" in given else []
    negated = [f"--no-{name[2:]}"] if "action" in given and "Boolean" in ast.unparse(given["action"]) else []
    return {" ".join([name, *aliases, *negated]): _sglang_kind(ast.unparse(parts[0]), given)}


def _sglang_kind(type_text: str, given: Mapping[str, ast.expr]) -> Kind:
    inner = re.sub(r"^(?:typing\.)?Optional\[(.*)\]$", r"\1", type_text).removesuffix(" | None")
    if "nargs" in given:
        return "maybe" if ast.unparse(given["nargs"]) == "'?'" else "list"
    if "action" in given:
        plain = re.search(r"store_(true|false|const)|Store(True|False|Const)", ast.unparse(given["action"]))
        return "switch" if plain or "Boolean" in ast.unparse(given["action"]) else "list"
    if inner.startswith("Literal["):
        return [value for value in ast.literal_eval(f"({inner[8:-1]},)") if value is not None]
    if inner.startswith(("List[", "list[")):
        return "list"
    if inner.startswith(("Dict[", "dict[")):
        return "json"
    return {"bool": "switch", "int": "int", "float": "float"}.get(inner, "text")


def tensorrt_llm(folder: Path) -> str:
    """TensorRT-LLM's: the options of trtllm-serve, and the keys of its YAML file (`keys`)."""
    lines = (folder / "trtllm_keys.txt").read_text(encoding="utf-8").splitlines()
    text = "\n".join(lines)
    serve = text.partition("# trtllm-serve serve")[2].partition("# trtllm-serve disagg")[0].partition("\n")[2]
    options: dict[str, Kind] = {}
    for entry in filter(None, map(str.strip, serve.replace("\n", " ").split(" ; "))):
        names, _, rest = entry.partition(" ")
        options[names.replace("|", " ").replace("/", " ")] = _trt_kind(names, rest)
    body = text.partition("# trtllm-serve serve")[0]
    keys = sorted({name for line in body.splitlines() if not line.startswith("#") for name in _top_keys(line)})
    return _render(
        "tensorrt-llm@main", options, keys=keys, abbreviates=False,
        title="TensorRT-LLM main (1.4 rc): trtllm_serve_cli.yaml and llm_args_golden_manifest.json",
        url="https://github.com/NVIDIA/TensorRT-LLM",
    )  # fmt: skip


_TRT_SWITCHES = ("--enable_attention_dp", "--enable_chunked_prefill", "--trust_remote_code", "--grpc",
                 "--telemetry", "--enable_visual_gen", "--fail_fast_on_attention_window_too_large")  # fmt: skip


def _trt_kind(names: str, rest: str) -> Kind:
    first = re.split(r"[|/]", names)[0]
    if first in _TRT_SWITCHES:
        return "switch"
    if rest.startswith("{"):
        return [re.sub(r"\(.*\)", "", choice) for choice in rest[1 : rest.index("}")].split(",")]
    if first.endswith(("_fraction", "_rate")):
        return "float"
    number = re.search(r"(?:_size|_width|_tokens|_per_node|_len|_workers|--port|-workers)$", first)
    return "int" if number else "text"


def _top_keys(line: str) -> Iterator[str]:
    """Names at the left of `:` or `.` outside of braces."""
    flat = line
    while re.search(r"\{[^{}]*\}", flat):
        flat = re.sub(r"\{[^{}]*\}", "", flat)
    for word in re.split(r"\s{2,}|\s(?=[a-z_0-9]+[:.])", flat):
        match = re.match(r"([a-z][a-z_0-9]+)(?=[:.]|$)", word.strip())
        if match:
            yield match[1]


def llama_cpp(folder: Path) -> str:
    """llama.cpp's: `llama-server --help`."""
    options: dict[str, Kind] = {}
    lines = (folder / "llama-server-help.txt").read_text(encoding="utf-8").splitlines()
    for at, line in enumerate(lines):
        if not line.startswith("-") or line.startswith("-----"):
            continue
        # the help text begins after two spaces; names are separated by commas and padding
        head = re.split(r"(?<!,)\s{2,}", re.sub(r",\s+(?=-)", ", ", line), maxsplit=1)[0]
        words = head.replace(",", " ").split()
        names = [word for word in words if re.fullmatch(r"--?[A-Za-z][\w-]*", word)]
        value = " ".join(word for word in words if word not in names)
        more = itertools.takewhile(lambda each: each.startswith("   "), lines[at + 1 :])
        if names:
            options[" ".join(names)] = _llama_kind(value, " ".join([line, *more]))
    return _render(
        "llama-cpp@b11434", options, abbreviates=False,
        gone={name: instead for name, instead in LLAMA_GONE.items() if name not in " ".join(options).split()},
        title="llama.cpp build 11434: llama-server --help", url="https://github.com/ggml-org/llama.cpp",
    )  # fmt: skip


def _llama_kind(value: str, told: str) -> Kind:
    if not value:
        return "switch"
    choices = re.fullmatch(r"[\[{<]([^\[\]{}<>]+)[\]}>]", value)
    if choices and re.search(r"[|,]", choices[1]) and "..." not in choices[1]:
        return re.split(r"[|,]", choices[1])
    return "float" if value == "N" and not re.search(r"'(auto|all)'", told) else "text"


def _render(
    ref: str, options: Mapping[str, Kind], *, abbreviates: bool, title: str, url: str,
    late: Mapping[str, list[str]] | None = None, gone: Mapping[str, str] | None = None, keys: list[str] | None = None,
) -> str:  # fmt: skip
    """The file. Lists are written as JSON, which YAML reads as it stands."""
    lines = [
        "# Written by scripts/make_engine_flags.py; a kind is switch, int, float, count (32k = 32000, 32K = 32768),",
        "# count-or-auto, text, json, list (one value or more), maybe (a value or none), or the list of choices.",
        f"id: {ref}",
        f"abbreviates: {str(abbreviates).lower()}",
        "options:",
        *(f"  {json.dumps(names)}: {_value(kind)}" for names, kind in options.items()),
    ]
    for title_, table in (("late_choices", late), ("gone", gone)):
        if table:
            lines += [f"{title_}:", *(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in table.items())]
    if keys:
        lines.append(f"keys: {json.dumps(keys)}")
    lines += ["source:", f"  title: {json.dumps(title)}", f"  url: {url}", f"  retrieved: {READ}"]
    return "\n".join(lines) + "\n"


def _value(kind: Kind) -> str:
    return kind if isinstance(kind, str) else json.dumps([str(choice) for choice in kind])


def tables(folder: Path, fields: Path | None = None) -> dict[str, str]:
    """File name to text, of every table that can be made from what is at hand."""
    made = {
        "vllm@0.33.0": vllm(folder), "sglang@0.5.23": sglang(folder, fields), "tensorrt-llm@main": tensorrt_llm(folder),
        "llama-cpp@b11434": llama_cpp(folder),
    }  # fmt: skip
    return {f"{ref}.yaml": text for ref, text in made.items() if text is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA / "engines")
    parser.add_argument("--sglang-fields", type=Path)
    given = parser.parse_args()
    for name, text in tables(given.folder, given.sglang_fields).items():
        (PROFILES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
