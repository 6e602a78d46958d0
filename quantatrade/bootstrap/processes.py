"""The processes of an installation: what each is, what it waits for, how to tell its health.

The one place that knows command lines. Invariant: the order of start is the order of dependence,
and it is free of cycles; stopping goes the same way backwards.
"""

import json
import sys
from pathlib import Path

from quantatrade.bootstrap.configuration import ROOT, Configuration
from quantatrade.bootstrap.ports import HOST, require_free
from quantatrade.bootstrap.probes import http_probe
from quantatrade.bootstrap.process import ProcessSpec

PREPARE = "prepare"
"""The step between the stores and whoever needs a migrated database."""

SERVERS = ("postgres", "redis", "nats")
NAMES = (
    *SERVERS, "engine", "relay", "mirror", "web", "edge", "worker", "beat", "custodian", "demo",
)  # fmt: skip
ENGINE_START_TIMEOUT_S = 600.0  # a long journal is replayed before the first answer
WEB_THREADS = 8
EDGE_READY = "/edge/readyz"  # the edge's own: whether it serves, and reaches web at all
WS_MESSAGE_BYTES_MAX = 16_384  # from a client

# Celery would check models and pages at every start of a process and of each of its children:
# that is for the tests of a release, and costs two seconds of a processor.
_NO_CHECKS = {"CELERY_SKIP_CHECKS": "1"}
_STORES = ("DATABASE_URL", "REDIS_URL", "NATS_URL", "ENGINE_ADDRESS")


def all_processes(configuration: Configuration) -> list[ProcessSpec]:
    """Every process that this installation runs itself, in the order of the status table."""
    makers = {
        "postgres": lambda c: c.postgres_server().prepare(),
        "redis": lambda c: c.redis_server().prepare(),
        "nats": lambda c: c.nats_server().prepare(),
        "engine": _engine,
        "relay": _relay,
        "mirror": _mirror,
        "web": _web,
        "edge": _edge,
        "worker": _worker,
        "beat": _beat,
    }
    if configuration.simulates_custodian:
        makers["custodian"] = _custodian
    if configuration.runs_demo:
        makers["demo"] = _demo
    return [
        maker(configuration)
        for name, maker in makers.items()
        if name not in external_processes(configuration)
    ]


def external_processes(configuration: Configuration) -> dict[str, str]:
    """Processes that somebody else runs, with their addresses."""
    external = {}
    for name in (*SERVERS, "engine"):
        if configuration.is_external(name):
            host, port = configuration.external_address(name)
            external[name] = f"{host}:{port}"
    if "engine" in external:  # the relay reads the journal's files, so it lives beside the engine
        external["relay"] = "beside the engine"
    return external


def require_free_ports(configuration: Configuration) -> None:
    """Refuse to start while another program listens on a port of ours."""
    not_ours = {*external_processes(configuration)}
    if not configuration.simulates_custodian:
        not_ours.add("custodian")
    if not configuration.runs_demo:
        not_ours.add("demo")
    for port_name, port in configuration.ports.items():
        process = port_name.partition("_")[0]
        if process not in not_ours:
            require_free(process, [port])


def health_addresses(configuration: Configuration) -> str:
    """The health address of every process, as the console's health page reads it (JSON)."""
    ports, external = configuration.ports, external_processes(configuration)
    health = {
        "postgres": f"tcp://{external.get('postgres') or _address(ports['postgres'])}",
        "redis": f"tcp://{external.get('redis') or _address(ports['redis'])}",
        "nats": f"tcp://{external['nats']}"
        if "nats" in external
        else configuration.nats_server().health_url,
    }
    for name in ("engine", "relay", "mirror", "worker", "beat"):
        health[name] = f"http://{_address(ports[f'{name}_telemetry'])}/readyz"
    health["web"] = f"http://{_address(ports['web'])}/readyz"
    health["edge"] = f"http://{_address(ports['edge'])}{EDGE_READY}"
    if configuration.simulates_custodian:
        health["custodian"] = f"http://{_address(ports['custodian'])}/readyz"
    if configuration.runs_demo:
        health["demo"] = f"http://{_address(ports['demo_telemetry'])}/readyz"
    if "engine" in external:
        health["engine"] = f"grpc://{external['engine']}"
        del health["relay"]
    return json.dumps({name: {"health": url} for name, url in health.items()})


def _address(port: int) -> str:
    return f"{HOST}:{port}"


