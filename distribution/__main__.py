"""`python -m distribution` is the image's ENTRYPOINT."""

import sys

from distribution.launch.command_line import main

sys.exit(main(sys.argv[1:]))
