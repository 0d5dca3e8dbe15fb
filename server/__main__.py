"""`python -m server` is `lianmai`."""

import sys

from server.cli import main

sys.exit(main())
