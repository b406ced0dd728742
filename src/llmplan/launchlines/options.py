"""The arguments of a launch beside the engine's option list: which they are, and what is wrong with how they stand.

Reads as the engine's parser does (argparse for vLLM and SGLang, with its abbreviations), and goes on where that stops.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from llmplan.errors import nearest
from llmplan.launchlines import values
from llmplan.launchlines.flag_rules import OF_THE_LIST, RULE
from llmplan.launchlines.shell import from_own_folder, is_unknown
from llmplan.plan.engine_rule import Severity
from llmplan.plan.outcome import CheckResult
from llmplan.spec.engine_flags import Flag, FlagTable

MAX_SHOWN = 80
MAX_CHOICES_SHOWN = 12
LATE_RULES = {"--quantization": "F-10", "--kv-cache-dtype": "F-11"}
OWN_ARGUMENTS = ("$@", "$*", "${@}", "${*}")
"""in a script: what it is called with, mostly nothing"""
SECRETS = ("--api-key", "--hf-token", "--admin-api-key")
REPEATABLE = frozenset(
    {"--lora-modules", "--lora", "--lora-scaled", "--middleware", "-H", "--api-key", "--override-kv"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One option as it was given: its own name, the values behind it, and how it was spelled."""

    name: str
    values: tuple[str, ...]
    spelled: str
    path: str = ""
    """keys behind a dot: `--compilation-config.level` has `level`"""

    @property
    def value(self) -> str | None:
        """Its value; None for a switch, and for what only a running shell knows."""
        known = from_own_folder(self.values[0]) if self.values else ""
        return known if self.values and not is_unknown(known) else None

    @property
    def negated(self) -> bool:
        """Whether a switch was given under its negative name."""
        return self.spelled != self.name and re.match(r"--?(no|disable)-", self.spelled) is not None


@dataclass(slots=True)
class Reading:
    """What was read so far."""

    given: list[Given] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    """words that belong to no option: the model, mostly"""
    problems: list[CheckResult] = field(default_factory=list)
    other: str = ""
    """the version whose option list is read, where that is not the one which is started"""

    def complain(self, rule: str, severity: Severity, message: str, fix: str) -> None:
        """Note a finding, once. What only the option list of another version says is no error."""
        if self.other and rule in OF_THE_LIST:
            message = (
                f"{message.rstrip('.')} (so it is in {self.other}; the options of the version started are not known)"
            )
            severity = "warning" if severity == "error" else severity
        result = RULE[rule].result(severity, message, fix)
        if result not in self.problems:
            self.problems.append(result)


def read_arguments(words: Sequence[str], table: FlagTable, engine: str, *, exact: bool) -> Reading:
    """Every option among the words. `exact`: the table is of the very version that is started."""
    reading = Reading(other="" if exact else table.ref)
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word in OWN_ARGUMENTS:
            continue
        if not _is_option(word):
            reading.loose.append(word)
            continue
        spelled, equals, attached = word.partition("=")
        if engine == "vllm" and word.startswith("-O") and len(word) > 2:  # -O3, -O=3
            spelled, equals, attached = "-O", "=", word[2:].removeprefix("=")
        flag, path = _find(spelled, table, engine, reading)
        if flag is None:
            at = _skip_values(words, at)
            continue
        if equals and engine == "llama-cpp":
            reading.complain(
                "F-16", "error", f"error: invalid argument: {shown(word)}", f"{spelled} {shown(attached)}, two words"
            )
        found, at = ((attached,), at) if equals else _values_after(words, at, flag)
        given = Given(name=flag.name, values=found, spelled=_dashes(spelled.partition(".")[0], engine), path=path)
        if flag.takes_value and flag.kind not in ("maybe", "list") and not found:
            reading.complain("F-9", "error", f"argument {spelled}: expected one argument", f"{spelled} VALUE")
        elif not path:
            for value in found:
                check_value(flag, value, reading, table)
        _note_repeats(given, flag, reading)
        reading.given.append(given)
    return reading


def check_value(flag: Flag, value: str, reading: Reading, table: FlagTable) -> None:
    """What the parser, or the engine after it, says of a value."""
    if is_unknown(value) or not flag.takes_value:
        return
    name, text = flag.name, shown(value)
    late = table.late_choices.get(name, ())
    wrong = (
        (flag.kind == "int" and values.integer(value) is None)
        or (flag.kind == "float" and values.number(value) is None)
        or (flag.kind == "count" and values.count(value) is None)
        or (flag.kind == "count-or-auto" and not values.is_count_or_auto(value))
    )
    if wrong:
        kind = flag.kind.replace("count-or-auto", "human_readable_int").replace("count", "human_readable_int")
        reading.complain("F-7", "error", f"argument {name}: invalid {kind} value: '{text}'", f"{name} NUMBER")
    elif flag.choices and value not in flag.choices:
        _refuse("F-8", (f"argument {name}: invalid choice: '{text}' (choose from ", ")"), flag, value, reading)
    elif late and value not in late:
        what = "Unknown quantization method" if name == "--quantization" else f"{name}: no such type"
        refused = replace(flag, choices=late)
        _refuse(LATE_RULES.get(name, "F-8"), (f"{what}: {text}. Must be one of ", "."), refused, value, reading)
    elif flag.kind == "json" and value[:1] in "{[" and values.json_value(value) is None:
        reading.complain(
            "F-18", "error", f"argument {name}: Value {text} cannot be converted to <function loads>.",
            'strict JSON: double quotes, true and false, no comma at the end',
        )  # fmt: skip
    elif flag.kind in ("count", "count-or-auto") and value.strip()[-1:] == "k":
        binary = f"{value.strip()[:-1]}K"
        if values.count(binary) is not None:
            reading.complain(
                "F-17", "advice", f"{name} {text} is {values.count(value):,}; {binary} is {values.count(binary):,}.",
                f"{name} {values.count(binary)}, if that was meant",
            )  # fmt: skip
    if name in SECRETS and value:
        reading.complain(
            "F-13", "warning", f"{name} is written into the launch: everybody who lists processes can read it.",
            "VLLM_API_KEY (or HF_TOKEN) from a file or secret of the environment",
        )  # fmt: skip


