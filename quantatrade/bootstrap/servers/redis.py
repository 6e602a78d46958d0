"""The embedded Redis: configuration and process.

It carries the Celery queue and shared counters, so it appends to a log on disk and refuses writes
when full instead of dropping keys. Invariant: loopback only, password required, nothing evicted.
"""

from dataclasses import dataclass
from pathlib import Path

from quantatrade.bootstrap.probes import redis_probe
from quantatrade.bootstrap.process import ProcessSpec
from quantatrade.bootstrap.servers.binaries import redis_binary

HOST = "127.0.0.1"
CONFIGURATION = """\
# Written by manage.py at every start.
bind {host}
port {port}
protected-mode yes
requirepass {password}
daemonize no
dir "{directory}"
logfile ""
appendonly yes
appendfsync everysec
save ""
maxmemory 512mb
maxmemory-policy noeviction
tcp-backlog 128
"""


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """A Redis whose data live in `directory`."""

    directory: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """The connection URL of database 0."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def prepare(self) -> ProcessSpec:
        """Write the configuration and describe the process."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.directory / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(
                host=HOST, port=self.port, password=self.password, directory=self.directory
            )
        )
        return ProcessSpec(
            name="redis",
            command=(str(redis_binary()), str(configuration)),
            probe=redis_probe(HOST, self.port, self.password),
            address=f"{HOST}:{self.port}",
            ports=(self.port,),
            directory=self.directory,
        )
