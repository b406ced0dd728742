"""Replicas behind a router that come, go, fail and are paid for."""

from llmplan.simulate.fleet.faults import Faults
from llmplan.simulate.fleet.fleet import Fleet, Progress
from llmplan.simulate.fleet.keda import Keda
from llmplan.simulate.fleet.knative import Knative
from llmplan.simulate.fleet.policy import Autoscaler
from llmplan.simulate.fleet.routing import ROUTER_IDS, RouterId
from llmplan.simulate.fleet.rows import Users
from llmplan.simulate.fleet.spec import FleetSpec
from llmplan.simulate.fleet.summary import summarize
from llmplan.simulate.fleet.workers import Workers

__all__ = [
    "ROUTER_IDS",
    "Autoscaler",
    "Faults",
    "Fleet",
    "FleetSpec",
    "Keda",
    "Knative",
    "Progress",
    "RouterId",
    "Users",
    "Workers",
    "summarize",
]
