"""Every kind of credential presented as every other kind, wherever a credential is read.

Sources: CWE-287, CWE-1390, RFC 8725 section 2.8 and 3.11 (cross-JWT confusion), RFC 9068 section 4 (``typ``), RFC
6750 section 2 (one place, one method), OWASP ASVS 5.0 9.2.2 (a token is used for its own purpose only). Only the
right cell of the grid is accepted, and no wrong one harms the session it came from.
"""

from collections.abc import Callable, Iterator

import pytest

from advisories.raw_http import SERVICE, Answer, RawClient, bearer, jar, make_client

REFRESH = {"grant_type": "refresh_token"}
SITE = "__Host-kt_{}".format
KINDS = ("session", "refresh", "csrf", "device", "access", "service", "kid", "sid", "subject", "empty", "relabelled")


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with make_client(profile="browser-strict") as made:
        yield made


@pytest.fixture
def credentials(client: RawClient) -> dict[str, str]:
    """One login's credentials, by kind."""
    answer = client.signup(email=f"ada{len(client.refusals)}.{id(object())}@example.com")
    document, cookies = answer.json, answer.cookies
    session = cookies[SITE("session")]
    return {
        "session": session,
        "refresh": document["refresh_token"],
        "csrf": document["csrf_token"],
        "device": cookies[SITE("device")],
        "access": document["access_token"],
        "service": SERVICE,
        "kid": client.get("/.well-known/jwks.json").json["keys"][0]["kid"],
        "sid": document["sid"],
        "subject": document["subject"],
        "empty": "",
        # The kinds' keys differ, so a name that lies proves nothing.
        "relabelled": session.replace("kt_session", "kt_refresh"),
    }


Place = Callable[[RawClient, str, dict[str, str]], Answer]
PLACES: dict[str, tuple[Place, set[str]]] = {
    "bearer": (lambda client, text, _: client.get("/auth/session", bearer(text)), {"access"}),
    "bearer of a service": (
        lambda client, text, credentials: client.form(
            "/auth/introspect", {"token": credentials["access"]}, bearer(text)
        ),
        {"service"},
    ),
    "bearer of a feed reader": (lambda client, text, _: client.get("/auth/revocations", bearer(text)), {"service"}),
    "session cookie": (lambda client, text, _: client.get("/auth/session", jar({SITE("session"): text})), {"session"}),
    "access cookie": (lambda client, text, _: client.get("/auth/session", jar({SITE("access"): text})), {"access"}),
    "refresh cookie for a principal": (
        lambda client, text, _: client.get("/auth/session", jar({SITE("refresh"): text})),
        set(),
    ),
    "device cookie for a principal": (
        lambda client, text, _: client.get("/auth/session", jar({SITE("device"): text})),
        set(),
    ),
    "refresh cookie": (
        lambda client, text, credentials: client.form(
            "/auth/token", REFRESH, jar({SITE("refresh"): text}), (b"x-csrf-token", credentials["csrf"].encode())
        ),
        {"refresh"},
    ),
    "refresh_token": (
        lambda client, text, _: client.form("/auth/token", {**REFRESH, "refresh_token": text}),
        {"refresh"},
    ),
    "csrf token": (
        lambda client, text, credentials: client.json(
            "/auth/step-up",
            {"password": "a bicycle made of rain"},
            jar({SITE("session"): credentials["session"]}),
            (b"x-csrf-token", text.encode()),
        ),
        {"csrf"},
    ),
    "token to introspect": (
        lambda client, text, _: client.form("/auth/introspect", {"token": text}, bearer(SERVICE)),
        {"session", "refresh", "access"},
    ),
    "token to revoke": (
        lambda client, text, _: client.form("/auth/revoke", {"token": text}),
        {"session", "refresh", "access"},
    ),
    "query": (lambda client, text, _: client.get(f"/auth/session?access_token={text}&token={text}"), set()),
}


def accepted(answer: Answer) -> bool:
    document = answer.json
    return answer.status == 200 and document.get("active", True) and document.get("revoked", True)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.conforms("ASVS 9.2.2", "RFC 8725 3.12")
def test_a_credential_is_good_in_its_own_place_only(
    client: RawClient, credentials: dict[str, str], kind: str, place: str
) -> None:
    present, right = PLACES[place]
    assert accepted(present(client, credentials[kind], credentials)) is (kind in right)
    if kind not in right:
        assert client.alive({SITE("session"): credentials["session"]})
        assert client.get("/auth/session", bearer(credentials["access"])).status == 200
        assert client.form("/auth/token", {**REFRESH, "refresh_token": credentials["refresh"]}).status == 200


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "device"])
def test_only_a_device_cookie_is_accepted_as_a_known_device(
    client: RawClient, credentials: dict[str, str], kind: str
) -> None:
    email = f"{kind}.{credentials['sid'].lower()}@example.com"
    device = client.signup(email).cookies[SITE("device")]
    while client.login(email=email, password="wrong again and again").status == 401:
        pass
    assert client.login(jar({SITE("device"): credentials[kind]}), email=email).status == 429
    assert client.login(jar({SITE("device"): credentials["device"]}), email=email).status == 429
    assert client.login(jar({SITE("device"): device}), email=email).status == 200


@pytest.mark.conforms("RFC 6750 2")
def test_a_bad_bearer_token_is_refused_beside_a_valid_cookie(client: RawClient, credentials: dict[str, str]) -> None:
    good = jar({SITE("session"): credentials["session"]})
    for value in (b"Bearer", b"Bearer ", b"Bearer x", b"Bearer " + credentials["session"].encode()):
        assert client.get("/auth/session", good, (b"authorization", value)).status == 401
    for foreign in (b"", b"Basic YTpi"):
        assert client.get("/auth/session", (b"authorization", foreign)).status == 401
        # A browser sends Basic to a staging site at every request: it says nothing of the cookie, and CSRF rules apply.
        assert client.get("/auth/session", good, (b"authorization", foreign)).status == 200
        sent = [good, (b"authorization", foreign), (b"sec-fetch-site", b"cross-site")]
        assert client.ask("POST", "/auth/logout", sent).status == 403
    access = bearer(credentials["access"])
    assert client.get("/auth/session", good, access, access).status == 400


def test_a_bad_session_cookie_is_refused_beside_a_valid_access_cookie(
    client: RawClient, credentials: dict[str, str]
) -> None:
    cookies = {SITE("session"): credentials["refresh"], SITE("access"): credentials["access"]}
    assert client.get("/auth/session", jar(cookies)).status == 401
