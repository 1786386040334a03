"""Refusals that ask the client to try again later (429 and 503)."""

from typing import ClassVar

from keyturn.errors.refusal import Refusal


class Throttled(Refusal):
    code, status = "throttled", 429
    hint = "Too many attempts; wait as long as Retry-After says."


class Unavailable(Refusal):
    code, status = "unavailable", 503
    hint = "Try again as Retry-After says; your login is not affected."
    default_retry_after_seconds: ClassVar[int] = 1

    def __init__(self, detail: str = "", *, retry_after_seconds: int | None = None) -> None:
        seconds = self.default_retry_after_seconds if retry_after_seconds is None else retry_after_seconds
        super().__init__(detail, retry_after_seconds=seconds)


class Overloaded(Unavailable):
    code = "overloaded"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class GrantsUnavailable(Unavailable):
    """The application could not say which scopes and claims a login gets: nothing is granted, and nothing is ended."""

    code = "grants_unavailable"


class ClockUncertain(Unavailable):
    """Clocks disagree, and the credential is not valid by each: never accept, never 401, never end a session."""

    code = "clock_uncertain"
    hint = "A clock of this service is wrong. Keep your login and try again later; its operators must set the clock."
    default_retry_after_seconds = 15
    """The interval at which the clocks are compared."""


class RevocationUnknown(Unavailable):
    """The feed is older than the staleness bound and the store is unavailable: never accept, never 401."""

    code = "revocation_unknown"


class NotDurable(StoreUnavailable):
    """A write has not reached the configured number of replicas: do not rely on it; repeating it is safe."""

    code = "not_durable"


class StoreQuarantined(StoreUnavailable):
    """The session store restarted or failed over and may have lost acknowledged writes (P3): it is not used for now."""

    code = "store_quarantined"


class StoreRestored(StoreUnavailable):
    """The database was put back from a backup and has lost revocations: nothing issued before is served for now."""

    code = "store_restored"
    hint = "Log in again, or wait: the server's data was restored, and its operators have to confirm older logins."
    default_retry_after_seconds = 30
