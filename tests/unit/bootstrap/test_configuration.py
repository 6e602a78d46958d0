"""External servers replace ours, and each process is told what it needs and no more."""

from pathlib import Path

import pytest

from quantatrade.bootstrap.commands import DOWN_TIMEOUT_S
from quantatrade.bootstrap.configuration import (
    Configuration,
    load_configuration,
    read_environment,
    state_directory,
    write_environment,
)
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.processes import (
    all_processes,
    external_processes,
    health_addresses,
)
from quantatrade.bootstrap.roles import role_url

EXTERNAL = {
    "DATABASE_URL": "postgresql://admin:a%40b@db.example:5544/postgres?sslmode=require",
    "REDIS_URL": "redis://redis.example",
    "NATS_URL": "nats://u:p@nats.example:4333",
    "ENGINE_ADDRESS": "engine.example:7000",
}


def configuration(tmp_path: Path, **given: str) -> Configuration:
    environment = {"QT_VAR": str(tmp_path / "var"), **given}
    state_directory(environment).prepare()
    return load_configuration(environment)


def test_external_servers_are_not_started_and_the_relay_lives_beside_the_engine(
    tmp_path: Path,
) -> None:
    made = configuration(tmp_path, **EXTERNAL)
    assert external_processes(made) == {
        "postgres": "db.example:5544",
        "redis": "redis.example:6379",
        "nats": "nats.example:4333",
        "engine": "engine.example:7000",
        "relay": "beside the engine",
    }
    started = [spec.name for spec in all_processes(made)]
    assert started == ["mirror", "web", "edge", "worker", "beat", "custodian", "demo"]


def test_roles_are_derived_from_an_administrative_url_keeping_its_options(tmp_path: Path) -> None:
    made = configuration(tmp_path, **EXTERNAL)
    password = made.secrets["qt_mirror"]
    assert made.admin_url == EXTERNAL["DATABASE_URL"]
    assert made.database_url("qt_mirror") == (
        f"postgresql://qt_mirror:{password}@db.example:5544/quantatrade?sslmode=require"
    )


def test_role_urls_given_ready_made_are_used_as_they_are(tmp_path: Path) -> None:
    ready = {
        "DATABASE_URL": "postgresql://app:1@db.example/books",
        "DATABASE_OWNER_URL": "postgresql://owner:2@db.example/books",
        "DATABASE_MIRROR_URL": "postgresql://mirror:3@db.example/books",
    }
    made = configuration(tmp_path, **ready)
    assert made.admin_url is None
    assert made.addresses(*ready) == ready


def test_an_external_address_without_a_host_is_refused(tmp_path: Path) -> None:
    made = configuration(tmp_path, ENGINE_ADDRESS="7000")
    with pytest.raises(BootstrapError, match="ENGINE_ADDRESS does not name a host and port"):
        external_processes(made)


def test_each_process_gets_the_secrets_that_it_needs_and_no_others(tmp_path: Path) -> None:
    made = configuration(tmp_path, DJANGO_SECRET_KEY="k" * 50, **EXTERNAL)
    made = Configuration(
        state=made.state,
        ports=made.ports,
        secrets=made.secrets,
        given={**made.given, "ENGINE_ADDRESS": ""},
    )
    secret_names = {"DATABASE_OWNER_URL", "DATABASE_MIRROR_URL", "DATABASE_URL", "REDIS_URL"}
    secret_names |= {"NATS_URL", "DJANGO_SECRET_KEY"}
    secret_names |= {"QT_CUSTODY_TOKEN", "QT_CUSTODY_WEBHOOK_SECRET"}
    given = {
        spec.name: sorted(secret_names & set(spec.environment)) for spec in all_processes(made)
    }
    custody = ["QT_CUSTODY_TOKEN", "QT_CUSTODY_WEBHOOK_SECRET"]
    platform = ["DATABASE_URL", "DJANGO_SECRET_KEY", "NATS_URL", "REDIS_URL"]
    assert given == {
        "engine": [],
        "relay": ["NATS_URL"],
        "mirror": ["DATABASE_MIRROR_URL", "DJANGO_SECRET_KEY", "NATS_URL"],
        "web": sorted([*platform, *custody]),
        "edge": platform,
        "worker": sorted([*platform, *custody]),
        "beat": platform,
        "custodian": custody,
        "demo": ["DATABASE_URL", "DJANGO_SECRET_KEY", "REDIS_URL"],
    }