def _after(configuration: Configuration, *names: str) -> tuple[str, ...]:
    external = external_processes(configuration)
    return tuple(name for name in names if name not in external)


def _engine(configuration: Configuration) -> ProcessSpec:
    port, telemetry = configuration.ports["engine"], configuration.ports["engine_telemetry"]
    return ProcessSpec(
        name="engine",
        command=(
            sys.executable, "-m", "engine",
            "--data", str(configuration.state.part("engine")),
            "--listen", _address(port),
            "--telemetry-port", str(telemetry),
            "--kernel", configuration.kernel,
        ),
        probe=http_probe(HOST, telemetry, "/readyz"),
        address=_address(port),
        ports=(port, telemetry),
        environment={**configuration.common(), "QT_PROCESS": "engine"},
        directory=ROOT,
        stop_timeout_s=20.0,
        start_timeout_s=ENGINE_START_TIMEOUT_S,
    )  # fmt: skip


def _relay(configuration: Configuration) -> ProcessSpec:
    telemetry = configuration.ports["relay_telemetry"]
    return ProcessSpec(
        name="relay",
        command=(
            sys.executable, "-m", "engine.relay",
            "--data", str(configuration.state.part("engine")),
            "--telemetry-port", str(telemetry),
        ),
        probe=http_probe(HOST, telemetry, "/readyz"),
        address=_address(telemetry),
        ports=(telemetry,),
        # Not after the engine: at its start that waits for a relay and a mirror it knows.
        after=_after(configuration, "nats"),
        uses=("engine",),
        environment={
            **configuration.common(),
            **configuration.addresses("NATS_URL", "ENGINE_ADDRESS"),
            "QT_PROCESS": "relay",
        },
        directory=ROOT,
        start_timeout_s=120.0,
    )  # fmt: skip


def _mirror(configuration: Configuration) -> ProcessSpec:
    telemetry = configuration.ports["mirror_telemetry"]
    return ProcessSpec(
        name="mirror",
        command=(
            sys.executable, str(ROOT / "manage.py"), "mirror",
            "--telemetry-port", str(telemetry),
        ),
        probe=http_probe(HOST, telemetry, "/readyz"),
        address=_address(telemetry),
        ports=(telemetry,),
        after=(PREPARE, *_after(configuration, "nats")),
        uses=("engine",),
        environment={
            **configuration.common(),
            **configuration.django_key(),
            **configuration.addresses("DATABASE_MIRROR_URL", "NATS_URL", "ENGINE_ADDRESS"),
            "QT_PROCESS": "mirror",
        },
        directory=ROOT,
        start_timeout_s=300.0,
    )  # fmt: skip


def _django_environment(configuration: Configuration, name: str) -> dict[str, str]:
    return {
        **configuration.common(),
        **configuration.django_key(),
        **configuration.addresses(*_STORES),
        "QT_PROCESS": name,
        "QT_PROCESSES": health_addresses(configuration),
    }


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _web(configuration: Configuration) -> ProcessSpec:
    port = configuration.ports["web"]
    return ProcessSpec(
        name="web",
        command=(
            _script("granian"), "--interface", "wsgi", "--host", HOST, "--port", str(port),
            "--workers", "1", "--blocking-threads", str(WEB_THREADS), "--no-ws",
            "--workers-kill-timeout", "8s",
            "--log-config", str(ROOT / "quantatrade" / "logging.json"),
            "quantatrade.wsgi:application",
        ),
        probe=http_probe(HOST, port, "/readyz"),
        address=_address(port),
        ports=(port,),
        after=(PREPARE, *_after(configuration, "redis")),
        uses=("engine",),
        environment={**_django_environment(configuration, "web"), **configuration.custody()},
        directory=ROOT,
        stop_timeout_s=15.0,
        start_timeout_s=120.0,
    )  # fmt: skip


def _edge(configuration: Configuration) -> ProcessSpec:
    port = configuration.ports["edge"]
    return ProcessSpec(
        name="edge",
        command=(
            _script("uvicorn"), "--host", HOST, "--port", str(port), "--workers", "1",
            "--no-proxy-headers", "--no-server-header", "--no-access-log",
            "--timeout-graceful-shutdown", "8",
            "--ws-max-size", str(WS_MESSAGE_BYTES_MAX),
            "--ws-ping-interval", "20", "--ws-ping-timeout", "40",
            "--ws-per-message-deflate", "false",  # a message is sent to many: not packed for each
            "--log-config", str(ROOT / "quantatrade" / "logging.json"),
            "quantatrade.asgi:application",
        ),
        probe=http_probe(HOST, port, EDGE_READY),
        address=_address(port),
        ports=(port,),
        after=(PREPARE, *_after(configuration, "redis")),
        uses=("engine",),
        environment=_django_environment(configuration, "edge"),
        directory=ROOT,
        stop_timeout_s=15.0,
        start_timeout_s=120.0,
    )  # fmt: skip


