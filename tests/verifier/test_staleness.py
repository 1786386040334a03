"""Staleness of a verifier: its feed, ``wait_for_sequence``, ``on_stale`` and metrics."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, RevocationUnknown, TokenRevoked
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import AsyncVerifier, HttpFeed, Verifier, VerifierMetrics
from server_process import run_server
from server_process.process import PASSWORD
from services.process import until

Mint = Callable[..., str]
SERVICE_TOKEN = "5d0c8a3f9e7b4126a1d94c6be80f2733"
LATER = Instant(2**40)


def test_a_revocation_over_the_stream_of_a_real_server(tmp_path: Path) -> None:
    with run_server(
        tmp_path / "data", algorithm="ES256", service_token=SERVICE_TOKEN, revocation_staleness_seconds="30"
    ) as server:
        verify = Verifier(
            server.url, server.url, service_token=SERVICE_TOKEN, token_cache_size=10, staleness_seconds=30
        )
        with server.client() as client:
            body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}
            token = client.post("/auth/signup", json=body).json()["access_token"]
            assert verify(token)
            assert verify(token)
            assert not verify.wait_for_sequence(1)
            ended = client.post("/auth/logout").json()
        assert verify.wait_for_sequence(ended["sequence"], wait_seconds=30)
        with pytest.raises(TokenRevoked):
            verify(token)
        metrics = verify.metrics()
        assert 0 <= metrics.staleness_seconds <= 30
        assert (metrics.revocations, metrics.sequence, metrics.cached_tokens) == (1, ended["sequence"], 1)
        assert (metrics.hits, metrics.misses) == (1, 1)
        assert isinstance(verify.feed, HttpFeed)
        assert metrics.problem == verify.feed.problem == ""
        lines = [line for line in server.log.read_text().splitlines() if "/auth/revocations" in line]
        assert lines == [], "it polled"
        verify.close()


def test_a_feed_reconnects_to_a_restarted_issuer_and_misses_no_entry(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256") as server:
        verify = Verifier(server.url, server.url)
        with server.client() as client:
            body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}
            token = client.post("/auth/signup", json=body).json()["access_token"]
            assert verify(token)
            server.kill()
            server.start()
            ended = client.post("/auth/logout").json()
        assert verify.wait_for_sequence(ended["sequence"], wait_seconds=30)
        with pytest.raises(TokenRevoked):
            verify(token)
        # Not by polling: the stream resumes where it broke off.
        until(lambda: not verify.metrics().problem, lambda: verify.metrics().problem)
        verify.close()


@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
def test_wait_for_sequence_waits_for_wait_seconds(kind: Any, key: SigningKey, feed: Any) -> None:
    verify = kind("https://auth.example.com", "orders", keys=KeySet([key]), feed=feed)

    def reached(sequence: int, wait_seconds: float = 0.0) -> bool:
        answer = verify.wait_for_sequence(sequence, wait_seconds)
        return bool(asyncio.run(answer) if kind is AsyncVerifier else answer)

    assert reached(0)
    assert not reached(1)
    asked_at = time.monotonic()
    assert not reached(1, 0.05)
    assert time.monotonic() - asked_at >= 0.05
    entry = Revocation(RevocationKind.SESSION, "a", ENDED, Instant(0), LATER, 3)
    Timer(0.02, feed.revocations.apply, [entry]).start()
    assert reached(3, 30)


def test_wait_for_sequence_starts_the_feed(site: Any, key: SigningKey) -> None:
    site.answers["/feed"] = {"entries": [], "sequence": 4, "complete": True}
    for kind in (Verifier, AsyncVerifier):
        feed = HttpFeed(site.url + "/feed")
        verify: Any = kind("https://auth.example.com", "orders", keys=KeySet([key]), feed=feed)
        answer = verify.wait_for_sequence(4, 30)
        assert asyncio.run(answer) if kind is AsyncVerifier else answer
        feed.close()


def test_on_stale_selects_introspection_or_refusal(mint: Mint, key: SigningKey, clock: Any, site: Any) -> None:
    site.publish(KeySet([key]), keyturn_revocations_endpoint="/feed", introspection_endpoint="/introspect")
    site.answers["/feed"] = b"nonsense"
    site.answers["/introspect"] = {"active": True}
    token = mint(iss=site.url)
    asks = Verifier(site.url, "orders", service_token="service", on_stale="introspect", clock=clock)
    assert asks(token)
    refuses = Verifier(site.url, "orders", service_token="service", on_stale="refuse", clock=clock)
    with pytest.raises(RevocationUnknown):
        refuses(token)
    own = Verifier(site.url, "orders", introspect=lambda _: True, on_stale="refuse", clock=clock)
    with pytest.raises(RevocationUnknown):
        own(token)
    for each in (asks, refuses, own):
        each.close()


@pytest.mark.parametrize("unknown", ["accept", "introspect", ""])
def test_to_accept_is_no_choice(unknown: Any) -> None:
    with pytest.raises(ConfigurationError, match="on_stale"):
        Verifier("https://auth.example.com", "orders", on_stale=unknown)


def test_the_metrics_of_a_new_verifier_are_zero() -> None:
    verify = Verifier("https://auth.example.com", "orders")
    assert verify.metrics() == VerifierMetrics(float("inf"), 0, 0, 0, 0, 0, "")
