"""The life of a verifier: a forked child reads the feed anew, and a closed verifier reads again when it is entered."""

from collections.abc import Callable
from threading import Event
from typing import Any
from urllib.request import Request

import pytest

from keyturn.core.revocation import ENDED
from keyturn.errors import RevocationUnknown, TokenRevoked
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import HttpFeed, Verifier
from verifier.conftest import NOW
from verifier.issuer_feed import URL, IssuerFeed
from verifier.test_threads import _in_a_child

Mint = Callable[..., str]
threads_and_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
END = {"entries": [], "sequence": 1, "log": 1}


def revoke(site: Any, *sids: str) -> None:
    """Let the feed of ``site`` be a snapshot of these ended sessions."""
    entries = [
        {"sequence": n, "kind": "session", "key": sid, "value": ENDED, "at": NOW, "expires_at": NOW + 600}
        for n, sid in enumerate(sids, 1)
    ]
    site.answers["/feed"] = {"entries": entries, "sequence": 1, "log": 1}
    site.answers["/feed?seed=1"] = site.answers["/feed?after=1"] = END


@pytest.fixture
def feed_site(site: Any, key: SigningKey) -> Any:
    site.publish(KeySet([key]), keyturn_revocations_endpoint="/feed")
    revoke(site)
    return site


@pytest.fixture
def verify(feed_site: Any, clock: Any) -> Verifier:
    return Verifier(
        feed_site.url, "orders", clock=clock, service_token="service", on_stale="refuse", staleness_seconds=60
    )


@threads_and_fork
def test_a_forked_child_does_not_answer_from_its_parents_feed(feed_site: Any, verify: Verifier, mint: Mint) -> None:
    token = mint(iss=feed_site.url)
    sid = verify(token).sid
    revoke(feed_site, sid)

    def use() -> None:
        assert verify.check_cached(token) is None
        with pytest.raises(TokenRevoked):
            verify(token)

    _in_a_child(use)
    verify.close()


@threads_and_fork
def test_a_forked_child_refuses_while_the_feed_cannot_be_read(feed_site: Any, verify: Verifier, mint: Mint) -> None:
    token = mint(iss=feed_site.url)
    assert verify(token)
    feed_site.answers["/feed"] = {"entries": "none"}

    def use() -> None:
        with pytest.raises(RevocationUnknown):
            verify(token)

    _in_a_child(use)
    verify.close()


def test_a_closed_verifier_reads_the_feed_again_when_it_is_entered(
    feed_site: Any, verify: Verifier, mint: Mint
) -> None:
    token = mint(iss=feed_site.url)
    with verify:
        sid = verify(token).sid
    revoke(feed_site, sid)
    with verify, pytest.raises(TokenRevoked):
        verify(token)


def test_entering_an_open_verifier_keeps_its_feed(feed_site: Any, verify: Verifier, mint: Mint) -> None:
    assert verify(mint(iss=feed_site.url))
    feed = verify.feed.revocations
    with verify:
        assert verify.feed.revocations is feed


def test_a_feed_that_is_reopened_starts_with_a_snapshot(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    issuer_feed.append("s")
    polled_feed.start().result(30)
    polled_feed.reopen()
    assert b"s" in polled_feed.revocations.ended, "it is open"
    polled_feed.close()
    polled_feed.reopen()
    assert polled_feed.freshness.complete_as_of == float("-inf")
    polled_feed.start().result(30)
    assert b"s" in polled_feed.revocations.ended
    polled_feed.close()


def test_a_thread_of_a_closed_feed_reads_nothing_into_the_reopened_one(clock: Any, monotonic: Any) -> None:
    asked, go = Event(), Event()
    pages = IssuerFeed(monotonic)
    pages.append("s")

    def send(request: Request) -> bytes:
        asked.set()
        assert go.wait(30)
        return pages(request)

    feed = HttpFeed(URL, "service", send=send, stream=None, clock=clock, monotonic=monotonic)
    feed.start()
    assert asked.wait(30)
    former = feed._thread
    feed.close()
    feed.reopen()
    go.set()
    assert former is not None
    former.join(30)
    assert not feed.revocations.ended
    assert feed.freshness.complete_as_of == float("-inf")


def test_a_fork_resets_a_feed_and_leaves_a_closed_one_closed(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    polled_feed.start().result(30)
    polled_feed.reset()
    assert polled_feed.freshness.complete_as_of == float("-inf")
    polled_feed.close()
    polled_feed.reset()
    polled_feed.start().result(30)
    assert polled_feed.freshness.complete_as_of == float("-inf")


def test_a_feed_that_was_passed_in_is_neither_opened_nor_closed(polled_feed: HttpFeed, key: SigningKey) -> None:
    with Verifier("https://auth.example.com", "orders", keys=KeySet([key]), feed=polled_feed):
        pass
    polled_feed.stream()  # it has no stream: nothing is read
    assert polled_feed.freshness.complete_as_of == float("-inf")
    polled_feed.start().result(30)
    assert polled_feed.freshness.complete_as_of > float("-inf")
    polled_feed.close()
