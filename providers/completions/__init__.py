"""Stored chat completions: kept before they are acknowledged, shown to who may see them, and removed in time."""
