"""Start one child program so that it dies with its supervisor, then become it.

Run as a script: ``python -I -S launch.py PARENT_PID IDENTITY COMMAND [ARGUMENT...]``. Doing this in
a fresh process, and not between fork and exec of the supervisor, keeps the supervisor free to use
threads. IDENTITY is ``self``, ``namespace`` (a user namespace in which root appears as an
unprivileged account, because PostgreSQL refuses root) or ``uid:N``. Invariant: once the command
runs, the death of the parent, even by SIGKILL, kills it.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
UNPRIVILEGED_ID = 65534
EXIT_CANNOT_LAUNCH = 126


def enter_user_namespace() -> None:
    """Appear as an unprivileged account while keeping root's rights on root's own files."""
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER) was refused")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{UNPRIVILEGED_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{UNPRIVILEGED_ID} {gid} 1")


def become(identity: str) -> None:
    """Take the identity for good; raises OSError where the machine does not allow it."""
    if identity == "namespace":
        enter_user_namespace()
    elif identity.startswith("uid:"):
        uid = int(identity.removeprefix("uid:"))
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    elif identity != "self":
        raise OSError(f"identity was {identity!r}, expected self, namespace or uid:N")


def die_with(parent_pid: int) -> None:
    """Ask the kernel for SIGKILL on the parent's death; exit if it died before we could ask.

    It comes after the change of identity, which clears the request.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(EXIT_CANNOT_LAUNCH)


def main(arguments: list[str]) -> None:
    """Entry point: never returns, it becomes the command or exits with 126."""
    parent_pid, identity, command = int(arguments[0]), arguments[1], arguments[2:]
    try:
        become(identity)
        die_with(parent_pid)
        os.execvp(command[0], command)  # noqa: S606 - the purpose of this program
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]} as {identity}: {error}\n")
        sys.exit(EXIT_CANNOT_LAUNCH)


if __name__ == "__main__":
    main(sys.argv[1:])
