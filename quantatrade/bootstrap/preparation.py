"""Run the step `prepare` from the supervisor.

It is a process of its own because it needs Django, and the supervisor stays small. Invariant: the
operator's password passes through a pipe and is never written to a file.
"""

import asyncio
import json
import sys
from dataclasses import dataclass

from quantatrade.bootstrap.configuration import ROOT, Configuration
from quantatrade.bootstrap.keeper import StartError
from quantatrade.bootstrap.process import base_environment, launch_command
from quantatrade.bootstrap.processes import PREPARE

TIMEOUT_S = 600.0
ATTEMPTS_MAX = 3
RETRY_DELAY_S = 1.0
_TAIL_LINES = 5


@dataclass(frozen=True, kw_only=True)
class Operator:
    """The superuser of the console. The password is known only in the run that made it."""

    username: str
    created: bool
    password: str | None


async def run_preparation(configuration: Configuration, *, with_operator: bool) -> Operator | None:
    """Roles, migrations, operator; StartError with the log's end if it does not succeed."""
    environment = {
        **base_environment(),
        **configuration.common(),
        **configuration.django_key(),
        **configuration.addresses("DATABASE_URL", "DATABASE_OWNER_URL"),
        "QT_PROCESS": PREPARE,
    }
    if configuration.admin_url is not None:
        roles = {name: configuration.secrets[name] for name in ("qt_owner", "qt_app", "qt_mirror")}
        environment["QT_ADMIN_DATABASE_URL"] = configuration.admin_url
        environment["QT_ROLE_PASSWORDS"] = json.dumps(roles)
    command = (sys.executable, "-m", "quantatrade.bootstrap.prepare")
    arguments = () if with_operator else ("--no-operator",)
    log = configuration.state.log(PREPARE)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *launch_command("self", (*command, *arguments)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
        try:
            answer, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        except TimeoutError as error:
            process.kill()
            raise StartError(f"The database was not ready within {TIMEOUT_S:g} s: {log}") from error
        except asyncio.CancelledError:
            process.kill()
            raise
    if process.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        tail = "\n".join(f"    {line}" for line in lines)
        raise StartError(f"The database could not be prepared. The end of {log}:\n{tail}")
    operator = json.loads(answer.decode().splitlines()[-1])["operator"]
    return Operator(**operator) if operator else None
