"""A launch, read: the engine's start, what it asks for, and what is wrong with how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmplan.launchlines.config_file import check_keys, read_settings, words_of
from llmplan.launchlines.engines import READERS, given_by_keys
from llmplan.launchlines.meaning import Meaning, read_all
from llmplan.launchlines.options import Given, Reading, read_arguments, shown
from llmplan.launchlines.shell import is_unknown
from llmplan.launchlines.start import Start
from llmplan.plan.outcome import CheckResult
from llmplan.spec.engine_flags import FlagTable

ReadFile = Callable[[str], str | None]
"""the text of a file that a launch names, or None where there is none"""
CONFIG_NAMES = ("--config",)
_RANKS, _TOKENS, _SLOTS = (1, 1024), (1, 10_000_000), (1, 1_000_000)
BOUNDS = {
    "tp": _RANKS, "pp": _RANKS, "dp": _RANKS, "dcp": _RANKS, "ep_ranks": _RANKS, "max_model_len": _TOKENS,
    "max_num_seqs": _SLOTS, "max_num_batched_tokens": _TOKENS, "block_size": (1, 65_536), "micro_batch": _TOKENS,
    "gpu_memory_utilization": (0.01, 1.0), "cpu_offload_gb": (0.0, 1e6), "kv_cache_memory_gib": (0.0, 1e6),
}  # fmt: skip
FACT_BOUNDS = {
    "nodes": _RANKS, "data_parallel_local": (0, 1024), "gpus_per_node": _RANKS,
    "asked_context_tokens": (0, 10_000_000), "max_loras": _SLOTS,
    "max_cpu_loras": _SLOTS, "max_lora_rank": (1, 100_000), "max_loaded_loras": _SLOTS, "cuda_graph_seqs": _SLOTS,
    "speculative_tokens": (0, 1024), "offload_group_size": (0, 100_000), "offload_num_in_group": (0, 100_000),
}  # fmt: skip
LOOSE_MODEL = ("vllm serve", "trtllm-serve", "sglang serve")
"""programs whose first loose word is the model"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What was read. `problems` are findings on how it is written, `notes` what could not be taken into account."""

    start: Start
    meaning: Meaning
    problems: tuple[CheckResult, ...]
    notes: tuple[str, ...]


def read_launch(start: Start, table: FlagTable | None, read_file: ReadFile, *, exact: bool) -> Launch:
    """Read a start against the engine's option list (None: only what is told by its settings file)."""
    meaning, reading = Meaning(), Reading(other="" if exact or table is None else table.ref)
    notes: list[str] = []
    meaning.facts["program"] = start.program
    if table is not None:
        words = list(start.arguments)
        _note_config_in_one_word(words, start, reading)
        line = read_arguments(words, table, start.engine, exact=exact)
        reading.problems += line.problems
        given = [*_from_files(line.given, table, start, reading, read_file, notes, exact=exact), *line.given]
        read_all(given, READERS.get(start.engine, {}), meaning)
        _keep_in_bounds(meaning, reading)
        _take_model(start, line.loose, line.given, meaning, reading)
    _note_image(start, reading)
    return Launch(start=start, meaning=meaning, problems=tuple(reading.problems), notes=(*notes, *meaning.unread))


def _keep_in_bounds(meaning: Meaning, reading: Reading) -> None:
    """A setting that no engine could have is a finding, and not computed with."""
    for values, bounds in ((meaning.replica, BOUNDS), (meaning.facts, FACT_BOUNDS)):
        for name, (least, most) in bounds.items():
            value = values.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and not least <= value <= most:
                del values[name]
                option = meaning.said_by.get(name, name)
                reading.complain(
                    "F-7", "error", f"{option} {value:g} is out of range", f"{option} from {least:g} to {most:g}"
                )


def _note_config_in_one_word(words: Sequence[str], start: Start, reading: Reading) -> None:
    for word in words if start.engine == "vllm" else ():
        if word.startswith("--config="):
            path = shown(word.partition("=")[2])
            reading.complain(
                "F-4", "error", f"--config={path} is not read, and nothing says so: the engine starts without it.",
                f"--config {path}, two words",
            )  # fmt: skip


def _from_files(
    given: Sequence[Given], table: FlagTable, start: Start, reading: Reading, read_file: ReadFile, notes: list[str],
    *, exact: bool,
) -> Sequence[Given]:  # fmt: skip
    """The options in a settings file: those on the line come after them and win."""
    files = [
        each.value for each in given if each.name in CONFIG_NAMES and f"--config={each.value}" not in start.arguments
    ]
    found: list[Given] = []
    for path in files:
        content = read_file(path) if path is not None else None
        if path is None or content is None:
            notes.append(f"the settings file {shown(path or 'that is named')} was not read: it is not at hand")
            continue
        settings = read_settings(content, path)
        if start.engine == "tensorrt-llm":
            check_keys(settings, table, reading, path)
            found += given_by_keys(settings)
        else:
            words = words_of(settings, table, reading if start.engine == "vllm" else Reading(), path)
            inner = read_arguments(words, table, start.engine, exact=exact)
            reading.problems += [problem for problem in inner.problems if problem not in reading.problems]
            found += inner.given
    return found


def _take_model(start: Start, loose: Sequence[str], given: Sequence[Given], meaning: Meaning, reading: Reading) -> None:
    """The model is the first loose word of some programs; any other loose word belongs to nothing."""
    words = list(loose)
    if words and start.program in LOOSE_MODEL:
        first = words.pop(0)
        meaning.model = None if is_unknown(first) else first
        if is_unknown(first):
            meaning.unread.append(f"the model is {shown(first)}: its value is not known here")
    for word in words:
        if not is_unknown(word) and word.strip() and start.program != "trtllm-build":
            reading.complain("F-20", "error", f"unrecognized arguments: {shown(word)}", "leave it out")
    by_option = any(each.name == "--model" for each in given)
    if start.program == "vllm serve" and start.image is None and by_option:
        reading.complain(
            "F-19", "warning", "With `vllm serve`, you should provide the model as a positional argument or in a "
            "config file instead of via the `--model` option.", f"vllm serve {shown(meaning.model or 'MODEL')} ...",
        )  # fmt: skip
    if start.program == "vllm serve" and meaning.model is None and not by_option and not loose:
        named = any(each.name in CONFIG_NAMES for each in given)
        if not named:
            reading.complain(
                "F-19", "warning", "No model is named: vLLM serves its default, a small one.", "vllm serve MODEL ..."
            )


def _note_image(start: Start, reading: Reading) -> None:
    if start.image is None or is_unknown(start.image) or "@sha256:" in start.image:
        return
    tag = start.image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest", "nightly", "main"):
        reading.complain(
            "F-15", "advice", f"{shown(start.image)} has no fixed tag: tomorrow it is another engine.",
            f"{shown(start.image.partition(':')[0])}:VERSION",
        )  # fmt: skip
