"""The cache of bearer tokens in an issuer's own application: what it accepts, and what it leaves to the flow."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.guarded_app import PASSWORD, GuardedIssuer, bearer, cookie, run
from keyturn.config.components import Components
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant


def use_twice(app: GuardedIssuer, issued: Any) -> None:
    assert [app.ask(bearer(issued)).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PURGE"])
def test_a_token_seen_before_needs_no_flow(
    issuer_app: GuardedIssuer, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    flows = issuer_app.count_flows(monkeypatch)
    assert [issuer_app.ask(bearer(issued), method=method).status for _ in range(3)] == [200, 200, 200]
    assert len(flows) == 1
    assert {each.credential for each in issuer_app.app.callers if each} == {"access"}


def test_a_token_is_accepted_from_the_cache_beside_a_cookie_of_another_account(issuer_app: GuardedIssuer) -> None:
    ada, eve = issuer_app.login("ada"), issuer_app.login("eve")
    use_twice(issuer_app, ada)
    assert issuer_app.ask(bearer(ada), cookie(eve)).status == 200
    assert [each.subject for each in issuer_app.app.callers[-1:] if each] == [ada.session.subject]


def test_two_authorization_headers_are_refused_although_one_is_cached(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    assert issuer_app.ask(bearer(issued), bearer(issued)).code == "bad_request"


@pytest.mark.parametrize("spelling", [b"bearer %s", b"Bearer  %s", b"Bearer %s ", b"BEARER %s"])
def test_another_spelling_of_the_header_is_judged_by_the_flow(
    issuer_app: GuardedIssuer, spelling: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    flows = issuer_app.count_flows(monkeypatch)
    token = bearer(issued)[1].removeprefix(b"Bearer ")
    issuer_app.ask((b"authorization", spelling % token))
    assert len(flows) == 1


@pytest.mark.parametrize("kind", list(RevocationKind))
def test_a_revocation_of_the_feed_refuses_a_cached_token(issuer_app: GuardedIssuer, kind: RevocationKind) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    session, now = issued.session, Instant(int(issuer_app.clock.now))
    key, value = {
        RevocationKind.SESSION: (session.sid, ENDED),
        RevocationKind.SUBJECT: (session.subject, session.generation + 1),
        RevocationKind.CLIENT: (session.client.client_id, now + 1),
        RevocationKind.EVERYTHING: ("", now + 1),
    }[kind]
    issuer_app.session_cache.apply(Revocation(kind, key, value, now, Instant(now + 600), 99))
    assert issuer_app.ask(bearer(issued)).code == "token_revoked"


def test_a_logout_refuses_a_cached_token_at_once(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    run(issuer_app.issuer.logout(issued.session.sid))
    assert issuer_app.ask(bearer(issued)).code == "token_revoked"


def test_a_cached_token_expires(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    token = issuer_app.parts.config.profile.token
    issuer_app.advance(token.access_seconds + token.leeway_seconds + 1)
    assert issuer_app.ask(bearer(issued)).code == "token_expired"


def test_a_stale_feed_sends_a_cached_token_to_the_store(
    issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    issuer_app.monotonic.now += 5.5
    flows = issuer_app.count_flows(monkeypatch)
    use_twice(issuer_app, issued)
    assert len(flows) == 2
    issuer_app.session_cache._freshness = Freshness(5.0)
    run(issuer_app.issuer.logout(issued.session.sid))
    assert issuer_app.ask(bearer(issued)).code == "token_revoked"


def test_a_token_of_a_removed_key_is_refused_although_it_is_cached(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    issuer_app.parts.ports.signer.load([])  # type: ignore[attr-defined]
    assert issuer_app.ask(bearer(issued)).code == "token_invalid"


def test_a_token_of_another_issuer_in_this_process_is_refused(make: Callable[..., GuardedIssuer]) -> None:
    first, second = make(), make()
    issued = first.login()
    use_twice(first, issued)
    assert second.ask(bearer(issued)).status == 401
    assert first.ask(bearer(issued)).status == 200


def test_the_first_use_after_a_rotation_is_recorded_although_the_token_is_cached(
    make: Callable[..., GuardedIssuer], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make("mobile")
    issued = app.login(deliver="tokens")
    use_twice(app, issued)
    assert issued.refresh_token is not None
    renewed = run(app.issuer.refresh(issued.refresh_token.reveal()))
    use_twice(app, renewed)
    flows = app.count_flows(monkeypatch)
    use_twice(app, renewed)
    assert flows == []
    loaded = run(app.parts.ports.sessions.load(issued.session.sid))
    assert loaded.session.rotations == 1


def test_a_token_is_not_cached_across_a_step_up_of_another_session(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    use_twice(issuer_app, issued)
    run(issuer_app.issuer.step_up(issued.session.sid, PASSWORD))
    assert issuer_app.ask(bearer(issued)).status == 200


def test_the_memory_of_tokens_is_bounded(make: Callable[..., GuardedIssuer]) -> None:
    app = make(cookie_cache_size=3)
    for number in range(5):
        assert app.ask(bearer(app.login(f"user{number}"))).status == 200
    assert len(app.sessions._tokens.entries) == 3


def test_a_token_is_not_cached_while_two_clocks_disagree(
    issuer_app: GuardedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issuer_app.login()
    flows = issuer_app.count_flows(monkeypatch)
    now, config = issuer_app.parts.present()
    monkeypatch.setattr(Components, "present", lambda _: (now, config.under_doubt(gap_seconds=1, lead_seconds=0)))
    use_twice(issuer_app, issued)
    assert (len(flows), issuer_app.cached_cookies) == (2, 0)
