"""The cookie cache of AuthMiddleware: when it is used, and when the store is read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from integrations.guarded_app import PASSWORD, GuardedIssuer, cookie, run
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import StoreUnavailable
from keyturn.web.issuer_authenticator import MAX_CACHED_HEADER_BYTES


def test_a_cookie_seen_before_needs_no_flow(issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    presented = cookie(issuer_app.login())
    flows = issuer_app.count_flows(monkeypatch)
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        assert issuer_app.ask(presented, method=method).status == 200
    assert len(flows) == 1


def test_a_revoked_session_is_refused_from_the_next_request_on(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    assert issuer_app.ask(cookie(issued)).status == issuer_app.ask(cookie(issued)).status == 200
    run(issuer_app.issuer.logout(issued.session.sid))
    assert issuer_app.ask(cookie(issued)).code == "token_revoked"
    assert issuer_app.cached_cookies == 0


@pytest.mark.parametrize("kind", list(RevocationKind))
def test_a_revocation_of_the_feed_evicts_a_cached_cookie(
    issuer_app: GuardedIssuer, kind: RevocationKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    issuer_app.ask(cookie(issued))
    issuer_app.ask(cookie(issued))
    flows = issuer_app.count_flows(monkeypatch)
    subject, client = issued.session.subject, issued.session.client.client_id
    key = {
        RevocationKind.SESSION: issued.session.sid,
        RevocationKind.SUBJECT: subject,
        RevocationKind.CLIENT: client,
        RevocationKind.EVERYTHING: "",
    }[kind]
    now = Instant(int(issuer_app.clock.now))
    issuer_app.session_cache.apply(Revocation(kind, key, ENDED, now, Instant(now + 600), 99))
    # The store, which has not heard of it, is the truth: what counts here is that it was asked.
    issuer_app.ask(cookie(issued))
    assert len(flows) == 1


def test_a_renewed_session_voids_the_cookie_before(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    assert issuer_app.ask(cookie(issued)).status == issuer_app.ask(cookie(issued)).status == 200
    renewed = run(issuer_app.issuer.step_up(issued.session.sid, PASSWORD, deliver="cookie"))
    assert issuer_app.ask(cookie(issued)).code == "token_revoked"
    assert issuer_app.ask(cookie(renewed)).status == 200
    assert issuer_app.ask(cookie(issued)).code == "token_revoked"
    assert issuer_app.ask(cookie(renewed)).status == 200


def test_a_stale_feed_sends_every_request_to_the_store(
    issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    issuer_app.ask(cookie(issued))
    issuer_app.ask(cookie(issued))
    flows = issuer_app.count_flows(monkeypatch)
    issuer_app.monotonic.now += 5.5
    assert issuer_app.ask(cookie(issued)).status == issuer_app.ask(cookie(issued)).status == 200
    assert (len(flows), issuer_app.cached_cookies) == (2, 0)
    issuer_app.refresh_feed()
    issuer_app.ask(cookie(issued))
    issuer_app.ask(cookie(issued))
    assert len(flows) == 3


def test_a_stale_feed_without_a_store_is_503_and_keeps_the_session(
    issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    issuer_app.ask(cookie(issued))
    issuer_app.monotonic.now += 5.5

    async def down(*_: object) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(issuer_app.parts.ports.sessions, "load", down, raising=False)
        answer = issuer_app.ask(cookie(issued))
    assert (answer.status, answer.code) == (503, "revocation_unknown")
    assert answer.headers[b"retry-after"] == b"1"
    assert b"set-cookie" not in answer.headers
    issuer_app.refresh_feed()
    assert issuer_app.ask(cookie(issued)).status == 200


def test_an_idle_session_ends_by_the_clock(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    issuer_app.ask(cookie(issued))
    issuer_app.ask(cookie(issued))
    issuer_app.clock.now += issuer_app.parts.config.profile.session.inactivity_seconds
    assert issuer_app.ask(cookie(issued)).code == "session_ended"


def test_a_busy_session_ends_at_its_overall_timeout(make: Callable[..., GuardedIssuer]) -> None:
    issuer_app = make("nist-aal2")
    issued = issuer_app.login()
    end = issued.session.created_at + issuer_app.parts.config.profile.session.overall_seconds
    while issuer_app.clock.now + 1800 < end:
        issuer_app.clock.now += 1800
        assert issuer_app.ask(cookie(issued)).status == 200
    issuer_app.clock.now = end - 0.5
    assert issuer_app.ask(cookie(issued)).status == issuer_app.ask(cookie(issued)).status == 200
    issuer_app.clock.now = end
    assert issuer_app.ask(cookie(issued)).code == "session_ended"


def test_a_due_touch_is_written_once(issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = issuer_app.login()
    issuer_app.ask(cookie(issued))
    flows = issuer_app.count_flows(monkeypatch)
    issuer_app.clock.now += issuer_app.parts.config.profile.session.touch_seconds
    for _ in range(3):
        assert issuer_app.ask(cookie(issued)).status == 200
    assert len(flows) == 1
    found = run(issuer_app.parts.ports.sessions.load(issued.session.sid))
    assert found.session.last_seen_at == int(issuer_app.clock.now)


def test_a_session_that_changed_meanwhile_is_not_remembered(
    issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    issuer_app.ask(cookie(issued))
    found = issuer_app.session_cache.get(issued.session.sid)
    assert found is not None
    renewed = replace(found, session=replace(found.session, renewals=1, version=found.session.version + 1))
    from keyturn.web import issuer_authenticator

    authenticate = issuer_authenticator.authenticate

    def renew_in_between(*arguments: Any) -> Any:
        caller = yield from authenticate(*arguments)
        issuer_app.session_cache.put(renewed)
        return caller

    issuer_app.sessions._cookies.clear()
    monkeypatch.setattr(issuer_authenticator, "authenticate", renew_in_between)
    assert issuer_app.ask(cookie(issued)).status == 200
    assert issuer_app.cached_cookies == 0


def test_the_memory_is_bounded(make: Callable[..., GuardedIssuer]) -> None:
    issuer_app = make(cookie_cache_size=3)
    name, value = cookie(issuer_app.login())
    for number in range(5):
        assert issuer_app.ask((name, b"%s; n=%d" % (value, number))).status == 200
    assert issuer_app.cached_cookies == 3
    issuer_app.ask((name, value + b"; n=" + b"x" * MAX_CACHED_HEADER_BYTES))
    assert issuer_app.cached_cookies == 3