REAL_CUSTODIAN = {
    "QT_CUSTODY_URL": "https://custodian.example",
    "QT_CUSTODY_TOKEN": "t" * 40,
    "QT_CUSTODY_WEBHOOK_SECRET": "s" * 40,
    "QT_CUSTODY_WALLETS": '{"btc": "w"}',
}


def test_beside_a_real_custodian_no_simulated_one_is_started(tmp_path: Path) -> None:
    made = configuration(tmp_path, **REAL_CUSTODIAN)
    specs = {spec.name: spec for spec in all_processes(made)}
    assert "custodian" not in specs
    assert "custodian" not in health_addresses(made)
    for name in ("web", "worker"):
        assert REAL_CUSTODIAN.items() <= specs[name].environment.items()
        assert "QT_CUSTODY_SIMULATOR_URL" not in specs[name].environment
    for name in ("engine", "relay", "mirror", "edge", "beat"):
        assert not REAL_CUSTODIAN.keys() & specs[name].environment.keys()


def test_in_production_there_is_no_simulated_custodian(tmp_path: Path) -> None:
    environment = {"QT_VAR": str(tmp_path / "var")}
    state_directory(environment).prepare()
    made = load_configuration(environment, production=True)
    assert "custodian" not in [spec.name for spec in all_processes(made)]
    assert "custodian" not in health_addresses(made)
    assert made.custody() == {}
    assert {spec.environment.get("QT_PRODUCTION") for spec in all_processes(made)} >= {"1"}


def test_the_demo_runs_beside_the_simulated_custodian_alone(tmp_path: Path) -> None:
    environment = {"QT_VAR": str(tmp_path / "var"), "QT_DEMO": "1"}
    state_directory(environment).prepare()
    made = {
        "plain": load_configuration(environment),
        "refused": load_configuration(environment, wants_demo=False),
        "production": load_configuration(environment, production=True),
        "real": load_configuration({**environment, **REAL_CUSTODIAN}),
    }
    assert [name for name, each in made.items() if each.runs_demo] == ["plain"]
    stated = {name: each.common()["QT_DEMO"] for name, each in made.items()}
    assert stated == {"plain": "1", "refused": "0", "production": "0", "real": "0"}
    with_process = [
        name
        for name, each in made.items()
        if "demo" in [spec.name for spec in all_processes(each)] or "demo" in health_addresses(each)
    ]
    assert with_process == ["plain"]


def test_only_the_worker_has_the_address_of_the_mail_server(tmp_path: Path) -> None:
    url = {"EMAIL_URL": "smtps://me:secret@mail.example"}
    environment = {"QT_VAR": str(tmp_path / "var"), **url}
    state_directory(environment).prepare()
    made = load_configuration(environment, wants_demo=False)
    having = [spec.name for spec in all_processes(made) if "EMAIL_URL" in spec.environment]
    assert having == ["worker"]
    assert made.common()["QT_MAIL"] == "1"
    silent = load_configuration({"QT_VAR": str(tmp_path / "var")}, wants_demo=False)
    assert (silent.common()["QT_MAIL"], silent.mail()) == ("0", {})


def test_no_secret_stands_on_a_command_line(tmp_path: Path) -> None:
    made = configuration(tmp_path, **{**EXTERNAL, "DATABASE_URL": ""})
    words = [word for spec in all_processes(made) for word in spec.command]
    passwords = [*made.secrets.values(), "u:p@"]
    assert [word for word in words if any(each in word for each in passwords)] == []


def test_down_waits_longer_than_the_longest_chain_of_stop_time_outs(tmp_path: Path) -> None:
    specs = {spec.name: spec for spec in all_processes(configuration(tmp_path))}
    stores = max(specs[name].stop_timeout_s for name in ("postgres", "redis", "nats"))
    users = max(
        spec.stop_timeout_s for spec in specs.values() if "engine" in (*spec.uses, *spec.after)
    )
    assert users + specs["engine"].stop_timeout_s + stores < DOWN_TIMEOUT_S


def test_the_environment_of_management_commands_is_private_and_read_back(tmp_path: Path) -> None:
    made = configuration(tmp_path, **EXTERNAL)
    write_environment(made.state, made.management_environment())
    assert read_environment(made.state) == made.management_environment()
    assert made.state.environment_file.stat().st_mode & 0o777 == 0o600
    made.state.environment_file.write_text("{")
    with pytest.raises(BootstrapError, match=r"environment\.json cannot be read"):
        read_environment(made.state)


def test_a_role_url_quotes_what_a_url_cannot_hold() -> None:
    assert role_url("postgresql://a:b@h:1/x", role="r", password="p@/:") == (
        "postgresql://r:p%40%2F%3A@h:1/quantatrade"
    )
