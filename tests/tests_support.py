"""Small questions that several tests ask of a plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from llmplan.catalogs import packaged_profiles
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.spec.inventory import Inventory, NodeGroup
from llmplan.spec.workload import Question

DATA = Path(os.environ.get("LLMPLAN_DATA") or Path(__file__).parents[2] / "shared" / "data")
"""Tables of measurements and of engines' own options that some tests compare with; they skip where it is absent."""

Ask = Callable[..., Question]
Propose = Callable[..., list[Deployment]]

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
DEEPSEEK_R1 = "deepseek-ai/DeepSeek-R1"


def chosen_replica(plan: Plan) -> Replica:
    """The replica of the recommended option."""
    assert plan.chosen is not None, [getattr(row, "reason", row) for row in plan.outcomes.values()]
    assert plan.chosen.deployment.replica is not None
    return plan.chosen.deployment.replica


def options_of(plan: Plan) -> list[Option]:
    """Every row that is an option."""
    return [row for row in plan.outcomes.values() if isinstance(row, Option)]


def with_gpus(
    nodes: int, gpus: int, gpu_id: str, *, ram_bytes: int | None = None, ram_bytes_per_s: float | None = None
) -> Inventory:
    """Stated hardware."""
    return Inventory(
        groups=(
            NodeGroup(
                nodes=nodes,
                gpus_per_node=gpus,
                gpu_id=gpu_id,
                host_memory_bytes=ram_bytes,
                host_memory_bandwidth_bytes_per_s=ram_bytes_per_s,
            ),
        )
    )


def write_uncounted(folder: Path) -> None:
    """A catalogue folder with `acme/sees`: Llama 3.1 8B with an encoder of which only the size is known."""
    name = LLAMA_8B.replace("/", "--")
    own = (packaged_profiles() / "models" / f"{name}.yaml").read_text(encoding="utf-8")
    kept = [line for line in own.splitlines() if not line.startswith(("id:", "aliases:"))]
    text = "\n".join(["id: acme/sees", *kept]).replace("figures:", "figures:\n  uncounted_parameters: 676550144", 1)
    (folder / "models").mkdir()
    (folder / "models" / "acme--sees.yaml").write_text(text, encoding="utf-8")
