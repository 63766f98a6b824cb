"""Files below deploy/ and docs/ that are made from others: what each has to say, given what it says now."""

from collections.abc import Callable
from pathlib import Path

from builder import pin
from deploy.update import chart_readme, environment_table, run_configs, versions

ROOT = Path(__file__).resolve().parents[2]
RUN_CONFIG = ROOT / "run.yaml"
CHART = ROOT / "deploy" / "helm" / "llama-stack"

GENERATED: dict[Path, Callable[[str], str]] = {
    CHART / "values.yaml": lambda now: run_configs.in_values(now, RUN_CONFIG.read_text(encoding="utf-8")),
    CHART / "README.md": lambda now: chart_readme.with_table(now, (CHART / "values.yaml").read_text(encoding="utf-8")),
    ROOT / "deploy" / "run-config" / "run.yaml": lambda _: RUN_CONFIG.read_text(encoding="utf-8"),
    ROOT / "deploy" / "kustomize" / "components" / "scaleout" / "run.yaml": lambda _: run_configs.with_profile(
        RUN_CONFIG.read_text(encoding="utf-8"), (CHART / "values-scaleout.yaml").read_text(encoding="utf-8")
    ),
    ROOT / "docs" / "deploying.md": lambda now: environment_table.with_table(
        now, RUN_CONFIG.read_text(encoding="utf-8")
    ),
    **{path: lambda now: versions.with_version(now, pin.llama_stack()) for path in versions.files(ROOT / "deploy")},
}
"""In this order: the chart's README is made from its values."""
