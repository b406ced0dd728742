"""What objects are called and how they find each other.

Names come from `--name`, which is a short DNS label: whatever a model is called, every name is valid. The model's own
id goes into an annotation, which may hold any text (Kubernetes, "Annotations": only keys have a syntax; read
2026-11-26).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from llmplan.emit.container import unknown_at_launch
from llmplan.emit.launch_file import Word
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError

Component: TypeAlias = Literal["server", "worker", "download"]
NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
MODEL_ANNOTATION = "llmplan/model"
STRATEGY_ANNOTATION = "llmplan/strategy"
LABEL_CHARACTERS = 63


def selector(launch: Launch, component: Component | None = "server") -> dict[str, str]:
    """Labels by which Services, budgets and policies find pods; they never change with the plan."""
    found = {NAME_LABEL: launch.variant.name}
    return found if component is None else {**found, COMPONENT_LABEL: component}


def labels(launch: Launch, component: Component | None = "server") -> dict[str, str]:
    """The selector, and what it runs."""
    engine = launch.replica.engine
    described = {
        "app.kubernetes.io/version": label_value(f"{engine.id}-{engine.version}"),
        "app.kubernetes.io/managed-by": "llmplan",
    }
    return {**selector(launch, component), **{key: value for key, value in described.items() if value}}


def metadata(launch: Launch, *, component: Component | None = "server", ending: str = "") -> dict[str, Any]:
    """Name, namespace and labels of one object."""
    space = {} if launch.variant.namespace is None else {"namespace": launch.variant.namespace}
    return {"name": f"{launch.variant.name}{ending}", **space, "labels": labels(launch, component)}


def what_is_planned(launch: Launch) -> dict[str, str]:
    """What was planned, in full."""
    return {MODEL_ANNOTATION: launch.replica.model.id, STRATEGY_ANNOTATION: launch.strategy}


def label_value(text: str) -> str:
    """A valid label value of it: at most 63 letters, digits, dashes, dots and underscores, alphanumeric at both ends.

    >>> label_value("org/model: x"), label_value("--"), len(label_value("a" * 99))
    ('org_model__x', '', 63)
    """
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", text)[:LABEL_CHARACTERS]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", kept)


def literal(text: str) -> str:
    """A text that the kubelet passes on as it is: in commands, arguments and variables it would replace `$(NAME)`,
    so that a name could print a secret, and reads `$$` as one sign.

    >>> literal("$(HF_TOKEN)")
    '$$(HF_TOKEN)'
    """
    return text.replace("$", "$$")


def word_in_pod(word: Word, known: Mapping[str, str]) -> str:
    """One argument. A value that only the machine knows comes from variables that the platform sets: `known` has what
    to write for it."""
    if isinstance(word, str):
        return literal(word)
    if word.name in known:
        return known[word.name]
    if word.default is not None:
        return literal(word.default)
    raise unknown_at_launch(word)


def demand_pinned(image: str) -> str:
    """The image, if a tag or digest says which; a `UsageError` otherwise."""
    name = image.rpartition("/")[2]
    tag = name.partition(":")[2]
    if "@sha256:" in image or (tag and tag != "latest"):
        return image
    raise UsageError(
        f"the image {image!r} is not pinned to a version, so that what starts could change",
        hints=["name a tag in the engine's profile (image: ...)"],
    )


def kubectl(launch: Launch, rest: str) -> str:
    """A kubectl command in the right namespace."""
    space = launch.variant.namespace
    return f"kubectl {rest}" if space is None else f"kubectl -n {space} {rest}"
