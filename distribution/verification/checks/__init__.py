"""One module a check: `check(subject, resolution)` yields findings, reads only, and raises for nothing in the config."""
