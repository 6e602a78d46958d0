"""Build the compiled matching kernel with the machine's C compiler.

Without a compiler the exchange still runs, on the reference kernel, and says so: slower, never
different. Invariant: a failed build never stops `up` and is never silent, and after one the engine
does not run whatever an earlier build has left.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from quantatrade.bootstrap.process import base_environment

BUILD_TIMEOUT_S = 600.0
QUIET_S = 2.0  # a kernel that is up to date is not worth a line
COMPILED, REFERENCE = "compiled", "reference"

Say = Callable[[str], None]


def build_kernel(root: Path, *, details: Path, say: Say) -> str:
    """Build the kernel if it is not up to date; returns which kernel the engine must run on.

    What the compiler said goes to the file `details`.
    """
    compiler = {name: os.environ[name] for name in ("CC",) if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.kernel.build"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=root,
        env={**base_environment(), **compiler},
    )
    output = _output_of(process, say)
    details.write_text(output)
    if process.returncode == 0:
        return COMPILED
    lines = output.strip().splitlines() or ["no reason was given"]
    reason = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    say(
        f"WARNING: the matching kernel was not compiled: {reason.rstrip('.')}. The engine runs on"
        f" the reference kernel, slower and never different. Details: {details}"
    )
    return REFERENCE


def _output_of(process: subprocess.Popen[str], say: Say) -> str:
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
