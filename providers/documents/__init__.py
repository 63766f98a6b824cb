"""Documents made text."""
