"""Measurement of the costs that need no server, on this machine, through the production code."""

import gc
import os
import sqlite3
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from keyturn.config.settings import Settings
from keyturn.core.lifecycle import begin_session
from keyturn.core.policy import BROWSER
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationPage
from keyturn.core.session import ClientInfo, LoadedSession, RevocationFloor, Seed, Session
from keyturn.core.session_id import encode_session_id, new_session_id
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.issuer import Issuer
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.verifier import HttpFeed
from keyturn.web.endpoints.service import feed_response
from keyturn_lab.capacity.costs import Costs

ENTRIES = 20_000
SESSIONS = 5_000
STORED = 2_000
_PAGE = 1000
_LOG = 1
_NOW = Instant(1_800_000_000)

Progress = Callable[[str], None]


def calibrate(costs: Costs, progress: Progress = lambda what: None) -> Costs:
    """Return ``costs`` with every figure that one process can measure. Takes a few seconds of one core."""
    entries = [_entry(number) for number in range(1, ENTRIES + 1)]
    measured: dict[str, float] = {}
    for name, measure in (("entries", _measure_entries), ("a denylist", _measure_denylist)):
        progress(name)
        measured |= measure(entries)
    progress("a session cache")
    measured |= {"session_cache_bytes": session_cache_bytes()}
    progress("a store on this disk")
    measured |= _measure_store()
    return replace(costs, **measured)


def _entry(number: int) -> Revocation:
    return Revocation(RevocationKind.SESSION, _sid(), ENDED, _NOW, Instant(_NOW + 3615), number)


def _sid() -> SessionId:
    return SessionId(encode_session_id(os.urandom(16)))


def _encode_page(entries: list[Revocation]) -> bytes:
    return msgspec.json.encode(feed_response(RevocationPage(tuple(entries), entries[-1].sequence, log_id=_LOG)))


def _measure_entries(entries: list[Revocation]) -> dict[str, float]:
    started_at = time.perf_counter()
    page = _encode_page(entries)
    seconds = time.perf_counter() - started_at
    return {
        "entry_wire_bytes": len(page) / len(entries),
        "entry_deflated_bytes": len(zlib.compress(page)) / len(entries),
        "entry_encode_seconds": seconds / len(entries),
    }


def _measure_denylist(entries: list[Revocation]) -> dict[str, float]:
    """Measure a verifier's feed on encoded pages, without a network."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        feed = _feed_with(entries)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    del feed
    started_at = time.perf_counter()
    feed = _feed_with(entries)
    feed.revocations.expire(Instant(_NOW + 4000))
    seconds = time.perf_counter() - started_at
    encoding = ENTRIES * _measure_entries(entries)["entry_encode_seconds"]
    return {"entry_bytes": used / ENTRIES, "entry_apply_seconds": (seconds - encoding) / ENTRIES}


def _feed_with(entries: list[Revocation]) -> HttpFeed:
    pages = _pages(entries)
    url = "https://auth.example.com/auth/revocations"
    feed = HttpFeed(url, send=lambda _: next(pages), stream=None, clock=lambda: _NOW, nonce=str)
    feed.poll()
    return feed


def _pages(entries: list[Revocation]) -> Iterator[bytes]:
    for first in range(0, len(entries), _PAGE):
        yield _encode_page(entries[first : first + _PAGE])
    while True:
        yield msgspec.json.encode(feed_response(RevocationPage((), entries[-1].sequence, log_id=_LOG)))


def session_cache_bytes() -> float:
    """Measure the bytes of one session in the session cache."""
    session_cache = LocalSessionCache(5, lambda: 0.0, capacity=SESSIONS)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(SESSIONS):
            session_cache.put(LoadedSession(new_session(), RevocationFloor()))
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    return used / SESSIONS


def new_session() -> Session:
    """Return a session as a login creates it."""
    client = ClientInfo("default", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "2001:db8::1")
    subject = Subject(_sid())
    sid = new_session_id(subject, os.urandom(16))
    draft = Session(sid, subject, Seed(os.urandom(32)), client, 0, _NOW, _NOW, _NOW, EPOCH)
    return begin_session(draft, RevocationFloor(), _NOW, BROWSER.session)


def _measure_store() -> dict[str, float]:
    with TemporaryDirectory(prefix="keyturn-capacity-") as folder:
        path = Path(folder) / "keyturn.db"
        settings = Settings(
            issuer="https://auth.example.com",
            audience="orders",
            store=f"sqlite:///{path}",
            secret="a secret for nothing but figures",  # noqa: S106 - of a store that is deleted at once
            service_token="a service token for figures only",  # noqa: S106 - as above
        )
        with Issuer.open(settings, background=False) as issuer:
            return _measure_open_store(issuer, path)


def _measure_open_store(issuer: Issuer, path: Path) -> dict[str, float]:
    store, before = issuer.parts.store, _size(path)
    for _ in range(STORED):
        store.sessions.insert(new_session())
    used = (_size(path) - before) / STORED
    numbers = iter(range(10**9))
    appends = _seconds(lambda: issuer.revoke_subject(Subject(f"subject-{next(numbers)}")), 300)
    last = store.log.sequence()
    return {
        "sqlite_session_bytes": used,
        "sqlite_appends": 1 / appends,
        "log_read_seconds": _seconds(lambda: store.log.after(last - 1, _PAGE), 500),
        "sign_seconds": _seconds(lambda: issuer.parts.keyring.sign({"sub": "subject"}, issuer.parts.now()), 50),
        "keys_bytes": float(len(msgspec.json.encode(issuer.parts.keyring.jwks(issuer.parts.now()))) + 400),
    }


def _seconds(work: Callable[[], object], count: int) -> float:
    work()
    started_at = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - started_at) / count


def _size(path: Path) -> int:
    """Return the bytes of the database pages in use, those in the write-ahead log included."""
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute(
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count,"
            " pragma_page_size"
        ).fetchone()
    return int(size)
