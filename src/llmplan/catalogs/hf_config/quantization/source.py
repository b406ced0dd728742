"""One `quantization_config` with errors that name the key, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from llmplan.catalogs.hf_config.normalize import show
from llmplan.errors import DataError
from llmplan.spec.formats import WEIGHT_FORMATS, WeightFormat

Dialect: TypeAlias = Literal["exact_or_regex", "glob", "parts", "regex", "tail"]
"""how a method names modules: see `stored.py`"""

MAX_NAMES: Final = 200_000
MAX_GROUP: Final = 2**24
_BY_ID: Final = {known.id: known for known in WEIGHT_FORMATS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Modules with a format of their own; None: they are not quantized."""

    weights: WeightFormat | None
    names: tuple[str, ...]
    dialect: Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """`weights` is what every linear layer is stored in that no rule names, None: nothing; the first rule wins.

    `head`: the output matrix, too, which a list that leaves it out says. `towers`: encoders of images and sound, too;
    a list that leaves them out says nothing of them.
    """

    weights: WeightFormat | None
    rules: tuple[Rule, ...] = ()
    head: bool = False
    towers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The mapping of one method."""

    data: Mapping[str, Any]
    where: str
    expert_dtype: str | None = None
    """what the config says of its experts' weights outside the quantization config"""

    def within(self, data: Mapping[str, Any]) -> Source:
        """A mapping inside this one."""
        return replace(self, data=data)

    def refuse(self, what: str) -> DataError:
        """The error about the method."""
        return DataError(
            f"{self.where}: quantization_config: {what}", hints=["name the weight format yourself: --weights"]
        )  # fmt: skip

    def names(self, key: str) -> tuple[str, ...]:
        """A list of module names; empty where absent."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self.refuse(f"key `{key}`: expected a list of module names")
        if len(value) > MAX_NAMES:
            raise self.refuse(f"key `{key}`: {len(value)} names are more than a model has modules")
        return tuple(value)

    def integer(self, key: str, default: int | None = None) -> int | None:
        """A whole number, or the default where absent."""
        value = self.data.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= MAX_GROUP:
            raise self.refuse(f"key `{key}`: expected a whole number, got {show(value)}")
        return value

    def group_size(self, *keys: str) -> int | None:
        """Inputs that share a scale under the first of the keys that is there: -1 for a whole row, never 0."""
        key = next((key for key in keys if self.data.get(key) is not None), keys[0])
        size = self.integer(key)
        if size == 0:
            raise self.refuse(f"key `{key}`: 0 inputs cannot share a scale; -1 is one scale for each row")
        return size

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A nested mapping that must be there."""
        value = self.data.get(key)
        if not isinstance(value, Mapping):
            raise self.refuse(f"key `{key}`: expected an object, got {show(value)}")
        return value

    def modules(self, key: str) -> dict[str, Mapping[str, Any]]:
        """Settings by module name; empty where absent."""
        value = self.data.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
            raise self.refuse(f"key `{key}`: expected settings by module name")
        if len(value) > MAX_NAMES:
            raise self.refuse(f"key `{key}`: {len(value)} names are more than a model has modules")
        return {str(name): each for name, each in value.items()}


def known(format_id: str) -> WeightFormat:
    """A format of the registry."""
    return _BY_ID[format_id]


def in_groups(weights: WeightFormat, size: int | None) -> WeightFormat:
    """With so many inputs per scale: None: the format's own; -1: one scale per row."""
    if size is None:
        return weights
    return replace(weights, group_size=size if size > 0 else None)


def kept(names: tuple[str, ...], dialect: Dialect) -> tuple[Rule, ...]:
    """The rule of an ignore list, if it has any names."""
    return (Rule(weights=None, names=names, dialect=dialect),) if names else ()


def by_format(named: Mapping[str, WeightFormat | None], dialect: Dialect) -> tuple[Rule, ...]:
    """One rule for all modules of one format, in the order of their first names."""
    found: dict[WeightFormat | None, list[str]] = {}
    for name, weights in named.items():
        found.setdefault(weights, []).append(name)
    return tuple(Rule(weights=weights, names=tuple(names), dialect=dialect) for weights, names in found.items())
