"""Upkeep: what every process does unasked, in threads of its own: following the revocation feed, relaying it, rolling
keys, sweeping what is dead. A process whose upkeep stops is safe: past the staleness bound it asks the store."""

import logging
import threading
import time

from keyturn.config.components import Components
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, Unavailable
from keyturn.flows import Flow, add_key, call, drive, roll_keys
from keyturn.flows.effects import stored_keys
from keyturn.stores.log_follower import connect_feed

PURGE_SECONDS = 60.0
"""How often dead sessions, entries and buckets are deleted."""

LINGER_SECONDS = 3600

DAY_SECONDS = 86400

KEYS_SECONDS = 15.0
"""How often at least the signing keys are looked at."""

_logger = logging.getLogger("keyturn.upkeep")


class BackgroundTasks:
    """The threads of one process. Daemons: they never hold up an exit."""

    def __init__(self, parts: Components) -> None:
        self._parts = parts
        self._stop = threading.Event()
        self._feed = connect_feed(parts.sync_store, parts.session_cache, now=parts.now, monotonic=parts.monotonic)
        self._relay = parts.redis_cache.relay if parts.redis_cache else None
        self._threads = [
            threading.Thread(target=self._feed.run_thread, args=(self._stop,), name="keyturn-feed", daemon=True),
            threading.Thread(target=self._run_periodically, name="keyturn-upkeep", daemon=True),
        ]
        if self._relay is not None:
            parts.session_cache.subscribe(self._relay.wake)
            run = self._relay.run
            self._threads.append(threading.Thread(target=run, args=(self._stop,), name="keyturn-relay", daemon=True))

        if (quarantine := parts.quarantine) is not None:
            given = (self._stop, parts.session_cache.revocations, parts.now)
            watch = threading.Thread(target=quarantine.watch, args=given, name="keyturn-quarantine", daemon=True)
            self._threads.append(watch)

    def start(self) -> None:
        """Begin."""
        if self._parts.quarantine is not None:
            self._parts.quarantine.expect_failover()
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """End, and wait for what is under way."""
        self._stop.set()
        if self._relay is not None:
            self._relay.wake()
        for each in self._threads:
            if each.ident is not None:
                each.join()
        self._feed.close()
        if self._relay is not None:
            self._relay.close()

    def _run_periodically(self) -> None:
        # Well within the time a next key is published ahead, so that no process misses it.
        pause = min(KEYS_SECONDS, self._parts.rollover.publish_seconds / 4)
        swept_at = time.monotonic()
        while not self._stop.wait(pause):
            self._try(refresh_keys(self._parts))
            if time.monotonic() - swept_at >= PURGE_SECONDS:
                self._try(purge_expired(self._parts))
                swept_at = time.monotonic()

    def _try(self, flow: Flow[object]) -> None:
        try:
            drive(flow, self._parts.sync_ports)
        except Unavailable as away:
            _logger.warning("a round of upkeep failed, the next may not: %s", away.detail or away.code)
        except Exception:  # whatever it was, the next round may succeed; nothing depends on this one
            _logger.exception("a round of upkeep failed")


def refresh_keys(parts: Components) -> Flow[None]:
    """Roll what is due and use what the store now holds."""
    stored = yield from roll_keys(parts.config.profile.token.algorithm, parts.now(), parts.rollover)
    parts.keyring.load(stored)


def first_keys(parts: Components) -> Flow[None]:
    """The keys to start with. Raises ``ConfigurationError`` in production when there is none: nothing is made there."""
    if parts.settings.environment == "production" and not (yield from stored_keys()):
        raise ConfigurationError("the store holds no signing key; make the first with: keyturn keys add")
    yield from refresh_keys(parts)


def add_next_key(parts: Components) -> Flow[None]:
    """Add a next key ahead of schedule."""
    yield from add_key(parts.config.profile.token.algorithm, parts.now(), parts.rollover)
    yield from refresh_keys(parts)


def purge_expired(parts: Components) -> Flow[int]:
    """Delete what is dead, and security events older than ``audit_days``. Answers how many sessions went."""
    # An attempt under way must not meet its bucket's number anew: what is deleted has been empty for an hour.
    yield from call("throttles", "purge", Instant(parts.now() - LINGER_SECONDS))
    if parts.settings.audit_retention_days:
        yield from call("audit", "purge", Instant(parts.now() - parts.settings.audit_retention_days * DAY_SECONDS))
    return int((yield from call("sessions", "purge", parts.now())))
