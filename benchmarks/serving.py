"""What a request costs, beside stock llama-stack and beside nothing: `python benchmarks/serving.py` (see README.md).

Starts on any Python from 3.9, as build.py does; the rest runs in .venv.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from builder import bootstrap


def main() -> None:
    """Measure and print."""
    bootstrap.enter_environment("test", sys.argv)
    from benchmarks import serving_figures

    serving_figures.run(sys.argv[1:])


if __name__ == "__main__":
    main()
