"""``Verifier`` and ``AsyncVerifier``: check an access token and return its principal, or raise a refusal."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Generic, Literal, Self, TypeVar
from weakref import finalize

from keyturn.clock import boottime
from keyturn.connections import AsyncConnection, Connection, ConnectionRegistry
from keyturn.connections.connection import OnEnd
from keyturn.core.audience import read_names
from keyturn.core.principal import Principal
from keyturn.errors import ConfigurationError, TokenMalformed
from keyturn.generators import run, run_async
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.checker import IntrospectionNeeded, TokenChecker
from keyturn.verifier.connection_source import VerifierConnectionSource
from keyturn.verifier.feed import Feed, RunningFeed
from keyturn.verifier.fetch import FETCH_SECONDS
from keyturn.verifier.http_feed import HttpFeed
from keyturn.verifier.introspection import HttpIntrospection
from keyturn.verifier.keys import FixedKeys, KeyCache, KeySource
from keyturn.verifier.metadata import Discovery, metadata_url
from keyturn.verifier.threads import reset_after_fork

_logger = logging.getLogger("keyturn.verifier")

_POLL_SECONDS = 0.001
"""Interval at which ``wait_for_sequence`` looks at the feed."""

_WAIT_SECONDS = 3 * FETCH_SECONDS
"""Longest wait for keys or the first read of the feed: one fetch of the metadata, one of its target, and a margin."""

IsActive = TypeVar("IsActive", bool, Awaitable[bool])


class _Verifier(TokenChecker, ABC, Generic[IsActive]):
    """Arguments shared by ``Verifier`` and ``AsyncVerifier``.

    ``issuer``: the only accepted ``iss``. ``audience``: name that ``aud`` must contain (RFC 9068 section 4);
    or several, of which it must contain one, while a name is replaced.
    ``keys``: a ``KeySet`` or a ``KeySource``. Default: the ``jwks_uri`` of the issuer's metadata (RFC 8414).
    ``feed``: source of revocations. Default: the feed of the issuer's metadata, with its introspection endpoint as the
    fallback; ``service_token`` authenticates both.
    ``revocation``: ``"none"`` disables the feed, and a revoked token is accepted until it expires. This is the default
    for ``keys`` without ``feed`` (offline verification), with a warning in the log. ``"feed"`` with ``keys`` takes the
    feed from the metadata.
    ``introspect``: returns True for an active token; called when the feed is stale.
    ``on_stale``: ``"introspect"`` or ``"refuse"`` (503) when the feed is stale. Default: introspect if possible. There
    is no option to accept.
    ``clock``: Unix time in seconds. ``monotonic``: monotonic seconds, the clock of the feed.
    ``leeway_seconds``: tolerance for clock differences, 0 to 60.
    ``staleness_seconds``: oldest feed to rely on, at most 300; a smaller bound of the feed wins.
    ``token_cache_size``: largest number of cached tokens; 0 disables the cache.

    Raises ``ConfigurationError``. Nothing is fetched before the first token.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Iterable[str],
        *,
        keys: KeySet | KeySource | None = None,
        feed: Feed | None = None,
        service_token: str | None = None,
        revocation: Literal["feed", "none"] | None = None,
        introspect: Callable[[str], IsActive] | None = None,
        on_stale: Literal["introspect", "refuse"] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = boottime,
        leeway_seconds: int = 5,
        staleness_seconds: float = 5,
        token_cache_size: int = 10_000,
    ) -> None:
        mode = revocation or _default_revocation(keys, feed)
        names = read_names("audience", audience or ())
        _check_arguments(issuer, names, feed, mode)
        _check_limits(leeway_seconds, staleness_seconds, token_cache_size)
        is_feed_discovered = feed is None and mode == "feed"
        if keys is None or is_feed_discovered:
            metadata_url(issuer)
        discovery = Discovery(issuer, monotonic=monotonic)
        self._own_feed: HttpFeed | None = None
        if is_feed_discovered:
            locate = partial(discovery.endpoint, "revocations_endpoint")
            feed = self._own_feed = HttpFeed(
                locate,
                service_token,
                interval_seconds=min(1.0, staleness_seconds / 4),
                staleness_seconds=staleness_seconds,
                leeway_seconds=leeway_seconds,
                clock=clock,
                monotonic=monotonic,
            )
            finalize(self, feed.close)
            if introspect is None and service_token is not None and on_stale != "refuse":
                introspection = HttpIntrospection(partial(discovery.endpoint, "introspection_endpoint"), service_token)
                introspect = self._adapt_introspection(introspection)
        _check_on_stale(on_stale, introspect is not None)
        self._introspect: Callable[[str], IsActive] | None = introspect
        super().__init__(
            issuer,
            names,
            _key_source(keys, discovery, monotonic),
            feed,
            clock=clock,
            monotonic=monotonic,
            leeway_seconds=leeway_seconds,
            staleness_seconds=staleness_seconds,
            can_introspect=introspect is not None and on_stale != "refuse",
            token_cache_size=token_cache_size,
        )
        source = VerifierConnectionSource(
            self._feed, self._bound_seconds, clock, monotonic, tolerance_seconds=self._tolerance_seconds
        )
        self._connections = ConnectionRegistry(source)
        reset_after_fork(self._connections)

    def close(self) -> None:
        """Stop the feed, unless it was passed in. Once it is stale, tokens are introspected or refused (503)."""
        if self._own_feed is not None:
            self._own_feed.close()

    def __enter__(self) -> Self:
        if self._own_feed is not None:
            self._own_feed.reopen()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connections(self) -> ConnectionRegistry:
        """Open connections, which end with their sessions or tokens."""
        return self._connections

    async def _ready_connections(self) -> ConnectionRegistry:
        return self._connections

    def _has_reached(self, sequence: int) -> bool:
        return self.feed.revocations.sequence >= sequence

    @abstractmethod
    def _adapt_introspection(self, introspection: HttpIntrospection) -> Callable[[str], IsActive]:
        """Adapt blocking introspection to this verifier: as it is, or in a thread."""


