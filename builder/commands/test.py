"""`build.py test`: run the tests in the kit's environment."""

import subprocess
import sys
from collections.abc import Sequence

from builder import paths


def test(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments from the clone's root; returns pytest's exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=paths.ROOT, check=False).returncode
