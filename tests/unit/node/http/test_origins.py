from __future__ import annotations

import pytest

from node.http.origins import Origins, origin_of

MEMBERS = ("https://eu.example.org", "http://us.example.org:8080/", "http://127.0.0.1:8181")


@pytest.fixture
def origins() -> Origins:
    return Origins(configured=("https://app.example.org", "http://node.test:8080"), member_urls=lambda: MEMBERS)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://app.example.org", "x"),
        ("https://APP.example.org:443", "x"),
        ("https://eu.example.org", "x"),
        ("http://us.example.org:8080", "x"),
        ("http://127.0.0.2:8080", "127.0.0.2:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://localhost", "localhost"),
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "localhost:8080"),
        ("http://localhost:8181", "127.0.0.1:8282"),
    ],
)
def test_allowed(origins: Origins, origin: str, host: str) -> None:
    assert origins.is_allowed(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.test", "app.example.org"),
        ("http://app.example.org", "x"),
        ("https://app.example.org:8443", "x"),
        ("https://app.example.org.evil.test", "x"),
        ("https://evil.test/https://app.example.org", "x"),
        ("null", "x"),
        ("", ""),
        ("http://[", "x"),
        ("http://127.0.0.1:8080", "127.0.0.1:9090"),
        ("http://localhost:8080", "127.0.0.1:9090"),
        ("http://192.0.2.1:8080", "127.0.0.1:8080"),
        ("http://localhost.evil.test:8080", "127.0.0.1:8080"),
        # Anybody can point a name of theirs at this machine.
        ("http://rebound.evil.test:8080", "rebound.evil.test:8080"),
    ],
)
def test_refused(origins: Origins, origin: str, host: str) -> None:
    assert not origins.is_allowed(origin, host)


def test_an_origin_has_its_port() -> None:
    assert origin_of("https://A.example/x?y") == "https://a.example:443"
    assert origin_of("http://[::1]") == "http://[::1]:80"
    assert origin_of("ftp://a") is None
