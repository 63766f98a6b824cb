"""One module a check: `check(subject, resolution)` yields findings. Checks only read, and never raise."""
