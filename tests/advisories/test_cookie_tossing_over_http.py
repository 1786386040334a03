"""Cookie tossing, prefix look-alikes and the cookie sandwich, byte by byte over HTTP, under both ways of naming.

Sources as in ``test_cookie_tossing.py``: PortSwigger Research "Cookie Chaos" and "cookie sandwich" (2025), RFC
6265bis sections 4.1.3 and 8.8, RFC 9113 section 8.2.3; CWE-1275, CWE-565. The attacker controls a sibling host and
plants cookies of a login of his own in the victim's browser: the victim must never act as the attacker.
"""

from collections.abc import Iterator

import pytest

from advisories.raw_http import OTHER, OTHER_PASSWORD, RawClient, make_client

# A scheme has no case (RFC 3986 section 3.1): spelt in capitals, it once cost the cookies their prefix and Secure.
ISSUERS = {
    "https://auth.example.com": "__Host-kt_",
    "HTTPS://auth.example.com": "__Host-kt_",
    "http://auth.example.com": "kt_",
}
HIDDEN = [
    b"\x85",
    b"\xa0",
    "\u2000".encode(),
    "\u3000".encode(),
    "\u00a0".encode(),
    b"\x0b",
    b"\x1f",
    b"\t",
    b" ",
    b'"',
]


@pytest.fixture(scope="module", params=ISSUERS, ids=["__Host-", "capitals", "development"])
def client(request: pytest.FixtureRequest) -> Iterator[RawClient]:
    with make_client(issuer=request.param, audience=request.param) as made:
        made.signup(OTHER, OTHER_PASSWORD)
        made.signup()
        yield made


@pytest.fixture
def prefix(client: RawClient) -> str:
    return ISSUERS[client.parts.config.issuer]


@pytest.fixture
def victim(client: RawClient, prefix: str) -> bytes:
    return client.login().cookies[f"{prefix}session"].encode()


@pytest.fixture
def planted(client: RawClient, prefix: str) -> bytes:
    return client.login(email=OTHER, password=OTHER_PASSWORD).cookies[f"{prefix}session"].encode()


def subject(client: RawClient, *cookies: bytes) -> tuple[int, str]:
    answer = client.get("/auth/session", *[(b"cookie", each) for each in cookies])
    return answer.status, answer.json.get("subject", answer.json.get("code"))


def test_a_planted_cookie_does_not_authenticate_the_victim(
    client: RawClient, prefix: str, victim: bytes, planted: bytes
) -> None:
    name = f"{prefix}session".encode()
    names = [name, name.upper(), name.swapcase(), b"__Secure-kt_session", b"__Host-Http-kt_session", b'"' + name + b'"']
    names += [b"kt_session", b"__Host-kt_session", b"=" + name, b"%6bt_session", *(each + name for each in HIDDEN)]
    names += [name + each for each in HIDDEN]
    mine = name + b"=" + victim
    who = client.get("/auth/session", (b"cookie", mine)).json["subject"]
    for tossed in names:
        fixed = tossed + b"=" + planted
        for cookies in (
            [fixed + b"; " + mine],
            [mine + b"; " + fixed],
            [fixed, mine],
            [mine, fixed],
            [b"a=1;" + fixed],
        ):
            status, said = subject(client, *cookies)
            alone = cookies == [b"a=1;" + fixed]
            assert (status, said) in {(200, who), (400, "bad_request"), (401, "unauthenticated")} or (
                alone and tossed in (name, b" " + name)
            ), (tossed, cookies)
    assert subject(client, mine) == (200, who)
    assert subject(client, name + b"=" + planted)[0] == 200


@pytest.mark.parametrize(
    "around",
    [
        b'$Version=1; a="x; %s; b=y"',
        b'a="x; %s; b=y"',
        b'%s; b="; c="',
        b"a=1; $Path=/; %s",
        b'a="; %s"',
    ],
)
def test_a_cookie_between_quotes_is_not_carried_anywhere(
    client: RawClient, prefix: str, victim: bytes, around: bytes
) -> None:
    mine = f"{prefix}session=".encode() + victim
    status, said = subject(client, around % mine)
    # Read plainly (a neighbour's quotes after ours) or refused: never seen as a part of another cookie.
    assert (status, said) == (400, "bad_request") or (status == 200 and around.startswith(b"%s"))


def test_quotes_escapes_and_foreign_alphabets_are_no_spelling_of_our_value(
    client: RawClient, prefix: str, victim: bytes
) -> None:
    name = f"{prefix}session=".encode()
    values = [
        b'"' + victim + b'"',
        victim.replace(b".", b"%2e"),
        victim + b"=",
        b" " + victim,
        victim + b" ; a=1",
        b'\\"',
    ]
    for value in (*values, victim.replace(b"_", b"\\137"), victim + b"\xa0", victim + b"\x00", victim + b",a=1"):
        assert subject(client, name + value)[0] in (400, 401), value


def test_a_login_succeeds_in_spite_of_tossed_cookies(client: RawClient, prefix: str, planted: bytes) -> None:
    """The victim's way out: a login ends nothing of his, and answers with a cookie of his own."""
    for role in ("session", "access", "refresh", "device"):
        name = f"{prefix}{role}=".encode()
        tossed = name + planted + b"; " + name + planted
        answer = client.login((b"cookie", tossed))
        assert answer.status == 200, role
        assert client.get("/auth/session", (b"cookie", name.replace(role.encode(), b"session") + planted)).status == 200


def test_a_fresh_login_ends_the_planted_session_and_keeps_its_own(
    client: RawClient, prefix: str, planted: bytes
) -> None:
    name = f"{prefix}session=".encode()
    fresh = client.login((b"cookie", name + planted))
    mine = fresh.cookies[f"{prefix}session"].encode()
    assert mine != planted
    assert subject(client, name + planted)[0] == 401
    assert client.get("/auth/session", (b"cookie", name + mine)).json["subject"] == fresh.json["subject"]


def test_too_many_cookies_are_refused_before_they_are_read(client: RawClient, prefix: str, victim: bytes) -> None:
    mine = f"{prefix}session=".encode() + victim
    assert subject(client, b"a=" + b"x" * 17_000 + b"; " + mine) == (431, "headers_too_large")
    assert subject(client, *[b"a=1"] * 99, mine)[0] == 431


def test_every_cookie_is_pinned_as_the_issuer_allows(client: RawClient, prefix: str) -> None:
    for deliver in ("both", "token-cookies"):
        for line in client.login(deliver=deliver).values("set-cookie"):
            attributes = set(line.split("; ")[1:])
            assert line.startswith(prefix)
            assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= attributes
            assert ("Secure" in attributes) is prefix.startswith("__Host-")
            assert not any(each.startswith("Domain") for each in attributes)
