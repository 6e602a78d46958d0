"""The command `up`: environment, kernel, supervisor, in the foreground or detached.

A detached supervisor is a second process whose output we show until it has nothing more to say.
Invariant: `up` returns 0 only when every process was healthy, and when it fails nothing is left
running.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from quantatrade.bootstrap.configuration import (
    ROOT,
    Configuration,
    load_configuration,
    state_directory,
)
from quantatrade.bootstrap.demo_logins import (
    DemoLogin,
    demo_logins_file,
    ensure_demo_logins,
)
from quantatrade.bootstrap.environment import Environment, ensure_environment
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.kernel import build_kernel
from quantatrade.bootstrap.preparation import Operator
from quantatrade.bootstrap.production import require_production
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.bootstrap.status import (
    STOPPED,
    current_status,
    kill_leftovers,
    supervisor_lock,
    supervisor_pid,
    write_status,
)
from quantatrade.bootstrap.supervisor import Ready, Supervisor
from quantatrade.bootstrap.table import render, summary_table
from quantatrade.bootstrap.teller import Teller

UP_VARIABLES = """\
environment:
  QT_VAR               where all state lives (default: var in the source tree)
  QT_PORT_BASE         first of fourteen ports in a row, the public one (default: 8000)
  QT_<NAME>_PORT       one port alone: EDGE WEB ENGINE ENGINE_TELEMETRY RELAY_TELEMETRY
                       MIRROR_TELEMETRY WORKER_TELEMETRY BEAT_TELEMETRY POSTGRES REDIS NATS
                       NATS_MONITOR CUSTODIAN DEMO_TELEMETRY
  DATABASE_URL         PostgreSQL of yours, as a role that may create roles and databases; or,
  DATABASE_OWNER_URL   with these two, as the roles that you made yourself: the runtime role, the
  DATABASE_MIRROR_URL  owner and the mirror
  REDIS_URL, NATS_URL  Redis and NATS (JetStream) of yours
  ENGINE_ADDRESS       an engine of yours, host:port; its relay runs beside it
  ENGINE_TOKEN_FILE    where the token for it is, if it wants one
  ENGINE_CA_FILE       who signs its certificate: makes the connection TLS
  ENGINE_CERT_FILE     our certificate and its key, if it wants to see one
  ENGINE_KEY_FILE
  QT_PUBLIC_URL        the address that browsers use
  DJANGO_SECRET_KEY    the key that signs sessions (default: made once, kept in the state)
  EMAIL_URL            where mail goes: smtps://user:password@host (default: no mail is sent)
  QT_MAIL_FROM         the sender of mails
  QT_EMBEDDED_STORES   1 lets --production use the embedded PostgreSQL, Redis and NATS
"""
DETACHED_VARIABLE = "QT_UP_DETACHED"
INTERRUPT_TIMEOUT_S = 150.0
READY_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.05


def add_up_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of `up`."""
    parser.add_argument(
        "--detach", action="store_true", help="return once everything is healthy; `down` stops it"
    )
    parser.add_argument("--fresh", action="store_true", help="delete all state first, after asking")
    parser.add_argument("--yes", action="store_true", help="do not ask before --fresh deletes")
    parser.add_argument(
        "--production",
        action="store_true",
        help="refuse default secrets and addresses, create no login, run no demo",
    )
    parser.add_argument(
        "--no-demo", action="store_true", help="start an empty exchange, without demo traders"
    )


def up(options: argparse.Namespace, arguments: list[str]) -> int:
    """Start the installation; returns the exit status."""
    if options.production:
        require_production(os.environ)
    state = state_directory(os.environ)
    pid = supervisor_pid(state)
    if pid is not None and not options.fresh:
        return _already_running(state, pid)
    environment = Environment(ROOT)
    if not environment.is_active:
        ensure_environment(ROOT, dev=False, say=_say)
        command = [str(environment.python), str(ROOT / "manage.py"), "up", *arguments]
        sys.stdout.flush()
        os.execv(environment.python, command)  # noqa: S606 - no shell is wanted
    if options.fresh and not os.environ.get(DETACHED_VARIABLE):
        _wipe(state, pid, ask=not options.yes)
    state.prepare()
    if options.detach and not os.environ.get(DETACHED_VARIABLE):
        return _detach(state, arguments)
    return _supervise(state, production=options.production, wants_demo=not options.no_demo)


def _already_running(state: StateDirectory, pid: int) -> int:
    status = current_status(state)
    _say(f"QuantaTrade is already running (pid {pid}); `manage.py down` stops it.")
    if status.processes:
        _say(summary_table(status))
        _say(f"Console: {status.console_url}")
    return 0