def shown(text: str) -> str:
    """A word of somebody else's, short enough to print."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _refuse(rule: str, around: tuple[str, str], flag: Flag, value: str, reading: Reading) -> None:
    """A value that is none of the option's; `around` is what stands before and after the list of them."""
    near = values.next_larger(value, flag.choices) or nearest(value, flag.choices)
    some = ", ".join(flag.choices[:MAX_CHOICES_SHOWN]) + (", …" if len(flag.choices) > MAX_CHOICES_SHOWN else "")
    fix = f"{flag.name} {near[0] if near else flag.choices[0]}"
    reading.complain(rule, "error", f"{around[0]}{some}{around[1]}", fix)


def _is_option(word: str) -> bool:
    """Negative numbers are values."""
    return len(word) > 1 and word[0] == "-" and not re.fullmatch(r"-\.?\d.*", word) and not is_unknown(word[:3])


def _dashes(spelled: str, engine: str) -> str:
    """vLLM's parser takes `_` for `-`."""
    return spelled.replace("_", "-") if engine == "vllm" and spelled.startswith("--") else spelled


def _find(spelled: str, table: FlagTable, engine: str, reading: Reading) -> tuple[Flag | None, str]:
    """The option that is meant, and the keys behind its first dot."""
    head, _, path = spelled.partition(".")
    name = _dashes(head, engine)
    if engine == "vllm" and name == "-O":
        name, path = "--optimization-level", ""
    flag = table.flags.get(name)
    if flag is None and re.match(r"--no-(enable|disable)-", name):
        flag = table.flags.get(f"--{name[5:]}")
    if flag is not None:
        return flag, path
    if name in table.gone:
        instead = table.gone[name]
        since = "" if reading.other else f" ({table.ref} does not have it any more)"
        reading.complain("F-3", "error", f"unrecognized arguments: {shown(spelled)}{since}", instead)
        return None, ""
    fitting = table.starting_with(name) if table.abbreviates and name.startswith("--") and len(name) > 2 else ()
    if len(fitting) == 1:
        reading.complain(
            "F-2", "advice" if engine == "sglang" else "warning",
            f"{shown(spelled)} is taken for {fitting[0].name}, as long as no other option begins so.",
            fitting[0].name,
        )  # fmt: skip
        return fitting[0], path
    _unknown(spelled, name, fitting, table, reading)
    return None, ""


def _unknown(spelled: str, name: str, fitting: Sequence[Flag], table: FlagTable, reading: Reading) -> None:
    if fitting:
        message = f"ambiguous option: {shown(spelled)} could match {', '.join(flag.name for flag in fitting[:4])}"
        reading.complain("F-1", "error", message, fitting[0].name)
        return
    near = nearest(name, table.flags, 2)
    reading.complain(
        "F-1", "error", f"unrecognized arguments: {shown(spelled)}",
        f"did you mean {' or '.join(near)}?" if near else "leave it out",
    )  # fmt: skip


def _values_after(words: Sequence[str], at: int, flag: Flag) -> tuple[tuple[str, ...], int]:
    """The values behind an option and where the next one begins."""
    if not flag.takes_value:
        return (), at
    most = len(words) if flag.kind == "list" else at + 1
    end = at
    while end < min(most, len(words)) and not (_is_option(words[end]) and not _is_json(words[end])):
        end += 1
    return tuple(words[at:end]), end


def _is_json(word: str) -> bool:
    return word[:1] in ("{", "[")


def _skip_values(words: Sequence[str], at: int) -> int:
    """Past the value of an option that nobody knows, if something like a value follows."""
    return at + 1 if at < len(words) and not _is_option(words[at]) else at


def _note_repeats(given: Given, flag: Flag, reading: Reading) -> None:
    if flag.kind == "list" or given.path or flag.name in REPEATABLE:
        return
    earlier = next((each for each in reading.given if each.name == given.name and not each.path), None)
    if earlier is not None and (earlier.values, earlier.negated) != (given.values, given.negated):
        said = " ".join(map(shown, given.values)) or given.spelled
        reading.complain(
            "F-12", "warning", f"{given.name} is given twice, with different values: the last one wins ({said}).",
            f"{given.name} once",
        )  # fmt: skip
