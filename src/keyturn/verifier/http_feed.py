"""Revocation feed over HTTP: Server-Sent Events, with polling as the fallback."""

import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from threading import Event, Thread

from keyturn import entropy
from keyturn.clock import boottime, monotonic_raw
from keyturn.core.backoff import backoff_seconds
from keyturn.core.clocks import read_clocks
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import Revocation, RevocationSet
from keyturn.errors import ClockUncertain, Unavailable
from keyturn.verifier.feed_reader import FeedReader
from keyturn.verifier.fetch import Fetch, bearer_header, fetch_feed
from keyturn.verifier.outage_log import OutageLog
from keyturn.verifier.polling import poll
from keyturn.verifier.sse import Listen, SseReader, listen
from keyturn.verifier.threads import ForkSafeLock, reset_after_fork, start_thread


class HttpFeed:
    """Feed read from ``GET /auth/revocations`` in a thread of its own.

    The feed is streamed. When the stream fails, it is polled every ``interval_seconds``, and the stream is retried with
    exponential backoff. The verifier starts the thread with ``start`` when it needs the feed. A forked child reads the
    feed from its start, in a thread of its own: until then it is stale there, whatever the parent had read.

    ``url``: URL, or a function that returns it and may block. ``service_token`` authenticates this service.
    ``leeway_seconds``: difference between the clocks of this machine and the issuer above which the log has a warning.
    ``monotonic``: the verifier's monotonic clock. ``monotonic_raw``: monotonic seconds that NTP does not slew.
    ``stream``: opens a stream; None for polling only. ``jitter``: uniform in [0, 1): readers that were disconnected
    together must not reconnect together. ``nonce``: returns unique text.
    Raises ``ConfigurationError`` for a malformed token.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        service_token: str | None = None,
        *,
        interval_seconds: float = 1.0,
        staleness_seconds: float = 5.0,
        leeway_seconds: int = 5,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = boottime,
        monotonic_raw: Callable[[], float] = monotonic_raw,
        send: Fetch | None = None,
        stream: Listen | None = listen,
        jitter: Callable[[], float] = entropy.jitter,
        nonce: Callable[[], str] = entropy.nonce,
    ) -> None:
        self._url = url
        self._auth_header = bearer_header(service_token)
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._monotonic_raw = monotonic_raw
        self._send = send or partial(fetch_feed, seconds=staleness_seconds / 2)
        self._open_stream = stream
        self._jitter = jitter
        self._nonce = nonce
        self._listeners: tuple[Callable[[Revocation], None], ...] = ()
        self._make_reader = partial(
            FeedReader, staleness_seconds, clock, monotonic, max(1, leeway_seconds), self._notify
        )
        self._lock = ForkSafeLock()
        self._begin()
        reset_after_fork(self)
        self._stream_outage = OutageLog("the revocation feed cannot be streamed and is polled instead")
        self._feed_outage = OutageLog("the revocation feed cannot be read")
        self._clock_outage = OutageLog("this machine's clock or the issuer's is wrong")
        self._leeway_seconds = max(1, leeway_seconds)

    def reset(self) -> None:
        """Forget what the parent of this forked child read, its thread and listeners. A closed feed stays closed."""
        is_closed = self._stop.is_set()
        self._listeners = ()
        self._begin()
        if is_closed:
            self.close()

    def _begin(self) -> None:
        self._reader = self._make_reader()
        self._stop = Event()
        self._thread: Thread | None = None
        self._first_read = _new_future()
        self._next_stream_at = float("-inf")
        self._failures = 0

    @property
    def revocations(self) -> RevocationSet:
        """All known revocations."""
        return self._reader.revocations

    @property
    def freshness(self) -> Freshness:
        """Time of the last complete read and the staleness bound."""
        return self._reader.freshness

    @property
    def problem(self) -> str:
        """Reason why the feed is late, cannot be read, lacks revocations or tells another time; empty without one."""
        reader, outages = self._reader, (self._feed_outage, self._stream_outage, self._clock_outage)
        return reader.alarm or next((each.message for each in outages if each.message), "")

    @property
    def restores(self) -> int:
        """Number of times that the issuer's log was found to have been put back from a backup."""
        return self._reader.restores

    def subscribe(self, listener: Callable[[Revocation], None]) -> Callable[[], None]:
        """Call ``listener`` with every revocation, in the thread that read it. Return a function to unsubscribe.

        The listener must not block.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def _notify(self, entry: Revocation) -> None:
        for listener in self._listeners:
            listener(entry)

    def start(self) -> Future[None]:
        """Start reading. Return a future that is done after the first successful or failed read."""
        with self._lock:
            if not self._stop.is_set() and (self._thread is None or not self._thread.is_alive()):
                self._start_thread()
            return self._first_read

    def close(self) -> None:
        """Stop reading and release waiting callers. The feed then goes stale, until ``reopen``."""
        self._stop.set()
        self._resolve(self._first_read)

    def reopen(self) -> None:
        """Make a closed feed readable from its start again; does nothing to an open one."""
        with self._lock:
            if self._stop.is_set():
                self._begin()

    def poll(self) -> None:
        """Read pages until the end of the log, then mark the feed complete. Raises ``Unavailable``."""
        self._poll(self._reader, self._stop)

    def _poll(self, reader: FeedReader, stop: Event) -> None:
        poll(
            reader,
            self._resolve_url(),
            self._auth_header,
            send=self._send,
            nonce=self._nonce,
            is_stopped=stop.is_set,
        )

    def stream(self, first: Future[None] | None = None) -> None:
        """Read the stream until the issuer ends it. ``first`` is done once the feed has caught up.

        Raises ``Unavailable`` for any other end of the stream.
        """
        self._stream(self._reader, self._stop, first)

    def _stream(self, feed_reader: FeedReader, stop: Event, first: Future[None] | None) -> None:
        if self._open_stream is None:
            return
        reader = SseReader(feed_reader, self._monotonic_raw, self._nonce)
        reader.run(
            self._resolve_url(),
            self._auth_header,
            self._open_stream,
            lambda: self._on_event(reader.caught_up, first, stop),
        )
        if not reader.caught_up and not stop.is_set():
            raise Unavailable("the stream ended before the feed was complete")

    def _on_event(self, caught_up: bool, first: Future[None] | None, stop: Event) -> bool:
        """Return True to go on reading.

        ``caught_up``: True once every revocation was read. ``stop``: that of the reading thread.
        """
        if caught_up:
            self._resolve(first)
            self._stream_outage.recovered()
            self._feed_outage.recovered()
            self._failures = 0
            self._compare_clocks()
        return not stop.is_set()

    def _compare_clocks(self) -> None:
        references = (self.freshness.issuer_clock,)
        reading = read_clocks(self._clock(), self._monotonic(), references, self._leeway_seconds)
        if reading.gap_seconds:
            self._clock_outage.failed(ClockUncertain(f"they differ by {reading.difference_seconds:+.0f} s"))
        else:
            self._clock_outage.recovered()

    def _start_thread(self) -> None:
        """Start the thread. Call with the lock held."""
        self._first_read = first = _new_future()
        try:
            self._thread = start_thread(
                Thread(target=self._run, args=(self._reader, self._stop, first), name="keyturn-feed", daemon=True)
            )
        except Unavailable as error:  # the next token retries; the feed is stale until then
            self._feed_outage.failed(error)
            self._resolve(first)

    def _run(self, reader: FeedReader, stop: Event, first: Future[None]) -> None:
        # The arguments are those of this thread: ``reopen`` replaces the attributes while it may still be reading.
        while not stop.is_set():
            try:
                pause = self._read(reader, stop, first)
            except Exception as error:  # the loop must survive any response; the feed goes stale meanwhile
                self._feed_outage.failed(error)
                pause = self._interval_seconds
            self._resolve(first)
            stop.wait(pause)
        self._resolve(first)

    def _read(self, reader: FeedReader, stop: Event, first: Future[None] | None) -> float:
        """Stream, or poll once. Return the seconds to pause."""
        if self._open_stream is not None and self._monotonic() >= self._next_stream_at:
            try:
                self._stream(reader, stop, first)
            except Exception as error:  # polling may still work
                self._stream_outage.failed(error)
                self._failures += 1
                pause = backoff_seconds(self._failures, 2 * self._interval_seconds, 60.0, self._jitter())
                self._next_stream_at = self._monotonic() + pause
            else:
                return self._jitter() * self._interval_seconds / 4
        self._poll(reader, stop)
        self._feed_outage.recovered()
        self._compare_clocks()
        return self._interval_seconds

    def _resolve(self, first: Future[None] | None) -> None:
        if first is not None:
            with suppress(InvalidStateError):  # already done, perhaps by a concurrent close
                first.set_result(None)

    def _resolve_url(self) -> str:
        return self._url if isinstance(self._url, str) else self._url()


def _new_future() -> Future[None]:
    future = Future[None]()
    future.set_running_or_notify_cancel()
    return future