def _wipe(state: StateDirectory, pid: int | None, *, ask: bool) -> None:
    if pid is not None:
        raise BootstrapError(
            f"QuantaTrade is running (pid {pid}): stop it with `manage.py down` before --fresh."
        )
    if not state.path.exists():
        return
    if ask:
        if not sys.stdin.isatty():
            raise BootstrapError("--fresh deletes all state and asks first: add --yes to agree.")
        question = f"Delete everything in {state.path}: balances, orders, books? Type yes: "
        if input(question).strip() != "yes":
            raise BootstrapError("Nothing was deleted, nothing was started.")
    kill_leftovers(state)
    state.wipe()
    _say(f"deleted the state in {state.path}")


def _detach(state: StateDirectory, arguments: list[str]) -> int:
    """Start the supervisor in a session of its own and show what it says until it is ready."""
    supervisor = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, DETACHED_VARIABLE: "1"},
    )
    try:
        for line in supervisor.stdout or ():
            with contextlib.suppress(BrokenPipeError):  # it starts, whether or not we are read
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(INTERRUPT_TIMEOUT_S)
        raise
    return _outcome(state, supervisor)


def _outcome(state: StateDirectory, supervisor: subprocess.Popen[bytes]) -> int:
    """0 if the supervisor closed its output because it is ready, else how it ended."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while supervisor.poll() is None and time.monotonic() < deadline:
        if current_status(state).phase == "running":
            return 0
        time.sleep(POLL_INTERVAL_S)
    return supervisor.wait(INTERRUPT_TIMEOUT_S)


def _supervise(state: StateDirectory, *, production: bool, wants_demo: bool) -> int:
    is_detached = bool(os.environ.pop(DETACHED_VARIABLE, ""))  # for us, not for our processes
    with supervisor_lock(state) as lock:
        if lock is None:
            raise BootstrapError(
                "Another `manage.py up` took over meanwhile: see `manage.py status`."
            )
        for name in kill_leftovers(state):
            _say(f"killed a {name} that a dead supervisor had left")
        write_status(state, STOPPED)
        configuration = load_configuration(os.environ, production=production, wants_demo=wants_demo)
        if not configuration.is_external("engine"):
            kernel = build_kernel(ROOT, details=state.log("kernel"), say=_say)
            configuration = replace(configuration, kernel=kernel)
        with state.log("supervisor").open("ab", buffering=0) as log:
            return _run(configuration, Teller(log), is_detached=is_detached, production=production)


def _run(
    configuration: Configuration, teller: Teller, *, is_detached: bool, production: bool
) -> int:
    demo_logins, are_new = (
        ensure_demo_logins(configuration.state) if configuration.runs_demo else ([], False)
    )

    def on_ready(ready: Ready) -> None:
        teller.show(f"\n{summary_table(ready.status)}\n\nConsole: {ready.status.console_url}")
        _tell_operator(teller, ready.operator, production=production)
        if demo_logins:
            path = demo_logins_file(configuration.state)
            _tell_demo(teller, demo_logins, path, are_new=are_new)
        if is_detached:
            teller.detach()
        else:
            teller.show("Ctrl-C stops everything.")

    supervisor = Supervisor(
        configuration, say=teller.say, on_ready=on_ready, with_operator=not production
    )
    try:
        asyncio.run(supervisor.run())
    except BootstrapError:
        _tell_operator(teller, supervisor.operator, production=production)
        raise
    return 0


def _tell_operator(teller: Teller, operator: Operator | None, *, production: bool) -> None:
    """Show the superuser's name, and the password in the one run that made it."""
    if operator is not None and operator.created:
        teller.show(f"Login:   {operator.username}")
        teller.show(f"Password: {operator.password}   (shown only this once)")
    elif operator is not None:
        teller.show(f"Login:   {operator.username}   (the password was shown when it was made)")
    elif production:
        teller.show("Login:   made with `manage.py createsuperuser`")


def _tell_demo(teller: Teller, logins: list[DemoLogin], path: Path, *, are_new: bool) -> None:
    """Show who can log in to the demo, and the passwords in the one run that made them."""
    teller.show(f"Demo:    play money; markets move in a moment. All logins: {path}")
    if are_new:
        people = [each for each in logins if each.is_for_people]
        rows = [(each.role, each.email, each.password) for each in people]
        teller.show(render(("ROLE", "LOGIN", "PASSWORD"), rows))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
