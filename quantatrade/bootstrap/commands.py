"""The commands that need no Django: `up`, `down`, `status`, `logs`, `test`, `chaos`, `soak`.

Every other one goes to Django. Invariant: a `BootstrapError` becomes one message on standard error
and exit status 1, and nothing here prints a secret but the operator's first password, once.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

from quantatrade.bootstrap import checks
from quantatrade.bootstrap.configuration import ROOT, read_environment, state_directory
from quantatrade.bootstrap.environment import Environment, ensure_environment
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.log_files import follow, last_lines
from quantatrade.bootstrap.processes import NAMES, PREPARE
from quantatrade.bootstrap.status import (
    Status,
    current_status,
    kill_leftovers,
    process_birth,
    supervisor_pid,
)
from quantatrade.bootstrap.table import status_table
from quantatrade.bootstrap.up import UP_VARIABLES, add_up_arguments, up

DOWN_TIMEOUT_S = 150.0  # more than the longest chain of stop time-outs
POLL_INTERVAL_S = 0.1
LOG_LINES_DEFAULT = 50
LOG_LINES_MAX = 1_000_000
EXIT_FAILURE = 1
EXIT_UNHEALTHY = 1
EXIT_NOT_RUNNING = 3
EXIT_INTERRUPTED = 130

Command = Callable[[list[str]], int]


def main(arguments: list[str]) -> int:
    """Run the command line `manage.py ARGUMENT...`; returns the exit status."""
    commands: dict[str, Command] = {
        "up": _up,
        "down": _down,
        "status": _status,
        "logs": _logs,
        "test": checks.test,
        "chaos": lambda rest: _module("quantatrade.chaos", rest),
        "soak": lambda rest: _module("quantatrade.soak", rest),
    }
    try:
        if arguments and arguments[0] in commands:
            return commands[arguments[0]](arguments[1:])
        return _django(arguments)
    except BootstrapError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"manage.py {name}", description=description)


def _up(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description="Start the whole exchange and keep it running; Ctrl-C stops it.",
        epilog=UP_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_up_arguments(parser)
    return up(parser.parse_args(arguments), arguments)


def _down(arguments: list[str]) -> int:
    _parser("down", "Stop a running `up` and everything that it started.").parse_args(arguments)
    state = state_directory(os.environ)
    pid = supervisor_pid(state)
    if pid is None:
        left = kill_leftovers(state)
        sys.stdout.write(
            f"Killed what a dead supervisor had left: {', '.join(left)}.\n"
            if left
            else "QuantaTrade is not running.\n"
        )
        return 0
    sys.stdout.write(f"stopping QuantaTrade (pid {pid}) …\n")
    sys.stdout.flush()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    while supervisor_pid(state) == pid or process_birth(pid) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise BootstrapError(
                f"QuantaTrade did not stop within {DOWN_TIMEOUT_S:g} s and was killed; its data"
                " are safe, the next `up` recovers."
            )
        time.sleep(POLL_INTERVAL_S)
    sys.stdout.write("QuantaTrade is stopped.\n")
    return 0


def _status(arguments: list[str]) -> int:
    parser = _parser("status", "Show every process; exit status 0 when all are healthy.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    status = current_status(state_directory(os.environ))
    if options.json:
        sys.stdout.write(status.to_json() + "\n")
    else:
        sys.stdout.write(_in_words(status))
    if status.pid is None:
        return EXIT_NOT_RUNNING
    return 0 if status.is_healthy else EXIT_UNHEALTHY


def _in_words(status: Status) -> str:
    if status.pid is None:
        return "QuantaTrade is not running. `manage.py up` starts it.\n"
    table = status_table(status) if status.processes else ""
    return f"QuantaTrade is {status.phase} (pid {status.pid}).\n{table}\n"


def _logs(arguments: list[str]) -> int:
    parser = _parser("logs", "Show the end of a process's log.")
    parser.add_argument("name", choices=(*NAMES, PREPARE, "kernel", "supervisor"))
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended")
    parser.add_argument("-n", "--lines", type=int, default=LOG_LINES_DEFAULT, metavar="N")
    options = parser.parse_args(arguments)
    if not 0 <= options.lines <= LOG_LINES_MAX:
        parser.error(f"-n was {options.lines}, expected 0 to {LOG_LINES_MAX}")
    log = state_directory(os.environ).log(options.name)
    if not os.access(log, os.R_OK):
        raise BootstrapError(
            f"There is no log of {options.name} that you can read ({log}): start it with"
            " `manage.py up`, or ask as the user who did."
        )

    def write(text: bytes) -> None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()

    try:
        write(last_lines(log, options.lines))
        if options.follow:
            with contextlib.suppress(KeyboardInterrupt):
                follow(log, write)
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _module(name: str, arguments: list[str]) -> int:
    """Become a program of ours that needs `.venv`."""
    environment = Environment(ROOT)
    if not environment.is_active:
        ensure_environment(ROOT, dev=False, say=_say_to_stderr)
    os.chdir(ROOT)
    command = [str(environment.python), "-m", name, *arguments]
    os.execv(environment.python, command)  # noqa: S606 - no shell is wanted


def _django(arguments: list[str]) -> int:
    """Run a management command in `.venv`, beside a running `up` if there is one."""
    environment = Environment(ROOT)
    if not environment.is_active:
        ensure_environment(ROOT, dev=False, say=_say_to_stderr)
        os.execv(  # noqa: S606 - no shell is wanted
            environment.python, [str(environment.python), str(ROOT / "manage.py"), *arguments]
        )
    for name, value in read_environment(state_directory(os.environ)).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantatrade.settings")
    from django.core.management import execute_from_command_line

    if not arguments or arguments[0] in ("help", "--help", "-h"):
        sys.stdout.write(
            "[bootstrap]\n    up\n    down\n    status\n    logs\n    test\n    chaos\n    soak\n\n"
        )
    execute_from_command_line(["manage.py", *arguments])
    return 0


def _say_to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
