"""The server's TLS context, and reading its certificate again without dropping a socket.

One :class:`ssl.SSLContext` lives as long as the server: a handshake takes the certificate that the
context holds at that moment, so replacing it inside reaches new connections and no old one.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only; 1.3 knows nothing else."""


class CertificateError(Exception):
    """Certificate and key cannot be used; ``message`` names the file and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Tls:
    """A context and the files it is loaded from."""

    context: ssl.SSLContext
    certificate: Path
    key: Path

    def reload(self) -> None:
        """Read both files again; handshakes from now on use them.

        Raises:
            CertificateError: They cannot be used; the ones loaded before stay in use.
        """
        # A context that has taken one half of a bad pair would serve nothing: try elsewhere first.
        load_tls(self.certificate, self.key)
        self.context.load_cert_chain(self.certificate, self.key)


def load_tls(certificate: Path, key: Path) -> Tls:
    """Make a server context from PEM files.

    Raises:
        CertificateError: A file is missing, unreadable, no PEM, behind a password, or the two do
            not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise CertificateError(f"{path} cannot be read: {(error.strerror or 'unknown error').lower()}") from None
    try:
        # An empty password makes a protected key an error, where OpenSSL would ask the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(f"{certificate} and {key} are no certificate with its key: {error}") from None
    return Tls(context=context, certificate=certificate, key=key)
