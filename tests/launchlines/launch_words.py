"""Launches for tests: read against the packaged option lists."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.engine_flags import flag_table
from llmplan.launchlines import Launch, Start, read_launch, start_of
from llmplan.spec.engine_flags import FlagTable

VERSIONS = {"vllm": "0.33.0", "sglang": "0.5.23", "tensorrt-llm": "main", "llama-cpp": "b11434"}


@cache
def table(engine: str) -> FlagTable:
    found = flag_table([packaged_profiles()], engine, VERSIONS[engine])
    assert found is not None
    return found


def launch(*words: str, files: Mapping[str, str] | None = None, exact: bool = True) -> Launch:
    start = start_of(words)
    assert start is not None
    return read(start, files, exact=exact)


def read(start: Start, files: Mapping[str, str] | None = None, *, exact: bool = True) -> Launch:
    return read_launch(start, table(start.engine), dict(files or {}).get, exact=exact)


def vllm(*words: str, files: Mapping[str, str] | None = None, exact: bool = True) -> Launch:
    return launch("vllm", "serve", "org/model", *words, files=files, exact=exact)


def ids(found: Launch) -> list[str]:
    return [problem.id for problem in found.problems]
