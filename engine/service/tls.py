"""TLS of the gRPC server: a certificate, and optionally the authority of the clients' ones.

The files are looked at with each handshake and read again when one changed, so a renewed
certificate needs no restart. Invariant: a file that cannot be read or understood leaves the last
good certificate in use.
"""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from engine.service.errors import SecurityError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """PEM files. With `client_ca` every client must show a certificate of that authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def mark(self) -> tuple[int, ...]:
        """What changes when a file does. OSError if one is not there."""
        paths = [self.certificate, self.key, *([self.client_ca] if self.client_ca else [])]
        return tuple(path.stat().st_mtime_ns for path in paths)

    def read(self) -> grpc.ServerCertificateConfiguration:
        """The certificate to show. SecurityError names the file that is wrong."""
        try:
            if self.key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise SecurityError(f"TLS key {self.key} can be read by everybody: chmod o= it")
            key, certificate = self.key.read_bytes(), self.certificate.read_bytes()
            client_ca = None if self.client_ca is None else self.client_ca.read_bytes()
            self._prove()
        except ssl.SSLError as error:
            raise SecurityError(
                f"TLS files {self.certificate} and {self.key} do not go together, or one is not "
                f"PEM: {error.reason or error}"
            ) from error
        except OSError as error:
            raise SecurityError(
                f"TLS file {error.filename} cannot be read: {error.strerror}"
            ) from error
        return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)

    def _prove(self) -> None:
        """Let OpenSSL take the files as it would in use: gRPC would only refuse to listen."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that follow the files. SecurityError if they are not right now."""
    first = files.read()
    renewal = _Renewal(files)
    return grpc.dynamic_ssl_server_credentials(
        first,
        renewal.changed,  # type: ignore[arg-type] # None: unchanged, which the stubs forget
        require_client_authentication=files.client_ca is not None,
    )


class _Renewal:
    """Notices that a certificate was renewed. Called by gRPC's threads, with each handshake."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._mark = files.mark()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new certificate, None while it is the one that is in use."""
        try:
            mark = self._files.mark()
            if mark == self._mark:
                return None
            self._mark = mark
            renewed = self._files.read()
        except (OSError, SecurityError) as error:
            log.error("tls_files_refused", detail=str(error))
            return None
        log.info("tls_files_read", certificate=str(self._files.certificate))
        return renewed
