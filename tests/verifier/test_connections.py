"""Open connections of a resource server: its feed, its clock, and newer tokens."""

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from keyturn import AsyncVerifier, Verifier
from keyturn.connections import ConnectionEnd
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import RevocationUnknown, TokenExpired, TokenInvalid, TokenRevoked
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import HttpFeed
from keyturn.verifier.connection_source import VerifierConnectionSource
from verifier.harness import ISSUER, NOW, SID, Mint
from verifier.issuer_feed import IssuerFeed


def make(key: SigningKey, feed: Any, clock: Any, monotonic: Any, **changed: Any) -> Verifier:
    return Verifier(ISSUER, "orders", keys=KeySet([key]), feed=feed, clock=clock, monotonic=monotonic, **changed)


def test_a_revocation_of_the_feed_ends_a_connection(
    key: SigningKey, polled_feed: HttpFeed, issuer_feed: IssuerFeed, clock: Any, monotonic: Any, mint: Mint
) -> None:
    verify = make(key, polled_feed, clock, monotonic)
    polled_feed.poll()
    ends: list[ConnectionEnd] = []
    with (
        verify.connection(verify(mint()), ends.append) as connection,
        verify.connection(verify(mint(sid="BbCdEfGhIjKlMnOpQrStuA"))) as other,
    ):
        issuer_feed.append("AnotherAnotherAnother0")
        issuer_feed.append(SID)
        polled_feed.poll()
        assert connection.wait(10) is ConnectionEnd.SESSION_ENDED
        assert ends == [ConnectionEnd.SESSION_ENDED]
        assert not connection.is_open()
        assert other.is_open()
        assert len(verify.connections) == 1
    assert not other.is_open()
    assert len(verify.connections) == 0


def test_a_feed_that_cannot_notify_is_polled(
    key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint
) -> None:
    verify = make(key, feed, clock, monotonic)
    with verify.connection(verify(mint())) as connection:
        assert connection.wait(0.01) is None
        feed.revocations.apply(Revocation(RevocationKind.SUBJECT, "ada", 4, Instant(NOW), Instant(NOW + 1000), 1))
        assert connection.wait(10) is ConnectionEnd.SESSION_ENDED


def test_a_stale_feed_ends_a_connection(key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint) -> None:
    verify = make(key, feed, clock, monotonic, staleness_seconds=3)
    with verify.connection(verify(mint())) as connection:
        monotonic.now = 2.9
        assert connection.is_open()
        monotonic.now = 3.1
        assert connection.wait(10) is ConnectionEnd.UNKNOWN


def test_a_newer_token_extends_a_connection(key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint) -> None:
    verify = make(key, feed, clock, monotonic)
    with verify.connection(verify(mint(exp=NOW + 60))) as connection:
        assert connection.renew(mint(exp=NOW + 120, scope="read")).scope == ("read",)
        assert connection.principal.scope == ("read",)
        with pytest.raises(TokenInvalid):
            connection.renew(mint(exp=NOW + 300, sid="BbCdEfGhIjKlMnOpQrStuA"))
        clock.now = NOW + 119.9
        verify.connections.run_once()
        assert connection.is_open()
        clock.now = NOW + 120
        assert connection.wait(10) is ConnectionEnd.TOKEN_EXPIRED
        with pytest.raises(TokenExpired):
            connection.renew(mint(exp=NOW - 60))


def test_a_connection_without_a_feed_ends_at_exp_only(key: SigningKey, clock: Any, monotonic: Any, mint: Mint) -> None:
    verify = make(key, None, clock, monotonic, revocation="none")
    principal = verify(mint(sid=None, gen=None))
    with verify.connection(principal) as connection:
        monotonic.now = 10_000
        verify.connections.run_once()
        assert connection.is_open()
        clock.now = NOW + 600
        assert connection.wait(10) is ConnectionEnd.TOKEN_EXPIRED


