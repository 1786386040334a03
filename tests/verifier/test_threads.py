"""Verifiers without a new thread, and after a fork, continue or refuse with 503."""

import gc
import os
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from typing import Any
from urllib.request import Request

import pytest

from keyturn.errors import RevocationUnknown, Unavailable
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import HttpFeed, KeyCache, Verifier, threads
from keyturn.verifier.metadata import Discovery
from keyturn.verifier.threads import ForkSafeLock

Mint = Callable[..., str]
REVOCATIONS = {"revocations_endpoint": "/feed"}


@pytest.fixture
def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("keyturn.verifier.threads.Thread.start", start)


@pytest.mark.usefixtures("_full")
def test_without_a_thread_for_the_keys_the_answer_is_503(mint: Mint) -> None:
    verify = Verifier("https://auth.example.com", "orders", revocation="none")
    with pytest.raises(Unavailable, match="no thread"):
        verify(mint())


def test_cached_keys_serve_without_a_thread(
    site: Any, mint: Mint, key: SigningKey, other_key: SigningKey, monotonic: Any, request: pytest.FixtureRequest
) -> None:
    site.publish(KeySet([key]))
    cache = KeyCache(lambda: site.url + "/jwks", monotonic=monotonic)
    verify = Verifier(site.url, "orders", keys=cache, revocation="none", monotonic=monotonic, clock=_clock(request))
    verify(mint(iss=site.url))
    request.getfixturevalue("_full")
    monotonic.now = 300
    assert verify(mint(iss=site.url))
    assert "no thread" in cache.problem
    monotonic.now = 310
    with pytest.raises(Unavailable):
        verify(mint(iss=site.url, signed_by=other_key))


def _clock(request: pytest.FixtureRequest) -> Callable[[], float]:
    clock: Callable[[], float] = request.getfixturevalue("clock")
    return clock


@pytest.mark.usefixtures("_full")
def test_without_a_thread_for_the_feed_revocation_is_unknown(mint: Mint, key: SigningKey, clock: Any) -> None:
    verify = Verifier("https://auth.example.com", "orders", keys=KeySet([key]), revocation="feed", clock=clock)
    with pytest.raises(RevocationUnknown):
        verify(mint())
    assert "no thread" in verify.metrics().problem


def test_cached_metadata_serves_without_a_thread(
    site: Any, key: SigningKey, monotonic: Any, request: pytest.FixtureRequest
) -> None:
    site.publish(KeySet([key]))
    discovery = Discovery(site.url, monotonic=monotonic)
    discovery.metadata()
    request.getfixturevalue("_full")
    monotonic.now = 300
    assert discovery.endpoint("jwks_uri") == site.url + "/jwks"


def _in_a_child(act: Callable[[], None], seconds: float = 30.0) -> None:
    child = os.fork()
    if not child:
        try:
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    give_up_at = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > give_up_at:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert ended[1] == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_forked_while_keys_and_metadata_are_fetched_verifies(
    site: Any, mint: Mint, key: SigningKey, clock: Any
) -> None:
    site.publish(KeySet([key]), keyturn_revocations_endpoint="/feed")
    site.answers["/feed"] = {"entries": [], "sequence": 0, "log": 1}
    path = "/.well-known/oauth-authorization-server"
    gate, recording_reader = threading.Event(), site.answers[path]

    def slow(_: Any) -> Any:
        return recording_reader if gate.wait(30) else None

    site.answers[path] = slow
    verify = Verifier(site.url, "orders", clock=clock, service_token="service")
    parent = threading.Thread(target=verify, args=(mint(iss=site.url),))
    parent.start()
    while path not in site.paths():
        time.sleep(0.001)
    threading.Timer(0.1, gate.set).start()
    _in_a_child(lambda: _verifies(verify, mint(iss=site.url)))
    parent.join(30)
    verify.close()


def _verifies(verify: Verifier, token: str) -> None:
    assert verify(token).subject == "ada"


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_lock_acquired_at_a_fork_is_free_in_the_child() -> None:
    lock = ForkSafeLock()

    def take() -> None:
        with lock:
            pass

    with lock:
        _in_a_child(take)
        other = threading.Thread(target=take)
        other.start()
        other.join(0.05)
        assert other.is_alive()
    other.join(30)


def test_a_forked_child_releases_every_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = ForkSafeLock()
    monkeypatch.setattr(threads, "_items", weakref.WeakSet([lock]))
    lock.__enter__()
    threads._reset_all()
    with lock:
        pass


def test_closing_a_feed_releases_its_waiters(clock: Any, monotonic: Any) -> None:
    gate = threading.Event()

    def slow(_: Request) -> bytes:
        gate.wait(30)
        raise Unavailable("down")

    feed = HttpFeed("https://x.example", send=slow, stream=None, clock=clock, monotonic=monotonic)
    first = feed.start()
    feed.close()
    first.result(30)
    gate.set()


def test_a_feed_closed_before_its_start_does_not_block() -> None:
    feed = HttpFeed("https://x.example")
    feed.close()
    feed.start().result(30)


def test_the_thread_of_an_unreferenced_verifier_ends(site: Any, mint: Mint, key: SigningKey, clock: Any) -> None:
    site.publish(KeySet([key]), keyturn_revocations_endpoint="/feed")
    site.answers["/feed"] = {"entries": [], "sequence": 0, "log": 1}
    verify = Verifier(site.url, "orders", clock=clock)
    verify(mint(iss=site.url))
    assert verify._own_feed is not None
    thread, gone = verify._own_feed._thread, weakref.ref(verify)
    assert thread is not None
    del verify
    gc.collect()
    assert gone() is None
    thread.join(30)
    assert not thread.is_alive()
