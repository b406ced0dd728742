"""What we need to know of a crash, in a form that can be pasted: version, command line, traceback."""

from __future__ import annotations

import platform
import shlex
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmplan import __version__

TRACEBACK_FRAMES = 12


def compose(argv: Sequence[str], error: BaseException | None) -> str:
    """The log's text."""
    frames = traceback.format_exception(error, limit=-TRACEBACK_FRAMES) if error else ["no exception\n"]
    return "\n".join(
        (
            f"llmplan {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
            f"command: {shlex.join(['llmplan', *argv])}",
            "",
            "".join(frames).rstrip(),
            "",
        )
    )


def write(text: str, environ: Mapping[str, str]) -> Path | None:
    """Write the log under the user's state folder, else the temporary one; None where neither can be written."""
    state = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local" / "state")
    for folder in (Path(state) / "llmplan", Path(tempfile.gettempdir())):
        path = folder / "llmplan-error.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return path
    return None
