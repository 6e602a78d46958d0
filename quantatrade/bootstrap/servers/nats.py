"""The embedded NATS server with JetStream: configuration and process.

JetStream must have a message on the disk before it acknowledges it (its default is to sync every
two minutes), because the relay forgets what was acknowledged. Invariant: `sync_interval: always`,
loopback only, user and password required.
"""

from dataclasses import dataclass
from pathlib import Path

from quantatrade.bootstrap.probes import http_probe
from quantatrade.bootstrap.process import ProcessSpec
from quantatrade.bootstrap.servers.binaries import nats_binary

HOST = "127.0.0.1"
USER = "quantatrade"
CONFIGURATION = """\
# Written by manage.py at every start.
server_name: "quantatrade"
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
authorization {{
    user: "{user}"
    password: "{password}"
}}
jetstream {{
    store_dir: "{directory}"
    max_memory_store: 64MB
    sync_interval: always
}}
"""


@dataclass(frozen=True, kw_only=True)
class NatsServer:
    """A NATS server whose streams live in `directory`."""

    directory: Path
    port: int
    monitor_port: int
    password: str

    @property
    def url(self) -> str:
        """The connection URL, user and password included."""
        return f"nats://{USER}:{self.password}@{HOST}:{self.port}"

    @property
    def health_url(self) -> str:
        """Where the server's own monitoring says whether JetStream works."""
        return f"http://{HOST}:{self.monitor_port}/healthz"

    def prepare(self) -> ProcessSpec:
        """Write the configuration and describe the process."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.directory / "nats.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(
                host=HOST,
                port=self.port,
                monitor_port=self.monitor_port,
                user=USER,
                password=self.password,
                directory=self.directory,
            )
        )
        return ProcessSpec(
            name="nats",
            command=(str(nats_binary()), "--config", str(configuration)),
            probe=http_probe(HOST, self.monitor_port, "/healthz"),
            address=f"{HOST}:{self.port}",
            ports=(self.port, self.monitor_port),
            directory=self.directory,
        )
