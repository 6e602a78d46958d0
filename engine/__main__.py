"""`python -m engine`: run the matching engine until it is told to stop."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import structlog
import uvloop

from engine.journal.format import SEGMENT_BYTES_DEFAULT
from engine.service.config import (
    CONCURRENT_STREAMS_DEFAULT,
    CONCURRENT_STREAMS_MAX,
    MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX,
    MESSAGE_BYTES_MIN,
    PEER_WAIT_DEFAULT_S,
    PEER_WAIT_MAX_S,
    SNAPSHOT_BYTES_DEFAULT,
    SNAPSHOT_BYTES_MIN,
    EngineConfig,
)
from engine.service.errors import EXPECTED_ERRORS, exit_code
from engine.service.process import run_engine
from engine.service.tls import TlsFiles
from engine.telemetry import configure_logging

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def parse_arguments(arguments: list[str]) -> EngineConfig:
    """The configuration in a command line; exits with code 2 and a sentence if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="journal directory")
    parser.add_argument(
        "--listen",
        type=_host_and_port,
        required=True,
        help="HOST:PORT; other than loopback only with TLS and --token-file",
    )
    parser.add_argument("--telemetry-port", type=_port, help="/healthz /readyz /metrics")
    parser.add_argument("--kernel", choices=("auto", "compiled", "reference"), default="auto")
    parser.add_argument(
        "--segment-bytes", type=int, default=SEGMENT_BYTES_DEFAULT, help="size of a segment"
    )
    parser.add_argument(
        "--peer-wait",
        type=_seconds,
        default=PEER_WAIT_DEFAULT_S,
        help="seconds to wait at start for relays and mirrors that are known",
    )
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="start although the journal ends before what was acknowledged",
    )
    parser.add_argument(
        "--snapshot-bytes",
        type=_snapshot_bytes,
        default=SNAPSHOT_BYTES_DEFAULT,
        help="journaled bytes between two snapshots (0: none are made)",
    )
    parser.add_argument(
        "--snapshot-at-stop",
        action="store_true",
        help="make a snapshot at the end of the journal before an orderly stop ends",
    )
    parser.add_argument(
        "--archive-dir",
        type=Path,
        help="where full segments go, compressed, that are older than the newest two snapshots",
    )
    _add_security(parser)
    options = parser.parse_args(arguments)
    tls = _tls(parser, options)
    host = options.listen.rpartition(":")[0]
    if host not in LOOPBACK_HOSTS and (tls is None or options.token_file is None):
        parser.error(
            f"argument --listen: host was {host!r}, expected one of {', '.join(LOOPBACK_HOSTS)}; "
            "elsewhere the engine listens only with --tls-cert, --tls-key and --token-file"
        )
    return EngineConfig(
        data_dir=options.data,
        listen=options.listen,
        telemetry_port=options.telemetry_port,
        kernel=options.kernel,
        segment_bytes=options.segment_bytes,
        peer_wait_s=options.peer_wait,
        accept_loss=options.accept_loss,
        snapshot_bytes=options.snapshot_bytes,
        snapshot_at_stop=options.snapshot_at_stop,
        archive_dir=options.archive_dir.resolve() if options.archive_dir else None,
        tls=tls,
        token_file=options.token_file,
        message_bytes=options.message_bytes,
        concurrent_streams=options.concurrent_streams,
    )


def _add_security(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tls-cert", type=Path, help="certificate chain (PEM): serve TLS")
    parser.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    parser.add_argument(
        "--tls-client-ca", type=Path, help="clients must show a certificate of this authority (PEM)"
    )
    parser.add_argument(
        "--token-file", type=Path, help="clients, the hashes of their tokens and their roles (TOML)"
    )
    parser.add_argument(
        "--message-bytes",
        type=partial(_number, MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX),
        default=MESSAGE_BYTES_DEFAULT,
        help="largest message that is taken",
    )
    parser.add_argument(
        "--concurrent-streams",
        type=partial(_number, 1, CONCURRENT_STREAMS_MAX),
        default=CONCURRENT_STREAMS_DEFAULT,
        help="calls of one connection at the same time; more of them wait",
    )


def _tls(parser: argparse.ArgumentParser, options: argparse.Namespace) -> TlsFiles | None:
    certificate, key, client_ca = options.tls_cert, options.tls_key, options.tls_client_ca
    if (certificate is None) != (key is None) or (client_ca and not certificate):
        parser.error("expected --tls-cert and --tls-key together, --tls-client-ca only with them")
    if certificate is None:
        return None
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError(f"was {value!r}, expected HOST:PORT")
    return f"{host}:{_port(port)}"


def _number(least: int, most: int, value: str) -> int:
    if not value.isdigit() or not least <= int(value) <= most:
        raise argparse.ArgumentTypeError(f"was {value!r}, expected {least}..{most}")
    return int(value)


def _port(value: str) -> int:
    if not value.isdigit() or not 0 <= int(value) <= 65_535:
        raise argparse.ArgumentTypeError(f"port was {value!r}, expected 0..65535")
    return int(value)


def _snapshot_bytes(value: str) -> int:
    size = int(value)
    if size and size < SNAPSHOT_BYTES_MIN:
        raise argparse.ArgumentTypeError(f"was {size}, expected 0 or at least {SNAPSHOT_BYTES_MIN}")
    return size


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= PEER_WAIT_MAX_S:
        raise argparse.ArgumentTypeError(f"was {value} seconds, expected 0..{PEER_WAIT_MAX_S}")
    return seconds


def main() -> int:
    """Run; an expected error becomes one sentence on stderr and its own exit code."""
    config = parse_arguments(sys.argv[1:])
    configure_logging("engine")
    try:
        return uvloop.run(run_engine(config))
    except EXPECTED_ERRORS as error:
        structlog.get_logger(__name__).critical("engine_failed", detail=str(error))
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
