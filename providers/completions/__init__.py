"""Stored chat completions: kept before they are acknowledged, shown to who may see them, and removed in time."""

from providers.completions.record import StoredCompletion
from providers.completions.store import CompletionsStore

__all__ = ["CompletionsStore", "StoredCompletion"]
