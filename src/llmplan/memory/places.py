"""Where each tensor sits, under the name that this package has always used: see `spec.places`."""

from __future__ import annotations

from llmplan.spec.places import Part, Place, draft_places, places, places_in

__all__ = ["Part", "Place", "draft_places", "places", "places_in"]
