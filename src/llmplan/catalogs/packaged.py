"""The data that comes with llmplan."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from llmplan.errors import DataError


@cache
def packaged_profiles() -> Path:
    """Its folder: inside the wheel, or the repository's `profiles/` in an editable install."""
    package = Path(str(resources.files("llmplan")))
    for folder in (package / "profiles", package.parents[1] / "profiles"):
        if (folder / "gpus").is_dir():
            return folder
    raise DataError(f"the packaged catalogue is missing near {package}", hints=["reinstall llmplan"])
