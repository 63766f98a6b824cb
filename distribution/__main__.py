"""`python -m distribution` is the image's ENTRYPOINT."""

import sys

from distribution.command_line import main

sys.exit(main(sys.argv[1:]))
