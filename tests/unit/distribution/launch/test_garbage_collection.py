"""Garbage is collected once the application is there, among what was made since."""

from pathlib import Path

import yaml

from tests.support.run_configs import PROMPTS, run_config
from tests.support.stack_server import run_python

LOAD = """
import gc, sys
from uvicorn import Config
from distribution.upstream.application import APPLICATION_FACTORY

seen = []
gc.callbacks.append(lambda phase, _: seen.append(phase))
config = Config(APPLICATION_FACTORY, factory=True, log_config=None, port=int(sys.argv[1]))
before = len(seen)
config.load()
print(len(seen) - before, gc.isenabled(), gc.get_freeze_count() > 100_000, file=sys.__stdout__)
"""


def test_the_collector_waits_for_the_application(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config(tmp_path, {"prompts": [PROMPTS]})))
    printed = run_python(LOAD, "0", env={"LLAMA_STACK_CONFIG": str(path)})
    assert printed.splitlines()[-1].split() == ["0", "True", "True"]
