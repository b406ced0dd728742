"""A config.json as it should have been: one level, one name per key, class defaults filled in, values checked.

Hub configs nest the language model (`text_config`), name the same thing differently (`n_embd`, `d_model`,
`hidden_size`) and leave out what the model class would fill in. `null` means absent, except for the few keys where
the class distinguishes "none" from "not said" (`NULLABLE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmplan.errors import DataError

NULLABLE: Final = frozenset(
    {"q_lora_rank", "sliding_window", "kv_lora_rank", "mamba_d_ssm", "num_key_value_heads", "head_dim"}
)
"""Keys whose `null` is an answer: no query compression, no window, a KV head per head, width divided by heads."""

_HEAD_SIZES: Final = ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")
"""sizes that are checked against each other"""
DRAFT_COUNTS: Final = ("num_nextn_predict_layers", "num_mtp_modules", "mtp_num_hidden_layers", "num_mtp_layers")
"""keys under which files count the layers that draft tokens"""

MAX_LAYERS: Final = 2_000
MAX_WIDTH: Final = 2**24
MAX_HEADS: Final = 2**16
MAX_EXPERTS: Final = 2**16
MAX_TOKENS: Final = 2**31
MAX_PARAMETERS: Final = 10**15
"""A hundred times what the largest published model has; more is a mistake of the file."""


class Asked(dict[str, Any]):
    """Keys and values that note in `names` which keys somebody asked for; going through all of them is not asking."""

    __slots__ = ("names",)

    def __init__(self, values: Mapping[str, Any], names: set[str]) -> None:
        super().__init__(values)
        self.names = names

    def __getitem__(self, key: str) -> Any:
        self.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        self.names.add(key)
        return super().get(key, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Typed, bounded access to one decoder's keys. Every complaint names the file and the key as the file has it."""

    where: str
    values: Mapping[str, Any]
    file_names: Mapping[str, str] = field(default_factory=dict)
    """canonical key -> the key that the file uses"""
    asked: set[str] | None = field(default=None, compare=False, repr=False)
    """where the names of keys go that are asked for, here and in copies with other values"""
    assumed: frozenset[str] = frozenset()
    """sizes that the file leaves to the class of a nested decoder"""
    part: str = ""
    """the part of the file that leaves them out"""

    def __post_init__(self) -> None:
        if self.asked is not None and not isinstance(self.values, Asked):
            object.__setattr__(self, "values", Asked(self.values, self.asked))

    def fail(self, key: str, problem: str) -> DataError:
        """The error about one key; sizes that the class supplied and that are checked against it are named."""
        beside = _HEAD_SIZES if key in _HEAD_SIZES else (key,)
        lacking = ", ".join(f"`{name}`" for name in beside if name in self.assumed)
        said = f"; `{self.part}` does not state {lacking}: these are its class's defaults" if lacking else ""
        return DataError(f"{self.where}: key `{self.file_names.get(key, key)}`: {problem}{said}")

    def has(self, key: str) -> bool:
        """Whether the file or the class states the key."""
        return self.values.get(key) is not None

    def integer(self, key: str, *, low: int = 1, high: int = MAX_WIDTH) -> int:
        """A whole number within bounds; a missing one is an error."""
        value = self.values.get(key)
        if value is None:
            raise self.fail(key, "missing; this architecture cannot be sized without it")
        return self._checked(key, value, low, high)

    def optional_integer(self, key: str, *, low: int = 0, high: int = MAX_WIDTH) -> int | None:
        """A whole number within bounds, or None where it is absent or null."""
        value = self.values.get(key)
        return None if value is None else self._checked(key, value, low, high)

    def _checked(self, key: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"expected a whole number, got {show(value)}")
        if not low <= value <= high:
            raise self.fail(key, f"expected a whole number from {low} to {high}, got {show(value)}")
        return value

    def derived(self, key: str, value: int) -> int:
        """A width that follows from `key`, within the bounds of a stated one."""
        if not 1 <= value <= MAX_WIDTH:
            raise self.fail(key, f"gives a width of {show(value)}, not one from 1 to {MAX_WIDTH}")
        return value

    def element(self, key: str, value: Any, *, low: int = 1, high: int = MAX_WIDTH) -> int:
        """A whole number within bounds, out of the list that `key` holds."""
        return self._checked(key, value, low, high)

    def flag(self, key: str, default: bool = False) -> bool:
        """A true or false."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(key, f"expected true or false, got {show(value)}")
        return value

    def number(self, mapping: Mapping[str, Any], key: str, within: str) -> float | None:
        """A positive finite number inside a nested mapping, or None where absent."""
        value = mapping.get(key)
        if value is None:
            return None
        name = f"{within}.{key}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(name, f"expected a number, got {show(value)}")
        if not 0 < value <= MAX_TOKENS:
            raise self.fail(name, f"expected a positive number, got {show(value)}")
        return float(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A nested mapping; empty where absent."""
        value = self.values.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.fail(key, f"expected an object, got {show(value)}")
        return value

    def items(self, key: str) -> tuple[Any, ...] | None:
        """A list, or None where absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise self.fail(key, f"expected a list, got {show(value)}")
        return tuple(value)

    def demand_length(self, key: str, count: int) -> None:
        """Refuse a list of one entry per layer that is longer or shorter than the layers.

        Entries behind the last layer may be those of layers that draft tokens.
        """
        layers = self.layers
        if count == layers:
            return
        drafts = max(self.optional_integer(name) or 0 for name in DRAFT_COUNTS)
        if not layers < count <= layers + drafts:
            name = self.file_names.get("num_hidden_layers", "num_hidden_layers")
            raise self.fail(key, f"lists {count} layers, but `{name}` is {layers}")

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return self.integer("num_hidden_layers", high=MAX_LAYERS)

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""
        return self.integer("hidden_size")

    @property
    def heads(self) -> int:
        """Query heads."""
        return self.integer("num_attention_heads", high=MAX_HEADS)

    @property
    def kv_heads(self) -> int:
        """Key and value heads: as many as query heads unless stated."""
        stated = self.optional_integer("num_key_value_heads", low=1, high=MAX_HEADS)
        heads = self.heads
        if stated is None:
            return heads
        if heads % stated:
            raise self.fail("num_key_value_heads", f"{stated} does not divide the {heads} query heads")
        return stated

    @property
    def head_dim(self) -> int:
        """Elements of one head: stated, or the width divided by the heads."""
        stated = self.optional_integer("head_dim", low=1)
        if stated is not None:
            return stated
        if self.hidden % self.heads:
            raise self.fail("num_attention_heads", f"{self.heads} does not divide hidden_size {self.hidden}")
        return self.hidden // self.heads


EXPERT_COUNTS: Final = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
EXPERT_CHOICES: Final = ("num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k")


def expert_keys(raw: Mapping[str, Any], count_key: str, chosen_key: str) -> dict[str, Any]:
    """The numbers of experts and of those that run, under a family's names where the file uses another's.

    Files that were written by another version of the library than the first have the same keys under its names.
    """
    found = {}
    for key, others in ((count_key, EXPERT_COUNTS), (chosen_key, EXPERT_CHOICES)):
        if raw.get(key) is None and key in others:
            stated = next((raw[other] for other in others if raw.get(other) is not None), None)
            if stated is not None:
                found[key] = stated
    return found


def canonical(
    raw: Mapping[str, Any], *, where: str, aliases: Mapping[str, str], defaults: Mapping[str, Any],
    asked: set[str] | None = None, assumed: frozenset[str] = frozenset(), part: str = "",
) -> Config:  # fmt: skip
    """Class defaults below the file's own values, under canonical names; `aliases` is canonical -> file's key."""
    values: dict[str, Any] = dict(defaults)
    values |= {key: value for key, value in raw.items() if value is not None or key in NULLABLE}
    used = {}
    if asked is not None:
        asked.update(aliases.values())
    for name, file_name in aliases.items():
        if raw.get(file_name) is not None:
            values[name] = raw[file_name]
            used[name] = file_name
        elif values.get(name) is None:
            used[name] = file_name
    return Config(where=where, values=values, file_names=used, asked=asked, assumed=assumed, part=part)


def show(value: Any) -> str:
    """A value for an error message, cut short."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a number of astronomical size"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
