"""Rules on how a launch is written: options that an engine does not have, and those that it drops without a word."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.plan.engine_rule import Basis, EngineRule, Severity

_VLLM_PARSER = "vLLM 0.33.0 vllm/utils/argparse_utils.py, and its parser's option list"
_TRIED = "tried on vLLM 0.33.0's own parser"


def _rule(
    rule_id: str, title: str, severity: tuple[Severity, ...], says: str, source: str, *engines: str,
    basis: tuple[Basis, ...] = ("code",),
) -> EngineRule:  # fmt: skip
    return EngineRule(
        id=rule_id, title=title, severities=severity, says=says, source=source, engines=engines, basis=basis
    )


FLAG_RULES: tuple[EngineRule, ...] = (
    _rule("F-1", "Every option is one of this engine's.", ("error", "warning"), "unrecognized arguments: {option}",
          "the engine's option list"),
    _rule("F-2", "Options are written out: an abbreviation becomes ambiguous with the next release.", ("warning",),
          "ambiguous option: {option} could match {options}", _VLLM_PARSER, "vllm", "sglang", basis=("code", "tried")),
    _rule("F-3", "No option of an earlier release is left.", ("error", "warning"), "unrecognized arguments: {option}",
          "the engine's option list: absent from it"),
    _rule("F-4", "A config file is named as `--config FILE`, two words: `--config=FILE` is not read.", ("error",), "",
          f"vLLM 0.33.0 vllm/utils/argparse_utils.py, parse_args; {_TRIED}", "vllm", basis=("code", "tried")),
    _rule("F-5", "In a YAML file a switch is turned off under its negative name: a false is dropped.",
          ("error", "warning"), "", f"vLLM 0.33.0 vllm/utils/argparse_utils.py, load_config_file; {_TRIED}", "vllm",
          basis=("code", "tried")),
    _rule("F-6", 'In a YAML file nothing is null: it becomes the text "None".', ("error", "warning"),
          "argument {option}: invalid int value: 'None'",
          f"vLLM 0.33.0 vllm/utils/argparse_utils.py, load_config_file; {_TRIED}", "vllm", basis=("code", "tried")),
    _rule("F-7", "Numbers are numbers.", ("error",), "argument {option}: invalid int value: '{value}'",
          "the engine's option list"),
    _rule("F-8", "A value is one of those that the option has.", ("error", "warning"),
          "argument {option}: invalid choice: '{value}' (choose from {choices})", "the engine's option list"),
    _rule("F-9", "An option that takes a value has one.", ("error", "warning"),
          "argument {option}: expected one argument", "the engine's option list"),
    _rule("F-10", "The quantization method is one that the engine has: its parser takes any.", ("error", "warning"),
          "Unknown quantization method: {value}. Must be one of {choices}.",
          "vLLM 0.33.0 vllm/config/model.py:1464-1470", "vllm", basis=("code", "tried")),
    _rule("F-11", "The KV cache type is one that the engine has: its parser takes any.", ("error", "warning"),
          "Input should be {choices}", "vLLM 0.33.0 vllm/config/cache.py, CacheDType", "vllm", basis=("code", "tried")),
    _rule("F-12", "An option is given once: the last one wins.", ("warning",), "Found duplicate keys {option}",
          "argparse; vLLM 0.33.0 vllm/utils/argparse_utils.py, parse_args"),
    _rule("F-13", "No secret is written into a launch: everybody who lists processes can read it.", ("warning",), "",
          "process lists and container inspection show arguments", basis=("docs",)),
    _rule("F-14", "A YAML key is one of those that TensorRT-LLM has.", ("error", "warning"),
          "Extra inputs are not permitted",
          "TensorRT-LLM llm_args_golden_manifest.json; its models forbid other keys", "tensorrt-llm"),
    _rule("F-15", "An image has a fixed tag.", ("advice",), "", "a tag that moves starts another engine tomorrow",
          basis=("docs",)),
    _rule("F-16", "llama-server takes a value as the next word, never behind `=`.", ("error",),
          "error: invalid argument: {option}", "llama.cpp b11434 common/arg.cpp", "llama-cpp"),
    _rule("F-17", "32k is 32,000 tokens, 32K is 32,768.", ("advice",), "",
          "vLLM 0.33.0 vllm/utils/argparse_utils.py:30-74", "vllm"),
    _rule("F-18", "A structured option is strict JSON.", ("error", "warning"),
          "argument {option}: Value {value} cannot be converted to <function loads>.", _VLLM_PARSER, "vllm", "sglang",
          basis=("code", "tried")),
    _rule("F-19", "`vllm serve MODEL`: `--model` is to go, and without a model a small default one is served.",
          ("warning",), "With `vllm serve`, you should provide the model as a positional argument or in a config file "
          "instead of via the `--model` option.", "vLLM 0.33.0 vllm/utils/argparse_utils.py, parse_args", "vllm"),
    _rule("F-20", "Nothing stands beside the options that the engine does not take.", ("error", "warning"),
          "unrecognized arguments: {word}", "the engine's option list"),
)  # fmt: skip
OF_THE_LIST = frozenset({"F-1", "F-2", "F-3", "F-8", "F-9", "F-10", "F-11", "F-14", "F-18", "F-20"})
"""rules that know no more than the option list says: against that of another version they are no errors"""
RULE: Mapping[str, EngineRule] = {rule.id: rule for rule in FLAG_RULES}
