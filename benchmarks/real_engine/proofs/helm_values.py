"""Helm's own reading of emitted values of the vLLM production stack: its schema check, and what templates would see.

`python helm_values.py EMITTED RESULT.json`, in Helm's environment. The chart comes from `CHART` where that names its
folder or archive, and is then rendered whole. Without it (no network) a chart of one template takes its place, with the
production stack's `values.schema.json` of the measurement folder, closed so that unknown keys are refused.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import declined
import on_each_gpu
import outcome

DATA = Path(os.environ.get("LLMPLAN_DATA") or Path(__file__).resolve().parents[3].parent / "shared" / "data")
SCHEMA = DATA / "crds" / "production-stack-values.schema.json"
WITHOUT_THE_CHART = (
    "the chart itself was not at hand: its values schema, closed to unknown keys, and a chart of one template that "
    "shows what templates see"
)
TEMPLATE = """\
values:
{{ toYaml .Values | indent 2 }}
arguments:
{{- range .Values.servingEngineSpec.modelSpec }}
{{- range .vllmConfig.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
"""


def closed(schema: Any) -> Any:
    """The schema with every object of stated keys closed to others, but for those that Kubernetes itself defines."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(each) for name, each in schema.items()}
    kubernetes_own = "kubernetes.io/docs" in str(made.get("description"))
    if isinstance(made.get("properties"), dict) and made.get("type") == "object" and not kubernetes_own:
        made.setdefault("additionalProperties", False)
    return made


def own_chart(folder: Path) -> Any:
    """A chart of one template that shows its values, with the production stack's schema."""
    import helm_python as helm

    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: vllm-stack\nversion: 0.1.16\n", encoding="utf-8")
    (folder / "values.yaml").write_text("{}\n", encoding="utf-8")
    (folder / "templates" / "all.yaml").write_text(TEMPLATE, encoding="utf-8")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    (folder / "values.schema.json").write_text(json.dumps(closed(schema)), encoding="utf-8")
    return helm.Chart.load(folder)


def check(chart: Any, folder: Path, whole: bool) -> list[str]:
    """What Helm says against one values.yaml, or reads in it otherwise than a YAML reader does."""
    import helm_python as helm
    import yaml

    text = (folder / "values.yaml").read_text(encoding="utf-8")
    values = helm.values_from_yaml(text)
    chart.validate_schema(values)
    rendered = chart.render(values, name="llm", namespace="default")
    if whole:
        return [] if any("kind: Deployment" in each for each in rendered.values()) else ["no Deployment was rendered"]
    (shown,) = (yaml.safe_load(each) for each in rendered.values())
    wanted = yaml.safe_load(text)
    words = [word for model in wanted["servingEngineSpec"]["modelSpec"] for word in model["vllmConfig"]["extraArgs"]]
    problems = [] if shown["values"] == wanted else ["templates see other values than the file has"]
    return problems + ([] if (shown["arguments"] or []) == words else ["templates see other arguments"])


def refuses(chart: Any, folder: Path, spoil: tuple[str, Any]) -> bool:
    """Whether the values are refused once a key is put in that the chart does not have, or has with another type."""
    import helm_python as helm

    values = copy.deepcopy(helm.values_from_yaml((folder / "values.yaml").read_text(encoding="utf-8")))
    values["servingEngineSpec"]["modelSpec"][0][spoil[0]] = spoil[1]
    try:
        chart.validate_schema(values)
    except helm.HelmValuesError:
        return True
    return False


def main(emitted: str, path: str) -> None:
    """Everything of `emitted`; the result into `path`."""
    import helm_python as helm

    started_s = time.monotonic()
    cases, _ = outcome.emitted_cases(Path(emitted))
    whole = os.environ.get("CHART")
    with tempfile.TemporaryDirectory() as place:
        chart = helm.Chart.load(whole) if whole else own_chart(Path(place))
        rows = [
            (intent["case"], outcome.attempt(lambda folder=folder: check(chart, folder, bool(whole))))
            for folder, intent in cases
        ]
        spoilt = {"a key that does not exist": ("replicas", 3), "a number as text": ("replicaCount", "three")}
        control = {name: refuses(chart, cases[0][0], spoil) for name, spoil in spoilt.items()}
    refused = [{"case": case, "error": problem} for case, problem in rows if problem]
    refused += [{"case": f"control: {name}", "error": "was accepted"} for name, said in control.items() if not said]
    outcome.record(
        Path(path), proof="helm_values", engine="Helm", distribution="helm-python-sdk", started_s=started_s,
        accepted=len(rows) - sum(problem is not None for _, problem in rows), refused=refused,
        figures=on_each_gpu.figures(cases)
        | declined.figures(Path(emitted))
        | {"refused on purpose": sorted(control)},
        note=f"Helm {helm.helm_sdk_version()}; {f'the chart was {Path(whole).name}' if whole else WITHOUT_THE_CHART}",
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