def test_an_async_connection_is_awaited_and_renewed(
    key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint
) -> None:
    async def serve(verify: AsyncVerifier | Verifier) -> list[object]:
        seen: list[object] = []
        token = mint()
        principal = verify(token) if isinstance(verify, Verifier) else await verify(token)
        connect = verify.async_connection if isinstance(verify, Verifier) else verify.connection
        async with connect(principal, seen.append) as connection:
            with pytest.raises(TokenInvalid):
                await connection.renew(mint(sid="BbCdEfGhIjKlMnOpQrStuA"))
            await connection.renew(mint(exp=NOW + 900))
            feed.revocations.apply(Revocation(RevocationKind.SESSION, SID, ENDED, Instant(NOW), Instant(NOW + 1), 1))
            async with asyncio.timeout(10):
                seen.append(await connection)
            with pytest.raises(TokenRevoked):
                await connection.renew(token)
        seen.append(connection.principal.credential_expires_at)
        return seen

    for kind in (AsyncVerifier, Verifier):
        feed.revocations.ended.clear()
        verify = kind(ISSUER, "orders", keys=KeySet([key]), feed=feed, clock=clock, monotonic=monotonic)
        ended = ConnectionEnd.SESSION_ENDED
        assert asyncio.run(serve(verify)) == [ended, ended, NOW + 900]


def test_an_async_connection_that_is_left_waits_for_nothing(
    key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint
) -> None:
    verify = AsyncVerifier(ISSUER, "orders", keys=KeySet([key]), feed=feed, clock=clock, monotonic=monotonic)

    async def leave() -> ConnectionEnd | None:
        async with verify.connection(await verify(mint())) as connection:
            waiting = asyncio.create_task(connection.wait())
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            return await waiting

    assert asyncio.run(leave()) is None
    assert len(verify.connections) == 0


def test_a_connection_of_a_closed_loop_ends_quietly(
    key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint
) -> None:
    verify = AsyncVerifier(ISSUER, "orders", keys=KeySet([key]), feed=feed, clock=clock, monotonic=monotonic)

    async def forget() -> object:
        connection = verify.connection(await verify(mint()))
        assert (connection.end, connection.is_open()) == (None, False)
        return await connection.__aenter__()

    kept = asyncio.run(forget())
    assert len(verify.connections) == 1
    verify.connections.close()
    assert len(verify.connections) == 0
    del kept


def test_a_connection_before_it_is_entered_is_closed(
    key: SigningKey, feed: Any, clock: Any, monotonic: Any, mint: Mint
) -> None:
    verify = make(key, feed, clock, monotonic)
    connection = verify.connection(verify(mint()))
    assert (connection.is_open(), connection.end, connection.principal.subject) == (False, None, "ada")
    assert connection.renew(mint(exp=NOW + 700)).credential_expires_at == NOW + 700
    connection.__exit__()
    assert connection.wait(10) is None


def test_two_clocks_that_disagree_are_shown_as_a_gap(feed: Any, clock: Any, monotonic: Any) -> None:
    source = VerifierConnectionSource(feed, 5.0, clock, monotonic, 5)
    assert source.present() == (NOW, 0)
    feed.freshness.issuer_clock = type(feed.freshness.issuer_clock)(NOW + 100, NOW + 100)
    assert source.present() == (NOW, 100)


def test_a_resource_server_reloads_no_session(feed: Any, clock: Any, monotonic: Any, mint: Mint, key: Any) -> None:
    source = VerifierConnectionSource(feed, 5.0, clock, monotonic, 5)
    with pytest.raises(RevocationUnknown):
        source.reload(make(key, feed, clock, monotonic)(mint()))


def test_a_verifier_with_closed_connections_is_collected(key: SigningKey, mint: Mint, clock: Any) -> None:
    feed = HttpFeed("http://127.0.0.1:9/", clock=clock, stream=None, interval_seconds=0.05)
    verify = Verifier(ISSUER, "orders", keys=KeySet([key]), feed=feed, clock=clock)
    verify.connections._source.present  # noqa: B018 - the registry is made with the verifier
    collected = weakref.ref(verify)
    del verify
    gc.collect()
    assert collected() is None
    feed.close()
    assert [each for each in threading.enumerate() if each.name == "keyturn-connections"] == []
