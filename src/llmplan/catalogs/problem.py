"""What a look through the catalogue finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong (`error`) or worth knowing (`warning`) with one file, or with the catalogue as a whole."""

    severity: Literal["error", "warning"]
    path: Path | None
    message: str
