"""Kill what a killed supervisor leaves behind: the children of its children.

Every process that we start dies with the supervisor, but a server may have workers of its own, for
which the kernel offers no such tie. The guardian holds one end of a pipe; when the other end closes
without a farewell it kills the process groups that it was told of. Run as a script with the
commands on standard input: ``add GROUP``, ``drop GROUP``. Invariant: it outlives the supervisor by
no more than the moment the killing takes.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Follow the supervisor until it goes, then clean up after it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        command, _, group = line.strip().partition(" ")
        if command == "add":
            groups.add(int(group))
        elif command == "drop":
            groups.discard(int(group))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
