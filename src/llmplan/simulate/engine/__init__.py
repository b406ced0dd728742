"""One replica's scheduler through time: continuous batching, chunked prefill, paged KV, preemption, prefix cache."""

from llmplan.simulate.engine.job import Job
from llmplan.simulate.engine.log import RequestLog
from llmplan.simulate.engine.replica import ReplicaRun
from llmplan.simulate.engine.rules import Rules, rules_of

__all__ = ["Job", "ReplicaRun", "RequestLog", "Rules", "rules_of"]
