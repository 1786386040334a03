"""Background tasks of every process: follow and relay the revocation feed, roll keys, purge expired records.

If they stop, the process stays safe: after the staleness bound it asks the store.
"""

import logging
import threading
import time

from keyturn.config.components import Components
from keyturn.core.one_time import MARGIN_SECONDS
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, Unavailable
from keyturn.flows import Flow, add_key, call, drive, roll_keys
from keyturn.ports import AuditLog, KeyStore, OneTimeStore, RevocationLog, SessionStore, ThrottleStore
from keyturn.stores.log_follower import connect_feed

PURGE_SECONDS = 60.0
"""Interval at which expired sessions, log entries and buckets are deleted."""

EMPTY_BUCKET_SECONDS = 3600

DAY_SECONDS = 86400

KEYS_SECONDS = 15.0
"""Longest interval at which the signing keys are checked."""

_logger = logging.getLogger("keyturn.background")


class BackgroundTasks:
    """Background threads of one process. They are daemon threads, which never delay the exit."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self._stop = threading.Event()
        self._feed = connect_feed(
            components.sync_store,
            components.session_cache,
            now=components.now,
            monotonic=components.monotonic,
            save_mark=components.mark_file.save,
        )
        self._relay = components.redis_cache.relay if components.redis_cache else None
        self._threads = [
            threading.Thread(target=self._feed.run_thread, args=(self._stop,), name="keyturn-feed", daemon=True),
            threading.Thread(target=self._run_loop, name="keyturn.background", daemon=True),
        ]
        if self._relay is not None:
            wake, run = self._relay.wake, self._relay.run
            components.session_cache.subscribe(lambda _: wake())
            self._threads.append(threading.Thread(target=run, args=(self._stop,), name="keyturn-relay", daemon=True))

        if (quarantine := components.quarantine) is not None:
            arguments = (self._stop, components.session_cache.revocations, components.now)
            watch = threading.Thread(target=quarantine.watch, args=arguments, name="keyturn-quarantine", daemon=True)
            self._threads.append(watch)

    def start(self) -> None:
        """Start the threads."""
        if self._components.quarantine is not None:
            self._components.quarantine.expect_failover()
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """Stop the threads and wait for them."""
        self._stop.set()
        if self._relay is not None:
            self._relay.wake()
        for each in self._threads:
            if each.ident is not None:
                each.join()
        self._feed.close()
        if self._relay is not None:
            self._relay.close()

    def _run_loop(self) -> None:
        # Well below the time for which a next key is published ahead, so that every process loads it in time.
        pause = min(KEYS_SECONDS, self._components.rollover.publish_seconds / 4)
        purged_at = time.monotonic()
        while not self._stop.wait(pause):
            self._try(measure_clock(self._components))
            self._try(refresh_keys(self._components))
            if time.monotonic() - purged_at >= PURGE_SECONDS:
                self._try(purge_expired(self._components))
                purged_at = time.monotonic()

    def _try(self, flow: Flow[object]) -> None:
        try:
            drive(flow, self._components.sync_ports)
        except Unavailable as error:
            _logger.warning("background tasks failed; they run again in a few seconds: %s", error.detail or error.code)
        except Exception:  # the next round may succeed; nothing depends on this one
            _logger.exception("background tasks failed; they run again in a few seconds")


def measure_clock(components: Components) -> Flow[None]:
    """Compare the clock of this machine with the store's."""
    sent_at = components.monotonic()
    components.store_clock.record((yield from call(RevocationLog.clock)), sent_at)


def refresh_keys(components: Components) -> Flow[None]:
    """Roll the signing keys if due and load the stored keys into the key ring."""
    stored = yield from call(KeyStore.list)
    if stored and components.store_clock.read().gap_seconds:
        # A clock that is ahead would delete keys whose tokens are still valid.
        components.keyring.load(stored)
        return
    keys = yield from roll_keys(components.config.profile.token.algorithm, components.now(), components.rollover)
    components.keyring.load(keys)


def load_first_keys(components: Components) -> Flow[None]:
    """Load the signing keys at startup.

    Raises ``ConfigurationError`` in production if the store holds none, because nothing is generated there.
    """
    if components.settings.environment == "production" and not (yield from call(KeyStore.list)):
        raise ConfigurationError("the store holds no signing key; create the first one with: keyturn keys add")
    yield from refresh_keys(components)


def add_next_key(components: Components) -> Flow[None]:
    """Add a next key ahead of schedule."""
    yield from add_key(components.config.profile.token.algorithm, components.now(), components.rollover)
    yield from refresh_keys(components)


def purge_expired(components: Components) -> Flow[int]:
    """Delete expired buckets and sessions, and security events older than ``audit_retention_days``.

    Return the number of deleted sessions. Nothing is deleted while the clocks of this machine and the store disagree.
    """
    yield from measure_clock(components)
    reading = components.store_clock.read()
    if reading.gap_seconds:
        return 0
    return (yield from _purge(components, reading.now))


def _purge(components: Components, now: Instant) -> Flow[int]:
    # Delete only buckets that have been empty for an hour: a deleted bucket restarts its version at 0, and a concurrent
    # attempt could mistake that for the version it read.
    yield from call(ThrottleStore.purge, Instant(now - EMPTY_BUCKET_SECONDS))
    if components.settings.audit_retention_days:
        yield from call(AuditLog.purge, Instant(now - components.settings.audit_retention_days * DAY_SECONDS))
    yield from call(OneTimeStore.purge, Instant(now - MARGIN_SECONDS))
    return (yield from call(SessionStore.purge, now))
