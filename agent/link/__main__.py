"""`python -m agent.link`."""

import sys

from agent.link.main import main

sys.exit(main(sys.argv[1:]))
