"""The supervisor's side of the guardian: start it, tell it of process groups, replace it.

Invariant: the guardian that runs now knows every group that has been added and not dropped.
"""

import subprocess
import sys
from pathlib import Path

GUARDIAN = Path(__file__).with_name("guardian.py")
CLOSE_TIMEOUT_S = 5.0


class Guard:
    """Owns the guardian process."""

    def __init__(self) -> None:
        """Start the guardian."""
        self._groups: set[int] = set()
        self._process = self._start()

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARDIAN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # or it would keep a terminal open that `up` has left
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def tell(self, command: str, group: int) -> None:
        """Pass on `add` or `drop` of a process group."""
        if command == "add":
            self._groups.add(group)
        else:
            self._groups.discard(group)
        self._send(f"{command} {group}\n")

    def check(self) -> None:
        """Replace a guardian that was killed."""
        if self._process.poll() is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = self._start()
        for group in self._groups:
            self._send(f"add {group}\n")

    def _send(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the guardian was started without a pipe")
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            self.check()  # the new one is told of every group

    def close(self) -> None:
        """Let the guardian go; groups still known are killed by it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(CLOSE_TIMEOUT_S)
