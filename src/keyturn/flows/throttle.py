"""Throttling: reserve an attempt before the password is hashed, and release it if the password is right."""

from dataclasses import dataclass

from keyturn.core.policy import ThrottlePolicy
from keyturn.core.throttle import Rate, account_key, address_key, device_key, release, try_reserve
from keyturn.core.types import Instant, T
from keyturn.errors import Overloaded, StoreUnavailable, Throttled
from keyturn.flows.effects import Flow, call
from keyturn.ports import PasswordCheck, PasswordHasher, ThrottleStore


@dataclass(frozen=True, slots=True)
class AttemptReservation:
    """One attempt counted in one bucket."""

    key: str
    rate: Rate
    reserved_at: Instant


def reserve_login(
    identifier: str, address: str, device: bytes | None, now: Instant, policy: ThrottlePolicy
) -> Flow[list[AttemptReservation]]:
    """Reserve a login attempt, per device if the device is known, else per address and per account.

    Attempts on a known device have their own bucket, so that an attack from other devices never locks its owner out.
    Raises ``Throttled``, with every reservation released.
    """
    window = policy.window_seconds
    if device is not None:
        return (yield from reserve([(device_key(identifier, device), Rate(policy.device_limit, window))], now))
    limits = [
        (address_key(address), Rate(policy.address_limit, window)),
        (account_key(identifier), Rate(policy.account_limit, window)),
    ]
    return (yield from reserve(limits, now))


def reserve(limits: list[tuple[str, Rate]], now: Instant) -> Flow[list[AttemptReservation]]:
    """Reserve one attempt in every bucket of ``limits``, or in none. Raises ``Throttled``."""
    reservations: list[AttemptReservation] = []
    for key, rate in limits:
        retry_after = yield from _reserve_one(key, rate, now)
        if retry_after:
            yield from release_reservations(reservations)
            raise Throttled(key.partition(":")[0], retry_after_seconds=retry_after)
        reservations.append(AttemptReservation(key, rate, now))
    return reservations


def verify_password(
    reservations: list[AttemptReservation], encoded: str | None, password: str, identifier: str
) -> Flow[PasswordCheck]:
    """Verify a password. ``identifier``: of the account. Raises ``Overloaded``, with ``reservations`` released."""
    return (yield from release_if_unavailable(reservations, call(PasswordHasher.verify, encoded, password, identifier)))


def release_if_unavailable(reservations: list[AttemptReservation], flow: Flow[T]) -> Flow[T]:
    """Run ``flow``. Release ``reservations`` if it raises ``Overloaded`` or ``StoreUnavailable``.

    No password was verified then, so no attempt was made: retries during a flood or an outage must not lock out users.
    """
    try:
        return (yield from flow)
    except (Overloaded, StoreUnavailable):
        yield from release_reservations(reservations)
        raise


def release_reservations(reservations: list[AttemptReservation]) -> Flow[None]:
    """Release reservations, because only failed attempts count."""
    for each in reservations:
        while True:
            bucket = yield from call(ThrottleStore.load, each.key)
            if bucket is None or (yield from call(ThrottleStore.replace, release(bucket, each.reserved_at, each.rate))):
                break


def _reserve_one(key: str, rate: Rate, now: Instant) -> Flow[int]:
    while True:
        decision = try_reserve(key, (yield from call(ThrottleStore.load, key)), now, rate)
        if not decision.allowed:
            return decision.retry_after_seconds
        # Compare and swap: of parallel attempts that read the same bucket, one succeeds and the others read again.
        if (yield from call(ThrottleStore.replace, decision.bucket)):
            return 0
