"""One module a check: `check(subject, resolution)` yields findings. It only reads, and raises for nothing in a config."""
