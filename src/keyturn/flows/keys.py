"""Key rollover: prepare the next signing key and delete expired ones. Every process runs it every few seconds."""

from collections.abc import Sequence

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow, call
from keyturn.ports import KeyGenerator, KeyStore, StoredKey
from keyturn.tokens.rollover import RolloverPolicy, next_active_at, next_rollover_at, states


def roll_keys(algorithm: str, now: Instant, policy: RolloverPolicy) -> Flow[Sequence[StoredKey]]:
    """Add a next key if one is due, delete the expired keys, and return the others.

    Processes need no leader: each serial number can be inserted once, and the process that loses the race reads the
    winner's key.
    """
    keys = yield from call(KeyStore.list)
    due_at = next_rollover_at(keys, now, policy)
    if due_at is not None and due_at <= now:
        yield from _add(keys, algorithm, next_active_at(keys, now, policy))
        keys = yield from call(KeyStore.list)
    key_states = states(keys, now, policy.retired_seconds)
    for key in [each for each in keys if each.serial not in key_states]:
        yield from call(KeyStore.delete, key.kid)
    return [each for each in keys if each.serial in key_states]


def add_key(algorithm: str, now: Instant, policy: RolloverPolicy) -> Flow[None]:
    """Add a next key now, even if none is due. It signs after it was published for ``publish_seconds``."""
    keys = yield from call(KeyStore.list)
    active_at = Instant(now + policy.publish_seconds) if keys else now
    yield from _add(keys, algorithm, active_at)


def _add(keys: Sequence[StoredKey], algorithm: str, active_at: Instant) -> Flow[None]:
    serial = max((each.serial for each in keys), default=0) + 1
    yield from call(KeyStore.insert, (yield from call(KeyGenerator.make, algorithm, serial, active_at)))