class Verifier(_Verifier[bool]):
    """Access token verifier. Blocks only for keys, the first read of the feed or introspection. Thread-safe."""

    def __call__(self, token: str) -> Principal:
        """Check ``token`` and return its principal.

        Raises ``TokenMalformed``, ``TokenInvalid`` (``UnknownKey``), ``TokenExpired``, ``TokenNotYetValid`` and
        ``TokenRevoked`` (401). Raises ``RevocationUnknown`` and ``Unavailable`` (503) when the state of the token is
        unknown; these do not mean that it is invalid.
        """
        try:
            principal = self.check_cached(token)
        except TypeError:
            raise TokenMalformed("the token must be a str") from None
        return principal or self.check_now(token) or run(self.check(token), self._resolve)

    def wait_for_sequence(self, sequence: int, wait_seconds: float = 0.0) -> bool:
        """Wait up to ``wait_seconds`` for the revocation with this ``sequence``, as returned by the issuer.

        Return True once the feed has read it: from then on, this verifier rejects every token that it revoked.
        """
        give_up_at = time.monotonic() + wait_seconds
        if isinstance(self.feed, RunningFeed):
            self.feed.start()
        while not self._has_reached(sequence) and time.monotonic() < give_up_at:
            time.sleep(_POLL_SECONDS)
        return self._has_reached(sequence)

    def connection(self, principal: Principal, on_end: OnEnd | None = None) -> Connection:
        """Return a context manager for a connection that a token of ``principal`` opened, such as a stream.

        The connection must be closed when the session ends, at the token's ``exp`` unless a newer token was presented,
        and when the feed is older than the staleness bound: see ``keyturn.connections.Connection``.
        """
        return Connection(lambda: self._connections, self, principal, on_end)

    def async_connection(self, principal: Principal, on_end: OnEnd | None = None) -> AsyncConnection:
        """Return an ``async with`` context manager as ``connection`` does; tokens are verified in a thread."""
        return AsyncConnection(self._ready_connections, self._verify_in_thread, principal, on_end)

    async def _verify_in_thread(self, token: str) -> Principal:
        return await asyncio.to_thread(self, token)

    def _resolve(self, need: Future[None] | IntrospectionNeeded) -> bool:
        if isinstance(need, IntrospectionNeeded):
            return self._introspect is not None and self._introspect(need.token)
        need.result(_WAIT_SECONDS)
        return True

    def _adapt_introspection(self, introspection: HttpIntrospection) -> Callable[[str], bool]:
        return introspection


