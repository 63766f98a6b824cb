"""Whether a server is after half an hour what it was: `python benchmarks/soak.py [--minutes 30]` (see README.md).

Starts on any Python from 3.9, as build.py does; the rest runs in .venv.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from builder import bootstrap


def main() -> None:
    """Load a server, and say what it lost or kept."""
    bootstrap.enter_environment("test", sys.argv)
    from benchmarks import soak_verdict

    soak_verdict.run(sys.argv[1:])


if __name__ == "__main__":
    main()
