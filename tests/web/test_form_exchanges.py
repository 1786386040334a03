"""Forms over every application: each origin by each hidden token by each state of the cookies, against the rules.

Sources: OWASP Cross-Site Request Forgery Prevention Cheat Sheet; "Robust Defenses for Cross-Site Request Forgery"
(Barth et al. 2008: login CSRF); W3C Fetch Metadata. The rules are written out again below.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from keyturn.server.app import build_app
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.form_token import FormToken
from keyturn.web.pages import AsgiPages, WsgiPages
from keyturn.web.wsgi import WsgiEndpoints
from web.exchanges import (
    FORM,
    HOST,
    PASSWORD,
    Answer,
    Sent,
    asgi_scope,
    open_async,
    open_sync,
    send_asgi,
    send_wsgi,
    wsgi_environ,
)

SESSION, FORM_COOKIE = "__Host-kt_session", "__Host-kt_form"
TRUSTED, APP = "https://app.example.net", "capacitor://localhost"
NEXT, BACK = "/account?a=1&b=2", "/login?lang=de"
APPLICATIONS = ("asgi", "wsgi", "serve")
PROFILES = ("browser", "browser-strict")

OWN = "https://auth.example.com"
ORIGINS: dict[tuple[str | None, str | None], bool] = {
    (None, None): True,
    ("same-origin", None): True,
    ("same-origin", "null"): True,
    ("none", None): True,
    (None, OWN): True,
    ("cross-site", TRUSTED): True,
    ("same-site", None): False,
    ("same-site", "https://other.example.com"): False,
    ("cross-site", "https://evil.example"): False,
    (None, "https://evil.example"): False,
    (None, "null"): False,
    (None, APP): False,
    ("cross-site", APP): False,
}
"""Sec-Fetch-Site and Origin of a form, and whether its site may send one."""
TOKENS = ("none", "garbage", "form", "other form", "session", "other session")
STATES = ("none", "form", "form twice", "dead", "malformed", "session twice", "live", "live and form")
HAS_FORM = ("form", "dead", "malformed", "session twice", "live and form")
HAS_LIVE = ("live", "live and form")


class Site:
    """One application, and the pages of an application beside it."""

    def __init__(self, name: str, **changes: Any) -> None:
        self.issuer: Any = open_sync(**changes) if name == "wsgi" else open_async(**changes)
        made = {"asgi": AsgiEndpoints, "wsgi": WsgiEndpoints, "serve": build_app}
        self._app = made[name](self.issuer)
        self._send = send_wsgi if name == "wsgi" else send_asgi

    def post(self, path: str, fields: dict[str, str], *headers: tuple[bytes, bytes]) -> Answer:
        return self._send(self._app, Sent("POST", path, (HOST, FORM, *headers), urlencode(fields).encode()))

    def get(self, path: str, *headers: tuple[bytes, bytes]) -> Answer:
        return self._send(self._app, Sent("GET", path, (HOST, *headers)))

    def page(self, cookie: str = "") -> FormToken:
        """Return the token for a page that this browser asks for."""
        sent = Sent("GET", "/login", (HOST, (b"cookie", cookie.encode())) if cookie else (HOST,))
        if isinstance(self._app, WsgiEndpoints):
            return WsgiPages(self.issuer).form_token(wsgi_environ(sent))
        return asyncio.run(AsgiPages(self.issuer).form_token(asgi_scope(sent)))


@contextmanager
def running(name: str, **changes: Any) -> Iterator[Site]:
    site = Site(name, trusted_origins=f"{TRUSTED},{APP}", **changes)
    yield site
    site.issuer.parts.hasher.close()


def pairs(answer_or_cookies: Answer | tuple[str, ...]) -> dict[str, str]:
    """Return the cookies that are set, without those that are cleared."""
    if isinstance(answer_or_cookies, Answer):
        lines = [each.decode() for each in answer_or_cookies.values(b"set-cookie")]
    else:
        lines = list(answer_or_cookies)
    found = (line.partition(";")[0].partition("=") for line in lines)
    return {name: value for name, _, value in found if value}


def jar(*cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for each in cookies for name, value in each.items())


class Victim:
    """A browser in every state, with the tokens of its own pages and of an attacker's."""

    def __init__(self, site: Site) -> None:
        page, other = site.page(), site.page()
        live, dead, attacker = (self._sign_up(site, name) for name in ("ada", "old", "eve"))
        logout = {"csrf_token": site.page(jar(dead)).token.reveal()}
        assert site.post("/auth/logout", logout, (b"cookie", jar(dead).encode())).status == 303
        form = pairs(page.cookies)
        self.states = {
            "none": "",
            "form": jar(form),
            "form twice": jar(form, form),
            "dead": jar(dead, form),
            "malformed": jar({SESSION: "x"}, form),
            "session twice": jar(live, live, form),
            "live": jar(live),
            "live and form": jar(live, form),
        }
        self.tokens = {
            "none": "",
            "garbage": "kt_form_" + "A" * 22 + ".1." + "A" * 52,
            "form": page.token.reveal(),
            "other form": other.token.reveal(),
            "session": site.page(jar(live)).token.reveal(),
            "other session": site.page(jar(attacker)).token.reveal(),
        }

    @staticmethod
    def _sign_up(site: Site, name: str) -> dict[str, str]:
        page = site.page()
        fields = {"email": f"{name}@example.com", "password": PASSWORD, "csrf_token": page.token.reveal()}
        answer = site.post("/auth/signup", fields, (b"cookie", jar(pairs(page.cookies)).encode()))
        assert (answer.status, answer.values(b"location")) == (303, [b"/"])
        return {SESSION: pairs(answer)[SESSION]}


