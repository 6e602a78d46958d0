"""Where the supervisor's words go: to the terminal while there is one, and to its log.

Invariant: neither a terminal that has gone nor a full disk ends the supervisor.
"""

import os
import sys
from datetime import UTC, datetime
from io import RawIOBase
from typing import TextIO


class Teller:
    """Says each line to the terminal, while there is one, and always to the supervisor's log."""

    def __init__(self, log: RawIOBase) -> None:
        """The log must be unbuffered: what cannot be written must not stay pending."""
        self._log = log
        self._terminal: TextIO | None = sys.stdout

    def say(self, text: str) -> None:
        """A line for the terminal and for the log."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self._log.write(f"{stamp} {text}\n".encode())
        except OSError as error:  # a full disk must not end what runs
            self.show(f"the supervisor's log cannot be written: {error}")
        self.show(text)

    def show(self, text: str) -> None:
        """A line for the terminal alone."""
        if self._terminal is None:
            return
        try:
            self._terminal.write(f"{text}\n")
            self._terminal.flush()
        except BrokenPipeError:
            self._terminal = None

    def detach(self) -> None:
        """Let go of the terminal."""
        self._terminal = None
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(null, descriptor)
        os.close(null)
