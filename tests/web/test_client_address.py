"""The client address: the peer's, or the nearest that is no trusted proxy (CWE-348)."""

import pytest

from keyturn.errors import ConfigurationError
from keyturn.web.client_address import client_address, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.9", [b"198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("fd00::1", [b"2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", [b"203.0.113.7, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", [b"203.0.113.7", b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"unknown"], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("", [b"198.51.100.1"], ""),
        ("unix:", [b"198.51.100.1"], "unix:"),
    ],
)
def test_an_entry_counts_only_if_every_hop_after_it_is_trusted(
    peer: str, forwarded: list[bytes], expected: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected


def test_every_network_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_networks(["10.0.0.0/8", "proxy", "10.0.0.0/33"])
    assert refused.value.problems == tuple(
        f"trusted_proxies: {each!r} is not an address or network" for each in ("proxy", "10.0.0.0/33")
    )