class AsyncVerifier(_Verifier[Awaitable[bool]]):
    """``Verifier`` for asyncio: the same checks, awaited where they have to wait. Never blocks the event loop."""

    async def __call__(self, token: str) -> Principal:
        """Check ``token`` as ``Verifier.__call__`` does."""
        try:
            principal = self.check_cached(token)
        except TypeError:
            raise TokenMalformed("the token must be a str") from None
        principal = principal or self.check_now(token)
        return await run_async(self.check(token), self._resolve) if principal is None else principal

    async def wait_for_sequence(self, sequence: int, wait_seconds: float = 0.0) -> bool:
        """Wait as ``Verifier.wait_for_sequence`` does."""
        give_up_at = time.monotonic() + wait_seconds
        if isinstance(self.feed, RunningFeed):
            self.feed.start()
        while not self._has_reached(sequence) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - a thread fills it
            await asyncio.sleep(_POLL_SECONDS)
        return self._has_reached(sequence)

    def connection(self, principal: Principal, on_end: OnEnd | None = None) -> AsyncConnection:
        """Return a context manager as ``Verifier.connection`` does, for ``async with``."""
        return AsyncConnection(self._ready_connections, self, principal, on_end)

    async def _resolve(self, need: Future[None] | IntrospectionNeeded) -> bool:
        if isinstance(need, IntrospectionNeeded):
            return self._introspect is not None and await self._introspect(need.token)
        # The future is shared by all waiting callers. It is marked as running, so that a timeout does not cancel it.
        await asyncio.wait_for(asyncio.wrap_future(need), _WAIT_SECONDS)
        return True

    def _adapt_introspection(self, introspection: HttpIntrospection) -> Callable[[str], Awaitable[bool]]:
        return lambda token: asyncio.to_thread(introspection, token)


def _key_source(keys: KeySet | KeySource | None, discovery: Discovery, monotonic: Callable[[], float]) -> KeySource:
    if isinstance(keys, KeySet):
        return FixedKeys(keys)
    if keys is not None:
        return keys
    return KeyCache(partial(discovery.endpoint, "jwks_uri"), monotonic=monotonic)


def _default_revocation(keys: KeySet | KeySource | None, feed: Feed | None) -> Literal["feed", "none"]:
    if keys is None or feed is not None:
        return "feed"
    _logger.warning("keys without a feed: a revoked access token is accepted until it expires (see revocation=)")
    return "none"


def _check_arguments(issuer: str, audience: tuple[str, ...], feed: Feed | None, revocation: str) -> None:
    if not issuer or not audience or not all(audience):
        raise ConfigurationError("a verifier needs an issuer and an audience (RFC 9068 section 4)")
    if revocation not in ("feed", "none"):
        raise ConfigurationError(f"revocation must be 'feed' or 'none', not {revocation!r}")
    if revocation == "none" and feed is not None:
        raise ConfigurationError("revocation='none' excludes feed; pass only one of them")


def _check_on_stale(on_stale: str | None, can_introspect: bool) -> None:
    if on_stale not in (None, "introspect", "refuse"):
        raise ConfigurationError(f"on_stale must be 'introspect' or 'refuse', not {on_stale!r}")
    if on_stale == "introspect" and not can_introspect:
        raise ConfigurationError("on_stale='introspect' needs service_token or introspect")


def _check_limits(leeway_seconds: int, staleness_seconds: float, token_cache_size: int) -> None:
    if not 0 <= leeway_seconds <= 60:
        raise ConfigurationError(f"leeway_seconds must be between 0 and 60, not {leeway_seconds!r}")
    if not 0 < staleness_seconds <= 300:
        raise ConfigurationError(f"staleness_seconds must be above 0 and at most 300, not {staleness_seconds!r}")
    if token_cache_size < 0:
        raise ConfigurationError(f"token_cache_size must be 0 or more, not {token_cache_size!r}")
