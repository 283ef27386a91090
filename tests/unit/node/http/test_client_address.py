from __future__ import annotations

import pytest

from node.http.client_address import TrustedProxies, limit_key

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::1"])


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("203.0.113.9", {"X-Forwarded-For": "1.2.3.4"}, "203.0.113.9"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"X-Forwarded-For": "1.2.3.4"}, "1.2.3.4"),
        ("10.0.0.1", {"X-Forwarded-For": "6.6.6.6, 1.2.3.4, 10.9.9.9"}, "1.2.3.4"),
        ("10.0.0.1", {"X-Forwarded-For": "10.1.1.1, 10.9.9.9"}, "10.1.1.1"),
        ("10.0.0.1", {"X-Forwarded-For": "1.2.3.4:5678"}, "1.2.3.4"),
        ("10.0.0.1", {"X-Forwarded-For": "unknown"}, "10.0.0.1"),
        ("10.0.0.1", {"X-Forwarded-For": ""}, "10.0.0.1"),
        ("10.0.0.1", {"Forwarded": 'for="[2001:db8::7]:4711";proto=https'}, "2001:db8::7"),
        ("10.0.0.1", {"Forwarded": "for=6.6.6.6, by=x; For=1.2.3.4"}, "1.2.3.4"),
        ("10.0.0.1", {"Forwarded": "for=_hidden"}, "10.0.0.1"),
        ("10.0.0.1", {"Forwarded": "for=1.2.3.4", "X-Forwarded-For": "1.2.3.4"}, "10.0.0.1"),
        ("fd00::1", {"X-Forwarded-For": "2001:db8::7"}, "2001:db8::7"),
        ("::ffff:10.0.0.1", {"X-Forwarded-For": "1.2.3.4"}, "1.2.3.4"),
    ],
)
def test_the_client_is_the_nearest_that_is_no_proxy(peer: str, headers: dict[str, str], client: str) -> None:
    assert PROXIES.client(peer, headers) == client


def test_nobody_is_believed_unless_configured() -> None:
    assert TrustedProxies([]).client("127.0.0.1", {"X-Forwarded-For": "1.2.3.4"}) == "127.0.0.1"


def test_a_subscriber_of_ipv6_has_one_key() -> None:
    assert limit_key("2001:db8::7") == limit_key("2001:db8::ffff:1") == "2001:db8::/64"
    assert limit_key("2001:db8:0:1::7") != limit_key("2001:db8::7")
    assert limit_key("1.2.3.4") == "1.2.3.4"
    assert limit_key("") == ""
