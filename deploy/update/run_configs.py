"""The default run config in the chart's values."""

import textwrap

MARKER = "# The default is the repository's run.yaml, by `python -m deploy.update`; change that file.\n"


def in_values(values: str, run_config: str) -> str:
    """Return the chart's values with the run config, comments and all, below `runConfig:` at their end."""
    before, marker, _ = values.partition(MARKER)
    if not marker:
        raise ValueError(f"values.yaml has lost the line {MARKER!r}")
    return f"{before}{MARKER}runConfig:\n{textwrap.indent(run_config, '  ')}"
