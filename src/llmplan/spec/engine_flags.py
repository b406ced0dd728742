"""The options that one version of an engine accepts, as its own parser lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.spec.provenance import Source

FlagKind: TypeAlias = Literal["switch", "int", "float", "count", "count-or-auto", "text", "json", "list", "maybe"]
"""`count` reads 32k as 32,000 and 32K as 32,768; `list` takes one value or more, `maybe` one or none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One option: all its names, the first being its own, and its closed list of values if it has one."""

    names: tuple[str, ...]
    kind: FlagKind
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that others are read as."""
        return self.names[0]

    @property
    def takes_value(self) -> bool:
        """Whether a value follows it."""
        return self.kind != "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagTable:
    """Options by each of their names.

    `abbreviates`: a beginning that fits one option only is accepted. `late_choices`: values that the parser lets pass
    and the engine refuses while it starts. `gone`: options of earlier versions, and what to write instead. `keys`: what
    its YAML file may hold, where that is not the options.
    """

    ref: str
    flags: Mapping[str, Flag] = field(repr=False)
    abbreviates: bool
    late_choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    gone: Mapping[str, str] = field(default_factory=dict, repr=False)
    keys: tuple[str, ...] = field(default=(), repr=False)
    source: Source

    def starting_with(self, beginning: str) -> tuple[Flag, ...]:
        """The options that begin so, each once."""
        return tuple({flag.name: flag for name, flag in self.flags.items() if name.startswith(beginning)}.values())
