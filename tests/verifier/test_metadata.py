"""RFC 8414 metadata: found where the RFC says, believed only when it names its issuer, kept when it cannot be had."""

import json
import threading
from typing import Any
from urllib.request import Request

import pytest

from keyturn.errors import ConfigurationError, Unavailable
from keyturn.verifier.metadata import Discovery, metadata_url
from keyturn.verifier.threads import ForkSafeLock
from services.process import until

ISSUER = "https://auth.example.com"
GOOD = {"issuer": ISSUER, "jwks_uri": ISSUER + "/jwks", "introspection_endpoint": ISSUER + "/ask", "more": 1}


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        (ISSUER, "/.well-known/oauth-authorization-server"),
        (ISSUER + "/", "/.well-known/oauth-authorization-server"),
        (ISSUER + "/tenant", "/.well-known/oauth-authorization-server/tenant"),
        (ISSUER + "/a/b/", "/.well-known/oauth-authorization-server/a/b"),
    ],
)
def test_the_well_known_segment_precedes_the_path(issuer: str, url: str) -> None:
    assert metadata_url(issuer) == ISSUER + url


@pytest.mark.parametrize("issuer", [ISSUER + "?x", ISSUER + "#x", "http://auth.example.com", "auth"])
def test_an_issuer_that_is_no_issuer_url_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigurationError):
        metadata_url(issuer)


class Sender:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.requests = 0

    def __call__(self, _: Request) -> bytes:
        self.requests += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return json.dumps(self.answer).encode()


def wait_for_fetch() -> None:
    """Wait for a fetch under way."""
    for thread in threading.enumerate():
        if thread.name == "keyturn-metadata":
            thread.join(30)


def test_metadata_is_cached_for_five_minutes_and_longer_after_failures(monotonic: Any) -> None:
    sender = Sender(GOOD)
    discovery = Discovery(ISSUER, send=sender, monotonic=monotonic)
    first = discovery.metadata()
    monotonic.now = 299
    assert discovery.metadata() is first
    assert sender.requests == 1
    sender.answer = Unavailable("down")
    monotonic.now = 300
    assert discovery.metadata() is first
    wait_for_fetch()
    assert discovery.metadata() is first
    assert sender.requests == 2
    sender.answer = GOOD | {"jwks_uri": ISSUER + "/moved"}
    monotonic.now = 600
    assert discovery.endpoint("jwks_uri") == ISSUER + "/jwks", "not held up by the fetch"
    wait_for_fetch()
    assert discovery.endpoint("jwks_uri") == ISSUER + "/moved"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ISSUER + "/"},
        {"issuer": "https://evil.example.com"},
        {"issuer": 5},
        {"jwks_uri": "http://auth.example.com/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ""},
        {"jwks_uri": None},
        {"introspection_endpoint": "http://auth.example.com"},
        {"keyturn_revocations_endpoint": "ftp://x"},
    ],
    ids=repr,
)
@pytest.mark.conforms("RFC 8414 3.3")
def test_metadata_of_another_issuer_or_with_insecure_urls_is_refused(wrong: dict[str, Any]) -> None:
    discovery = Discovery(ISSUER, send=Sender(GOOD | wrong))
    with pytest.raises(Unavailable):
        discovery.metadata()


def test_an_endpoint_the_issuer_does_not_name_is_unavailable() -> None:
    discovery = Discovery(ISSUER, send=Sender(GOOD))
    assert discovery.endpoint("introspection_endpoint") == ISSUER + "/ask"
    with pytest.raises(Unavailable, match="revocations_endpoint"):
        discovery.endpoint("revocations_endpoint")


class Counted(ForkSafeLock):
    """Keeps a list of the threads that have asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[int] = []

    def __enter__(self) -> None:
        self.requests.append(threading.get_ident())
        super().__enter__()


class Slow(Sender):
    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self.gate, self.begun = threading.Event(), threading.Event()

    def __call__(self, request: Request) -> bytes:
        self.begun.set()
        assert self.gate.wait(30)
        return super().__call__(request)


@pytest.mark.parametrize(
    ("answer", "first", "others"),
    [
        (GOOD, "found", "found"),
        (Unavailable("down"), "down", "the metadata of 'https://auth.example.com' could not be fetched"),
    ],
)
def test_concurrent_callers_share_the_result_of_the_first_fetch(answer: Any, first: str, others: str) -> None:
    slow, lock = Slow(answer), Counted()
    discovery = Discovery(ISSUER, send=slow)
    discovery._lock = lock
    outcomes: list[str] = []

    def ask() -> None:
        try:
            discovery.metadata()
            outcomes.append("found")
        except Unavailable as refused:
            outcomes.append(refused.detail)

    callers = [threading.Thread(target=ask) for _ in range(5)]
    callers[0].start()
    assert slow.begun.wait(30)
    for caller in callers[1:]:
        caller.start()
    until(lambda: len(lock.requests) == len(callers))
    slow.gate.set()
    for caller in callers:
        caller.join(30)
    assert (slow.requests, sorted(outcomes)) == (1, [first, *[others] * 4])
    slow.answer = GOOD
    assert discovery.metadata().issuer == ISSUER, "whoever comes later tries again"
