"""HttpFeed: the revocation feed carried over HTTP by asking for what came after the last sequence number."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Annotated

import msgspec

from keyturn.core.freshness import Freshness
from keyturn.core.instant import Instant
from keyturn.core.revocation import Entry, Kind, RevocationSet
from keyturn.errors import Unavailable
from keyturn.verifier.fetch import Fetch, bearer, fetch, fetch_as, request

_PAGES = 1000
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Line(msgspec.Struct):
    kind: Kind  # a kind this verifier does not know makes the page unreadable: it must go stale, never skip it
    key: str
    value: _Whole
    at: _Whole
    expires_at: _Whole
    sequence: _Whole

    def entry(self) -> Entry:
        return Entry(self.kind, self.key, self.value, Instant(self.at), Instant(self.expires_at), self.sequence)


class _Page(msgspec.Struct):
    entries: list[_Line]
    sequence: _Whole
    complete: bool = True
    log: int = 0


class HttpFeed:
    """A feed read from ``GET /auth/revocations?after=N`` every ``interval_seconds``, in a thread of its own.

    ``url`` may be a function that finds it, and may block. ``token`` authenticates this service to the issuer.
    Everything is merged, nothing is ever reset, so no answer of the issuer can bring a revoked token back to life.
    The thread starts with ``start`` (a verifier calls it when it needs news) and again after a fork.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        token: str | None = None,
        *,
        interval_seconds: float = 1.0,
        staleness_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        send: Fetch = fetch,
    ) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(staleness_seconds)
        self._url = url
        self._token = token
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._send = send
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        self._first: Future[None] = _started()
        self._seeded = False
        self._log: int = 0
        self.problem: Exception | None = None
        """Why the last poll failed; ``None`` when it did not."""

    def start(self) -> Future[None]:
        """Poll from now on. Answers what to wait for: the end of the first poll, good or bad."""
        with self._lock:
            if not self._stop.is_set() and (self._thread is None or not self._thread.is_alive()):
                self._first = _started()
                self._thread = Thread(target=self._run, args=(self._first,), name="keyturn-feed", daemon=True)
                self._thread.start()
            return self._first

    def close(self) -> None:
        """Stop polling, for good. The feed then goes stale."""
        self._stop.set()

    def poll(self) -> None:
        """Read until nothing newer is there, and confirm. Raises ``Unavailable``.

        The confirmation counts from when the last page was *asked*: news may have come while the answer travelled.
        """
        for _ in range(_PAGES):
            asked_at = self._monotonic()
            if not self._read_page():
                self.revocations.expire(Instant(int(self._clock())))
                self.freshness.confirm(asked_at)
                return
        raise Unavailable(f"the feed did not end within {_PAGES} pages")

    def _read_page(self) -> bool:
        """Whether there may be more."""
        known = self.revocations.sequence
        query = f"?after={known}" if self._seeded else ""
        page = fetch_as(_Page, request(self._located() + query, bearer(self._token)), self._send)
        if not page.complete or page.sequence < known or (self._seeded and page.log != self._log):
            # Entries we never saw were purged, or the log went back in time: a snapshot, merged into what we hold.
            self.freshness.lose()
            self._seeded, self.revocations.sequence = False, 0
            return True
        for line in page.entries:
            self.revocations.apply(line.entry())
        if not self._seeded:
            self._seeded, self._log, self.revocations.sequence = True, page.log, page.sequence
        return bool(page.entries)

    def _located(self) -> str:
        return self._url if isinstance(self._url, str) else self._url()

    def _run(self, first: Future[None]) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception as error:  # the loop must outlive every answer; staleness is what is seen of it
                self.problem = error
            else:
                self.problem = None
            if not first.done():
                first.set_result(None)
            self._stop.wait(self._interval_seconds)


def _started() -> Future[None]:
    future = Future[None]()
    future.set_running_or_notify_cancel()
    return future
