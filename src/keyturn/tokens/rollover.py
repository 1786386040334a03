"""Key rollover as a pure schedule: *next* keys are published, the *active* key signs, *retired* keys only verify.

A key's state depends on time alone, so processes agree without communication. The only write adds a *next* key.
Recommended practice: NIST SP 800-57 part 1 section 5.3.5, RFC 7517 section 4.5, OpenID Connect Core section 10.1.1.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise
from typing import Protocol, TypeVar

from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError
from keyturn.tokens.keys import SigningKey
from keyturn.tokens.keyset import KeySet


class KeyState(StrEnum):
    """Rollover state of a signing key."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class HasActivation(Protocol):
    """Entry of the schedule: a key in memory, or a stored key, which need not be decrypted to know its state."""

    @property
    def serial(self) -> int: ...
    @property
    def active_at(self) -> Instant: ...


S = TypeVar("S", bound=HasActivation)


@dataclass(frozen=True)
class ScheduledKey:
    """Signing key and the time it starts to sign. ``serial``: unique number in the store, in order of creation."""

    key: SigningKey
    serial: int
    active_at: Instant


@dataclass(frozen=True)
class RolloverPolicy:
    """Durations of the key states, in whole seconds, all positive.

    ``rollover_seconds``: how long one key signs.
    ``publish_seconds``: how long a key is published before it signs; at least as long as verifiers cache the key set.
    ``retired_seconds``: how long a key is published after it stopped signing; at least the lifetime of a token plus
    the leeway plus the clock skew between issuers.

    Raises :class:`ConfigurationError`, listing every problem.
    """

    rollover_seconds: int = 90 * 86_400
    publish_seconds: int = 86_400
    retired_seconds: int = 86_400

    def __post_init__(self) -> None:
        # type, not isinstance: True is an int, but not a number of seconds
        invalid_names = [
            field.name for field in fields(self) if type(at := getattr(self, field.name)) is not int or at <= 0
        ]
        if invalid_names:
            raise ConfigurationError(*(f"{name} must be a positive whole number of seconds" for name in invalid_names))
        if self.publish_seconds >= self.rollover_seconds:
            raise ConfigurationError(
                "publish_seconds must be less than rollover_seconds: a key is published while another still signs"
            )


def states(keys: Iterable[HasActivation], now: Instant, retired_seconds: int) -> dict[int, KeyState]:
    """Return the state of each key by ``serial``, without keys whose tokens have all expired.

    The active key is the newest one with ``active_at <= now``. If there is none, the first key is active: a clock
    behind the one that created the key must not leave the issuer without a key.
    """
    ordered = _sort_by_start(keys)
    active = _active_index(ordered, now)
    states_by_serial: dict[int, KeyState] = {}
    for index, scheduled in enumerate(ordered):
        if index > active:
            states_by_serial[scheduled.serial] = KeyState.NEXT
        elif index == active:
            states_by_serial[scheduled.serial] = KeyState.ACTIVE
        elif now < ordered[index + 1].active_at + retired_seconds:
            states_by_serial[scheduled.serial] = KeyState.RETIRED
    return states_by_serial


def next_rollover_at(keys: Iterable[HasActivation], now: Instant, policy: RolloverPolicy) -> Instant | None:
    """Return when a *next* key must be added; a past time means now. ``None`` while there is a *next* key."""
    ordered = _sort_by_start(keys)
    if not ordered:
        return now
    active = _active_index(ordered, now)
    if active < len(ordered) - 1:
        return None
    return Instant(ordered[active].active_at + policy.rollover_seconds - policy.publish_seconds)


def next_active_at(keys: Iterable[HasActivation], now: Instant, policy: RolloverPolicy) -> Instant:
    """Return ``active_at`` for a key made now: ``now`` for the first key, else after the publication period."""
    ordered = _sort_by_start(keys)
    if not ordered:
        return now
    return Instant(max(ordered[-1].active_at + policy.rollover_seconds, now + policy.publish_seconds))


class SigningKeySet:
    """All keys of the store with their schedule. Immutable: make a new one after a key was added.

    Raises :class:`ConfigurationError` when two keys share a serial or a ``kid``.
    """

    __slots__ = ("_keys", "_published", "_retired_seconds", "_state_changes")

    def __init__(self, keys: Iterable[ScheduledKey], retired_seconds: int) -> None:
        self._keys = _sort_by_start(keys)
        self._retired_seconds = retired_seconds
        self._state_changes = _state_changes(self._keys, retired_seconds)
        self._published: dict[int, KeySet] = {}
        if duplicates := [b for a, b in pairwise(sorted(k.serial for k in self._keys)) if a == b]:
            raise ConfigurationError(f"two signing keys have the serial {duplicates[0]}; add each key once")
        KeySet(scheduled.key for scheduled in self._keys)

    def active(self, now: Instant) -> SigningKey:
        """Return the key that signs at ``now``. Raises :class:`ConfigurationError` when the set is empty."""
        if not self._keys:
            raise ConfigurationError("there is no signing key; add one, or open the issuer, which makes the first")
        return self._keys[_active_index(self._keys, now)].key

    def states(self, now: Instant) -> dict[int, KeyState]:
        """Return the state of each key by serial, as :func:`states`."""
        return states(self._keys, now, self._retired_seconds)

    def published(self, now: Instant) -> KeySet:
        """Return the keys that verify at ``now``: next, active, and retired ones whose tokens may still be valid.

        Between two state changes the same object is returned, so that its header cache is kept. An HMAC key is
        included, for verification on this server; :meth:`KeySet.to_jwks` omits it.
        """
        period = bisect_right(self._state_changes, now)
        keys = self._published.get(period)
        if keys is None:
            states_by_serial = self.states(now)
            keys = KeySet(scheduled.key for scheduled in self._keys if scheduled.serial in states_by_serial)
            self._published[period] = keys
        return keys

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"SigningKeySet({list(self._keys)!r}, retired_seconds={self._retired_seconds})"


def _sort_by_start(keys: Iterable[S]) -> tuple[S, ...]:
    return tuple(sorted(keys, key=lambda scheduled: (scheduled.active_at, scheduled.serial)))


def _state_changes(ordered: Sequence[ScheduledKey], retired_seconds: int) -> list[int]:
    """Return every time at which a state changes, in order."""
    starts = [scheduled.active_at for scheduled in ordered]
    return sorted({*starts, *(moment + retired_seconds for moment in starts)})


def _active_index(ordered: Sequence[HasActivation], now: Instant) -> int:
    started = [index for index, scheduled in enumerate(ordered) if scheduled.active_at <= now]
    return started[-1] if started else 0
