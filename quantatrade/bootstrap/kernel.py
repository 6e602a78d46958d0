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


def build_kernel(root: Path, *, say: Callable[[str], None]) -> bool:
    """Build the kernel if it is not up to date; False when the reference kernel must serve."""
    try:
        result = subprocess.run(
            [sys.executable, "-m", "engine.kernel.build"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=root,
            env=base_environment(),
            timeout=BUILD_TIMEOUT_S,
        )
        failed, output = result.returncode != 0, result.stdout + result.stderr
    except subprocess.TimeoutExpired:
        failed, output = True, f"it took longer than {BUILD_TIMEOUT_S:g} s"
    if failed:
        lines = output.strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        say(
            f"WARNING: the matching kernel was not compiled ({reason})."
            " The engine runs on the slower reference kernel; to change that, install a C compiler"
            " and Python's headers (Debian, Ubuntu: `apt install gcc python3-dev`)."
        )
    return not failed
