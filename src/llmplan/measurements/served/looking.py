"""Asking a server what it says of itself: which addresses, in which order, and what it means when one is not there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmplan.errors import DataError
from llmplan.measurements.benchmark.result import Fields
from llmplan.measurements.served.address import Address
from llmplan.measurements.served.client import Answer, Client, UnreachableError
from llmplan.measurements.served.reading import MODELS, VERSION, read_look
from llmplan.measurements.served.stated import PROPS, SERVER_INFO
from llmplan.plan.served.snapshot import Snapshot

METRICS, TRTLLM_METRICS = "/metrics", "/prometheus/metrics"
OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama-cpp", "tensorrt_llm": "tensorrt-llm"}
"""the engine, by the owner that it writes into its list of models"""
SWITCHES = {
    "sglang": "SGLang answers it with --enable-metrics",
    "llama-cpp": "llama-server answers it with --metrics",
    "tensorrt-llm": "trtllm-serve answers it with return_perf_metrics: true in its YAML (and "
    "enable_iter_perf_stats: true for its KV blocks)",
}


@dataclass(slots=True)
class Server:
    """A server that is looked at again and again; what does not change is asked once."""

    client: Client
    served_name: str | None = None
    clock: Callable[[], float] = time.monotonic
    documents: dict[str, Any] = field(default_factory=dict)
    asked: bool = False

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.client.address

    def look(self) -> Snapshot:
        """One look."""
        if not self.asked:
            self._keep(MODELS)
        engine = owner(self.documents)
        # TensorRT-LLM hands out each record of its /metrics once: they are read only where there is nothing else
        paths = (TRTLLM_METRICS, METRICS) if engine == "tensorrt-llm" else (METRICS, TRTLLM_METRICS)
        answer = self._metrics(paths, engine)
        text, at_s = answer.text, self.clock()
        if not self.asked:
            for path in (VERSION, *_own(text)):
                self._keep(path)
            self.asked = True
        return read_look(
            text, self.documents, at_s=at_s, served_name=self.served_name, started=answer.started
        )  # fmt: skip

    def _metrics(self, paths: tuple[str, str], engine: str | None) -> Answer:
        first = self.client.get(paths[0])
        self._refuse_locked(paths[0], first)
        if first.status == 200 and not (paths[0] == METRICS and _is_records(first.text)):
            return first
        second = self.client.get(paths[1])
        if second.status == 200:
            return second
        if first.status == 200:
            return first
        raise self._off(paths[0], first, engine)

    def _refuse_locked(self, path: str, answer: Answer) -> None:
        if answer.status in (401, 403):
            word = "wants to know who asks" if answer.status == 401 else "does not let this reader in"
            raise UnreachableError(
                f"{self.address.url(path)}: it {word} ({answer.status})",
                hints=["export SERVER_KEY=... and add --auth-env SERVER_KEY"]
                if self.client.authorization is None
                else ["is it the right key, and may it read the metrics?"],
            )

    def _off(self, path: str, answer: Answer, engine: str | None) -> DataError:
        where = self.address.url(path)
        if answer.status not in (404, 405, 501):
            wait = ["it may still be loading its model: try again"] if answer.status == 503 else []
            return UnreachableError(f"{where}: answered {answer.status}", hints=wait)
        if not self.documents:
            return DataError(
                f"{where}: not there ({answer.status}), and neither is {MODELS}: no inference server",
                hints=["name the address of the server itself, for example http://localhost:8000"],
            )
        hints = [SWITCHES[engine]] if engine in SWITCHES else [*SWITCHES.values()]
        return DataError(f"{where}: not there ({answer.status}): its metrics are off", hints=hints)

    def _keep(self, path: str) -> None:
        """A document that may be there or not."""
        if path in SERVER_INFO and any(name in self.documents for name in SERVER_INFO):
            return
        try:
            answer = self.client.get(path)
        except UnreachableError:
            if path == MODELS:
                raise
            return
        if path == MODELS:
            self._refuse_locked(path, answer)
        found = parsed(answer.text) if answer.status == 200 else None
        if found is not None:
            self.documents[path] = found


def parsed(text: str) -> Any:
    """JSON, or None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def owner(documents: Mapping[str, Any]) -> str | None:
    """The engine that a list of models names as its owner."""
    return OWNERS.get((Fields(documents.get(MODELS)).text("data", 0, "owned_by") or "").casefold())


def _own(text: str) -> tuple[str, ...]:
    """The addresses at which this engine tells its settings."""
    for prefix, paths in (("sglang:", SERVER_INFO), ("llamacpp:", (PROPS,))):
        if f"\n{prefix}" in text or text.startswith(prefix):
            return paths
    return ()


def _is_records(text: str) -> bool:
    return text.lstrip().startswith("[")
