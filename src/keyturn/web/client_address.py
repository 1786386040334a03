"""Client of a request: the address of the peer, or the one that a trusted proxy reports, and a name to show."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from keyturn.errors import ConfigurationError

TrustedNetwork = IPv4Network | IPv6Network

MAX_LABEL_CHARS = 120
_UNPRINTABLE = re.compile(r"[^ -~]+")


def parse_networks(texts: Sequence[str]) -> tuple[TrustedNetwork, ...]:
    """Parse the networks of the trusted proxies. Raises ``ConfigurationError`` naming each invalid one."""
    problems = [f"trusted_proxies: {text!r} is not an address or network" for text in texts if not _network(text)]
    if problems:
        raise ConfigurationError(*problems)
    return tuple(ip_network(text, strict=False) for text in texts)


def client_address(peer: str, forwarded: Sequence[bytes], trusted: Sequence[TrustedNetwork]) -> str:
    """Return the nearest address that is not a trusted proxy.

    ``forwarded``: the values of X-Forwarded-For, in order. Any client may send that header: an entry counts only if
    every hop after it is trusted (throttle bypass by forged forwarding headers, CWE-348).
    """
    address = peer
    hops = [hop.strip() for value in forwarded for hop in value.decode("latin-1").split(",")]
    while hops and _is_trusted(address, trusted):
        candidate = hops.pop()
        if not _is_address(candidate):
            return address
        address = candidate
    return address


def client_label(agents: Sequence[bytes]) -> str:
    """Return the name of a client in the list of sessions. ``agents``: the values of User-Agent."""
    shown = _UNPRINTABLE.sub("", agents[0].decode("latin-1")) if agents else ""
    return shown.strip()[:MAX_LABEL_CHARS]


def _is_trusted(address: str, networks: Sequence[TrustedNetwork]) -> bool:
    if not _is_address(address):
        return False
    parsed = ip_address(address)
    # A dual-stack socket shows an IPv4 proxy as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
    unmapped = parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed
    return any(unmapped in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