def _worker(configuration: Configuration) -> ProcessSpec:
    telemetry = configuration.ports["worker_telemetry"]
    return ProcessSpec(
        name="worker",
        command=(
            sys.executable, "-m", "celery", "-A", "quantatrade.celery", "worker",
            "--loglevel", "INFO", "--without-gossip", "--without-mingle",
        ),
        probe=http_probe(HOST, telemetry, "/readyz"),
        address=_address(telemetry),
        ports=(telemetry,),
        after=(PREPARE, *_after(configuration, "redis")),
        uses=("engine",),
        environment={
            **_django_environment(configuration, "worker"),
            **configuration.custody(),
            **configuration.mail(),
            **_NO_CHECKS,
            "QT_WORKER_TELEMETRY_PORT": str(telemetry),
        },
        directory=ROOT,
        stop_timeout_s=70.0,  # a task may run for a minute
        start_timeout_s=120.0,
    )  # fmt: skip


def _beat(configuration: Configuration) -> ProcessSpec:
    telemetry = configuration.ports["beat_telemetry"]
    return ProcessSpec(
        name="beat",
        command=(
            sys.executable, "-m", "celery", "-A", "quantatrade.celery", "beat",
            "--loglevel", "INFO", "--pidfile", "",
        ),
        probe=http_probe(HOST, telemetry, "/readyz"),
        address=_address(telemetry),
        ports=(telemetry,),
        after=(PREPARE, *_after(configuration, "redis")),
        uses=("engine",),
        environment={
            **_django_environment(configuration, "beat"),
            **_NO_CHECKS,
            "QT_BEAT_TELEMETRY_PORT": str(telemetry),
        },
        directory=ROOT,
        start_timeout_s=120.0,
    )  # fmt: skip


def _custodian(configuration: Configuration) -> ProcessSpec:
    port = configuration.ports["custodian"]
    custody, edge = configuration.custody(), configuration.ports["edge"]
    return ProcessSpec(
        name="custodian",
        command=(
            sys.executable, "-m", "quantatrade.simulators.custodian",
            "--port", str(port),
            "--database", str(configuration.state.part("custodian") / "custodian.sqlite"),
        ),
        probe=http_probe(HOST, port, "/readyz"),
        address=_address(port),
        ports=(port,),
        environment={
            **configuration.common(),
            "QT_CUSTODY_TOKEN": custody["QT_CUSTODY_TOKEN"],
            "QT_CUSTODY_WEBHOOK_SECRET": custody["QT_CUSTODY_WEBHOOK_SECRET"],
            "QT_CUSTODIAN_WALLET": configuration.secrets["custody_wallet"],
            "QT_CUSTODIAN_WEBHOOK_URL": f"http://{_address(edge)}/webhooks/custody",
            "QT_PROCESS": "custodian",
        },
        directory=ROOT,
        start_timeout_s=60.0,
    )  # fmt: skip


def _demo(configuration: Configuration) -> ProcessSpec:
    telemetry, edge = configuration.ports["demo_telemetry"], configuration.ports["edge"]
    return ProcessSpec(
        name="demo",
        command=(
            sys.executable, "-m", "quantatrade.demo",
            "--telemetry-port", str(telemetry),
        ),
        probe=http_probe(HOST, telemetry, "/readyz"),
        address=_address(telemetry),
        ports=(telemetry,),
        # Last, so that it takes no time from what must be healthy first.
        after=(PREPARE, *_after(configuration, "engine"), "web", "edge", "worker", "custodian"),
        uses=("engine", "mirror", "beat"),
        environment={
            **configuration.common(),
            **configuration.django_key(),
            **configuration.addresses("DATABASE_URL", "REDIS_URL", "ENGINE_ADDRESS"),
            "QT_CUSTODY_SIMULATOR_URL": configuration.custodian_url,
            "QT_DEMO_EDGE_URL": f"http://{_address(edge)}",
            "QT_PROCESS": "demo",
        },
        directory=ROOT,
        start_timeout_s=60.0,
    )  # fmt: skip
