from __future__ import annotations

import datetime
import ssl
from typing import TYPE_CHECKING

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.http.tls import CertificateError, load_tls
from tests.unit.node.http.fakes import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.node.http.fakes import FakeBackend


def write_pair(folder: Path, name: str, *, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate for ``name`` and its key, over the ones written before."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    certificate_path, key_path = folder / "cert.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
    return certificate_path, key_path


async def open_tls(port: int) -> trio.SSLStream[trio.SocketStream]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", port, ssl_context=context, https_compatible=True)
    await stream.do_handshake()
    return stream


def name_of(stream: trio.SSLStream[trio.SocketStream]) -> str:
    der: bytes = stream.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


async def is_served(stream: trio.SSLStream[trio.SocketStream]) -> bool:
    await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        answer += await stream.receive_some(4096)
    return answer.startswith(b"HTTP/1.1 200")


async def test_a_new_certificate_reaches_new_sockets_and_drops_no_old_one(
    backend: FakeBackend, web_root: Path, tmp_path: Path
) -> None:
    certificate, key = write_pair(tmp_path, "first")
    with trio.fail_after(10):
        async with serving(backend, web_root, tls_cert=str(certificate), tls_key=str(key)) as server:
            assert server.tls is not None
            old = await open_tls(server.port)
            assert (name_of(old), await is_served(old)) == ("CN=first", True)
            write_pair(tmp_path, "second")
            server.tls.reload()
            new = await open_tls(server.port)
            assert (name_of(new), await is_served(new)) == ("CN=second", True)
            assert await is_served(old)
            # Half a pair changes nothing.
            (tmp_path / "key.pem").write_text("no key")
            with pytest.raises(CertificateError):
                server.tls.reload()
            third = await open_tls(server.port)
            assert (name_of(third), await is_served(third)) == ("CN=second", True)
            for stream in (old, new, third):
                await trio.aclose_forcefully(stream)


async def test_plain_http_at_a_tls_port_harms_nobody(backend: FakeBackend, web_root: Path, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "first")
    with trio.fail_after(10):
        async with serving(backend, web_root, tls_cert=str(certificate), tls_key=str(key)) as server:
            plain = await trio.open_tcp_stream("127.0.0.1", server.port)
            async with plain:
                await plain.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"HTTP" not in await plain.receive_some(4096)
            stream = await open_tls(server.port)
            assert await is_served(stream)
            await trio.aclose_forcefully(stream)


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "first")
    with pytest.raises(CertificateError, match=r"nothing\.pem cannot be read: no such file"):
        load_tls(tmp_path / "nothing.pem", key)
    with pytest.raises(CertificateError, match="no certificate with its key"):
        load_tls(key, certificate)
    write_pair(tmp_path, "first", password=b"secret")
    with pytest.raises(CertificateError, match="no certificate with its key"):
        load_tls(certificate, key)
