"""Verifying in its finer cases: which cache may say yes, and when only the store is asked."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import Stage, forged, later, refused
from flows.unavailable_store import Away, ReadOnly, near
from interleavings.harness import OLD, T0
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import CACHE_TTL_SECONDS, CachedSession
from keyturn.core.types import Instant, SessionId
from keyturn.errors import (
    NotDurable,
    RevocationUnknown,
    StoreQuarantined,
    StoreUnavailable,
    TokenInvalid,
    TokenRevoked,
)
from keyturn.flows.revoke import revoke_subject
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session
from keyturn.stores.session_cache import LocalSessionCache


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nobody_can_tell(stage: Stage) -> None:
    token = stage.access()
    refused(
        stage,
        RevocationUnknown,
        verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm),
        sessions=Away(),
    )
    refused(stage, RevocationUnknown, verify_access(token, T0, stage.realm))


def test_a_quarantine_is_called_by_its_name_and_says_how_long(stage: Stage) -> None:
    away = Away(StoreQuarantined("failed over", retry_after_seconds=7))
    for flow in (
        verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm),
        verify_access(stage.access(), T0, stage.realm),
    ):
        with pytest.raises(StoreQuarantined) as said:
            stage.run(flow, sessions=away)
        assert said.value.retry_after_seconds == 7


def test_the_near_cache_answers_while_the_store_is_away(stage: Stage) -> None:
    stage.ports.session_cache = near()
    text = stage.sealed(CredentialKind.SESSION, 0)
    principal = stage.run(verify_session(text, T0, stage.realm))
    assert stage.run(verify_session(text, T0, stage.realm), sessions=Away()) == principal
    assert stage.run(verify_access(stage.access(), T0, stage.realm)).subject == principal.subject


def test_the_near_cache_never_says_no(stage: Stage) -> None:
    """Forged, from the future, or due for a touch: the store is asked, and its answer counts."""
    stage.ports.session_cache = near()
    stage.run(verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm))
    refused(stage, TokenInvalid, verify_session(forged(stage, CredentialKind.SESSION), T0, stage.realm))
    here = stage.ports.session_cache
    elsewhere = stage.run(confirm_password(stage.sid, OLD, "cookie", T0, stage.realm), session_cache=near())
    renewed = elsewhere.session_token.reveal()
    assert stage.run(verify_session(renewed, T0, stage.realm), session_cache=here)
    assert stage.run(verify_session(renewed, later(60), stage.realm))
    found = stage.store.sessions.load(stage.sid)
    assert found
    assert found.session.last_seen_at == later(60)


def following(stage: Stage) -> LocalSessionCache:
    """The near-cache of another process, which knows no session yet."""
    cache = near()
    cache.reset(stage.store.log.snapshot())
    return cache


class Kept:
    """A cache that every process shares."""

    def __init__(self) -> None:
        self.copies: dict[tuple[SessionId, int], CachedSession] = {}

    def get(self, sid: SessionId, log: int) -> CachedSession | None:
        return self.copies.get((sid, log))

    def put(self, copy: CachedSession) -> None:
        self.copies[copy.loaded.session.sid, copy.position.log_id] = copy


@pytest.fixture
def kept(stage: Stage) -> Kept:
    """One process has checked a session token; another shares what it read."""
    stage.ports.session_cache, stage.ports.shared_cache = following(stage), Kept()
    stage.run(verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm))
    stage.ports.session_cache = following(stage)
    return stage.ports.shared_cache


class Counted:
    """Sessions that count how often they are loaded."""

    def __init__(self, sessions: Any) -> None:
        self.sessions, self.loads = sessions, 0

    def load(self, sid: SessionId) -> Any:
        self.loads += 1
        return self.sessions.load(sid)

    def replace(self, session: Any, entry: Any = None) -> Any:
        return self.sessions.replace(session, entry)


def loads(stage: Stage, now: Instant = T0, counter: int = 0) -> int:
    """How often the store is asked by a check of the session token."""
    stage.ports.sessions = counted = Counted(stage.store.sessions)
    assert stage.run(verify_session(stage.sealed(CredentialKind.SESSION, counter), now, stage.realm))
    return counted.loads


def test_a_session_another_process_has_read_is_not_read_again(stage: Stage, kept: Kept) -> None:
    assert loads(stage) == 0
    stage.ports.shared_cache = None
    assert loads(stage) == 0  # it is in the near-cache from then on


def test_a_stale_process_neither_believes_copies_nor_makes_any(stage: Stage, kept: Kept) -> None:
    stage.ports.session_cache = LocalSessionCache(5, lambda: 100.0)
    stage.ports.shared_cache = None  # not even asked
    assert loads(stage) == 1


def test_an_old_copy_is_not_believed(stage: Stage, kept: Kept) -> None:
    held = next(iter(kept.copies.values()))
    kept.put(replace(held, read_at=Instant(T0 - CACHE_TTL_SECONDS - 1)))
    assert loads(stage) == 1


def test_a_session_that_is_due_for_a_touch_is_read(stage: Stage, kept: Kept) -> None:
    assert loads(stage, later(60)) == 1
    stage.ports.session_cache = following(stage)
    assert loads(stage, later(60)) == 0  # and what was stored is shared


def test_a_copy_of_before_a_renewal_says_nothing_about_the_token_after_it(stage: Stage, kept: Kept) -> None:
    stage.run(confirm_password(stage.sid, OLD, "cookie", T0, stage.realm), session_cache=near())
    stage.ports.session_cache = following(stage)
    assert loads(stage, counter=1) == 1
    refused(stage, TokenRevoked, verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm))


def test_a_copy_this_process_does_not_vouch_for_is_not_believed(stage: Stage, kept: Kept) -> None:
    stage.run(revoke_subject(stage.x.session.subject, T0, stage.realm), session_cache=near())
    stage.ports.session_cache = following(stage)
    refused(stage, TokenRevoked, verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm))


def test_an_access_token_the_feed_names_is_refused_without_the_store(stage: Stage) -> None:
    stage.ports.session_cache = near()
    token = stage.access()
    stage.run(revoke_subject(stage.x.session.subject, T0, stage.realm))
    refused(stage, TokenRevoked, verify_access(token, T0, stage.realm), sessions=Away())


@pytest.mark.parametrize("why", [StoreUnavailable("read only"), NotDurable("0 of 1 replicas have it")])
def test_a_use_that_cannot_be_noted_is_no_reason_to_refuse_it(stage: Stage, why: StoreUnavailable) -> None:
    text = stage.sealed(CredentialKind.SESSION, 0)
    assert stage.run(verify_session(text, later(60), stage.realm), sessions=ReadOnly(stage.store.sessions, why))
