"""HttpFeed: the revocation feed over HTTP, told by the issuer as a stream, or asked for where it cannot stream."""

import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from threading import Event, Thread

from keyturn import entropy
from keyturn.clock import boottime, monotonic_raw
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import Unavailable
from keyturn.verifier.feed_reader import FeedReader
from keyturn.verifier.fetch import Fetch, bearer_header, fetch_feed
from keyturn.verifier.outage_log import OutageLog
from keyturn.verifier.polling import poll
from keyturn.verifier.sse import Listen, SseReader, listen
from keyturn.verifier.threads import ForkSafeLock, start_thread

_LONGEST_PAUSE_SECONDS = 60.0


class HttpFeed:
    """A feed read from ``GET /auth/revocations``, in a thread of its own: as a stream while that works, else by asking
    every ``interval_seconds``, trying the stream again now and then.

    ``url`` may be a function that finds it, and may block. ``token`` authenticates this service to the issuer.
    ``monotonic``: the verifier's; ``unslewed``: seconds that no time daemon stretches.
    ``stream``: opens a stream; ``None`` for polling only. ``jitter``: uniform in [0, 1): readers cut off together must
    not come back together. ``nonce``: text that does not come twice. The thread starts with ``start`` (a verifier calls
    it when it needs news) and again after a fork. Raises ``ConfigurationError`` for a token that can be none.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        token: str | None = None,
        *,
        interval_seconds: float = 1.0,
        staleness_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = boottime,
        unslewed: Callable[[], float] = monotonic_raw,
        send: Fetch | None = None,
        stream: Listen | None = listen,
        jitter: Callable[[], float] = entropy.jitter,
        nonce: Callable[[], str] = entropy.nonce,
    ) -> None:
        self._url = url
        self._proof = bearer_header(token)
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._unslewed = unslewed
        self._send = send or partial(fetch_feed, seconds=staleness_seconds / 2)
        self._listen = stream
        self._jitter = jitter
        self._nonce = nonce
        self._reading = FeedReader(staleness_seconds)
        self._lock = ForkSafeLock()
        self._stop = Event()
        self._thread: Thread | None = None
        self._first: Future[None] = _never_started()
        self._stream_at = float("-inf")
        self._failures = 0
        self._untold = OutageLog("the revocation feed is not told, so it is asked for now and then")
        self._unread = OutageLog("the revocation feed cannot be read")

    @property
    def revocations(self) -> RevocationSet:
        """What is revoked."""
        return self._reading.revocations

    @property
    def freshness(self) -> Freshness:
        """How old the news is."""
        return self._reading.freshness

    @property
    def problem(self) -> str:
        """Why news is late, or does not come at all; empty while it is told."""
        return self._unread.message or self._untold.message

    def start(self) -> Future[None]:
        """Read from now on. Answers what to wait for: the first news, or the first failure to get any."""
        with self._lock:
            if not self._stop.is_set() and (self._thread is None or not self._thread.is_alive()):
                self._begin()
            return self._first

    def close(self) -> None:
        """Stop reading, for good; nobody waits for it any more. The feed then goes stale."""
        self._stop.set()
        self._settle(self._first)

    def poll(self) -> None:
        """Read until nothing newer is there, and confirm. Raises ``Unavailable``."""
        poll(
            self._reading,
            self._located(),
            self._proof,
            send=self._send,
            now=self._now,
            monotonic=self._monotonic,
            nonce=self._nonce,
            stopped=self._stop.is_set,
        )

    def stream(self, first: Future[None] | None = None) -> None:
        """Read what the issuer tells until it ends the stream; ``first`` is settled by the first news.

        Raises ``Unavailable`` for every other end.
        """

        if self._listen is None:
            return
        told = SseReader(self._reading, self._now, self._monotonic, self._unslewed, self._nonce)
        told.run(self._located(), self._proof, self._listen, lambda: self._on_event(told.told, first))
        if not told.told and not self._stop.is_set():
            raise Unavailable("the stream ended before it had told everything")

    def _on_event(self, caught_up: bool, first: Future[None] | None) -> bool:
        """Whether to read on. ``told``: whether everything is held by now."""
        if caught_up:
            self._settle(first)
            self._untold.recovered()
            self._unread.recovered()
            self._failures = 0
        return not self._stop.is_set()

    def _begin(self) -> None:
        """Call with the lock held."""
        self._first = first = _never_started()
        try:
            self._thread = start_thread(Thread(target=self._run, args=(first,), name="keyturn-feed", daemon=True))
        except Unavailable as error:  # it is tried again by the next token; until then there is no news
            self._unread.failed(error)
            self._settle(first)

    def _run(self, first: Future[None]) -> None:
        while not self._stop.is_set():
            try:
                pause = self._read(first)
            except Exception as error:  # the loop must outlive every answer; staleness is what is seen of it
                self._unread.failed(error)
                pause = self._interval_seconds
            self._settle(first)
            self._stop.wait(pause)
        self._settle(first)

    def _read(self, first: Future[None] | None) -> float:
        """Stream, or poll once. Answers how long to pause."""
        if self._listen is not None and self._monotonic() >= self._stream_at:
            try:
                self.stream(first)
            except Exception as error:  # whatever it is, polling may still work
                self._untold.failed(error)
                self._stream_at = self._monotonic() + self._timeout_seconds()
            else:
                return self._jitter() * self._interval_seconds / 4
        self.poll()
        self._unread.recovered()
        return self._interval_seconds

    def _timeout_seconds(self) -> float:
        """How long to poll before the next stream."""
        self._failures = min(self._failures + 1, 10)
        return min(_LONGEST_PAUSE_SECONDS, self._interval_seconds * 2.0**self._failures) * (1 + self._jitter()) / 2

    def _settle(self, first: Future[None] | None) -> None:
        if first is not None:
            with suppress(InvalidStateError):  # settled already, maybe by close at this very moment
                first.set_result(None)

    def _located(self) -> str:
        return self._url if isinstance(self._url, str) else self._url()

    def _now(self) -> Instant:
        return Instant(int(self._clock()))


def _never_started() -> Future[None]:
    future = Future[None]()
    future.set_running_or_notify_cancel()
    return future
