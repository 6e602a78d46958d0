#!/usr/bin/env python3
"""The one command of QuantaTrade: `up`, `down`, `status`, `logs`, `test`, and all of Django's.

It needs nothing but Python 3.11 with its standard library. Invariant: up to the version check this
file is valid for every Python 3, so that an old one is told what it lacks.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older Python learns of it
    sys.stderr.write(
        "This is Python %d.%d; QuantaTrade needs Python 3.11 or newer:"  # noqa: UP031
        " install it and run `python3.11 manage.py` instead.\n" % sys.version_info[:2]
    )
    sys.exit(1)

from quantatrade.bootstrap.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
