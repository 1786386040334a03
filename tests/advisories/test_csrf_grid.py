"""CSRF: every method by every Sec-Fetch-Site by every Origin by every Host, against the rules written out again.

Source: Go issue 73626 and ``net/http.CrossOriginProtection`` (Go 1.25), OWASP CSRF Prevention Cheat Sheet. The
oracle below is a decision list, independent of the code's own.
"""

from itertools import product

import pytest

from keyturn.core.csrf import check_origin
from keyturn.errors import CrossOrigin

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "get", ""]
SITES: list[list[bytes]] = [
    [],
    [b"same-origin"],
    [b"none"],
    [b"same-site"],
    [b"cross-site"],
    [b"Same-Origin"],
    [b""],
    [b"same-origin "],
    [b"\xe9"],
    [b"same-origin", b"same-origin"],
    [b"same-origin", b"cross-site"],
]
ORIGINS: list[list[bytes]] = [
    [],
    [b"https://app.example"],
    [b"https://app.example:8443"],
    [b"https://trusted.example"],
    [b"https://evil.example"],
    [b"https://app.example.evil.example"],
    [b"null"],
    [b""],
    [b"https://app.\xe9xample"],
    [b"https://app.example", b"https://app.example"],
]
HOSTS: list[list[bytes]] = [
    [b"app.example"],
    [b"app.example:443"],
    [b"APP.EXAMPLE"],
    [b"app.example:8443"],
    [],
    [b"app.example", b"app.example"],
]
SAME = {
    (b"https://app.example", b"app.example"),
    (b"https://app.example", b"app.example:443"),
    (b"https://app.example", b"APP.EXAMPLE"),
    (b"https://app.example:8443", b"app.example:8443"),
}


def expected(method: str, site: list[bytes], origin: list[bytes], host: list[bytes]) -> bool:
    if method in ("GET", "HEAD", "OPTIONS"):
        return True
    if len(site) > 1 or len(origin) > 1 or any(byte > 127 for value in site + origin for byte in value):
        return False
    if site in ([b"same-origin"], [b"none"]) or origin == [b"https://trusted.example"]:
        return True
    if site:
        return False
    return not origin or (len(host) == 1 and (origin[0], host[0]) in SAME)


def allowed(method: str, site: list[bytes], origin: list[bytes], host: list[bytes]) -> bool:
    try:
        check_origin(
            method,
            sec_fetch_site=site,
            origin=origin,
            host=host,
            trusted_origins=frozenset({"https://trusted.example"}),
        )
    except CrossOrigin:
        return False
    return True


@pytest.mark.parametrize("method", METHODS)
def test_every_combination_is_decided_as_the_rules_say(method: str) -> None:
    wrong = [cell for cell in product(SITES, ORIGINS, HOSTS) if allowed(method, *cell) is not expected(method, *cell)]
    assert wrong == []


def test_the_grid_holds_both_answers() -> None:
    answers = [expected(method, *cell) for method, *cell in product(METHODS, SITES, ORIGINS, HOSTS)]
    assert len(answers) == 7260
    assert answers.count(True) > 1000
    assert answers.count(False) > 1000
