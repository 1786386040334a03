"""Revocation, introspection and the feed."""

from dataclasses import replace
from typing import Any

import pytest

from keyturn.core.revocation import GenerationIncrement
from keyturn.core.types import Instant, Subject
from web.browser import SERVICE_TOKEN, Browser, document, header, set_cookies, text

NOTHING = {"revoked": False, "sequence": 0, "within_seconds": 0}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_the_holder_of_a_token_can_revoke_it(browser: Browser, kind: str) -> None:
    issued = document(browser.signup("tokens"))
    reply = browser.other().form("/auth/revoke", {"token": str(issued[kind]), "token_type_hint": "nonsense"})
    assert (reply.status, document(reply)) == (200, {"revoked": True, "sequence": 1, "within_seconds": 5})
    assert browser.get("/auth/session", str(issued["access_token"])).status == 401


def test_a_session_token_can_be_revoked_too(browser: Browser) -> None:
    browser.signup("cookie")
    token = browser.cookies["__Host-kt_session"]
    assert document(browser.other().form("/auth/revoke", {"token": token}))["revoked"] is True
    assert browser.get("/auth/session").status == 401


@pytest.mark.parametrize("token", ["x", "kt_refresh_x", "a.b.c", "kt_csrf_x", "é"])
def test_an_unknown_token_is_no_error(browser: Browser, token: str) -> None:
    reply = browser.form("/auth/revoke", {"token": token})
    assert (reply.status, document(reply)) == (200, NOTHING)


def test_revoking_a_token_of_a_purged_session_is_no_error(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "access_token")
    browser.ports.sessions.purge(Instant(2**40))
    assert document(browser.form("/auth/revoke", {"token": token})) == NOTHING


def test_a_revocation_without_a_token_is_an_invalid_request(browser: Browser) -> None:
    reply = browser.form("/auth/revoke", {})
    assert (reply.status, document(reply)["error"], document(reply)["member"]) == (400, "invalid_request", "token")


def test_introspection_returns_the_state_of_a_token(browser: Browser) -> None:
    issued = document(browser.signup("tokens"))
    token = {"token": str(issued["access_token"])}
    reply = browser.form("/auth/introspect", token, SERVICE_TOKEN)
    assert header(reply, b"cache-control") == "no-store"
    assert (document(reply)["active"], document(reply)["sub"]) == (True, issued["subject"])
    browser.post("/auth/logout", token=str(issued["access_token"]))
    assert document(browser.form("/auth/introspect", token, SERVICE_TOKEN)) == {"active": False}
    assert document(browser.form("/auth/introspect", {"token": "x"}, SERVICE_TOKEN)) == {"active": False}


@pytest.mark.parametrize("token", [None, "wrong"])
def test_introspection_requires_a_service_token(browser: Browser, token: str | None) -> None:
    reply = browser.form("/auth/introspect", {"token": "x"}, token)
    assert (reply.status, document(reply)["error"]) == (401, "invalid_client")
    assert (header(reply, b"www-authenticate") or "").startswith("Bearer")


def test_the_feed_is_a_snapshot_followed_by_increments(browser: Browser) -> None:
    sid = text(browser.signup("cookie"), "sid")
    browser.post("/auth/logout")
    snapshot = browser.get("/auth/revocations", SERVICE_TOKEN)
    assert header(snapshot, b"vary") == "accept"
    (entry,) = document(snapshot)["entries"]  # type: ignore[misc]
    assert entry == {
        "sequence": 1,
        "kind": "session",
        "key": sid,
        "value": 2**63 - 1,
        "at": browser.now,
        "expires_at": browser.now + browser.site.issuer_config.profile.token.retired_seconds,
    }
    assert document(browser.get("/auth/revocations?after=0", SERVICE_TOKEN)) == document(snapshot)
    later = document(browser.get("/auth/revocations?after=1", SERVICE_TOKEN))
    unchanged = {"nonce": "", "mark": "", "restored": False, "now": browser.now}
    assert later == {"entries": [], "sequence": 1, "complete": True, "log": later["log"], **unchanged}
    assert later["log"] == document(browser.get("/auth/revocations", SERVICE_TOKEN))["log"]
    assert document(browser.get("/auth/revocations?after=7", SERVICE_TOKEN))["complete"] is False


def test_a_long_snapshot_comes_in_pages(browser: Browser) -> None:
    sessions, now = browser.ports.sessions, Instant(browser.now)
    for number in range(2500):
        sessions.increment_generation(GenerationIncrement(Subject(f"s{number}"), now, Instant(now + 600)))
    keys: list[str] = []
    query, ends = "", []
    while len(ends) < 3:
        page: Any = document(browser.get(f"/auth/revocations{query}", SERVICE_TOKEN))
        keys += [each["key"] for each in page["entries"]]
        ends.append(page["sequence"])
        query = f"?seed={page['sequence']}"
    assert (ends, keys) == ([1000, 2000, 2500], [f"s{number}" for number in range(2500)])
    # A snapshot has no gap: what was purged before it began, or while it was read, stops nothing any more.
    sessions.purge(Instant(2**40))
    for query in ("?seed=0", "?seed=1000"):
        page = document(browser.get(f"/auth/revocations{query}", SERVICE_TOKEN))
        assert (page["entries"], page["sequence"], page["complete"]) == ([], 2500, True)
    assert document(browser.get("/auth/revocations?after=1000", SERVICE_TOKEN))["complete"] is False


def test_after_and_seed_exclude_each_other(browser: Browser) -> None:
    reply = browser.get("/auth/revocations?after=1&seed=1", SERVICE_TOKEN)
    assert (reply.status, document(reply)["member"]) == (400, "seed")


@pytest.mark.parametrize("after", ["-1", "01", "x", "1.0", "9" * 19, "%2B1", "1%0A"])
def test_a_sequence_number_is_a_plain_number(browser: Browser, after: str) -> None:
    reply = browser.get(f"/auth/revocations?after={after}", SERVICE_TOKEN)
    assert (reply.status, document(reply)["member"]) == (400, "after")


def test_a_feed_reply_echoes_the_nonce(browser: Browser) -> None:
    for query in ("?nonce=aZ_-09", "?after=0&nonce=aZ_-09", "?seed=0&nonce=aZ_-09"):
        assert document(browser.get(f"/auth/revocations{query}", SERVICE_TOKEN))["nonce"] == "aZ_-09"


@pytest.mark.parametrize("nonce", ["a" * 65, "a%0A", "%22", "a.b"])
def test_a_nonce_is_a_short_word(browser: Browser, nonce: str) -> None:
    reply = browser.get(f"/auth/revocations?nonce={nonce}", SERVICE_TOKEN)
    assert (reply.status, document(reply)["member"]) == (400, "nonce")


@pytest.mark.parametrize("token", [None, "wrong"])
def test_the_feed_requires_a_service_token(browser: Browser, token: str | None) -> None:
    reply = browser.get("/auth/revocations", token)
    assert (reply.status, set_cookies(reply)) == (401, {})


def test_an_open_feed_needs_no_token(browser: Browser) -> None:
    browser.site = replace(browser.site, open_feed=True)
    assert browser.get("/auth/revocations").status == 200
    assert browser.form("/auth/introspect", {"token": "x"}).status == 401
