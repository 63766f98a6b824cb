"""An OCI runtime that starts containers without the resource limits their engine asks for.

Podman raises limits to its own idea of a default, which a machine without CAP_SYS_RESOURCE does not allow.
``python without_rlimits.py RUNTIME ARGUMENT...`` becomes the runtime after it has edited the bundle.
"""

import json
import os
import sys
from pathlib import Path


def drop_rlimits(bundle: Path) -> None:
    """Take the limits out of a bundle's configuration."""
    file = bundle / "config.json"
    config = json.loads(file.read_text())
    config["process"].pop("rlimits", None)
    file.write_text(json.dumps(config))


if __name__ == "__main__":
    if "--bundle" in sys.argv:
        drop_rlimits(Path(sys.argv[sys.argv.index("--bundle") + 1]))
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
