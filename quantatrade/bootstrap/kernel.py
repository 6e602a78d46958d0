"""Build the compiled matching kernel with the machine's C compiler.

Without a compiler the exchange still runs, on the reference kernel, and says so: slower, never
different. Invariant: a failed build never stops `up`, and is never silent.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from quantatrade.bootstrap.process import base_environment

BUILD_TIMEOUT_S = 600.0
QUIET_S = 2.0  # a kernel that is up to date is not worth a line


def build_kernel(root: Path, *, say: Callable[[str], None]) -> bool:
    """Build the kernel if it is not up to date; False when the reference kernel must serve."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.kernel.build"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=root,
        env=base_environment(),
    )
    output = _output_of(process, say)
    failed = process.returncode != 0
    if failed:
        reason = (output.strip().splitlines() or ["no reason given"])[-1]
        say(
            f"WARNING: the matching kernel was not compiled ({reason})."
            " The engine runs on the slower reference kernel; to change that, install a C compiler"
            " and Python's headers (Debian, Ubuntu: `apt install gcc python3-dev`)."
        )
    return not failed


def _output_of(process: subprocess.Popen[str], say: Callable[[str], None]) -> str:
    try:
        return process.communicate(timeout=QUIET_S)[0]
    except subprocess.TimeoutExpired:
        say("compiling the matching kernel …")
    try:
        return process.communicate(timeout=BUILD_TIMEOUT_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"it took longer than {BUILD_TIMEOUT_S:g} s"
