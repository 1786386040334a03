"""Each flow in its finer cases: who is counted, who is asked, what is said, and what stays silent."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import KEYS, Busy, Stage, Strict, ended, forged, later, refused
from interleavings.rig import ADA, NEW, OLD, T0, realm
from keyturn.core.audit import Audit
from keyturn.core.instant import Instant, SessionId
from keyturn.core.policy import ThrottlePolicy
from keyturn.core.sealed import Sealed
from keyturn.core.session import COPY_SECONDS, Copy, Found, Session
from keyturn.errors import (
    CounterAhead,
    CsrfTokenRequired,
    LoginFailed,
    NotDurable,
    Overloaded,
    PasswordRejected,
    RevocationUnknown,
    StoreQuarantined,
    StoreUnavailable,
    Throttled,
    TokenInvalid,
    TokenReused,
    TokenRevoked,
)
from keyturn.flows.accounts import set_disabled
from keyturn.flows.csrf import csrf_token_of, prove_csrf
from keyturn.flows.feed import feed_page, seed_page
from keyturn.flows.introspect import introspect, presented_sid
from keyturn.flows.keys import roll_keys
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.replace import end_replaced
from keyturn.flows.revoke import revoke_subject
from keyturn.flows.sessions import list_sessions
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session
from keyturn.stores.near import NearSessions


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- passwords ------------------------------------------------------------------------------------------------


def test_a_password_that_may_not_be_chosen(stage: Stage) -> None:
    refused(stage, PasswordRejected, signup(stage.attempt(OLD, "bob@example.com"), T0, stage.realm), passwords=Strict())
    refused(stage, PasswordRejected, change_password(stage.sid, OLD, NEW, None, T0, stage.realm), passwords=Strict())
    assert stage.store.accounts.find("bob@example.com") is None
    assert stage.run(login(stage.attempt(OLD), T0, stage.realm))


def test_no_room_to_hash_counts_no_attempt(stage: Stage) -> None:
    """A flood of logins causes retries; they must not lock the person out."""
    for _ in range(3):
        refused(stage, Overloaded, login(stage.attempt(OLD), T0, stage.realm), hasher=Busy())
        refused(stage, Overloaded, confirm_password(stage.sid, OLD, None, T0, stage.realm))
    buckets = stage.store.throttles._buckets
    assert [key for key, each in buckets.items() if each.level and not key.startswith("signup")] == []


def test_a_disabled_account(stage: Stage) -> None:
    stage.run(set_disabled(stage.x.session.subject, True, T0, stage.realm))
    refused(stage, LoginFailed, login(stage.attempt(OLD), T0, stage.realm))
    stage.run(set_disabled(stage.x.session.subject, False, T0, stage.realm))
    assert stage.run(login(stage.attempt(OLD), T0, stage.realm))
    refused(stage, TokenRevoked, refresh(stage.sealed(Sealed.REFRESH, 0), "tokens", T0, stage.realm))


def test_too_many_attempts(stage: Stage) -> None:
    tight = realm(ThrottlePolicy(account_limit=2, device_limit=1, address_limit=1000, signup_limit=1))
    for _ in range(2):
        refused(stage, LoginFailed, login(stage.attempt(NEW), T0, tight))
    assert refused(stage, Throttled, login(stage.attempt(OLD), T0, tight)).retry_after_seconds > 0
    # The owner's own device is counted alone, and so is every session.
    device = stage.x.device_token.reveal() if stage.x.device_token else ""
    assert stage.run(login(stage.attempt(OLD, device=device), T0, tight))
    refused(stage, LoginFailed, confirm_password(stage.sid, NEW, None, T0, tight))
    refused(stage, Throttled, confirm_password(stage.sid, OLD, None, T0, tight))
    refused(stage, Throttled, signup(stage.attempt(OLD, "bob@example.com"), T0, tight))


def test_a_refused_bucket_gives_the_other_back(stage: Stage) -> None:
    tight = realm(ThrottlePolicy(account_limit=1, address_limit=100))
    refused(stage, LoginFailed, login(stage.attempt(NEW), T0, tight))
    level = stage.store.throttles._buckets["address:192.0.2.1"].level
    refused(stage, Throttled, login(stage.attempt(NEW), T0, tight))
    assert stage.store.throttles._buckets["address:192.0.2.1"].level == level


def test_a_bucket_purged_meanwhile_needs_nothing_back(stage: Stage) -> None:
    class Purging:
        def verify(self, encoded: str | None, password: str) -> Any:
            stage.store.throttles.purge(later(100_000))
            return stage_hasher.verify(encoded, password)

    stage_hasher = stage.ports.hasher
    assert stage.run(login(stage.attempt(OLD), T0, stage.realm), hasher=Purging())


# --- refresh --------------------------------------------------------------------------------------------------


class Ledger:
    """An audit log that can be read."""

    def __init__(self) -> None:
        self.events: list[tuple[Audit, str]] = []

    def append(self, event: Any) -> None:
        self.events.append((event.event, event.subject))


def test_a_retired_token_ends_the_family_and_alarms(stage: Stage) -> None:
    audit = Ledger()
    for counter in (0, 1):
        stage.run(refresh(stage.sealed(Sealed.REFRESH, counter), "tokens", T0, stage.realm), audit=audit)
    refused(stage, TokenReused, refresh(stage.sealed(Sealed.REFRESH, 0), "tokens", T0, stage.realm))
    refused(stage, TokenRevoked, refresh(stage.sealed(Sealed.REFRESH, 2), "tokens", T0, stage.realm))
    assert audit.events == [(Audit.TOKEN_REUSED, stage.x.subject)]
    refused(stage, CounterAhead, refresh(stage.sealed(Sealed.REFRESH, 7, stage.y), "tokens", T0, stage.realm))
    assert audit.events == [(Audit.TOKEN_REUSED, stage.x.subject), (Audit.COUNTER_AHEAD, stage.y.subject)]


def test_a_rotation_answered_again_is_waited_for_and_judged_again_when_it_is_gone(stage: Stage) -> None:
    token, sessions = stage.sealed(Sealed.REFRESH, 0), Unsettled(stage.store.sessions, False, True)
    first = stage.run(refresh(token, "tokens", T0, stage.realm), sessions=sessions)
    assert len(sessions.answers) == 2, "its own write was waited for by the store"
    again = stage.run(refresh(token, "tokens", T0, stage.realm), sessions=sessions)
    assert (again.refresh_token.reveal(), sessions.answers) == (first.refresh_token.reveal(), [])


# --- verify and the near-cache ---------------------------------------------------------------------------------


class Away:
    """A store that cannot be reached."""

    def __init__(self, refusal: StoreUnavailable | None = None) -> None:
        self._refusal = refusal or StoreUnavailable("away")

    def load(self, sid: SessionId) -> None:
        raise self._refusal


class Unsettled:
    """A store whose last write may not be lasting yet. ``answers``: of ``settle``, one after the other."""

    def __init__(self, sessions: Any, *answers: bool) -> None:
        self.replace = sessions.replace
        self._load = sessions.load
        self.answers = list(answers)

    def load(self, sid: SessionId) -> Found:
        return replace(self._load(sid), settled=False)

    def settle(self, session: Session) -> bool:
        return self.answers.pop(0)


class ReadOnly:
    """A store that reads, and cannot write now."""

    def __init__(self, sessions: Any, refusal: StoreUnavailable) -> None:
        self.load = sessions.load
        self._refusal = refusal

    def replace(self, *arguments: object) -> None:
        raise self._refusal


def near() -> NearSessions:
    cache = NearSessions(5, lambda: 0.0)
    cache.confirm(0.0)
    return cache


def test_nobody_can_tell(stage: Stage) -> None:
    token = stage.access()
    refused(stage, RevocationUnknown, verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm), sessions=Away())
    refused(stage, RevocationUnknown, verify_access(token, T0, stage.realm))


def test_a_quarantine_is_called_by_its_name_and_says_how_long(stage: Stage) -> None:
    away = Away(StoreQuarantined("failed over", retry_after_seconds=7))
    for flow in (
        verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm),
        verify_access(stage.access(), T0, stage.realm),
    ):
        with pytest.raises(StoreQuarantined) as said:
            stage.run(flow, sessions=away)
        assert said.value.retry_after_seconds == 7


def test_the_near_cache_answers_while_the_store_is_away(stage: Stage) -> None:
    stage.ports.near = near()
    text = stage.sealed(Sealed.SESSION, 0)
    principal = stage.run(verify_session(text, T0, stage.realm))
    assert stage.run(verify_session(text, T0, stage.realm), sessions=Away()) == principal
    assert stage.run(verify_access(stage.access(), T0, stage.realm)).subject == principal.subject


def test_the_near_cache_never_says_no(stage: Stage) -> None:
    """Forged, from the future, or due for a touch: the store is asked, and its answer counts."""
    stage.ports.near = near()
    stage.run(verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm))
    refused(stage, TokenInvalid, verify_session(forged(stage, Sealed.SESSION), T0, stage.realm))
    here = stage.ports.near
    elsewhere = stage.run(confirm_password(stage.sid, OLD, "cookie", T0, stage.realm), near=near())
    renewed = elsewhere.session_token.reveal()
    assert stage.run(verify_session(renewed, T0, stage.realm), near=here)
    assert stage.run(verify_session(renewed, later(60), stage.realm))
    found = stage.store.sessions.load(stage.sid)
    assert found
    assert found.session.last_seen_at == later(60)


def following(stage: Stage) -> NearSessions:
    """The near-cache of another process, which knows no session yet."""
    cache = near()
    cache.reset(stage.store.log.snapshot())
    return cache


class Kept:
    """A cache that every process shares."""

    def __init__(self) -> None:
        self.copies: dict[tuple[SessionId, int], Copy] = {}

    def recall(self, sid: SessionId, log: int) -> Copy | None:
        return self.copies.get((sid, log))

    def remember(self, copy: Copy) -> None:
        self.copies[copy.found.session.sid, copy.position.log] = copy


@pytest.fixture
def kept(stage: Stage) -> Kept:
    """One process has checked a session token; another shares what it read."""
    stage.ports.near, stage.ports.cache = following(stage), Kept()
    stage.run(verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm))
    stage.ports.near = following(stage)
    return stage.ports.cache


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
    assert stage.run(verify_session(stage.sealed(Sealed.SESSION, counter), now, stage.realm))
    return counted.loads


def test_a_session_another_process_has_read_is_not_read_again(stage: Stage, kept: Kept) -> None:
    assert loads(stage) == 0
    stage.ports.cache = None
    assert loads(stage) == 0  # it is in the near-cache from then on


def test_a_stale_process_neither_believes_copies_nor_makes_any(stage: Stage, kept: Kept) -> None:
    stage.ports.near = NearSessions(5, lambda: 100.0)
    stage.ports.cache = None  # not even asked
    assert loads(stage) == 1


def test_an_old_copy_is_not_believed(stage: Stage, kept: Kept) -> None:
    held = next(iter(kept.copies.values()))
    kept.remember(replace(held, read_at=Instant(T0 - COPY_SECONDS - 1)))
    assert loads(stage) == 1


def test_a_session_that_is_due_for_a_touch_is_read(stage: Stage, kept: Kept) -> None:
    assert loads(stage, later(60)) == 1
    stage.ports.near = following(stage)
    assert loads(stage, later(60)) == 0  # and what was stored is shared


def test_a_copy_of_before_a_renewal_says_nothing_about_the_token_after_it(stage: Stage, kept: Kept) -> None:
    stage.run(confirm_password(stage.sid, OLD, "cookie", T0, stage.realm), near=near())
    stage.ports.near = following(stage)
    assert loads(stage, counter=1) == 1
    refused(stage, TokenRevoked, verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm))


def test_a_copy_this_process_does_not_vouch_for_is_not_believed(stage: Stage, kept: Kept) -> None:
    stage.run(revoke_subject(stage.x.session.subject, T0, stage.realm), near=near())
    stage.ports.near = following(stage)
    refused(stage, TokenRevoked, verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm))


def test_an_access_token_the_feed_names_is_refused_without_the_store(stage: Stage) -> None:
    stage.ports.near = near()
    token = stage.access()
    stage.run(revoke_subject(stage.x.session.subject, T0, stage.realm))
    refused(stage, TokenRevoked, verify_access(token, T0, stage.realm), sessions=Away())


@pytest.mark.parametrize("why", [StoreUnavailable("read only"), NotDurable("0 of 1 replicas have it")])
def test_a_use_that_cannot_be_noted_is_no_reason_to_refuse_it(stage: Stage, why: StoreUnavailable) -> None:
    text = stage.sealed(Sealed.SESSION, 0)
    assert stage.run(verify_session(text, later(60), stage.realm), sessions=ReadOnly(stage.store.sessions, why))


# --- the rest -------------------------------------------------------------------------------------------------


def test_introspection_tells_nothing_of_what_is_not_good(stage: Stage) -> None:
    def active(token: str, now: Instant = T0) -> object:
        return stage.run(introspect(token, now, stage.realm))["active"]

    tokens = [stage.sealed(Sealed.SESSION, 0), stage.sealed(Sealed.REFRESH, 0), stage.access()]
    assert all(active(each) for each in tokens)
    assert not any(active(each, later(3600)) for each in tokens)
    assert not any(map(active, ("x", stage.sealed(Sealed.SESSION, 1), stage.sealed(Sealed.REFRESH, 1))))
    ended(stage)
    assert not any(map(active, tokens))


def test_introspection_says_what_rfc_7662_asks_for(stage: Stage) -> None:
    session = stage.run(introspect(stage.sealed(Sealed.REFRESH, 0), T0, stage.realm))
    access = stage.run(introspect(stage.access(), T0, stage.realm))
    for answer in (session, access):
        assert answer["sub"] == stage.x.session.subject
        assert answer["iss"] == stage.realm.issuer
        assert answer["sid"] == stage.sid
    assert (session["token_type"], access["token_type"]) == ("refresh_token", "Bearer")


def test_the_session_behind_any_credential(stage: Stage) -> None:
    tokens = [stage.sealed(Sealed.SESSION, 0), stage.sealed(Sealed.REFRESH, 0), stage.access()]
    assert {stage.run(presented_sid(each, T0, stage.realm)) for each in tokens} == {stage.sid}


def test_a_browser_that_logs_in_again_holds_one_login(stage: Stage) -> None:
    own, other = stage.sealed(Sealed.SESSION, 0), stage.sealed(Sealed.SESSION, 0, stage.y)
    stage.run(end_replaced(["x", own, other], stage.sid, T0, stage.realm))
    devices = stage.run(list_sessions(stage.x.session.subject, T0, stage.realm))
    assert [each.sid for each in devices] == [stage.sid]


def test_csrf_tokens_need_no_store_while_the_session_is_near(stage: Stage) -> None:
    stage.ports.near = near()
    stage.run(verify_session(stage.sealed(Sealed.SESSION, 0), T0, stage.realm))
    token = stage.run(csrf_token_of(stage.sid, stage.realm), sessions=Away())
    stage.run(prove_csrf(token.reveal(), stage.sid, stage.realm))


def test_a_csrf_token_of_a_session_that_is_gone(stage: Stage) -> None:
    token = stage.sealed(Sealed.CSRF, 0)
    stage.store.sessions.purge(later(100_000))
    refused(stage, CsrfTokenRequired, prove_csrf(token, stage.sid, stage.realm))


def test_the_feed_as_a_snapshot_and_as_a_page(stage: Stage) -> None:
    ended(stage)
    snapshot, page = stage.run(seed_page(0)), stage.run(feed_page(0))
    assert snapshot.entries == page.entries
    assert stage.run(feed_page(1)).entries == ()


def test_keys_are_made_ahead_once_and_dropped_when_dead(stage: Stage) -> None:
    first = stage.run(roll_keys("EdDSA", T0, KEYS))
    assert first == stage.run(roll_keys("EdDSA", T0, KEYS))
    serials: set[int] = set()
    for turn in range(1, 5):
        serials = {each.serial for each in stage.run(roll_keys("EdDSA", later(1000 * turn), KEYS))}
    assert 1 not in serials
    assert {each.serial for each in stage.store.keys.list()} == serials


def test_an_account_that_vanished(stage: Stage) -> None:
    """A session may outlive its account: the same answer as for a wrong password."""
    stage.store.accounts._accounts.clear()
    stage.store.accounts._subjects.clear()
    refused(stage, LoginFailed, confirm_password(stage.sid, OLD, None, T0, stage.realm))
    refused(stage, LoginFailed, change_password(stage.sid, OLD, NEW, None, T0, stage.realm))
    refused(stage, LoginFailed, login(stage.attempt(OLD, ADA), T0, stage.realm))
