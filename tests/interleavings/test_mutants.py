"""The explorer can fail: each deliberately broken variant must be caught, by the scene that is there to catch it."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from interleavings import test_session_caches, test_throttle
from interleavings.harness import NEW, Harness, realm
from interleavings.scenarios import PAIRS, TRIPLES, explore
from interleavings.session_caches import CapturedSessionCache, clock_actor, feed
from keyturn.core.feed import LogCursor
from keyturn.core.freshness import Freshness
from keyturn.core.lifecycle import revoke as ended
from keyturn.core.lifecycle import step_up as stepped
from keyturn.core.session import LoadedSession
from keyturn.core.types import Subject
from keyturn.flows.effects import Flow, call
from keyturn.flows.revoke import RevocationReceipt, session_end, session_renewal
from keyturn.ports import AccountStore, SessionStore
from keyturn.stores.memory import MemorySessions, MemoryThrottles

SCENES = {each.name: each for each in (*PAIRS, *TRIPLES)}


def flow_module(name: str) -> Any:
    # The package exports functions under the names of its modules, so the modules are found where Python keeps them.
    return sys.modules[f"keyturn.flows.{name}"]


def caught(name: str) -> list[str]:
    return explore(SCENES[name]).violations


# --- stores that are not atomic -----------------------------------------------------------------------------------


def blind_replace(self: MemorySessions, session: Any, entry: Any = None) -> int:
    self._memory.sessions[session.sid] = session
    return 0 if entry is None else self._memory.append(entry).sequence


@pytest.mark.parametrize("scenario", ["refresh / revoke", "touch / revoke", "touch / refresh", "step-up / refresh"])
def test_a_store_that_ignores_versions_is_caught(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySessions, "replace", blind_replace)
    assert caught(scenario)


def test_a_throttle_that_ignores_versions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def unconditional_replace(self: MemoryThrottles, bucket: Any) -> bool:
        self._buckets[bucket.key] = bucket
        return True

    monkeypatch.setattr(MemoryThrottles, "replace", unconditional_replace)
    harness = Harness(realm(test_throttle.TIGHT)).sign_up()
    actors = [harness.login(name, NEW) for name in ("p", "q", "s")]
    assert test_throttle.explore("", harness, actors, 0, test_throttle.within_the_limit).violations


def test_a_mark_that_can_fall_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def drop_log_entries(self: MemorySessions, entry: Any) -> Any:
        self._memory.floors[(entry.kind, entry.key)] = entry.value
        self._memory.floors = {(entry.kind, entry.key): entry.value}
        return self._memory.append(entry)

    monkeypatch.setattr(MemorySessions, "raise_not_before", drop_log_entries)
    assert caught("revoke / revoke subject / revoke everything")


# --- flows that judge what is no longer so ------------------------------------------------------------------------


def test_a_refresh_that_takes_a_lost_swap_for_won_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def stored(outcome: Any, *_: Any) -> Flow[bool]:
        yield from call(SessionStore.replace, outcome.session)
        return True

    monkeypatch.setattr(flow_module("refresh"), "_store", stored)
    assert caught("refresh / revoke")


def test_a_revocation_that_takes_a_lost_swap_for_won_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def revoke_without_retry(sid: Any, reason: str, now: Any, realm: Any) -> Flow[RevocationReceipt]:
        found = yield from call(SessionStore.load, sid)
        assert found is not None
        yield from call(SessionStore.replace, ended(found, reason, now), session_end(sid, now, realm))
        return RevocationReceipt(0, 5)

    monkeypatch.setattr("interleavings.harness.revoke_session", revoke_without_retry)
    assert caught("refresh / revoke")


def marks_after(identifier: str, client_id: str) -> Flow[Any]:
    account = yield from call(AccountStore.find, identifier)
    marks = yield from call(SessionStore.revocation_floor, account.subject if account else Subject(""), client_id)
    return account, marks


@pytest.mark.parametrize(
    "scenario", ["login / disable", "change / login with the old password", "login that rehashes / change"]
)
def test_a_login_that_reads_its_marks_after_the_account_is_caught(
    scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_module("login"), "load_account", marks_after)
    assert caught(scenario)


def test_a_login_that_reads_the_floor_before_the_account_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def marks_before(identifier: str, client_id: str) -> Flow[Any]:
        _, marks = yield from marks_after(identifier, client_id)
        return (yield from call(AccountStore.find, identifier)), marks

    monkeypatch.setattr(flow_module("login"), "load_account", marks_before)
    assert caught("change / login with the new password")


@pytest.mark.parametrize("scenario", ["login / revoke subject", "login / revoke everything", "login / disable"])
def test_a_login_that_reads_its_marks_after_hashing_is_caught(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = flow_module("create_session").create_session

    def late(subject: Any, marks: Any, attempt: Any, *rest: Any, **options: Any) -> Flow[Any]:
        fresh = yield from call(SessionStore.revocation_floor, subject, attempt.client.client_id)
        session = yield from real(subject, fresh, attempt, *rest, **options)
        return session

    monkeypatch.setattr(flow_module("login"), "create_session", late)
    violations = caught(scenario)
    # A revocation alone cannot tell: such a login reads as one that began after it. A disabled account can.
    assert bool(violations) == (scenario == "login / disable")


def test_a_step_up_that_ignores_a_concurrent_password_change_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    module = flow_module("step_up")

    def step_up_without_password_check(proven: Any, now: Any, realm: Any) -> Flow[Any]:
        while True:
            found = yield from module.load_live_session(proven.sid, now, realm)
            session = stepped(found, ("pwd",), now, realm.profile.session)
            entry = session_renewal(session.sid, session.renewals, now, realm)
            if (yield from call(SessionStore.replace, session, entry)) is not None:
                return session

    monkeypatch.setattr(module, "_renew", step_up_without_password_check)
    assert caught("change / step-up")


@pytest.mark.parametrize("scenario", ["change / revoke", "change / revoke subject"])
def test_a_change_that_keeps_its_session_in_a_second_write_is_caught(
    scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = flow_module("password")

    def call_without_keep(method: Any, *arguments: Any) -> Flow[Any]:
        kept = 2 if method is AccountStore.replace_and_revoke else None
        return (yield from call(method, *arguments[:kept]))

    monkeypatch.setattr(module, "call", call_without_keep)
    assert caught(scenario)


# --- session caches that use stale entries ----------------------------------------------------------


class StaleReadingCache(CapturedSessionCache):
    def _is_outdated(self, found: LoadedSession) -> bool:
        return False


class NonEvictingCache(CapturedSessionCache):
    def _discard(self, sid: Any) -> None:
        pass


class FeedIgnoringCache(CapturedSessionCache):
    def apply_local(self, entry: Any) -> None:
        pass


def session_cache_violations(
    session_cache: type[CapturedSessionCache], ender: str, actors: Callable[[Harness], list[Any]], seen: bool
) -> list[str]:
    harness, ending = test_session_caches.scenario_with(ender, seen, session_cache)
    return test_session_caches.explore("", harness, [ending, *actors(harness)], 0).violations


def after_feed(harness: Harness) -> list[Any]:
    return [harness.verify("v", process="b"), harness.verify("w", process="b"), feed(harness, "f", "b", polls=2)]


@pytest.mark.parametrize("ender", test_session_caches.ENDERS)
def test_a_cache_that_remembers_without_asking_its_set_is_caught(ender: str) -> None:
    assert session_cache_violations(StaleReadingCache, ender, after_feed, seen=False)


@pytest.mark.parametrize("ender", ["revoke", "step-up", "change"])
def test_a_cache_that_does_not_evict_is_caught(ender: str) -> None:
    assert session_cache_violations(NonEvictingCache, ender, after_feed, seen=True)


@pytest.mark.parametrize("ender", test_session_caches.ENDERS)
def test_a_process_that_does_not_note_its_own_revocations_is_caught(ender: str) -> None:
    assert session_cache_violations(
        FeedIgnoringCache,
        ender,
        lambda harness: [harness.verify("v", process="a"), harness.verify("w", process="a")],
        seen=True,
    )


class UncheckedCopyCache(CapturedSessionCache):
    """Accepts any copy. A session that the feed has ended is refused before a copy is asked for."""

    def accept_copy(self, copy: Any) -> bool:
        return True


class UnorderedCopyCache(CapturedSessionCache):
    """Believes a copy whatever the age of its news."""

    def cursor(self) -> Any:
        return LogCursor(self._log or 0, self._revocations.sequence)

    def accept_copy(self, copy: Any) -> bool:
        return not self._is_outdated(copy.loaded)


def shared_cache_violations(
    session_cache: type[CapturedSessionCache], ender: str, actors: Callable[[Harness], list[Any]]
) -> list[str]:
    harness, ending = test_session_caches.shared_cache_scenario(ender, session_cache)
    return test_session_caches.explore("", harness, [ending, *actors(harness)], 0).violations


@pytest.mark.parametrize("ender", sorted(test_session_caches.ENDERS.keys() - {"revoke", "reuse"}))
def test_a_process_that_vouches_for_any_copy_is_caught(ender: str) -> None:
    assert shared_cache_violations(
        UncheckedCopyCache, ender, lambda harness: [harness.verify("v", process="b"), feed(harness, "f", "b")]
    )


def test_a_process_that_vouches_on_stale_news_is_caught() -> None:
    assert shared_cache_violations(
        UnorderedCopyCache, "revoke", lambda harness: [harness.verify("v", process="b"), clock_actor("t", 6)]
    )


def test_a_cache_that_is_never_stale_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Freshness, "is_fresh", lambda self, now: True)
    assert session_cache_violations(
        CapturedSessionCache,
        "revoke",
        lambda harness: [harness.verify("v", process="b"), clock_actor("t", 6)],
        seen=True,
    )
