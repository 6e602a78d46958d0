"""The embedded PostgreSQL 18: its cluster, its configuration, its process.

`prepare` is idempotent: it makes the cluster once (under another name, renamed when complete, so
that an interrupted attempt leaves nothing that looks finished) and writes the configuration anew
each time. Invariant: fsync is on, only loopback is listened on, only scram passwords are accepted.
"""

import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.probes import postgres_probe
from quantatrade.bootstrap.process import ProcessSpec, base_environment, launch_command
from quantatrade.bootstrap.servers.binaries import POSTGRES_MAJOR, postgres_binary
from quantatrade.bootstrap.servers.identity import choose_identity, give_to

HOST = "127.0.0.1"
INITDB_TIMEOUT_S = 120.0
CONNECTIONS_MAX = 100

# No Unix socket: its path has a length limit and needs a folder that other accounts can reach.
CONFIGURATION = """\
# Written by manage.py at every start; changes belong in conf.d/*.conf beside this file.
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = {connections}
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = '1GB'
shared_buffers = '128MB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
effective_cache_size = '512MB'
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = '1s'
include_dir = 'conf.d'
"""
AUTHENTICATION = """\
# TYPE  DATABASE  USER  ADDRESS         METHOD
host    all       all   127.0.0.1/32    scram-sha-256
"""


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A PostgreSQL cluster below `directory`, reachable at `port` for `postgres`/`password`."""

    directory: Path
    port: int
    password: str

    @property
    def data(self) -> Path:
        """The cluster itself."""
        return self.directory / "data"

    def url(self, *, user: str, password: str, database: str) -> str:
        """The connection URL of a role and database on this server."""
        return f"postgresql://{user}:{password}@{HOST}:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        """The superuser's URL."""
        return self.url(user="postgres", password=self.password, database="postgres")

    def prepare(self) -> ProcessSpec:
        """Make the cluster if there is none, write its configuration, describe the process."""
        program = postgres_binary("postgres")
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = choose_identity(self.data, program)
        give_to(identity, self.directory)
        if self.data.exists():
            self._check_version()
        else:
            self._make_cluster(identity)
        self._configure(identity)
        return ProcessSpec(
            name="postgres",
            command=(str(program), "-D", str(self.data)),
            probe=postgres_probe(HOST, self.port),
            address=f"{HOST}:{self.port}",
            ports=(self.port,),
            identity=identity,
            directory=self.directory,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            stop_timeout_s=30.0,
            start_timeout_s=120.0,
        )

    def _check_version(self) -> None:
        stamp = self.data / "PG_VERSION"
        found = stamp.read_text().strip() if stamp.is_file() else "no PG_VERSION"
        if found != str(POSTGRES_MAJOR):
            raise BootstrapError(
                f"{self.data} holds {found}, expected a PostgreSQL {POSTGRES_MAJOR} cluster:"
                " restore it from a backup, or start anew with `manage.py up --fresh`."
            )

    def _make_cluster(self, identity: str) -> None:
        unfinished = self.directory / "data.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        password_file = self.directory / "initdb.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        give_to(identity, password_file)
        try:
            self._initdb(identity, unfinished, password_file)
        finally:
            password_file.unlink()
        unfinished.rename(self.data)

    def _initdb(self, identity: str, target: Path, password_file: Path) -> None:
        command = (
            str(postgres_binary("initdb")),
            f"--pgdata={target}",
            "--username=postgres",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )
        result = subprocess.run(
            launch_command(identity, command),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=base_environment(),
            timeout=INITDB_TIMEOUT_S,
        )
        if result.returncode != 0:
            lines = (result.stderr or result.stdout).strip().splitlines()
            raise BootstrapError(
                f"PostgreSQL could not make its cluster in {self.directory}:"
                f" {lines[-1] if lines else f'exit status {result.returncode}'}."
            )

    def _configure(self, identity: str) -> None:
        written = {
            self.data / "postgresql.conf": CONFIGURATION.format(
                host=HOST, port=self.port, connections=CONNECTIONS_MAX
            ),
            self.data / "pg_hba.conf": AUTHENTICATION,
        }
        own_settings = self.data / "conf.d"
        own_settings.mkdir(mode=0o700, exist_ok=True)
        for path, text in written.items():
            path.write_text(text)
        give_to(identity, own_settings, *written)
