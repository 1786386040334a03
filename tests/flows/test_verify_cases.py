"""Verifying in its finer cases: which cache may say yes, and when only the store is asked."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, forged, later, refused
from flows.unavailable_store import ReadOnlyStore, UnavailableStore, fresh_session_cache
from interleavings.harness import OLD, T0
from keyturn.core.sealed import CredentialKind, seal
from keyturn.core.session import CACHE_TTL_SECONDS, CachedSession, Seed
from keyturn.core.types import Instant, SessionId
from keyturn.errors import (
    NotDurable,
    RevocationUnknown,
    StoreQuarantined,
    StoreUnavailable,
    TokenInvalid,
    TokenRevoked,
)
from keyturn.flows.revoke import revoke_session, revoke_subject
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session
from keyturn.stores.session_cache import LocalSessionCache


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def test_an_unavailable_store_without_a_cache_is_revocation_unknown(flows: FlowFixture) -> None:
    token = flows.access()
    refused(
        flows,
        RevocationUnknown,
        verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm),
        sessions=UnavailableStore(),
    )
    refused(flows, RevocationUnknown, verify_access(token, T0, flows.realm))


def test_a_quarantine_is_called_by_its_name_and_says_how_long(flows: FlowFixture) -> None:
    away = UnavailableStore(StoreQuarantined("failed over", retry_after_seconds=7))
    for flow in (
        verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm),
        verify_access(flows.access(), T0, flows.realm),
    ):
        with pytest.raises(StoreQuarantined) as said:
            flows.run(flow, sessions=away)
        assert said.value.retry_after_seconds == 7


def test_the_near_cache_answers_while_the_store_is_away(flows: FlowFixture) -> None:
    flows.ports.session_cache = fresh_session_cache()
    text = flows.sealed(CredentialKind.SESSION, 0)
    principal = flows.run(verify_session(text, T0, flows.realm))
    assert flows.run(verify_session(text, T0, flows.realm), sessions=UnavailableStore()) == principal
    assert flows.run(verify_access(flows.access(), T0, flows.realm)).subject == principal.subject


def test_the_session_cache_refuses_no_credential(flows: FlowFixture) -> None:
    """Forged, from the future, or due for a touch: the store is asked, and its answer counts."""
    flows.ports.session_cache = fresh_session_cache()
    flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm))
    refused(flows, TokenInvalid, verify_session(forged(flows, CredentialKind.SESSION), T0, flows.realm))
    here = flows.ports.session_cache
    elsewhere = flows.run(
        confirm_password(flows.sid, OLD, "cookie", T0, flows.realm), session_cache=fresh_session_cache()
    )
    renewed = elsewhere.session_token.reveal()
    assert flows.run(verify_session(renewed, T0, flows.realm), session_cache=here)
    assert flows.run(verify_session(renewed, later(60), flows.realm))
    found = flows.store.sessions.load(flows.sid)
    assert found
    assert found.session.last_seen_at == later(60)


def following_cache(flows: FlowFixture) -> LocalSessionCache:
    """Return the empty session cache of another process."""
    cache = fresh_session_cache()
    cache.reset(flows.store.log.snapshot())
    return cache


class RecordingCache:
    """A cache that every process shares."""

    def __init__(self) -> None:
        self.copies: dict[tuple[SessionId, int], CachedSession] = {}

    def get(self, sid: SessionId, log_id: int) -> CachedSession | None:
        return self.copies.get((sid, log_id))

    def put(self, copy: CachedSession) -> None:
        self.copies[copy.loaded.session.sid, copy.position.log_id] = copy


@pytest.fixture
def recording_cache(flows: FlowFixture) -> RecordingCache:
    """One process has checked a session token; another shares what it read."""
    flows.ports.session_cache, flows.ports.shared_cache = following_cache(flows), RecordingCache()
    flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm))
    flows.ports.session_cache = following_cache(flows)
    return flows.ports.shared_cache


class Counted:
    """Sessions that count how often they are loaded."""

    def __init__(self, sessions: Any) -> None:
        self.sessions, self.loads = sessions, 0

    def load(self, sid: SessionId) -> Any:
        self.loads += 1
        return self.sessions.load(sid)

    def replace(self, session: Any, entry: Any = None) -> Any:
        return self.sessions.replace(session, entry)


def loads(flows: FlowFixture, now: Instant = T0, counter: int = 0) -> int:
    """How often the store is asked by a check of the session token."""
    flows.ports.sessions = counted = Counted(flows.store.sessions)
    assert flows.run(verify_session(flows.sealed(CredentialKind.SESSION, counter), now, flows.realm))
    return counted.loads


def test_a_session_cached_by_another_process_is_not_loaded(flows: FlowFixture, recording_cache: RecordingCache) -> None:
    assert loads(flows) == 0
    flows.ports.shared_cache = None
    assert loads(flows) == 0  # it is in the session cache from then on


def test_a_stale_process_neither_reads_nor_writes_the_shared_cache(
    flows: FlowFixture, recording_cache: RecordingCache
) -> None:
    flows.ports.session_cache = LocalSessionCache(5, lambda: 100.0)
    flows.ports.shared_cache = None  # not even asked
    assert loads(flows) == 1


def test_an_old_cached_session_is_ignored(flows: FlowFixture, recording_cache: RecordingCache) -> None:
    held = next(iter(recording_cache.copies.values()))
    recording_cache.put(replace(held, read_at=Instant(T0 - CACHE_TTL_SECONDS - 1)))
    assert loads(flows) == 1


def test_a_session_that_is_due_for_a_touch_is_read(flows: FlowFixture, recording_cache: RecordingCache) -> None:
    assert loads(flows, later(60)) == 1
    flows.ports.session_cache = following_cache(flows)
    assert loads(flows, later(60)) == 0  # and what was stored is shared


def test_a_cached_session_of_before_a_renewal_is_reloaded_for_the_new_token(
    flows: FlowFixture, recording_cache: RecordingCache
) -> None:
    flows.run(confirm_password(flows.sid, OLD, "cookie", T0, flows.realm), session_cache=fresh_session_cache())
    flows.ports.session_cache = following_cache(flows)
    assert loads(flows, counter=1) == 1
    refused(flows, TokenRevoked, verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm))


def test_a_revoked_cached_session_is_ignored(flows: FlowFixture, recording_cache: RecordingCache) -> None:
    flows.run(revoke_subject(flows.x.session.subject, T0, flows.realm), session_cache=fresh_session_cache())
    flows.ports.session_cache = following_cache(flows)
    refused(flows, TokenRevoked, verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm))


def test_an_access_token_the_feed_names_is_refused_without_the_store(flows: FlowFixture) -> None:
    flows.ports.session_cache = fresh_session_cache()
    token = flows.access()
    flows.run(revoke_subject(flows.x.session.subject, T0, flows.realm))
    refused(flows, TokenRevoked, verify_access(token, T0, flows.realm), sessions=UnavailableStore())


@pytest.mark.parametrize("why", [StoreUnavailable("read only"), NotDurable("0 of 1 replicas have it")])
def test_a_use_that_cannot_be_noted_is_no_reason_to_refuse_it(flows: FlowFixture, why: StoreUnavailable) -> None:
    text = flows.sealed(CredentialKind.SESSION, 0)
    assert flows.run(verify_session(text, later(60), flows.realm), sessions=ReadOnlyStore(flows.store.sessions, why))


@pytest.fixture
def counted(flows: FlowFixture) -> Counted:
    """Count the sessions loaded behind a session cache that follows their log."""
    flows.ports.session_cache = following_cache(flows)
    flows.ports.session_cache.mark_complete(0.0)
    return Counted(flows.store.sessions)


def test_a_flood_with_one_revoked_cookie_asks_the_store_nothing(flows: FlowFixture, counted: Counted) -> None:
    text = flows.sealed(CredentialKind.SESSION, 0)
    flows.run(revoke_session(flows.sid, "logout", T0, flows.realm))
    for _ in range(100):
        refused(flows, TokenRevoked, verify_session(text, T0, flows.realm), sessions=counted)
    assert counted.loads == 0


def test_a_flood_with_many_dead_cookies_asks_the_store_once_for_each(flows: FlowFixture, counted: Counted) -> None:
    dead = [
        seal(CredentialKind.SESSION, SessionId(f"{n:021d}A"), 0, Seed(b"x" * 32), flows.realm.secrets)
        for n in range(10_000)
    ]
    for _ in range(2):
        for each in dead:
            refused(flows, TokenInvalid, verify_session(each.reveal(), T0, flows.realm), sessions=counted)
    assert counted.loads == len(dead)


def refuse_forged(flows: FlowFixture, counted: Counted, times: int) -> None:
    for _ in range(times):
        flow = verify_session(forged(flows, CredentialKind.SESSION), T0, flows.realm)
        refused(flows, TokenInvalid, flow, sessions=counted)


def test_a_forged_cookie_of_a_live_session_leaves_it_live(flows: FlowFixture, counted: Counted) -> None:
    refuse_forged(flows, counted, 3)
    assert counted.loads == 1
    assert flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm)).sid == flows.sid


def test_a_refusal_is_not_remembered_while_the_feed_is_stale(flows: FlowFixture) -> None:
    counted = Counted(flows.store.sessions)
    refuse_forged(flows, counted, 2)
    assert counted.loads == 2
