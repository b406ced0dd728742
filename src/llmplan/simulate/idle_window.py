"""How long a platform lets a worker idle before it stops it."""

from __future__ import annotations

from llmplan.spec.price import ServerlessOffer

CHOSEN_IDLE_WINDOW_S = 60.0
"""Idle window that we set where the platform lets the user choose one, or states none."""


def idle_window_s(offer: ServerlessOffer) -> float:
    """The platform's window, or the one that we set [s]."""
    return CHOSEN_IDLE_WINDOW_S if offer.idle_window_s is None else offer.idle_window_s