def headers_of(origin: tuple[str | None, str | None], cookie: str) -> list[tuple[bytes, bytes]]:
    named = [(b"sec-fetch-site", origin[0]), (b"origin", origin[1]), (b"cookie", cookie or None)]
    return [(name, value.encode()) for name, value in named if value is not None]


def outcome(answer: Answer) -> str:
    """Return ``done``, or the code of the refusal; check that only a success sets cookies and goes to ``next``."""
    if answer.status != 303:
        assert pairs(answer) == {}
        return answer.body.decode().partition('"code":"')[2].partition('"')[0]
    (location,) = (each.decode() for each in answer.values(b"location"))
    assert answer.values(b"cache-control") == [b"no-store"]
    if location == NEXT:
        return "done"
    path, _, query = location.partition("?")
    facts = {name: value for name, (value,) in parse_qs(query).items()}
    assert (path, facts["lang"], facts["next"], answer.values(b"set-cookie")) == ("/login", "de", NEXT, [])
    return facts["error"]


def is_token_needed(origin: tuple[str | None, str | None], profile: str) -> bool:
    return profile == "browser-strict" or origin == (None, None)


def expect_login(profile: str, origin: tuple[str | None, str | None], token: str, state: str) -> str:
    """Dead, malformed and repeated cookies count as none."""
    if not ORIGINS[origin]:
        return "cross_origin"
    matches = (token == "form" and state in HAS_FORM) or (token == "session" and state in HAS_LIVE)
    return "invalid_member" if matches or not is_token_needed(origin, profile) else "csrf_token_required"


def expect_password(profile: str, origin: tuple[str | None, str | None], token: str, state: str) -> str:
    if not ORIGINS[origin]:
        return "cross_origin"
    if state not in HAS_LIVE:
        refused = {"dead": "token_revoked", "malformed": "token_malformed", "session twice": "bad_request"}
        return refused.get(state, "unauthenticated")
    return "invalid_member" if token == "session" or not is_token_needed(origin, profile) else "csrf_token_required"


EXPECT = {
    "/auth/login": expect_login,
    "/auth/signup": expect_login,
    "/auth/password": expect_password,
    "/auth/step-up": expect_password,
}
"""A password is missing in each form: ``invalid_member`` shows that the form was let through, and nothing changes."""
PATHS = {"wsgi": tuple(EXPECT), "asgi": ("/auth/login", "/auth/password"), "serve": ("/auth/login", "/auth/password")}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.conforms("ASVS 3.5.1", "ASVS 3.5.2")
def test_a_form_is_answered_as_the_rules_say(name: str, profile: str) -> None:
    with running(name, profile=profile) as site:
        victim, wrong = Victim(site), []
        for path, origin, token, state in product(PATHS[name], ORIGINS, TOKENS, STATES):
            fields = {"csrf_token": victim.tokens[token], "next": NEXT, "back": BACK, "email": "ada@example.com"}
            found = outcome(site.post(path, fields, *headers_of(origin, victim.states[state])))
            if found != EXPECT[path](profile, origin, token, state):
                wrong.append((path, origin, token, state, found))
        assert wrong == []


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", APPLICATIONS)
def test_forms_sign_up_log_in_confirm_change_and_log_out(name: str, profile: str) -> None:
    with running(name, profile=profile) as site:
        cookies: dict[str, str] = {}

        def submit(path: str, **fields: str) -> str:
            page = site.page(jar(cookies))
            cookies.update(pairs(page.cookies))
            sent = {"next": NEXT, "back": BACK, "csrf_token": page.token.reveal(), **fields}
            answer = site.post(path, sent, (b"cookie", jar(cookies).encode()))
            for line in answer.values(b"set-cookie"):
                cookies.pop(line.partition(b"=")[0].decode(), None)
            cookies.update(pairs(answer))
            return outcome(answer)

        ada = {"email": "ada@example.com", "password": PASSWORD}
        assert submit("/auth/signup", **ada) == "done"
        assert set(cookies) == {FORM_COOKIE, SESSION, "__Host-kt_device"}
        first = cookies[SESSION]
        assert submit("/auth/step-up", password=PASSWORD) == "done"
        assert cookies[SESSION] != first
        changed = "quite another gravel thistle"
        assert submit("/auth/password", current_password=PASSWORD, new_password="short") == "password_rejected"
        assert submit("/auth/password", current_password=PASSWORD, new_password=changed) == "done"
        assert site.get("/auth/session", (b"cookie", jar(cookies).encode())).status == 200
        ended = dict(cookies)
        assert submit("/auth/logout") == "done"
        assert SESSION not in cookies
        assert site.get("/auth/session", (b"cookie", jar(ended).encode())).status == 401
        assert submit("/auth/login", **ada) == "login_failed"
        assert submit("/auth/signup", **ada) == "account_exists"
        assert submit("/auth/login", **ada | {"password": changed}) == "done"
        assert submit("/auth/logout-all") == "done"
        assert set(cookies) == {FORM_COOKIE, "__Host-kt_device"}


def test_a_form_below_another_prefix_is_answered_alike() -> None:
    issuer = open_async()
    app = AsgiEndpoints(issuer, prefix="/id")
    ada = {"email": "ada@example.com", "password": PASSWORD, "next": NEXT, "back": BACK}
    headers = (HOST, FORM, (b"sec-fetch-site", b"same-origin"))
    first, second, third = (
        send_asgi(app, Sent("POST", path, headers, urlencode(fields).encode()))
        for path, fields in (("/id/signup", ada), ("/id/login", ada | {"password": "wrong"}), ("/auth/login", ada))
    )
    assert (outcome(first), outcome(second), third.status) == ("done", "login_failed", 404)
    issuer.parts.hasher.close()
