"""An option of an engine as launch files may write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

FlagType: TypeAlias = Literal["int", "float", "str", "json", "list", "switch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Its type, its allowed values where the parser or the engine has a closed list, and what the engine does without
    it where that is the same for every model and GPU."""

    type: FlagType
    allowed: tuple[str, ...] = ()
    default: str | None = None
