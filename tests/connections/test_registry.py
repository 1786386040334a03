"""The registry of open connections, on a source set by hand."""

import gc
import os
import threading
import weakref
from collections.abc import Iterator

import pytest

from connections.harness import BOUND, NOW, ManualSource, Watched, eventually, principal_of
from keyturn.connections import ConnectionEnd, ConnectionRegistry
from keyturn.core.principal import Principal
from keyturn.core.revocation import RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import SessionEnded, StoreUnavailable, TokenInvalid, Unavailable

ENDED, EXPIRED, UNKNOWN = ConnectionEnd.SESSION_ENDED, ConnectionEnd.TOKEN_EXPIRED, ConnectionEnd.UNKNOWN
SESSION, SUBJECT = RevocationKind.SESSION, RevocationKind.SUBJECT


@pytest.fixture
def source() -> ManualSource:
    return ManualSource()


@pytest.fixture
def registry(source: ManualSource) -> Iterator[ConnectionRegistry]:
    registry = ConnectionRegistry(source)
    yield registry
    registry.close()


def has_no_thread() -> bool:
    return not [each for each in threading.enumerate() if each.name.startswith("keyturn-connections")]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (SESSION, "s1", 2**63 - 1),
        (SUBJECT, "ada", 2),
        (RevocationKind.CLIENT, "web", NOW + 1),
        (RevocationKind.EVERYTHING, "", NOW + 1),
    ],
)
def test_a_revocation_ends_its_connections_and_no_other(
    registry: ConnectionRegistry, source: ManualSource, kind: RevocationKind, key: str, value: int
) -> None:
    own = Watched(registry, principal_of(credential="access"))
    other = Watched(registry, principal_of("s2", "bob", "tv", credential="access", issued_at=NOW + 5))
    source.revoke(kind, key, value)
    assert own.wait() is ENDED
    assert not own.is_open
    registry.run_once()
    assert other.is_open
    assert other.ends == []
    assert len(registry) == 1


def test_revocations_of_others_wake_no_thread(registry: ConnectionRegistry, source: ManualSource) -> None:
    watched = Watched(registry, principal_of())
    for number in range(100):
        source.revoke(SESSION, f"other{number}")
        source.revoke(SUBJECT, f"other{number}", 7)
    assert not registry._entries
    assert watched.is_open
    assert source.reloaded == []


