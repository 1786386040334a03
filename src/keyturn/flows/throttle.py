"""Throttle: reserve an attempt before the password is hashed, give it back when it succeeded."""

from dataclasses import dataclass
from typing import TypeVar

from keyturn.core.instant import Instant
from keyturn.core.policy import ThrottlePolicy
from keyturn.core.throttle import Rate, account_key, address_key, device_key, release, try_reserve
from keyturn.errors import Overloaded, StoreUnavailable, Throttled
from keyturn.flows import asks
from keyturn.flows.step import Flow
from keyturn.ports import PasswordCheck

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reservation:
    """One attempt counted in one bucket."""

    key: str
    rate: Rate
    reserved_at: Instant


def reserve_login(
    identifier: str, address: str, device: bytes | None, now: Instant, policy: ThrottlePolicy
) -> Flow[list[Reservation]]:
    """Count a login attempt. A known device is counted alone, so an attack from elsewhere never locks its owner out.

    Raises ``Throttled``; nothing stays reserved then.
    """
    window = policy.window_seconds
    if device is not None:
        return (yield from reserve([(device_key(identifier, device), Rate(policy.device_limit, window))], now))
    wanted = [
        (address_key(address), Rate(policy.address_limit, window)),
        (account_key(identifier), Rate(policy.account_limit, window)),
    ]
    return (yield from reserve(wanted, now))


def reserve(wanted: list[tuple[str, Rate]], now: Instant) -> Flow[list[Reservation]]:
    """Count one attempt in every bucket of ``wanted``, or in none. Raises ``Throttled``."""
    held: list[Reservation] = []
    for key, rate in wanted:
        retry_after = yield from _reserve_one(key, rate, now)
        if retry_after:
            yield from give_back(held)
            raise Throttled(key.partition(":")[0], retry_after_seconds=retry_after)
        held.append(Reservation(key, rate, now))
    return held


def compare(held: list[Reservation], encoded: str | None, password: str) -> Flow[PasswordCheck]:
    """Compare a password under the attempts ``held``. Raises ``Overloaded``, and nothing stays reserved then."""
    return (yield from if_answered(held, asks.verify_password(encoded, password)))


def if_answered(held: list[Reservation], question: Flow[T]) -> Flow[T]:
    """Ask, before any password is compared, under the attempts ``held``.

    Raises ``Overloaded``, ``StoreUnavailable``: nobody looked, so nothing was attempted, and neither a flood nor an
    outage may lock anybody out through the retries it causes.
    """
    try:
        return (yield from question)
    except (Overloaded, StoreUnavailable):
        yield from give_back(held)
        raise


def give_back(held: list[Reservation]) -> Flow[None]:
    """Undo reservations: only failures count."""
    for each in held:
        while True:
            found = yield from asks.bucket(each.key)
            if found is None or (yield from asks.replace_bucket(release(found, each.reserved_at, each.rate))):
                break


def _reserve_one(key: str, rate: Rate, now: Instant) -> Flow[int]:
    while True:
        admission = try_reserve(key, (yield from asks.bucket(key)), now, rate)
        if not admission.allowed:
            return admission.retry_after_seconds
        # Compare and swap: a parallel burst cannot be admitted twice on one reading.
        if (yield from asks.replace_bucket(admission.bucket)):
            return 0
