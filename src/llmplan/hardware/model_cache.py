"""Where weights are downloaded to, and how much of a model is there already."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FILES_LOOKED_AT: Final = 5000


def model_cache(environ: Mapping[str, str]) -> Path:
    """The folder where the Hugging Face libraries put downloaded weights.

    >>> model_cache({"HOME": "/home/me", "HF_HOME": "/data/hf"}).as_posix()
    '/data/hf/hub'
    >>> model_cache({"HOME": "/home/me", "HF_HUB_CACHE": "~/hub"}).as_posix()
    '/home/me/hub'
    """
    home = environ.get("HOME") or "/"

    def folder(name: str) -> str:
        value = environ.get(name) or ""
        return home + value[1:] if value == "~" or value.startswith("~/") else value

    stated = folder("HF_HUB_CACHE") or folder("HUGGINGFACE_HUB_CACHE")
    if stated:
        return Path(stated)
    above = folder("HF_HOME")
    return Path(above or Path(folder("XDG_CACHE_HOME") or f"{home}/.cache") / "huggingface") / "hub"


def cached_bytes(cache: Path, model_id: str) -> int | None:
    """Bytes of a model that lie in the cache, 0 for none; None if the folder cannot be read or holds too many files.

    The cache keeps each file once under `models--ORG--NAME/blobs`; only that one folder is listed. That as many bytes
    are there as a model has does not prove that they are its files.
    """
    blobs = cache / f"models--{model_id.replace('/', '--')}" / "blobs"
    total = 0
    try:
        with os.scandir(blobs) as entries:
            for number, entry in enumerate(entries):
                if number >= _FILES_LOOKED_AT:
                    return None
                with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere, or a file just renamed
                    total += entry.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError:
        return None
    return total