def test_a_revocation_before_the_connection_was_indexed_ends_it_at_once(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    source.revoke(SESSION, "s1")
    watched = Watched(registry, principal_of())
    assert watched.ends == [ENDED]
    assert not watched.is_open
    assert len(registry) == 0


def test_a_snapshot_and_a_polled_change_end_what_they_revoke(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    one, two = Watched(registry, principal_of("s1")), Watched(registry, principal_of("s2"))
    source.revoke(SESSION, "s1", is_told=False)
    source.deliver_snapshot()
    assert one.wait() is ENDED
    source.revoke(SESSION, "s2", is_told=False)
    source.has_changed = True
    assert two.wait() is ENDED


def test_a_renewed_session_token_ends_no_connection(registry: ConnectionRegistry, source: ManualSource) -> None:
    watched = Watched(registry, principal_of())
    source.revoke(SESSION, "s1", 3)
    registry.run_once()
    assert watched.is_open


def test_a_higher_generation_ends_a_session_unless_the_store_keeps_it(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    def load(principal: Principal) -> Principal:
        if principal.sid == "s2":
            raise SessionEnded("another password")
        return principal._replace(generation=2)

    source.load = load
    kept, ended = Watched(registry, principal_of("s1")), Watched(registry, principal_of("s2"))
    source.revoke(SUBJECT, "ada", 2)
    assert ended.wait() is ENDED
    assert eventually(lambda: kept.registration.principal.generation == 2)
    assert kept.is_open
    source.revoke(SUBJECT, "ada", 2)
    registry.run_once()
    assert sorted(source.reloaded) == ["s1", "s2"]


def test_a_generation_raised_during_a_reload_is_looked_for_again(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    def load(principal: Principal) -> Principal:
        if len(source.reloaded) == 1:
            source.revoke(SUBJECT, "ada", 3)
            return principal._replace(generation=2)
        raise SessionEnded("the third generation is another login's")

    source.load = load
    watched = Watched(registry, principal_of())
    source.revoke(SUBJECT, "ada", 2)
    assert watched.wait() is ENDED


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("a fault")])
def test_a_session_that_cannot_be_reloaded_is_unknown(
    registry: ConnectionRegistry, source: ManualSource, error: Exception
) -> None:
    def load(_: Principal) -> Principal:
        raise error

    source.load = load
    watched = Watched(registry, principal_of())
    source.revoke(SUBJECT, "ada", 2)
    assert watched.wait() is UNKNOWN


def test_a_store_that_hangs_delays_no_other_end_and_is_given_up(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    release = threading.Event()

    def load(principal: Principal) -> Principal:
        release.wait(20)
        return principal._replace(generation=2)

    source.load = load
    loading, waiting = Watched(registry, principal_of("s1")), Watched(registry, principal_of("s2"))
    other = Watched(registry, principal_of("s3", "bob"))
    source.revoke(SUBJECT, "ada", 2)
    assert eventually(lambda: len(source.reloaded) == 1)
    source.revoke(SESSION, "s3")
    assert other.wait() is ENDED
    source.pass_time(BOUND + 0.1)
    assert loading.wait() is UNKNOWN
    assert waiting.wait() is UNKNOWN
    release.set()
    assert eventually(has_no_thread)
    assert loading.ends == [UNKNOWN]


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_connection_closed_during_its_reload_stays_closed(
    registry: ConnectionRegistry, source: ManualSource, is_refused: bool
) -> None:
    release = threading.Event()

    def load(principal: Principal) -> Principal:
        release.wait(20)
        if is_refused:
            raise SessionEnded("of another password")
        return principal._replace(generation=2)

    source.load = load
    watched = Watched(registry, principal_of())
    source.revoke(SUBJECT, "ada", 2)
    assert eventually(lambda: len(source.reloaded) == 1)
    registry.remove(watched.registration)
    release.set()
    assert eventually(has_no_thread)
    assert (len(registry), watched.ends, watched.is_open) == (0, [], False)


def test_a_token_connection_ends_at_exp(registry: ConnectionRegistry, source: ManualSource) -> None:
    watched = Watched(registry, principal_of(credential="access", expires_in=60))
    source.pass_time(59.5)
    registry.run_once()
    assert watched.is_open
    source.pass_time(0.5)
    assert watched.wait() is EXPIRED


def test_a_session_connection_outlives_its_first_deadline_while_the_session_is_used(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    source.load = lambda principal: principal._replace(credential_expires_at=Instant(NOW + 120))
    watched = Watched(registry, principal_of(expires_in=60))
    source.pass_time(61)
    assert eventually(lambda: watched.registration.deadline == NOW + 120)
    assert watched.is_open

    def load(_: Principal) -> Principal:
        raise SessionEnded("idle")

    source.load = load
    source.pass_time(60)
    assert watched.wait() is ENDED


def test_a_credential_that_has_ended_is_not_kept_open(registry: ConnectionRegistry) -> None:
    assert Watched(registry, principal_of(credential="access", expires_in=0)).ends == [EXPIRED]


def test_two_clocks_that_disagree_end_a_token_connection_as_unknown(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    watched = Watched(registry, principal_of(credential="access", expires_in=60))
    source.gap = 60
    assert watched.wait() is UNKNOWN


# --- the staleness bound ---


def test_a_stale_feed_ends_every_connection(registry: ConnectionRegistry, source: ManualSource) -> None:
    one, two = Watched(registry, principal_of("s1")), Watched(registry, principal_of("s2", credential="access"))
    source.pass_time(BOUND, is_read=False)
    registry.run_once()
    assert one.is_open
    source.pass_time(0.1, is_read=False)
    assert not one.is_open, "also before the thread has seen it"
    assert [one.wait(), two.wait()] == [UNKNOWN, UNKNOWN]


def test_a_connection_opened_without_a_feed_has_the_bound_until_the_feed_is_read(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    source.completed = float("-inf")
    kept = Watched(registry, principal_of("s1"))
    source.pass_time(BOUND - 1, is_read=False)
    later = Watched(registry, principal_of("s2"))
    source.pass_time(1.1, is_read=False)
    assert kept.wait() is UNKNOWN
    assert later.is_open
    source.completed = source.now
    source.pass_time(BOUND - 0.1, is_read=False)
    registry.run_once()
    assert later.is_open


def test_a_gap_in_the_feed_ends_nothing_within_the_bound(registry: ConnectionRegistry, source: ManualSource) -> None:
    watched = Watched(registry, principal_of())
    registry.run_once()
    source.completed = float("-inf")
    source.pass_time(BOUND - 0.1, is_read=False)
    registry.run_once()
    assert watched.is_open
    source.pass_time(0.2, is_read=False)
    assert watched.wait() is UNKNOWN


# --- a newer token ---


def test_a_newer_token_of_the_session_extends_the_connection(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    watched = Watched(registry, principal_of(credential="access", expires_in=60))
    registry.renew(watched.registration, principal_of(credential="access", expires_in=120, generation=2))
    registry.renew(watched.registration, principal_of(credential="access", expires_in=30))
    source.revoke(SUBJECT, "ada", 2)
    source.pass_time(119)
    registry.run_once()
    assert watched.is_open
    source.pass_time(1)
    assert watched.wait() is EXPIRED
    registry.renew(watched.registration, principal_of(credential="access", expires_in=900))
    assert not watched.is_open


@pytest.mark.parametrize(
    "presented",
    [
        principal_of("s2", credential="access", expires_in=900),
        principal_of(subject="bob", credential="access", expires_in=900),
        principal_of(expires_in=900),
    ],
    ids=["another session", "another subject", "a session token"],
)
def test_another_credential_does_not_extend_the_connection(
    registry: ConnectionRegistry, source: ManualSource, presented: Principal
) -> None:
    watched = Watched(registry, principal_of(credential="access", expires_in=60))
    with pytest.raises(TokenInvalid):
        registry.renew(watched.registration, presented)
    source.pass_time(60)
    assert watched.wait() is EXPIRED


def test_a_token_revoked_meanwhile_ends_the_connection_that_it_renews(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    watched = Watched(registry, principal_of(credential="access", expires_in=60, generation=2))
    source.revoke(SUBJECT, "ada", 2)
    registry.renew(watched.registration, principal_of(credential="access", expires_in=120, generation=1))
    assert watched.wait() is ENDED


def test_a_token_does_not_change_a_connection_opened_with_a_session_token(
    registry: ConnectionRegistry, source: ManualSource
) -> None:
    watched = Watched(registry, principal_of(expires_in=600))
    registry.renew(watched.registration, principal_of(credential="access", expires_in=60))
    source.pass_time(61)
    registry.run_once()
    assert watched.is_open


# --- what is left behind ---


def test_closed_connections_leave_no_thread_and_no_listener(registry: ConnectionRegistry, source: ManualSource) -> None:
    for round_ in range(2):
        opened = [Watched(registry, principal_of(f"s{round_}.{number}")) for number in range(50)]
        for each in opened:
            registry.remove(each.registration)
            registry.remove(each.registration)
        assert eventually(has_no_thread)
        assert len(registry) == 0
        assert source.listeners == []
        assert [each.ends for each in opened] == [[]] * 50


def test_a_registry_without_connections_can_be_collected(source: ManualSource) -> None:
    registry = ConnectionRegistry(source)
    watched = Watched(registry, principal_of())
    registry.remove(watched.registration)
    assert eventually(has_no_thread)
    collected = weakref.ref(registry)
    del registry, watched
    gc.collect()
    assert collected() is None


def test_a_closed_registry_ends_its_connections_and_later_ones(registry: ConnectionRegistry) -> None:
    watched = Watched(registry, principal_of())
    registry.close()
    assert watched.ends == [UNKNOWN]
    assert Watched(registry, principal_of()).ends == [UNKNOWN]


def test_a_callback_that_fails_does_not_keep_others_open(
    registry: ConnectionRegistry, source: ManualSource, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: ConnectionEnd) -> None:
        raise ValueError("of the application")

    registry.open(principal_of(), fail)
    watched = Watched(registry, principal_of())
    source.revoke(SESSION, "s1")
    assert watched.wait() is ENDED
    assert eventually(lambda: "callback" in caplog.text)


def test_a_source_that_fails_ends_every_connection(
    registry: ConnectionRegistry, source: ManualSource, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(registry, principal_of())

    def fail() -> tuple[float, float]:
        raise ValueError("a fault")

    source.present = fail  # type: ignore[method-assign]
    assert watched.wait() is UNKNOWN
    assert "could not be checked" in caplog.text


def test_without_a_thread_a_connection_is_refused(
    registry: ConnectionRegistry, source: ManualSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("keyturn.connections.registry.Thread.start", start)
        with pytest.raises(Unavailable, match="thread"):
            Watched(registry, principal_of())
    assert len(registry) == 0
    assert source.listeners == []
    assert Watched(registry, principal_of()).is_open


def test_without_a_thread_for_reloads_a_session_is_given_up(
    registry: ConnectionRegistry, source: ManualSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(registry, principal_of())

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("keyturn.connections.reloads.Thread.start", start)
        source.revoke(SUBJECT, "ada", 2)
        assert eventually(lambda: bool(registry._reloads._give_up_at))
    source.pass_time(BOUND + 0.1)
    assert watched.wait() is UNKNOWN


def test_a_forked_child_begins_without_connections(registry: ConnectionRegistry, source: ManualSource) -> None:
    inherited = Watched(registry, principal_of())
    child = os.fork()
    if child == 0:
        try:
            registry.reset()
            source.pass_time(BOUND + 1, is_read=False)
            failed = registry.is_open(inherited.registration) or len(registry) != 0
            own = Watched(registry, principal_of("s2"))
            source.revoke(SESSION, "s2")
            failed = failed or own.wait() is not ENDED
        except BaseException:
            failed = True
        os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert inherited.is_open
    source.revoke(SESSION, "s1")
    assert inherited.wait() is ENDED
