"""What a pod may do: nothing that an engine does not need. All that is written goes to a scratch volume.

PyTorch asks who is running when it sets up its compile cache, and stops with `getpwuid(): uid not found` where the
image has no such user: USER answers it, and a cache folder of its own keeps it from asking
(github.com/vllm-project/vllm/issues/44548 and ai-dynamo/dynamo/pull/12457, 2026).
"""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import USER_ID
from llmplan.emit.supply import SCRATCH, SCRATCH_ENVIRONMENT

SCRATCH_VOLUME = "scratch"
SCRATCH_MOUNT = {"name": SCRATCH_VOLUME, "mountPath": SCRATCH}


def pod_security() -> dict[str, Any]:
    """Of the pod: never root; the group owns what volumes hold."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Of each container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }


def scratch_environment() -> dict[str, str]:
    """Where programs that look for a home, a user or a cache find one that they may write to."""
    return {**SCRATCH_ENVIRONMENT, "HF_MODULES_CACHE": f"{SCRATCH}/modules"}


def scratch_volume() -> dict[str, Any]:
    """Lives as long as the pod."""
    return {"name": SCRATCH_VOLUME, "emptyDir": {}}
