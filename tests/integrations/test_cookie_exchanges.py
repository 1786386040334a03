"""A cookie by role, condition and kind of route: a dead credential is never worse than none.

The routes are those of the login server, and pages behind AuthMiddleware.
"""

from collections.abc import Iterator

import pytest

from advisories.raw_http import EMAIL, PASSWORD, Answer, bearer
from integrations.cookie_site import (
    CONDITIONS,
    CONFIGURATIONS,
    CREDENTIAL_ROLES,
    DELIVERIES,
    CookieSite,
    jar_after,
    open_site,
)

CROSS_SITE = (b"sec-fetch-site", b"cross-site")
BASIC = (b"authorization", b"Basic YTpi")
PUBLIC = ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/openapi.json", "/docs/errors")


@pytest.fixture(scope="module", params=CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
def configured(request: pytest.FixtureRequest) -> Iterator[CookieSite]:
    with open_site(**request.param) as site:
        yield site


@pytest.fixture
def site(configured: CookieSite) -> CookieSite:
    configured.wrap(False)
    return configured


def ask(site: CookieSite, path: str, cookie: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Answer:
    return site.client.ask(method, path, [(b"cookie", cookie.encode("latin-1")), *headers])


def result(answer: Answer) -> tuple[int, str | None]:
    """Return the status with the session id of the caller, or with the code of the refusal."""
    return answer.status, answer.json["sid" if answer.status == 200 else "code"]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("role", CREDENTIAL_ROLES)
def test_a_useless_cookie_is_refused_on_protected_and_anonymous_on_optional_routes(
    site: CookieSite, role: str, condition: str
) -> None:
    cookie = site.cookie(role, condition)
    for path in ("/private", "/auth/session"):
        assert result(ask(site, path, cookie)) == CONDITIONS[condition], path
    for method in ("GET", "POST"):
        assert result(ask(site, "/public", cookie, method=method)) == (200, None)
        assert result(ask(site, "/public", cookie, BASIC, method=method)) == (200, None)


@pytest.mark.parametrize("is_wrapped", [False, True], ids=["server", "behind the middleware"])
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("role", DELIVERIES)
def test_a_useless_cookie_is_no_obstacle_to_login_signup_token_and_metadata(
    site: CookieSite, role: str, condition: str, is_wrapped: bool
) -> None:
    cookie, refresh = site.cookie(role, condition), site.signup("tokens").json["refresh_token"]
    site.wrap(is_wrapped)
    sent = (b"cookie", cookie.encode("latin-1"))
    for deliver in ("cookie", "token-cookies"):
        answer = site.client.login(sent, deliver=deliver)
        assert answer.status == 200
        healed = (b"cookie", jar_after(cookie, answer))
        for path in ("/private", "/public", "/auth/session"):
            assert result(site.client.get(path, healed)) == (200, answer.json["sid"]), (path, healed)
    body = {"email": f"{role}-{condition}-{is_wrapped}@example.com".replace(" ", "-"), "password": PASSWORD}
    assert site.client.json("/auth/signup", body, sent).status == 201
    grant = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert site.client.form("/auth/token", grant, sent).status == 200
    assert {site.client.get(path, sent).status for path in PUBLIC} == {200}


@pytest.mark.parametrize("role", CREDENTIAL_ROLES)
def test_a_live_cookie_is_accepted_beside_those_of_other_names(site: CookieSite, role: str) -> None:
    login, value = site.live(role)
    own, name = f"{site.policy.name(role)}={value}", site.policy.name("device")
    other = site.live(role)[1]
    beside = [f"{each}={text}" for each in site.look_alikes(role) for text in (site.dead(role), other, "x y", "")]
    for each in (*beside, "; ".join(beside), f"{name}=a b; {name}=c", f"{site.policy.name('refresh')}=forged"):
        for cookie in (f"{own}; {each}", f"{each}; {own}"):
            for path in ("/private", "/public", "/auth/session"):
                assert result(ask(site, path, cookie)) == (200, login.json["sid"]), (path, each)
    assert result(ask(site, "/public", own, BASIC)) == (200, login.json["sid"])


def test_a_refresh_cookie_is_read_beside_those_of_other_names(site: CookieSite) -> None:
    login, value = site.live("refresh")
    foreign = "; ".join(f"{each}=x" for each in site.look_alikes("refresh"))
    cookie = f"{foreign}; {site.policy.name('refresh')}={value}".encode("latin-1")
    answer = site.client.form("/auth/token", {"grant_type": "refresh_token"}, (b"cookie", cookie))
    assert (answer.status, answer.json["sid"]) == (200, login.json["sid"])


def test_a_device_cookie_is_read_beside_those_of_other_names(site: CookieSite) -> None:
    login = site.client.login(deliver="cookie")
    value = site.value("device", login)
    foreign = "; ".join(f"{each}=x" for each in site.look_alikes("device"))
    for cookie in (f"{foreign}; {site.policy.name('device')}={value}", f"{foreign}"):
        answer = site.client.login((b"cookie", cookie.encode("latin-1")), deliver="cookie")
        assert (site.value("device", answer) == value) is (value in cookie)


def test_a_live_access_cookie_is_not_tried_after_a_dead_session_cookie(site: CookieSite) -> None:
    value = site.live("access")[1]
    cookie = f"{site.cookie('session', 'dead')}; {site.policy.name('access')}={value}"
    assert result(ask(site, "/private", cookie)) == (401, "token_revoked")
    assert result(ask(site, "/public", cookie)) == (200, None)


@pytest.mark.parametrize("role", CREDENTIAL_ROLES)
def test_another_site_is_refused_with_a_live_cookie_and_anonymous_with_a_dead_one(site: CookieSite, role: str) -> None:
    live, dead = f"{site.policy.name(role)}={site.live(role)[1]}", site.cookie(role, "dead")
    for path in ("/private", "/public"):
        assert result(ask(site, path, live, CROSS_SITE, method="POST")) == (403, "cross_origin")
    assert result(ask(site, "/private", dead, CROSS_SITE, method="POST")) == (403, "cross_origin")
    assert result(ask(site, "/public", dead, CROSS_SITE, method="POST")) == (200, None)
    login = {"email": EMAIL, "password": PASSWORD}
    assert site.client.json("/auth/login", login, CROSS_SITE, (b"cookie", dead.encode())).status == 403


@pytest.mark.parametrize("condition", ["live", *CONDITIONS])
@pytest.mark.conforms("RFC 6750 3.1")
def test_a_bad_bearer_token_is_refused_on_optional_routes(site: CookieSite, condition: str) -> None:
    cookie = (
        f"{site.policy.name('session')}={site.live('session')[1]}"
        if condition == "live"
        else site.cookie("session", condition)
    )
    revoked = site.signup("tokens").json["access_token"]
    assert site.client.json("/auth/logout", {}, bearer(revoked)).status == 200
    for token, code in ((revoked, "token_revoked"), ("x", "token_malformed"), ("a b", "token_malformed")):
        for path in ("/private", "/public"):
            assert result(ask(site, path, cookie, bearer(token))) == (401, code)
    assert result(ask(site, "/public", cookie, bearer(revoked), BASIC)) == (400, "bad_request")


def test_cookies_that_are_too_large_are_431_on_pages_and_no_obstacle_to_login(site: CookieSite) -> None:
    cookie = "a=" + "x" * 17_000
    for path in ("/private", "/public"):
        assert result(ask(site, path, cookie)) == (431, "headers_too_large")
    assert site.client.login((b"cookie", cookie.encode())).status == 200


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("role", CREDENTIAL_ROLES)
def test_a_login_survives_the_late_refusal_of_a_request_with_the_cookie_before(
    site: CookieSite, role: str, condition: str
) -> None:
    """Two tabs: the refusal of a slow request arrives after the login in the other tab. It must clear no cookie."""
    cookie = site.cookie(role, condition)
    late = [ask(site, path, cookie) for path in ("/private", "/auth/session", "/auth/sessions")]
    late += [ask(site, "/auth/logout", cookie, method="POST")]
    login = site.client.login((b"cookie", cookie.encode("latin-1")), deliver=DELIVERIES[role])
    jar = jar_after(cookie, login).decode("latin-1")
    for refusal in late:
        assert refusal.status in (400, 401)
        jar = jar_after(jar, refusal).decode("latin-1")
    assert site.client.get("/auth/session", (b"cookie", jar.encode("latin-1"))).json["sid"] == login.json["sid"]
