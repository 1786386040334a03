"""What other processes do on a shared store, for the tests that race or kill them."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Barrier
from typing import Any

from interleavings.harness import ADA, OLD, T0, attempt, make_test_ports, realm
from keyturn.core.sealed import CredentialKind, parse
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal, StoreUnavailable
from keyturn.flows.create_session import LoginAttempt
from keyturn.flows.drive import drive
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_session, revoke_subject
from keyturn.flows.signup import signup
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.testing.blocking import Blocking

REALM = realm()
THREADS = 50


def opened(url: str, redis_sessions: RedisSessions | None = None) -> Any:
    """Open a store. Over asyncpg, every call is run on an event loop of its own."""
    return Blocking(open_async_store(url)) if "+asyncpg" in url else open_store(url, redis_sessions=redis_sessions)


def use(store: Any, text: str, now: Instant = T0) -> str:
    """Refresh once. Answers the successor, or the refusal's code."""
    try:
        issued: IssuedCredentials = drive(refresh(text, "tokens", now, REALM), make_test_ports(store))
    except Refusal as refusal:
        return refusal.code
    assert issued.refresh_token
    return issued.refresh_token.reveal()


def use_at_once(store: Any, text: str, times: int) -> list[str]:
    """Refresh from many threads, all let go at the same moment."""
    barrier = Barrier(THREADS)

    def run_several(_: int) -> list[str]:
        barrier.wait()
        return [_use_patiently(store, text) for _ in range(times // THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return [each for answers in pool.map(run_several, range(THREADS)) for each in answers]


def _use_patiently(store: Any, text: str) -> str:
    # Many at once may have to wait beyond the store's deadline: an honest client asks again then.
    while (answer := use(store, text)) == "store_unavailable":
        pass
    return answer


def use_from_another_process(
    url: str, redis_sessions: RedisSessions | None, text: str, times: int, pipe: Connection
) -> None:
    store = open_store(url, redis_sessions=redis_sessions)
    pipe.send("ready")
    pipe.recv()
    pipe.send(use_at_once(store, text, times))
    store.close()


def logged_in_users(store: Any, count: int) -> Iterator[IssuedCredentials]:
    """One account with ``count`` sessions."""
    yield drive(signup(attempt(OLD), T0, REALM), make_test_ports(store))
    for _ in range(count - 1):
        yield drive(login(attempt(OLD), T0, REALM), make_test_ports(store))


def bystander(store: Any, number: int) -> IssuedCredentials:
    """Another person, whose sessions end now and then."""
    stranger = LoginAttempt(f"{number}.{ADA}", OLD, deliver="tokens")
    return drive(signup(stranger, T0, REALM), make_test_ports(store))


def counter(text: str) -> int:
    return parse(text, CredentialKind.REFRESH, REALM.secrets).counter


def rotate_until_killed(
    url: str, redis_sessions: RedisSessions | None, text: str, doomed: Iterable[tuple[str, str]], pipe: Connection
) -> None:
    """Rotate in a loop and end other sessions now and then. Acknowledged writes are sent on ``pipe``.

    Each message is one write far below ``PIPE_BUF``: it arrives whole or not at all.
    """
    store = opened(url, redis_sessions)
    ends = iter(list(doomed))
    turn = 0
    while True:
        text = patiently(lambda: rotated(store, text))  # noqa: B023 - called at once
        pipe.send_bytes(b"T" + text.encode())
        turn += 1
        if turn % 3 == 0 and (ended := next(ends, None)):
            how, name = ended
            patiently(lambda: end(store, how, name))  # noqa: B023 - called at once
            pipe.send_bytes(how.encode() + name.encode())


def rotated(store: Any, text: str) -> str:
    """Rotate and return the successor. Raises ``StoreUnavailable`` if the store does not reply in time."""
    answer = use(store, text)
    if answer == StoreUnavailable.code:
        raise StoreUnavailable("asked again")
    return answer


def end(store: Any, how: str, name: str) -> None:
    """``how``: ``S`` for a session, otherwise a subject."""
    flow: Any = revoke_subject(name, T0, REALM)  # type: ignore[arg-type]  # a subject's name
    if how == "S":
        flow = revoke_session(SessionId(name), "logout", T0, REALM)
    drive(flow, make_test_ports(store))


def patiently(call: Callable[[], Any]) -> Any:
    """Return the result of ``call``, retried when a busy machine misses the store's deadline."""
    for _ in range(30):
        with suppress(StoreUnavailable):
            return call()
    raise AssertionError("the store never answers")
