"""A verifier configured with issuer and audience only, against a real HTTP server."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Event
from typing import Any
from urllib.parse import parse_qs

import pytest

from keyturn.clock import boottime
from keyturn.core.principal import Principal
from keyturn.errors import Refusal, RevocationUnknown, TokenRevoked, Unavailable
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import AsyncVerifier, HttpFeed, HttpIntrospection, RunningFeed, Verifier
from keyturn.verifier.fetch import Fetch, fetch

Mint = Callable[..., str]
SID = "AbCdEfGhIjKlMnOpQrStuA"
EMPTY = {"entries": [], "sequence": 0, "complete": True}
ENDPOINTS = {"keyturn_revocations_endpoint": "/feed", "introspection_endpoint": "/introspect"}


@pytest.fixture(params=[Verifier, AsyncVerifier], ids=["sync", "async"])
def make(request: pytest.FixtureRequest, site: Any, clock: Any) -> Iterator[Callable[..., Callable[[str], Principal]]]:
    made: list[Any] = []

    def make(**arguments: Any) -> Callable[[str], Principal]:
        verifier = request.param(site.url, "orders", **({"clock": clock} | arguments))
        made.append(verifier)
        if isinstance(verifier, Verifier):
            return verifier
        return lambda token: asyncio.run(verifier(token))

    yield make
    for each in made:
        each.close()
        each.close()


def test_keys_and_feed_come_from_the_metadata(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    site.answers["/feed"] = EMPTY
    verify = make(service_token="service")
    assert site.requests == []
    assert verify(mint(iss=site.url)).subject == "ada"
    assert set(site.paths()) == {"/.well-known/oauth-authorization-server", "/jwks", "/feed"}
    assert {headers.get("Authorization") for _, path, headers, _ in site.requests if "feed" in path} == {
        "Bearer service"
    }
    assert {headers.get("Authorization") for _, path, headers, _ in site.requests if "feed" not in path} == {None}


def test_the_first_token_is_already_judged_against_the_feed(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    site.answers["/feed"] = {
        "entries": [{"kind": "subject", "key": "ada", "value": 4, "at": 1, "expires_at": 2**40, "sequence": 1}],
        "sequence": 1,
        "complete": True,
    }
    site.answers["/feed?seed=1"] = EMPTY | {"sequence": 1}
    with pytest.raises(TokenRevoked):
        make()(mint(iss=site.url))


def test_without_news_the_issuer_is_asked_and_without_an_answer_it_is_503(
    site: Any, make: Any, mint: Mint, key: SigningKey
) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    site.answers["/feed"] = b"nonsense"
    site.answers["/introspect"] = {"active": True}
    verify, token = make(service_token="service"), mint(iss=site.url)
    assert verify(token)
    asked = [(method, headers, body) for method, path, headers, body in site.requests if path == "/introspect"]
    assert len(asked) == 1
    method, headers, body = asked[0]
    assert (method, headers["Authorization"]) == ("POST", "Bearer service")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode())["token"] == [token]
    site.answers["/introspect"] = {"active": False}
    with pytest.raises(TokenRevoked):
        verify(token)
    for nonsense in ({"active": "true"}, {}, [], b"", b"\xff"):
        site.answers["/introspect"] = nonsense
        with pytest.raises(RevocationUnknown):
            verify(token)


def test_an_issuer_without_a_feed_leaves_revocation_unknown(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.publish(KeySet([key]))
    with pytest.raises(RevocationUnknown):
        make()(mint(iss=site.url))
    assert make(revocation="none")(mint(iss=site.url))


def test_an_introspection_of_ones_own_is_preferred(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    own = HttpIntrospection(site.url + "/own")
    site.answers["/own"] = {"active": True}

    async def own_async(token: str) -> bool:
        return own(token)

    asynchronous = not isinstance(make(), Verifier)
    verify = make(service_token="service", introspect=own_async if asynchronous else own)
    assert verify(mint(iss=site.url))
    assert "/introspect" not in site.paths()


def test_keys_of_ones_own_and_the_feed_of_the_issuer(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.publish(KeySet([]), **ENDPOINTS)
    site.answers["/feed"] = EMPTY
    assert make(keys=KeySet([key]), revocation="feed")(mint(iss=site.url))
    assert "/jwks" not in site.paths()


def test_a_feed_of_ones_own_is_started_when_it_is_needed(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.answers["/feed"] = EMPTY
    own = HttpFeed(site.url + "/feed")
    verify = make(keys=KeySet([key]), feed=own)
    assert site.requests == []
    assert verify(mint(iss=site.url))
    own.close()


@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
def test_its_block_ends_the_feed_it_found(kind: Any, site: Any, key: SigningKey) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    site.answers["/feed"] = EMPTY
    with kind(site.url, "orders") as verify:
        verify.feed.start().result(20)
    assert verify.feed._stop.is_set()


def test_a_feed_of_any_carrier_is_started_if_it_can_be(
    make: Any, mint: Mint, key: SigningKey, make_feed: Any, site: Any
) -> None:
    class Carried(make_feed):  # type: ignore[misc]  # a fixture, so mypy cannot know it
        def start(self) -> Future[None]:
            first = Future[None]()
            self.freshness.mark_complete(boottime())
            first.set_result(None)
            return first

    feed = Carried(seen_at=float("-inf"))
    assert isinstance(feed, RunningFeed)
    assert make(keys=KeySet([key]), feed=feed)(mint(iss=site.url))


def test_a_first_poll_that_ends_before_it_is_waited_for_counts(
    site: Any, make: Any, mint: Mint, key: SigningKey
) -> None:
    class Prompt(HttpFeed):
        def start(self) -> Future[None]:
            self.poll()
            done = Future[None]()
            done.set_result(None)
            return done

    site.answers["/feed"] = EMPTY
    assert make(keys=KeySet([key]), feed=Prompt(site.url + "/feed"))(mint(iss=site.url))


@pytest.mark.parametrize(
    "jwks",
    [b"", b"<html>", b"[]", {"keys": 1}, {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, b"0" * 600_000, None],
    ids=lambda jwks: str(jwks)[:12],
)
def test_a_failing_key_endpoint_is_503(site: Any, make: Any, mint: Mint, key: SigningKey, jwks: Any) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    site.answers["/jwks"] = jwks
    with pytest.raises(Unavailable):
        make()(mint(iss=site.url))


def test_a_call_to_a_slow_issuer_ends_at_the_deadline(
    site: Any, make: Any, mint: Mint, monkeypatch: pytest.MonkeyPatch, key: SigningKey
) -> None:
    monkeypatch.setattr("keyturn.verifier.verifier._WAIT_SECONDS", 0.1)
    site.publish(KeySet([key]), **ENDPOINTS)
    given_up, answered = Event(), list[str]()

    def slow(handler: Any) -> None:
        given_up.wait(30)
        answered.append(handler.path)

    site.answers["/jwks"] = site.answers["/feed"] = slow
    with pytest.raises(Unavailable):
        make()(mint(iss=site.url))
    with pytest.raises(RevocationUnknown):
        make(keys=KeySet([key]), revocation="feed")(mint(iss=site.url))
    assert answered == [], "it waited for an answer"
    given_up.set()


def test_metadata_that_names_another_issuer_is_not_followed(site: Any, make: Any, mint: Mint, key: SigningKey) -> None:
    site.publish(KeySet([key]), **ENDPOINTS)
    site.answers["/.well-known/oauth-authorization-server"]["issuer"] = "https://evil.example.com"
    with pytest.raises(Refusal) as refused:
        make()(mint(iss=site.url))
    assert refused.value.status == 503
    assert "/jwks" not in site.paths()


@pytest.mark.parametrize(("staleness", "interval"), [(5, 1.0), (60, 1.0), (1, 0.25)])
def test_the_feed_is_asked_several_times_within_its_bound(site: Any, staleness: int, interval: float) -> None:
    feed = Verifier(site.url, "orders", staleness_seconds=staleness).feed
    assert isinstance(feed, HttpFeed)
    assert (feed._interval_seconds, feed.freshness.bound_seconds) == (interval, staleness)


def test_an_introspection_url_may_be_found_when_it_is_needed() -> None:
    send: Fetch = lambda asked: json.dumps({"active": asked.full_url == "https://x.example/ask"}).encode()  # noqa: E731
    assert HttpIntrospection(lambda: "https://x.example/ask", send=send)("token")
    assert not HttpIntrospection("https://x.example/other", send=send)("token")
    assert fetch is not send
