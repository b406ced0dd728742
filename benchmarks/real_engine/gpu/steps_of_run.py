"""The steps of a run on a machine: what each found, and what of it is kept when a later one fails."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from typing import Any


class Run:
    """Where things are, what was found so far, and when it must end."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.out, self.work = args, args.out, args.work
        self.started = time.monotonic()
        self.sampling: dict[str, Any] = {}
        self.found: dict[str, Any] = {"steps": {}}
        self.kept = self.work / "kept"
        self.kept.mkdir(parents=True, exist_ok=True)

    @property
    def left_s(self) -> float:
        return float(self.args.deadline_s) - (time.monotonic() - self.started)

    def step(self, name: str, what: Callable[[], Any], needs_s: float = 0) -> None:
        """Do it, note what came out and how long it took."""
        begin = time.monotonic()
        if self.left_s < needs_s:
            result: Any = {"skipped": f"{self.left_s:.0f} s left, needs {needs_s}"}
        else:
            try:
                result = what()
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {error}"}
        took = time.monotonic() - begin
        print(f"[{time.monotonic() - self.started:6.1f}] {name}: {took:.1f} s {str(result)[:200]}", flush=True)
        self.found["steps"][name] = {"seconds": round(took, 1), "at_s": round(begin - self.started, 1)}
        self.found[name] = result
        self.save()

    def save(self) -> None:
        (self.out / "results.json").write_text(json.dumps(self.found, indent=1))
        with tarfile.open(self.out / "kept.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(self.kept, "kept")

    def keep(self, name: str, text: str) -> None:
        path = self.kept / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def said(command: list[str], timeout_s: float = 60, **more: Any) -> str:
    """Standard output and error of a command, or why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return done.stdout + (f"\n[stderr]\n{done.stderr}" if done.stderr else "") + f"\n[exit {done.returncode}]"


def llmplan(*words: str) -> list[str]:
    return [sys.executable, "-m", "llmplan", *words]
