"""One installation's configuration: where its state lies, its ports, its stores, its secrets.

It turns the operator's environment into the environment of each process. Invariant: a process gets
the addresses and passwords that it needs and no others, and nothing of ours on a command line,
where every account of the machine could read it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from quantatrade.bootstrap.credentials import load_credentials
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.ports import HOST, choose_ports
from quantatrade.bootstrap.servers.nats import NatsServer
from quantatrade.bootstrap.servers.postgres import PostgresServer
from quantatrade.bootstrap.servers.redis import RedisServer
from quantatrade.bootstrap.state_directory import StateDirectory

ROOT = Path(__file__).resolve().parent.parent.parent
EXTERNAL_VARIABLES = {
    "postgres": "DATABASE_URL",
    "redis": "REDIS_URL",
    "nats": "NATS_URL",
    "engine": "ENGINE_ADDRESS",
}
DEFAULT_STORE_PORTS = {"postgres": 5432, "redis": 6379, "nats": 4222, "engine": 0}
_PASSED_ON_PREFIXES = ("QT_", "DJANGO_")
_ENGINE_ACCESS = (
    "ENGINE_TOKEN_FILE", "ENGINE_CA_FILE", "ENGINE_CERT_FILE", "ENGINE_KEY_FILE",
)  # fmt: skip
_CUSTODY_VARIABLES = (
    "QT_CUSTODY_URL", "QT_CUSTODY_TOKEN", "QT_CUSTODY_WEBHOOK_SECRET", "QT_CUSTODY_WALLETS",
)  # fmt: skip
_DJANGO_KEYS = ("DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACKS")
_KEPT_BACK = frozenset({*_DJANGO_KEYS, *_CUSTODY_VARIABLES, "QT_CUSTODY_SIMULATOR_URL"})
_ROLE_VARIABLES = ("DATABASE_OWNER_URL", "DATABASE_MIRROR_URL")


def state_directory(environment: Mapping[str, str]) -> StateDirectory:
    """The state directory: QT_VAR, else `var` in the source tree."""
    return StateDirectory(Path(environment.get("QT_VAR") or ROOT / "var").resolve())


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Everything `up` decided before it starts the first process."""

    state: StateDirectory
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    given: Mapping[str, str]
    """The operator's environment."""
    production: bool = False

    wants_demo: bool = True
    """Whether the demo may run; `--no-demo` says no."""

    kernel: str = "auto"
    """The matching kernel that the engine runs on."""

    def is_external(self, name: str) -> bool:
        """Whether the operator provides this server, so that we do not start ours."""
        variable = EXTERNAL_VARIABLES.get(name)
        return variable is not None and bool(self.given.get(variable))

    def external_address(self, name: str) -> tuple[str, int]:
        """Host and port of a server that the operator provides."""
        variable = EXTERNAL_VARIABLES[name]
        value = self.given[variable]
        try:
            parts = urlsplit(value if "://" in value else f"//{value}")
            host, port = parts.hostname, parts.port or DEFAULT_STORE_PORTS[name]
        except ValueError:
            host, port = None, 0
        if not host or not port:
            raise BootstrapError(
                f"{variable} does not name a host and port: correct it, or unset it to have"
                f" {name} started for you."
            )
        return host, port

    @property
    def public_url(self) -> str:
        """The address that browsers use."""
        return (self.given.get("QT_PUBLIC_URL") or f"http://{HOST}:{self.ports['edge']}").rstrip(
            "/"
        )

    @property
    def web_url(self) -> str:
        """Where the edge forwards to."""
        return f"http://{HOST}:{self.ports['web']}"

    @property
    def engine_address(self) -> str:
        """The engine's gRPC address."""
        return self.given.get("ENGINE_ADDRESS") or f"{HOST}:{self.ports['engine']}"

    def postgres_server(self) -> PostgresServer:
        """The embedded PostgreSQL."""
        return PostgresServer(
            directory=self.state.part("postgres"),
            port=self.ports["postgres"],
            password=self.secrets["postgres"],
        )

    def redis_server(self) -> RedisServer:
        """The embedded Redis."""
        return RedisServer(
            directory=self.state.part("redis"),
            port=self.ports["redis"],
            password=self.secrets["redis"],
        )

    def nats_server(self) -> NatsServer:
        """The embedded NATS."""
        return NatsServer(
            directory=self.state.part("nats"),
            port=self.ports["nats"],
            monitor_port=self.ports["nats_monitor"],
            password=self.secrets["nats"],
        )

    @property
    def has_ready_roles(self) -> bool:
        """Whether the operator made the database roles and gave all three URLs."""
        return self.is_external("postgres") and all(map(self.given.get, _ROLE_VARIABLES))

    @property
    def admin_url(self) -> str | None:
        """The URL that may create roles; None where they were given ready-made."""
        if self.has_ready_roles:
            return None
        return self.given.get("DATABASE_URL") or self.postgres_server().admin_url

    def database_url(self, role: str) -> str:
        """The URL of one of our roles."""
        # Only the bootstrap's own commands run on a bare Python; whoever asks for a database has
        # the environment, in which this import exists.
        from quantatrade.bootstrap.roles import APP_ROLE, MIRROR_ROLE, OWNER_ROLE, role_url

        variables = {
            APP_ROLE: "DATABASE_URL",
            OWNER_ROLE: "DATABASE_OWNER_URL",
            MIRROR_ROLE: "DATABASE_MIRROR_URL",
        }
        admin_url = self.admin_url
        if admin_url is None:
            return self.given[variables[role]]
        return role_url(admin_url, role=role, password=self.secrets[role])

    def addresses(self, *names: str) -> dict[str, str]:
        """The variables, by name, that tell a process where the others are."""
        known = {
            "DATABASE_URL": lambda: self.database_url("qt_app"),
            "DATABASE_OWNER_URL": lambda: self.database_url("qt_owner"),
            "DATABASE_MIRROR_URL": lambda: self.database_url("qt_mirror"),
            "REDIS_URL": lambda: self.given.get("REDIS_URL") or self.redis_server().url,
            "NATS_URL": lambda: self.given.get("NATS_URL") or self.nats_server().url,
            "ENGINE_ADDRESS": lambda: self.engine_address,
        }
        return {name: known[name]() for name in names}

    def common(self) -> dict[str, str]:
        """What every process of the platform gets: places and switches, none of them secret."""
        passed_on = {
            name: value
            for name, value in self.given.items()
            if (name.startswith(_PASSED_ON_PREFIXES) and name not in _KEPT_BACK)
            or name in _ENGINE_ACCESS
        }
        return {
            **passed_on,
            "DJANGO_SETTINGS_MODULE": "quantatrade.settings",
            "PYTHONPATH": str(ROOT),
            "QT_VAR": str(self.state.path),
            "QT_PUBLIC_URL": self.public_url,
            "QT_WEB_URL": self.web_url,
            "QT_PRODUCTION": "1" if self.production else "0",
            "QT_DEMO": "1" if self.runs_demo else "0",
            "QT_MAIL": "1" if self.runs_demo or self.mail() else "0",
        }

    def django_key(self) -> dict[str, str]:
        """The operator's Django keys; without one the settings read our own from its file."""
        return {name: self.given[name] for name in _DJANGO_KEYS if self.given.get(name)}

    @property
    def simulates_custodian(self) -> bool:
        """Whether we run a custodian of our own: never in production, nor beside a real one."""
        return not self.production and not self.given.get("QT_CUSTODY_URL")

    def mail(self) -> dict[str, str]:
        """What the process that sends mail needs; empty where mail is off."""
        return {name: self.given[name] for name in ("EMAIL_URL",) if self.given.get(name)}

    @property
    def runs_demo(self) -> bool:
        """Whether this is a demo exchange: it has play money, so never beside a real custodian."""
        return self.wants_demo and self.simulates_custodian

    @property
    def custodian_url(self) -> str:
        """The address of the simulated custodian."""
        return f"http://{HOST}:{self.ports['custodian']}"

    def custody(self) -> dict[str, str]:
        """What a process needs that talks to the custodian, or takes its webhooks."""
        if not self.simulates_custodian:
            return {name: self.given[name] for name in _CUSTODY_VARIABLES if self.given.get(name)}
        return {
            "QT_CUSTODY_URL": self.custodian_url,
            "QT_CUSTODY_TOKEN": self.secrets["custody_token"],
            "QT_CUSTODY_WEBHOOK_SECRET": self.secrets["custody_webhook_secret"],
            "QT_CUSTODY_WALLETS": json.dumps({"*": self.secrets["custody_wallet"]}),
            "QT_CUSTODY_SIMULATOR_URL": self.custodian_url,
        }

    def management_environment(self) -> dict[str, str]:
        """What a management command needs beside a running `up`."""
        return {
            **self.common(),
            **self.django_key(),
            **self.custody(),
            **self.addresses(
                "DATABASE_URL",
                "DATABASE_OWNER_URL",
                "DATABASE_MIRROR_URL",
                "REDIS_URL",
                "NATS_URL",
                "ENGINE_ADDRESS",
            ),
        }


def load_configuration(
    environment: Mapping[str, str], *, production: bool = False, wants_demo: bool = True
) -> Configuration:
    """Read the environment and the state directory, which must be prepared."""
    state = state_directory(environment)
    return Configuration(
        state=state,
        ports=choose_ports(environment),
        secrets=load_credentials(state.part("secrets")),
        given=dict(environment),
        production=production,
        wants_demo=wants_demo,
    )


def write_environment(state: StateDirectory, variables: Mapping[str, str]) -> None:
    """Leave the management commands' environment where `read_environment` finds it."""
    unfinished = state.environment_file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(dict(variables), file, indent=1)
    unfinished.replace(state.environment_file)


def read_environment(state: StateDirectory) -> dict[str, str]:
    """What the last `up` left for management commands; empty if there was none."""
    try:
        return dict(json.loads(state.environment_file.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise BootstrapError(
            f"{state.environment_file} cannot be read ({type(error).__name__}): run"
            " `manage.py down` and `manage.py up` to have it written again."
        ) from error
