"""A million stored sessions.

Measured: bytes per session, cost of a check against an empty store, duration of revoking all, and the longest wait of a
request while expired sessions are purged.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import psycopg

from bench.figures import Figure, Goal
from bench.fixtures import settings, sqlite_url
from bench.memory import fill
from bench.postgresql import server as postgres_server
from bench.sampling import QUICK, Plan, Series
from bench.synthetic_data import generate_sessions, logout_revocations, new_session
from keyturn import Issuer
from keyturn.core.revocation import RevocationSet
from keyturn.core.types import Instant
from keyturn.stores.sql.rows import session_to_row
from keyturn.stores.sql.tables import sessions
from services.redis import RedisServer

CHAPTER = "A million sessions"
DAY = 86400
READS = 2000
Purge = Callable[[], int]
"""Function that waits until all expired sessions are deleted and returns their number."""


def steps(_plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return 3


def measure(plan: Plan) -> list[Figure]:
    """Measure Redis, then PostgreSQL, then the denylist of a verifier."""
    count = 1_000_000 if plan.rounds > QUICK.rounds else 5_000
    figures = [*_in_redis(count)]
    plan.tick()
    figures += _in_postgresql(count)
    plan.tick()
    figures.append(_expiry_figure(count))
    plan.tick()
    return figures


def _expiry_figure(count: int) -> Figure:
    """Measure checks while a verifier expires ``count`` entries at once."""
    now, revocations, waits = Instant(int(time.time())), RevocationSet(), []
    for entry in logout_revocations(count, now, now):
        revocations.apply(entry)
    thread = threading.Thread(target=revocations.expire, args=(Instant(now + 120),))
    began_at = last = time.perf_counter()
    thread.start()
    while thread.is_alive() or not waits:
        revocations.revokes("a session", "ada", 3, "web", 5)
        waits.append(1e3 * ((passed := time.perf_counter()) - last))
        last = passed
    figure = Figure(CHAPTER, f"longest wait of a check while {count:,} denylist entries expire", "ms", [])
    figure.series = [Series("Keyturn", [max(waits)])]
    figure.note = f"all in one go, {1e3 * (last - began_at):.0f} ms; {len(waits):,} checks meanwhile"
    return figure


def _in_redis(count: int) -> list[Figure]:
    redis = RedisServer(appendonly="no")
    redis.start()
    try:
        with sqlite_url() as url, Issuer.open(settings(url, session_store=redis.url), background=False) as issuer:
            empty = _checks(issuer)
            with redis.client() as client:
                before: Any = client.info("memory")
                fill(redis.url, count)
                after: Any = client.info("memory")
                used = (after["used_memory"] - before["used_memory"]) / count
                return _figures("Redis", count, used, empty, issuer, partial(_expire_redis, client))
    finally:
        redis.remove()


def _in_postgresql(count: int) -> list[Figure]:
    with postgres_server() as postgres:
        url = postgres.database()
        with Issuer.open(settings(url), background=False) as issuer:
            empty = _checks(issuer)
            with psycopg.connect(url, autocommit=True) as connection:
                _copy(connection, count)
                connection.execute("VACUUM ANALYZE sessions")
                row: Any = connection.execute("SELECT pg_total_relation_size('sessions')").fetchone()
            return _figures("PostgreSQL", count, row[0] / count, empty, issuer, partial(_purge_sql, issuer))


def _copy(connection: "psycopg.Connection[Any]", count: int) -> None:
    now = Instant(int(time.time()))
    names = [column.name for column in sessions.columns]
    with connection.cursor() as cursor, cursor.copy(f"COPY sessions ({', '.join(names)}) FROM STDIN".encode()) as copy:
        for each in generate_sessions(count, now, Instant(now + 30 * DAY)):
            values = session_to_row(each)
            copy.write_row([values[name] for name in names])


_END = """
local keys = redis.call('KEYS', '{*}[su]*')
for _, key in ipairs(keys) do redis.call('PEXPIREAT', key, ARGV[1]) end
return #keys
"""


def _expire_redis(client: Any) -> Purge:
    """Let all sessions in Redis expire at the same time, the worst case. Redis deletes them by itself."""
    at = time.time() + 2 + client.dbsize() / 100_000
    total: int = client.eval(_END, 0, int(1000 * at))

    def expired_keys() -> int:
        return int(client.info("stats")["expired_keys"])

    before = expired_keys()
    time.sleep(max(0.0, at - time.time()))

    def purge() -> int:
        while (purged := expired_keys() - before) < total:
            time.sleep(0.01)
        return purged

    return purge


def _purge_sql(issuer: Issuer) -> Purge:
    port: Any = issuer.parts.sync_store.sessions
    return lambda: port.purge(Instant(int(time.time()) + 40 * DAY))


def _figures(
    store: str, count: int, used: float, empty: Series, issuer: Issuer, start_purge: Callable[[], Purge]
) -> list[Figure]:
    full = _checks(issuer)
    size = Figure(CHAPTER, f"bytes each, {count:,} in {store}", "B", [Series("Keyturn", [used])])
    if store == "Redis":
        size.goals = [Goal("at most 270 B, the index of each subject's sessions included", used, 270.0)]
    check = Figure(CHAPTER, f"one session read, {count:,} in {store}", "µs", [full, Series("empty", empty.samples)])
    check.note = "from the store, nothing cached; median of single reads"
    began_at = time.perf_counter()
    issuer.revoke_everything()
    seconds = time.perf_counter() - began_at
    ending = Figure(CHAPTER, f"all {count:,} ended at once in {store}", "ms", [Series("Keyturn", [1e3 * seconds])])
    ending.note = "one log entry revokes every earlier session"
    return [size, check, ending, _purge_figure(f"{count:,} in {store}", issuer, start_purge())]


def _checks(issuer: Issuer) -> Series:
    """Measure microseconds of single reads."""
    port: Any = issuer.parts.sync_store.sessions
    now = Instant(int(time.time()))
    stored = [new_session(now) for _ in range(READS // 20)]
    for each in stored:
        port.insert(each)
    samples = []
    for number in range(READS):
        sid = stored[number % len(stored)].sid
        began_at = time.perf_counter()
        assert port.load(sid) is not None
        samples.append(1e6 * (time.perf_counter() - began_at))
    return Series("Keyturn", [median(samples[n::10]) for n in range(10)])


def _purge_figure(what: str, issuer: Issuer, purge: Purge) -> Figure:
    """Measure the purge of expired sessions while another thread inserts sessions."""
    waits: list[float] = []
    stop = threading.Event()
    writer = threading.Thread(target=_insert_sessions, args=(issuer, waits, stop))
    writer.start()
    began_at = time.perf_counter()
    purged = purge()
    seconds = time.perf_counter() - began_at
    stop.set()
    writer.join()
    waits.sort()
    figure = Figure(CHAPTER, f"others' writes while {what} are purged", "ms", [Series("Keyturn", waits)])
    p99 = waits[int(0.99 * len(waits))]
    figure.note = f"purged {purged:,} in {seconds:.1f} s; longest wait {waits[-1]:.1f} ms, p99 {p99:.1f} ms"
    return figure


def _insert_sessions(issuer: Issuer, waits: list[float], stop: threading.Event) -> None:
    port: Any = issuer.parts.sync_store.sessions
    while not stop.is_set():
        each = new_session(Instant(int(time.time()) + 50 * DAY))
        began_at = time.perf_counter()
        port.insert(each)
        waits.append(1e3 * (time.perf_counter() - began_at))
        time.sleep(0.002)
