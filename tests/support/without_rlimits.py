"""An OCI runtime that starts containers without the resource limits their engine asks for.

Podman raises limits to its own idea of a default, which a machine without CAP_SYS_RESOURCE does not allow.
``python without_rlimits.py RUNTIME ARGUMENT...`` becomes the runtime after it has edited the bundle of a container,
or the description of a process that is started in one.
"""

import json
import os
import sys
from pathlib import Path


def drop_from_bundle(bundle: Path) -> None:
    """Take the limits out of a bundle's configuration."""
    file = bundle / "config.json"
    config = json.loads(file.read_text())
    config["process"].pop("rlimits", None)
    file.write_text(json.dumps(config))


def drop_from_process(file: Path) -> None:
    """Take the limits out of the description of a process."""
    process = json.loads(file.read_text())
    process.pop("rlimits", None)
    file.write_text(json.dumps(process))


if __name__ == "__main__":
    for option, drop in (("--bundle", drop_from_bundle), ("--process", drop_from_process)):
        if option in sys.argv:
            drop(Path(sys.argv[sys.argv.index(option) + 1]))
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
