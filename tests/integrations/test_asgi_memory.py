"""What the guard's memory of a session cookie may vouch for, and when the store is asked all the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from integrations.guarded_app import PASSWORD, House, cookie, run
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import StoreUnavailable
from keyturn.integrations.asgi import MAX_CACHED_COOKIE_BYTES


def test_a_cookie_seen_before_needs_no_flow(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    presented = cookie(house.login())
    flows = house.count_flows(monkeypatch)
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        assert house.ask(presented, method=method).status == 200
    assert len(flows) == 1


def test_a_revoked_session_is_refused_from_the_next_request_on(house: House) -> None:
    issued = house.login()
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    run(house.issuer.logout(issued.session.sid))
    assert house.ask(cookie(issued)).code == "token_revoked"
    assert house.remembered == 0


@pytest.mark.parametrize("kind", list(RevocationKind))
def test_what_the_feed_brings_is_heeded_at_once(
    house: House, kind: RevocationKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    flows = house.count_flows(monkeypatch)
    subject, client = issued.session.subject, issued.session.client.client_id
    key = {
        RevocationKind.SESSION: issued.session.sid,
        RevocationKind.SUBJECT: subject,
        RevocationKind.CLIENT: client,
        RevocationKind.EVERYTHING: "",
    }[kind]
    now = Instant(int(house.clock.now))
    house.near.apply(Revocation(kind, key, ENDED, now, Instant(now + 600), 99))
    # The store, which has not heard of it, is the truth: what counts here is that it was asked.
    house.ask(cookie(issued))
    assert len(flows) == 1


def test_a_renewed_session_voids_the_cookie_before(house: House) -> None:
    issued = house.login()
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    renewed = run(house.issuer.step_up(issued.session.sid, PASSWORD, deliver="cookie"))
    assert house.ask(cookie(issued)).code == "token_revoked"
    assert house.ask(cookie(renewed)).status == 200
    assert house.ask(cookie(issued)).code == "token_revoked"
    assert house.ask(cookie(renewed)).status == 200


def test_a_stale_feed_sends_every_request_to_the_store(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    flows = house.count_flows(monkeypatch)
    house.monotonic.now += 5.5
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    assert (len(flows), house.remembered) == (2, 0)
    house.hear()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    assert len(flows) == 3


def test_a_stale_feed_and_no_store_is_503_and_destroys_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.monotonic.now += 5.5

    async def down(*_: object) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(house.parts.ports.sessions, "load", down, raising=False)
        answer = house.ask(cookie(issued))
    assert (answer.status, answer.code) == (503, "revocation_unknown")
    assert answer.headers[b"retry-after"] == b"1"
    assert b"set-cookie" not in answer.headers
    house.hear()
    assert house.ask(cookie(issued)).status == 200


def test_an_idle_session_ends_by_the_clock(house: House) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    house.clock.now += house.parts.config.profile.session.inactivity_seconds
    assert house.ask(cookie(issued)).code == "session_ended"


def test_a_busy_session_ends_at_its_overall_timeout(make: Callable[..., House]) -> None:
    house = make("nist-aal2")
    issued = house.login()
    end = issued.session.created_at + house.parts.config.profile.session.overall_seconds
    while house.clock.now + 1800 < end:
        house.clock.now += 1800
        assert house.ask(cookie(issued)).status == 200
    house.clock.now = end - 0.5
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    house.clock.now = end
    assert house.ask(cookie(issued)).code == "session_ended"


def test_a_due_touch_is_written_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    flows = house.count_flows(monkeypatch)
    house.clock.now += house.parts.config.profile.session.touch_seconds
    for _ in range(3):
        assert house.ask(cookie(issued)).status == 200
    assert len(flows) == 1
    found = run(house.parts.ports.sessions.load(issued.session.sid))
    assert found.session.last_seen_at == int(house.clock.now)


def test_a_session_that_changed_meanwhile_is_not_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    found = house.near.get(issued.session.sid)
    assert found is not None
    renewed = replace(found, session=replace(found.session, renewals=1, version=found.session.version + 1))
    from keyturn.integrations import asgi

    driven = asgi.drive_async

    async def renew_in_between(flow: Any, ports: Any) -> Any:
        answer = await driven(flow, ports)
        house.near.put(renewed)
        return answer

    house.guard._authenticator._cookie_cache.clear()  # type: ignore[attr-defined]
    monkeypatch.setattr(asgi, "drive_async", renew_in_between)
    assert house.ask(cookie(issued)).status == 200
    assert house.remembered == 0


def test_the_memory_is_bounded(make: Callable[..., House]) -> None:
    house = make(cookie_cache_size=3)
    name, value = cookie(house.login())
    for number in range(5):
        assert house.ask((name, b"%s; n=%d" % (value, number))).status == 200
    assert house.remembered == 3
    house.ask((name, value + b"; n=" + b"x" * MAX_CACHED_COOKIE_BYTES))
    assert house.remembered == 3
